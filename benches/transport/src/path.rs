//! The way between the two ends: loopback, or two network namespaces joined by TUN devices, whose
//! packets this process passes on after a delay, at a rate, losing some at random. It is what
//! `netem` does, for kernels that come without it; the namespaces end with the process.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::fd::AsRawFd;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::{Duration, Instant};

/// Which of the two ends: the one that connects, or the one that accepts.
#[derive(Clone, Copy)]
pub enum End {
    Near,
    Far,
}

pub struct Path {
    emulated: Option<Emulated>,
}

struct Emulated {
    namespaces: [File; 2],
    /// In parts of 10,000.
    loss: Arc<AtomicU32>,
}

const RATE_BYTES_PER_SECOND: f64 = 12.5e6;
const QUEUE_BYTES_MAX: f64 = 250e3;
const DELAY: Duration = Duration::from_millis(50);
const PORT: u16 = 24_242;

impl Path {
    pub fn loopback() -> Self {
        Self { emulated: None }
    }

    /// # Errors
    /// Without the right to make namespaces and devices (`unshare --map-root-user` gives it).
    pub fn emulated() -> io::Result<Self> {
        let make = |end| thread::spawn(move || namespace(end)).join().expect("does not panic");
        let (near, far) = (make(End::Near)?, make(End::Far)?);
        let loss = Arc::new(AtomicU32::new(0));
        carry(near.1.try_clone()?, far.1.try_clone()?, Arc::clone(&loss), 1);
        carry(far.1, near.1, Arc::clone(&loss), 2);
        Ok(Self { emulated: Some(Emulated { namespaces: [near.0, far.0], loss }) })
    }

    pub fn lose(&self, parts_of_10_000: u32) {
        if let Some(emulated) = &self.emulated {
            emulated.loss.store(parts_of_10_000, Ordering::Relaxed);
        }
    }

    /// Puts the calling thread where this end's sockets are to be.
    pub fn enter(&self, end: End) -> io::Result<()> {
        let Some(emulated) = &self.emulated else { return Ok(()) };
        let fd = emulated.namespaces[end as usize].as_raw_fd();
        // SAFETY: the descriptor is open, and of a network namespace.
        check(unsafe { libc::setns(fd, libc::CLONE_NEWNET) })
    }

    pub fn address(&self) -> SocketAddr {
        let ip = if self.emulated.is_some() { ip(End::Far) } else { Ipv4Addr::LOCALHOST };
        SocketAddr::new(IpAddr::V4(ip), PORT)
    }
}

fn ip(end: End) -> Ipv4Addr {
    Ipv4Addr::new(10, 99, 0, 1 + end as u8)
}

fn check(returned: i32) -> io::Result<()> {
    if returned < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// A namespace with a TUN device in it, which only this thread has entered.
fn namespace(end: End) -> io::Result<(File, File)> {
    // SAFETY: concerns this thread alone, which has no sockets.
    check(unsafe { libc::unshare(libc::CLONE_NEWNET) })?;
    let tun = File::options().read(true).write(true).open("/dev/net/tun")?;
    // SAFETY: of zeros every field is valid.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (to, from) in request.ifr_name.iter_mut().zip(b"tun0") {
        *to = from.cast_signed();
    }
    request.ifr_ifru.ifru_flags = (libc::IFF_TUN | libc::IFF_NO_PI) as i16;
    // SAFETY: the descriptor is open and the request is what TUNSETIFF reads.
    check(unsafe { libc::ioctl(tun.as_raw_fd(), libc::TUNSETIFF, &raw mut request) })?;
    for arguments in [
        format!("address add {}/24 dev tun0", ip(end)),
        "link set tun0 up txqueuelen 10000".to_owned(),
    ] {
        let status = Command::new("ip").args(arguments.split(' ')).status()?;
        if !status.success() {
            return Err(io::Error::other(arguments));
        }
    }
    Ok((File::open("/proc/thread-self/ns/net")?, tun))
}

type Queue = Arc<(Mutex<VecDeque<(Instant, Vec<u8>)>>, Condvar)>;

/// Carries packets one way, on two threads.
fn carry(mut from: File, mut to: File, loss: Arc<AtomicU32>, mut seed: u64) {
    let queue: Queue = Arc::default();
    let filled = Arc::clone(&queue);
    thread::spawn(move || {
        let mut buffer = vec![0; 65_536];
        let mut free_at = Instant::now();
        while let Ok(n) = from.read(&mut buffer) {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            let now = Instant::now();
            let is_lost = seed % 10_000 < u64::from(loss.load(Ordering::Relaxed));
            let waiting = free_at.saturating_duration_since(now).as_secs_f64();
            if is_lost || waiting * RATE_BYTES_PER_SECOND > QUEUE_BYTES_MAX {
                continue;
            }
            free_at = now.max(free_at) + Duration::from_secs_f64(n as f64 / RATE_BYTES_PER_SECOND);
            let mut packets = filled.0.lock().expect("not poisoned");
            packets.push_back((free_at + DELAY, buffer[..n].to_vec()));
            filled.1.notify_one();
        }
    });
    thread::spawn(move || {
        loop {
            let mut packets = queue.0.lock().expect("not poisoned");
            while packets.is_empty() {
                packets = queue.1.wait(packets).expect("not poisoned");
            }
            let (due, packet) = packets.pop_front().expect("not empty");
            drop(packets);
            thread::sleep(due.saturating_duration_since(Instant::now()));
            if to.write_all(&packet).is_err() {
                return;
            }
        }
    });
}
