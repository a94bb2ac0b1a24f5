//! Two ends, each on a thread of its own with a runtime of its own, and what they measure.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, watch};

use crate::link::{BLOCK_BYTES, Class, Link, Message};
use crate::path::{End, Path};

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    #[cfg(feature = "noise")]
    Noise,
    /// TCP_NOTSENT_LOWAT left alone, to see what it does.
    #[cfg(feature = "noise")]
    NoiseUnlimited,
    /// A receive buffer of a fixed size.
    #[cfg(feature = "noise")]
    NoiseBounded,
    /// Blocks on a connection of their own.
    #[cfg(feature = "noise")]
    NoiseTwice,
    #[cfg(feature = "quic")]
    Quic,
}

impl Kind {
    pub const ALL: &[Kind] = &[
        #[cfg(feature = "noise")]
        Kind::Noise,
        #[cfg(feature = "noise")]
        Kind::NoiseUnlimited,
        #[cfg(feature = "noise")]
        Kind::NoiseBounded,
        #[cfg(feature = "noise")]
        Kind::NoiseTwice,
        #[cfg(feature = "quic")]
        Kind::Quic,
    ];

    pub fn name(self) -> &'static str {
        match self {
            #[cfg(feature = "noise")]
            Self::Noise => "TCP + Noise",
            #[cfg(feature = "noise")]
            Self::NoiseUnlimited => "TCP + Noise, no NOTSENT_LOWAT",
            #[cfg(feature = "noise")]
            Self::NoiseBounded => "TCP + Noise, SO_RCVBUF 512 KiB",
            #[cfg(feature = "noise")]
            Self::NoiseTwice => "TCP + Noise, blocks apart",
            #[cfg(feature = "quic")]
            Self::Quic => "QUIC",
        }
    }

    fn links(self) -> usize {
        match self {
            #[cfg(feature = "noise")]
            Self::NoiseTwice => 2,
            _ => 1,
        }
    }
}

/// The links to one peer: the last one is for blocks.
struct Peer {
    links: Vec<Link>,
}

impl Peer {
    fn to(&self, class: Class) -> &mpsc::Sender<Vec<u8>> {
        let index = if class == Class::Block { self.links.len() - 1 } else { 0 };
        &self.links[index].to[class as usize]
    }

    async fn receive(&mut self) -> Message {
        match self.links.as_mut_slice() {
            [link] => link.from.recv().await,
            [first, second] => tokio::select! {
                message = first.from.recv() => message,
                message = second.from.recv() => message,
            },
            _ => None,
        }
        .expect("the other end is there")
    }
}

enum Listener {
    #[cfg(feature = "noise")]
    Tcp(tokio::net::TcpListener, crate::noise::Options),
    #[cfg(feature = "quic")]
    Quic(quinn::Endpoint),
}

/// What the near end keeps from one connection to the next.
enum Caller {
    #[cfg(feature = "noise")]
    Tcp(crate::noise::Options),
    #[cfg(feature = "quic")]
    Quic(quinn::Endpoint),
}

#[derive(Clone)]
struct Dialer {
    path: Arc<Path>,
    kind: Kind,
    congestion: &'static str,
}

impl Dialer {
    #[cfg(feature = "noise")]
    fn options(&self) -> crate::noise::Options {
        crate::noise::Options {
            congestion: self.congestion,
            is_notsent_limited: self.kind != Kind::NoiseUnlimited,
            receive_bytes: if self.kind == Kind::NoiseBounded { 512 << 10 } else { 0 },
        }
    }

    fn listen(&self) -> io::Result<Listener> {
        let address = self.path.address();
        Ok(match self.kind {
            #[cfg(feature = "quic")]
            Kind::Quic => Listener::Quic(crate::quic::server(address, self.congestion)?),
            #[cfg(feature = "noise")]
            _ => Listener::Tcp(crate::noise::listen(address, &self.options())?, self.options()),
        })
    }

    async fn accept(&self, listener: &Listener) -> io::Result<Peer> {
        let mut links = Vec::new();
        for _ in 0..self.kind.links() {
            links.push(match listener {
                #[cfg(feature = "noise")]
                Listener::Tcp(listener, options) => crate::noise::accept(listener, options).await?,
                #[cfg(feature = "quic")]
                Listener::Quic(endpoint) => crate::quic::accept(endpoint).await?,
            });
        }
        Ok(Peer { links })
    }

    fn caller(&self) -> io::Result<Caller> {
        Ok(match self.kind {
            #[cfg(feature = "quic")]
            Kind::Quic => Caller::Quic(crate::quic::client(self.congestion)?),
            #[cfg(feature = "noise")]
            _ => Caller::Tcp(self.options()),
        })
    }

