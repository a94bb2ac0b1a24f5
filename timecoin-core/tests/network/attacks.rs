//! What a node stands: everything that whoever can reach its port may do, while its network goes
//! on with payments.
//!
//! Each attack runs against one node of a network whose payments are made at another one, and
//! states three things: every payment made meanwhile becomes final everywhere, the memory of the
//! whole process grows by less than [`GROWTH_MAX`], and what becomes of the attacker.
//!
//! `ATTACK=full` attacks with the whole weight, and prints how many payments a second were final
//! before and during each attack, of those that one payer makes who waits 20 ms between them. The
//! attacker then has the lowest priority: it is to cost what it makes the victim do, and not what
//! it does on cores that would be its own elsewhere.
//! Without it the numbers are those that a busy machine with two cores has done in seconds.

use std::fs;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use timecoin_core::params::BlockProduction;
use timecoin_core::{KeyPair, Node, NodeEventKind, PublicKey, Subscription, Txid, Wallet};

use crate::testkit::*;

/// How much more memory the process may have at any moment of an attack than before it: the
/// unfinished frames of all peers, 128 MB, twice as their buffers double, and room for queues.
pub const GROWTH_MAX: usize = 384_000_000;

/// A number that depends on how hard it is to be.
pub fn scale(usual: usize, full: usize) -> usize {
    if is_full() { full } else { usual }
}

fn is_full() -> bool {
    std::env::var("ATTACK").is_ok_and(|attack| attack == "full")
}

/// Keys of an attacker that is no masternode.
pub fn stranger(n: usize) -> KeyPair {
    KeyPair::from_seed(format!("stranger {n}").as_bytes())
}

/// A network under attack: the victim is the first node, payments are made at the second.
pub struct Attacked {
    pub cluster: Cluster,
    events: Subscription,
    traffic: Traffic,
    memory: usize,
    /// Of the payments, where they are compared.
    before: Option<Before>,
    /// One at a time, since memory is the process's; none where most of an attack is waiting.
    _alone: Option<MutexGuard<'static, ()>>,
}

impl Attacked {
    /// Four masternodes.
    pub fn begin() -> Self {
        Self::begin_with(4, Some(alone()))
    }

    /// The same, while others go on.
    pub fn begin_beside() -> Self {
        Self::begin_with(4, None)
    }

    /// Three masternodes of four; the attacker has the key of the last.
    pub fn begin_with_traitor() -> Self {
        Self::begin_with(3, Some(alone()))
    }

    fn begin_with(n_there: usize, alone: Option<MutexGuard<'static, ()>>) -> Self {
        // One epoch, so that what an attacker signs is of the present one.
        let mut genesis = genesis(4, BlockProduction::Interval);
        genesis.params.epoch_blocks = 1_000_000;
        let cluster = Cluster::of(genesis, n_there, 0);
        let events = cluster.nodes[0].subscribe();
        let traffic = Traffic::begin(&cluster.nodes[1]);
        let before = is_full().then(|| Before::measure(&traffic));
        let memory = resident("VmRSS");
        fs::write("/proc/self/clear_refs", "5").unwrap();
        if is_full() {
            // Of this thread, which attacks, and of those that it starts.
            rustix::process::nice(19).unwrap();
        }
        Attacked { cluster, events, traffic, memory, before, _alone: alone }
    }

    pub fn victim(&self) -> &Node {
        &self.cluster.nodes[0]
    }

    /// Waits until the victim bans a key.
    pub fn wait_banned(&self, key: &PublicKey) {
        wait_banned(&self.events, key);
    }

    /// Waits until the victim and a peer are disconnected, and says why.
    pub fn wait_disconnected(&self, key: &PublicKey) -> String {
        wait_event(&self.events, |event| match event {
            NodeEventKind::PeerDisconnected { key: gone, reason } if gone == key => {
                Some(reason.to_string())
            }
            _ => None,
        })
    }

    /// Whether the victim has all the other masternodes as peers.
    pub fn is_connected(&self) -> bool {
        let peers = self.victim().peers();
        peers.iter().filter(|peer| peer.is_masternode).count() >= self.cluster.nodes.len() - 1
    }

