//! Four masternodes in processes of their own, on disk, over sockets, under load: kill -9 of one
//! after the other. Each comes back to the height of the others, nobody ever contradicts itself,
//! and every payment is final.
//!
//! `KILLS` says how often; `make soak` does it 500 times.

#![allow(clippy::unwrap_used, reason = "a test that fails says where")]

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use timecoin_core::{Amount, Config, Genesis, KeyPair, Node, NodeEventKind, Txid, Wallet};

const N_MASTERNODES: usize = 4;

/// What everything has time for, also on a machine that is busy with something else.
const LONG: Duration = Duration::from_secs(180);

#[test]
fn killed_masternodes_come_back_and_contradict_nothing() {
    let n_kills: usize = std::env::var("KILLS").ok().map_or(4, |n| n.parse().unwrap());
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let mut cluster = Cluster::start(folder.path());
    let stop = Arc::new(AtomicBool::new(false));
    let n_paid = Arc::default();
    let paying = pay_until(&cluster.node, &stop, &n_paid);
    for kill in 0..n_kills {
        let position = kill % N_MASTERNODES;
        cluster.kill(position);
        // So that it misses something, more each time.
        thread::sleep(Duration::from_millis((kill as u64 * 37) % 500));
        cluster.restart(position);
        cluster.wait_back(position);
        let n_before = n_paid.load(Ordering::SeqCst);
        wait_for("payments", || n_paid.load(Ordering::SeqCst) >= n_before + PAID_BETWEEN);
    }
    stop.store(true, Ordering::SeqCst);
    let paid = paying.join().unwrap();
    for txid in &paid {
        cluster.node.wait_confirmed(txid, LONG).unwrap();
    }
    let balance = cluster.node.balance(&bob().address()).unwrap();
    assert_eq!(balance.confirmed, Amount::from_units(PAID * paid.len() as u64));
    let height = cluster.node.tip().height;
    cluster.wait_all_at(height.0);
    cluster.end();
    println!("{n_kills} kills, {} payments, {} blocks", paid.len(), height.0);
}

/// Pays all the time, each time when the last payment is final.
fn pay_until(
    node: &Node,
    stop: &Arc<AtomicBool>,
    n_paid: &Arc<AtomicUsize>,
) -> thread::JoinHandle<Vec<Txid>> {
    let (node, stop, n_paid) = (node.clone(), Arc::clone(stop), Arc::clone(n_paid));
    thread::spawn(move || {
        let wallet = Wallet::new(&node, Config::regtest_wallet());
        let mut paid = Vec::new();
        while !stop.load(Ordering::SeqCst) {
            let payment = wallet.pay(&bob().address(), Amount::from_units(PAID)).unwrap();
            node.wait_finalized(&payment.txid, LONG).unwrap();
            paid.push(payment.txid);
            n_paid.fetch_add(1, Ordering::SeqCst);
        }
        paid
    })
}

/// Payments between the return of one masternode and the death of the next.
const PAID_BETWEEN: usize = 20;

/// Far above the dust limit.
const PAID: u64 = 100_000;

fn bob() -> KeyPair {
    KeyPair::from_seed(b"bob")
}

fn keys(position: usize) -> KeyPair {
    KeyPair::from_seed(format!("masternode {position}").as_bytes())
}

fn genesis() -> Genesis {
    let publics: Vec<_> = (0..N_MASTERNODES).map(|n| keys(n).public()).collect();
    let mut genesis =
        Genesis::regtest(&publics, &[Config::regtest_wallet().address(); 64]).unwrap();
    genesis.params.block_interval_ms = 300;
    genesis
}

/// A node of this process that follows the masternodes, and their processes.
struct Cluster {
    dir: PathBuf,
    node: Node,
    masternodes: Vec<Process>,
    alarms: Arc<Mutex<Vec<String>>>,
}

impl Cluster {
    fn start(dir: &Path) -> Self {
        let alarms = Arc::default();
        let mut masternodes: Vec<Process> = Vec::new();
        for position in 0..N_MASTERNODES {
            let mut process = Process::start(position, dir, &alarms);
            masternodes.iter().for_each(|other| process.connect(&other.target));
            masternodes.push(process);
        }
        let mut config = Config::new(genesis());
        config.peers = masternodes.iter().map(|m| m.target.parse().unwrap()).collect();
        let node = Node::open(config).unwrap();
        node.start().unwrap();
        let cluster = Cluster { dir: dir.to_owned(), node, masternodes, alarms };
        wait_for("peers", || cluster.node.peers().len() == N_MASTERNODES);
        cluster
    }