    async fn connect(&self, caller: &Caller) -> io::Result<Peer> {
        let address = self.path.address();
        let mut links = Vec::new();
        for _ in 0..self.kind.links() {
            links.push(match caller {
                #[cfg(feature = "noise")]
                Caller::Tcp(options) => crate::noise::connect(address, options).await?,
                #[cfg(feature = "quic")]
                Caller::Quic(endpoint) => crate::quic::connect(endpoint, address).await?,
            });
        }
        Ok(Peer { links })
    }

    /// Runs both ends to their end. The far one listens before the near one begins.
    fn run<T: Send, U: Send>(
        &self,
        near: impl AsyncFnOnce(&Dialer, Caller) -> T + Send,
        far: impl AsyncFnOnce(&Dialer, Listener) -> U + Send,
    ) -> (T, U) {
        let (listening, listens) = std::sync::mpsc::channel();
        thread::scope(|scope| {
            let far = scope.spawn(move || {
                self.path.enter(End::Far).expect("may enter");
                runtime().block_on(async {
                    let listener = self.listen().expect("the port is free");
                    listening.send(()).expect("awaited");
                    far(self, listener).await
                })
            });
            listens.recv().expect("listens");
            let near = scope.spawn(move || {
                self.path.enter(End::Near).expect("may enter");
                runtime().block_on(async { near(self, self.caller().expect("a socket")).await })
            });
            (near.join().expect("no panic"), far.join().expect("no panic"))
        })
    }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime")
}

/// User and system time of the calling thread.
fn cpu() -> Duration {
    // SAFETY: of zeros every field is valid, and the call writes only there.
    let usage = unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        libc::getrusage(libc::RUSAGE_THREAD, &raw mut usage);
        usage
    };
    [usage.ru_utime, usage.ru_stime]
        .iter()
        .map(|t| Duration::new(t.tv_sec.unsigned_abs(), t.tv_usec.unsigned_abs() as u32 * 1000))
        .sum()
}

pub struct Bench {
    dialer: Dialer,
}

#[derive(Clone, Copy)]
pub struct Latency {
    pub median: Duration,
    pub p99: Duration,
    pub max: Duration,
    pub block_megabytes_per_second: f64,
}

impl Latency {
    /// Each figure from the round that was best at it.
    pub fn best(rounds: &[Self]) -> Self {
        let least = |of: fn(&Self) -> Duration| rounds.iter().map(of).min().expect("some");
        Self {
            median: least(|l| l.median),
            p99: least(|l| l.p99),
            max: least(|l| l.max),
            block_megabytes_per_second: rounds
                .iter()
                .map(|l| l.block_megabytes_per_second)
                .fold(0.0, f64::max),
        }
    }
}

const VOTE_BYTES: usize = 300;

impl Bench {
    pub fn new(path: &Arc<Path>, kind: Kind, congestion: &'static str) -> Self {
        Self { dialer: Dialer { path: Arc::clone(path), kind, congestion } }
    }

    /// One-way times of votes sent `interval` apart, alone or with 4 MB blocks sent without a pause.
    pub fn latency(&self, n: usize, interval: Duration, warmup: Duration, blocks: bool) -> Latency {
        let epoch = Instant::now();
        let (done, is_done) = watch::channel(false);
        let near = async |dialer: &Dialer, caller: Caller| {
            let peer = dialer.connect(&caller).await.expect("connects");
            if blocks {
                let to = peer.to(Class::Block).clone();
                tokio::spawn(async move { while to.send(vec![1; 4 << 20]).await.is_ok() {} });
            }
            let mut ticks = tokio::time::interval(interval);
            ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
            while !*is_done.borrow() {
                ticks.tick().await;
                let mut vote = vec![0; VOTE_BYTES];
                let nanos = u64::try_from(epoch.elapsed().as_nanos()).expect("not that long");
                vote[..8].copy_from_slice(&nanos.to_le_bytes());
                // A queue that is full is waiting that the vote has to count.
                peer.to(Class::Vote).send(vote).await.expect("connected");
            }
        };
        let far = async |dialer: &Dialer, listener: Listener| {
            let mut peer = dialer.accept(&listener).await.expect("accepts");
            let (mut times, mut block_bytes, mut begin) = (Vec::new(), 0, None);
            while times.len() < n {
                let (Class::Vote, vote) = peer.receive().await else { continue };
                let sent = u64::from_le_bytes(vote[..8].try_into().expect("8 bytes"));
                let time = epoch.elapsed() - Duration::from_nanos(sent);
                if epoch.elapsed() > warmup {
                    let begin_now = || (Instant::now(), BLOCK_BYTES.load(Ordering::Relaxed));
                    let (_, bytes) = *begin.get_or_insert_with(begin_now);
                    block_bytes = BLOCK_BYTES.load(Ordering::Relaxed) - bytes;
                    times.push(time);
                }
            }
            done.send_replace(true);
            tokio::time::sleep(Duration::from_millis(300)).await;
            let seconds = begin.expect("measured").0.elapsed().as_secs_f64() - 0.3;
            (times, block_bytes as f64 / 1e6 / seconds)
        };
        let ((), (mut times, block_megabytes_per_second)) = self.dialer.run(near, far);
        times.sort_unstable();
        Latency {
            median: times[n / 2],
            p99: times[n * 99 / 100],
            max: times[n - 1],
            block_megabytes_per_second,
        }
    }