    /// Payments go on behind the attack for a while, and all of them become final everywhere.
    #[allow(clippy::print_stdout, reason = "the figures of a soak")]
    pub fn end(self) {
        let grown = resident("VmHWM").saturating_sub(self.memory);
        if let Some(Before { rate, since, n_final }) = self.before {
            let n_final = self.traffic.n_final() - n_final;
            let seconds = since.elapsed().as_secs_f64();
            let during = n_final as f64 / seconds;
            let name = thread::current().name().unwrap_or_default().to_owned();
            println!(
                "{name}: {rate:.1}/s before, {during:.1}/s in {seconds:.1} s: {:.2}",
                during / rate
            );
        }
        let Attacked { cluster, traffic, .. } = self;
        let txids = traffic.end();
        txids.iter().for_each(|txid| cluster.wait_final_everywhere(txid));
        assert!(grown < GROWTH_MAX, "{grown} bytes more than before the attack");
    }
}

/// Waits until a node bans a key.
pub fn wait_banned(events: &Subscription, key: &PublicKey) {
    wait_event(events, |event| {
        matches!(event, NodeEventKind::PeerBanned { key: Some(banned), .. } if banned == key)
            .then_some(())
    });
}

pub fn wait_event<T>(events: &Subscription, find: impl Fn(&NodeEventKind) -> Option<T>) -> T {
    let deadline = Instant::now() + LONG;
    loop {
        let event = events.next_event(LONG).unwrap();
        assert!(Instant::now() < deadline, "no such event");
        if let Some(found) = find(&event.kind) {
            return found;
        }
    }
}

fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Payments, one after the other, until it ends.
struct Traffic {
    is_over: Arc<AtomicBool>,
    n_final: Arc<AtomicUsize>,
    payer: JoinHandle<Vec<Txid>>,
}

impl Traffic {
    fn begin(node: &Node) -> Self {
        let is_over = Arc::new(AtomicBool::new(false));
        let n_final = Arc::new(AtomicUsize::new(0));
        let (node, stop, counted) = (node.clone(), Arc::clone(&is_over), Arc::clone(&n_final));
        let payer = thread::spawn(move || {
            let wallet = Wallet::new(&node, owner());
            let mut txids = Vec::new();
            while !stop.load(Ordering::Relaxed) || txids.len() < PAYMENTS_MIN {
                let payment = wallet.pay(&bob().address(), one()).unwrap();
                node.wait_finalized(&payment.txid, LONG).unwrap();
                txids.push(payment.txid);
                counted.store(txids.len(), Ordering::Relaxed);
                thread::sleep(PAUSE);
            }
            txids
        });
        Traffic { is_over, n_final, payer }
    }

    fn n_final(&self) -> usize {
        self.n_final.load(Ordering::Relaxed)
    }

    fn end(self) -> Vec<Txid> {
        self.is_over.store(true, Ordering::Relaxed);
        self.payer.join().unwrap()
    }
}

/// How payments went before an attack, and where it began.
struct Before {
    /// Payments a second.
    rate: f64,
    since: Instant,
    n_final: usize,
}

impl Before {
    fn measure(traffic: &Traffic) -> Self {
        let (since, n_before) = (Instant::now(), traffic.n_final());
        thread::sleep(COMPARED);
        let n_final = traffic.n_final();
        let rate = (n_final - n_before) as f64 / since.elapsed().as_secs_f64();
        Before { rate, since: Instant::now(), n_final }
    }
}

/// A line of the process's state, in bytes.
pub fn resident(what: &str) -> usize {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(what)).unwrap();
    let n_kilobytes: usize = line.trim_matches([':', ' ', '\t', 'k', 'B']).parse().unwrap();
    n_kilobytes * 1_024
}

/// How long an attack is waited with to know the rate without it.
const COMPARED: Duration = Duration::from_secs(2);

/// Between two payments.
const PAUSE: Duration = Duration::from_millis(20);

/// However short the attack is.
const PAYMENTS_MIN: usize = 5;