    fn kill(&mut self, position: usize) {
        let process = &mut self.masternodes[position];
        process.child.kill().unwrap();
        process.child.wait().unwrap();
    }

    fn restart(&mut self, position: usize) {
        let mut process = Process::start(position, &self.dir, &self.alarms);
        for (_, other) in self.masternodes.iter().enumerate().filter(|(at, _)| *at != position) {
            process.connect(&other.target);
        }
        self.node.connect(&process.target).unwrap();
        self.masternodes[position] = process;
    }

    fn height(&self, position: usize) -> Option<u64> {
        let key = keys(position).public();
        self.node.peers().iter().find(|peer| peer.key == key).map(|peer| peer.height.0)
    }

    /// Waits until a masternode is within one block of where the others are.
    fn wait_back(&self, position: usize) {
        wait_for("return", || {
            let tip = self.node.tip().height.0;
            self.height(position).is_some_and(|height| height + 1 >= tip)
        });
    }

    fn wait_all_at(&self, height: u64) {
        for position in 0..N_MASTERNODES {
            wait_for("all", || self.height(position).is_some_and(|there| there >= height));
        }
    }

    fn end(self) {
        self.node.close(LONG).unwrap();
        for Process { mut child, input, .. } in self.masternodes {
            drop(input);
            assert!(child.wait().unwrap().success());
        }
        assert_eq!(*self.alarms.lock().unwrap(), Vec::<String>::new());
    }
}

fn wait_for(what: &str, mut is_there: impl FnMut() -> bool) {
    let deadline = Instant::now() + LONG;
    while !is_there() {
        assert!(Instant::now() < deadline, "no {what}");
        thread::sleep(Duration::from_millis(5));
    }
}

struct Process {
    child: Child,
    input: ChildStdin,
    target: String,
}

impl Process {
    fn start(position: usize, dir: &Path, alarms: &Arc<Mutex<Vec<String>>>) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["the_masternode_that_is_killed", "--exact", "--ignored", "--nocapture"])
            .env(POSITION, position.to_string())
            .env(DIR, dir.join(format!("masternode-{position}")))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let input = child.stdin.take().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let said = |line: &String| line.split_once("target ").map(|(_, target)| target.to_owned());
        let target = lines.by_ref().map(Result::unwrap).find_map(|line| said(&line)).unwrap();
        let alarms = Arc::clone(alarms);
        thread::spawn(move || {
            for line in lines.map_while(Result::ok).filter(|line| line.contains("alarm")) {
                alarms.lock().unwrap().push(line);
            }
        });
        Process { child, input, target }
    }

    /// A process that is killed hears nothing.
    fn connect(&mut self, target: &str) {
        let _ = writeln!(self.input, "{target}");
    }
}

/// One of the processes: says where it listens, dials whom it is told to, ends with its input.
#[test]
#[ignore = "it is a process of the other test"]
fn the_masternode_that_is_killed() {
    let position: usize = std::env::var(POSITION).unwrap().parse().unwrap();
    let mut config = Config::new(genesis()).with_data_dir(std::env::var(DIR).unwrap());
    config.masternode_key = Some(keys(position));
    config.set("listen", "127.0.0.1:0").unwrap();
    config.round_timeout_ms = 1_000;
    let node = Node::open(config).unwrap();
    let events = node.subscribe();
    node.start().unwrap();
    println!("target {}@{}", node.node_key().unwrap(), node.listen_address().unwrap());
    let watching = thread::spawn(move || {
        while let Ok(event) = events.next_event(Duration::from_secs(3_600)) {
            match event.kind {
                NodeEventKind::EvidenceFound { .. }
                | NodeEventKind::SignatureRefused { .. }
                | NodeEventKind::SafetyViolation { .. }
                | NodeEventKind::Observing { .. }
                | NodeEventKind::PeerBanned { .. }
                | NodeEventKind::Poisoned { .. } => println!("alarm {position} {:?}", event.kind),
                NodeEventKind::Closed => return,
                _ => {}
            }
        }
    });
    for line in std::io::stdin().lines().map_while(Result::ok) {
        node.connect(&line).unwrap();
    }
    node.close(LONG).unwrap();
    watching.join().unwrap();
}

const POSITION: &str = "TIMECOIN_TEST_POSITION";
const DIR: &str = "TIMECOIN_TEST_DIR";