    /// CPU of both ends for each of `n` messages that go in bursts, each burst answered by one.
    pub fn message_cpu(&self, n: usize, burst: usize) -> Duration {
        let near = async |dialer: &Dialer, caller: Caller| {
            let mut peer = dialer.connect(&caller).await.expect("connects");
            let begin = cpu();
            for _ in 0..n / (burst + 1) {
                for _ in 0..burst {
                    peer.to(Class::Vote).send(vec![0; VOTE_BYTES]).await.expect("connected");
                }
                peer.receive().await;
            }
            cpu() - begin
        };
        let far = async |dialer: &Dialer, listener: Listener| {
            let mut peer = dialer.accept(&listener).await.expect("accepts");
            let begin = cpu();
            for _ in 0..n / (burst + 1) {
                for _ in 0..burst {
                    peer.receive().await;
                }
                peer.to(Class::Vote).send(vec![0; VOTE_BYTES]).await.expect("connected");
            }
            let spent = cpu() - begin;
            tokio::time::sleep(Duration::from_millis(100)).await;
            spent
        };
        let (near, far) = self.dialer.run(near, far);
        (near + far) / u32::try_from(n).expect("few")
    }

    /// CPU of both ends for each MB, and MB a second, of `n` blocks of 4 MiB.
    pub fn block_cpu(&self, n: usize) -> (Duration, f64) {
        let near = async |dialer: &Dialer, caller: Caller| {
            let mut peer = dialer.connect(&caller).await.expect("connects");
            let begin = cpu();
            for _ in 0..n {
                peer.to(Class::Block).send(vec![1; 4 << 20]).await.expect("connected");
            }
            peer.receive().await;
            cpu() - begin
        };
        let far = async |dialer: &Dialer, listener: Listener| {
            let mut peer = dialer.accept(&listener).await.expect("accepts");
            let (begin, start) = (cpu(), Instant::now());
            for _ in 0..n {
                peer.receive().await;
            }
            let spent = (cpu() - begin, start.elapsed());
            peer.to(Class::Vote).send(vec![0; VOTE_BYTES]).await.expect("connected");
            tokio::time::sleep(Duration::from_millis(100)).await;
            spent
        };
        let (near, (far, took)) = self.dialer.run(near, far);
        let megabytes = n as f64 * f64::from(4 << 20) / 1e6;
        ((near + far).div_f64(megabytes), megabytes / took.as_secs_f64())
    }

    /// CPU of the near and of the far end for each of `n` handshakes.
    pub fn handshake_cpu(&self, n: u32) -> (Duration, Duration) {
        let near = async |dialer: &Dialer, caller: Caller| {
            let begin = cpu();
            for _ in 0..n {
                let mut peer = dialer.connect(&caller).await.expect("connects");
                peer.receive().await;
            }
            cpu() - begin
        };
        let far = async |dialer: &Dialer, listener: Listener| {
            let begin = cpu();
            for _ in 0..n {
                let mut peer = dialer.accept(&listener).await.expect("accepts");
                peer.to(Class::Vote).send(vec![0; VOTE_BYTES]).await.expect("connected");
                // Until the other end leaves.
                while peer.links[0].from.recv().await.is_some() {}
            }
            cpu() - begin
        };
        let (near, far) = self.dialer.run(near, far);
        (near / n, far / n)
    }

    /// From the first packet until the near end may send, and until its first vote has arrived.
    pub fn handshake_time(&self) -> (Duration, Duration) {
        let begin = Instant::now();
        let (done, mut is_done) = watch::channel(false);
        let near = async |dialer: &Dialer, caller: Caller| {
            let peer = dialer.connect(&caller).await.expect("connects");
            let ready = begin.elapsed();
            peer.to(Class::Vote).send(vec![0; VOTE_BYTES]).await.expect("connected");
            is_done.changed().await.expect("told");
            ready
        };
        let far = async |dialer: &Dialer, listener: Listener| {
            let mut peer = dialer.accept(&listener).await.expect("accepts");
            peer.receive().await;
            let arrived = begin.elapsed();
            done.send_replace(true);
            arrived
        };
        self.dialer.run(near, far)
    }
}
