//! A tool for tests: a socket between two nodes that does to their connections what a bad network
//! does. What it does can change at any time.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Handle;
use tokio::sync::{Notify, mpsc};
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;

/// What a [`FaultProxy`] does to bytes on their way. Default: nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProxyFaults {
    /// How long bytes are under way, each way.
    pub delay: Duration,
    /// How many bytes pass in a second, each way; none for as many as come.
    pub bytes_per_second: Option<u64>,
    /// Nothing passes: bytes are kept until it ends.
    pub is_stalled: bool,
    /// New connections are taken and closed at once.
    pub is_refusing: bool,
    /// A bit is flipped in one of so many kilobytes on the way to the target; 0 for none.
    pub corrupts_one_in_kb: u64,
}

/// Listens on a port of the loopback interface and passes everything on to a target.
///
/// It ends with its last handle.
pub struct FaultProxy(Arc<Inner>);

struct Inner {
    address: SocketAddr,
    target: ArcSwap<SocketAddr>,
    faults: ArcSwap<ProxyFaults>,
    changed: Notify,
    /// Ends the connections that there are.
    cut: ArcSwap<CancellationToken>,
    /// Ends their way to the target.
    half: ArcSwap<CancellationToken>,
    stop: CancellationToken,
}

impl FaultProxy {
    /// Begins to pass on, on a runtime.
    ///
    /// # Errors
    /// Where no port is free.
    pub fn start(target: SocketAddr, handle: &Handle) -> io::Result<Self> {
        let listener = std::net::TcpListener::bind((std::net::Ipv4Addr::LOCALHOST, 0))?;
        listener.set_nonblocking(true)?;
        let stop = CancellationToken::new();
        let inner = Arc::new(Inner {
            address: listener.local_addr()?,
            target: ArcSwap::from_pointee(target),
            faults: ArcSwap::default(),
            changed: Notify::new(),
            cut: ArcSwap::from_pointee(stop.child_token()),
            half: ArcSwap::from_pointee(stop.child_token()),
            stop: stop.clone(),
        });
        let passing = pass(Arc::clone(&inner), listener);
        handle.spawn(async move { stop.run_until_cancelled(passing).await });
        Ok(FaultProxy(inner))
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.0.address
    }

    /// Passes new connections on to another target.
    pub fn set_target(&self, target: SocketAddr) {
        self.0.target.store(Arc::new(target));
    }

    /// Does this from now on, also to the connections that there are.
    pub fn set(&self, faults: ProxyFaults) {
        self.0.faults.store(Arc::new(faults));
        self.0.changed.notify_waiters();
    }

    /// Ends all connections that there are, as a cable that is pulled does.
    pub fn cut(&self) {
        let next = self.0.stop.child_token();
        self.0.cut.swap(Arc::new(next)).cancel();
    }

    /// Closes the way to the target of all connections that there are, and leaves the way back
    /// open.
    pub fn half_close(&self) {
        let next = self.0.stop.child_token();
        self.0.half.swap(Arc::new(next)).cancel();
    }
}

impl Drop for FaultProxy {
    fn drop(&mut self) {
        self.0.stop.cancel();
    }
}

async fn pass(inner: Arc<Inner>, listener: std::net::TcpListener) {
    let Ok(listener) = TcpListener::from_std(listener) else { return };
    loop {
        let Ok((near, _)) = listener.accept().await else {
            sleep(ACCEPT_AGAIN).await;
            continue;
        };
        if inner.faults.load().is_refusing {
            continue;
        }
        let inner = Arc::clone(&inner);
        let cut = CancellationToken::clone(&inner.cut.load());
        let half = CancellationToken::clone(&inner.half.load());
        tokio::spawn(async move {
            let target = **inner.target.load();
            let Ok(far) = TcpStream::connect(target).await else { return };
            let _ = near.set_nodelay(true).and_then(|()| far.set_nodelay(true));
            let ((near_read, near_write), (far_read, far_write)) =
                (near.into_split(), far.into_split());
            let there = half.run_until_cancelled(carry(&inner, near_read, far_write, true));
            let back = carry(&inner, far_read, near_write, false);
            // Each direction ends for itself: one end may have said all it will say.
            cut.run_until_cancelled(async { tokio::join!(there, back) }).await;
        });
    }
}

/// Carries bytes one way; reading goes on while others are under way.
async fn carry(
    inner: &Arc<Inner>,
    mut from: OwnedReadHalf,
    to: OwnedWriteHalf,
    is_corrupting: bool,
) {
    let (sender, receiver) = mpsc::channel(UNDER_WAY_MAX);
    let reading = async move {
        let mut n_passed = 0;
        loop {
            let mut bytes = vec![0; CHUNK_BYTES];
            let n_bytes = from.read(&mut bytes).await.unwrap_or(0);
            if n_bytes == 0 {
                return;
            }
            bytes.truncate(n_bytes);
            let faults = inner.faults.load_full();
            if is_corrupting && faults.corrupts_one_in_kb > 0 {
                n_passed += n_bytes as u64;
                if n_passed >= faults.corrupts_one_in_kb * 1_000 {
                    n_passed = 0;
                    bytes[n_bytes / 2] ^= 1;
                }
            }
            if sender.send((Instant::now() + faults.delay, bytes)).await.is_err() {
                return;
            }
        }
    };
    tokio::join!(reading, deliver(inner, receiver, to));
}

async fn deliver(
    inner: &Inner,
    mut under_way: mpsc::Receiver<(Instant, Vec<u8>)>,
    mut to: OwnedWriteHalf,
) {
    while let Some((due, bytes)) = under_way.recv().await {
        sleep_until(due).await;
        loop {
            let changed = inner.changed.notified();
            if !inner.faults.load().is_stalled {
                break;
            }
            changed.await;
        }
        if let Some(rate) = inner.faults.load().bytes_per_second {
            sleep(Duration::from_micros(bytes.len() as u64 * 1_000_000 / rate.max(1))).await;
        }
        if to.write_all(&bytes).await.is_err() {
            under_way.close();
            return;
        }
    }
    let _ = to.shutdown().await;
}

/// What is read at a time.
const CHUNK_BYTES: usize = 16_384;

/// Chunks under way one way: 64 MB, more than a round trip of any link holds.
const UNDER_WAY_MAX: usize = 4_096;

/// Before another connection is taken where the last could not be.
const ACCEPT_AGAIN: Duration = Duration::from_millis(100);
