//! Four masternodes in four processes, on disk: one payment at a time, and as many as go.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use timecoin_core::{KeyPair, Node, Transaction};

use crate::setup::{Payers, PlainFile, counter, folder, running};
use crate::table::{Row, Samples, Table, millis};

/// Names a process's masternode.
pub(crate) const POSITION: &str = "TIMECOIN_BENCH_POSITION";

const DIR: &str = "TIMECOIN_BENCH_DIR";

const N_MASTERNODES: usize = 4;

const PATIENCE: Duration = Duration::from_secs(300);

pub(crate) fn measure(table: &mut Table) {
    let folder = folder();
    let mut processes: Vec<Process> = Vec::new();
    for position in 0..N_MASTERNODES {
        let mut process = Process::start(position, folder.path());
        processes.iter().for_each(|other| process.say(&format!("connect {}", other.target)));
        processes.push(process);
    }
    let first = &mut processes[0];
    assert_eq!(first.ask("wait"), "ready");
    let answer = first.ask(&format!("pace {PACED} {PER_SECOND}"));
    let times: Vec<f64> = answer.split(' ').map(|number| number.parse().unwrap()).collect();
    let [p50, p99, fsync] = times[..] else { panic!("{answer}") };
    table.push(Row {
        what: "one payment, submit to final, 4 processes, durable, 100 a second; floor: an fdatasync; p50 (p99)",
        ours: format!("{} ({})", millis(p50), millis(p99)),
        floor: millis(fsync),
        ratio: format!("{:.1}", p50 / fsync),
        target: "p50 < 10 ms, p99 < 50 ms",
        is_met: p50 < 0.010 && p99 < 0.050,
    });
    let seconds: f64 = first.ask(&format!("burst {BURSTS}")).parse().unwrap();
    let rate = (BURSTS * PAYERS) as f64 / seconds;
    table.push(Row {
        what: "payments final at the node that took them, 4 processes, durable, as many as go",
        ours: format!("{rate:.0}/s"),
        floor: "-".to_owned(),
        ratio: "-".to_owned(),
        target: "≥ 3,000/s",
        is_met: rate >= 3_000.0,
    });
    let heights: Vec<u64> =
        processes.iter_mut().map(|process| process.ask("height").parse().unwrap()).collect();
    let apart = heights.iter().max().unwrap() - heights.iter().min().unwrap();
    table.push(Row {
        what: "blocks between the first and the last of the four, after that",
        ours: apart.to_string(),
        floor: "-".to_owned(),
        ratio: "-".to_owned(),
        target: "≤ 1",
        is_met: apart <= 1,
    });
    processes.into_iter().for_each(Process::end);
}

/// One of the processes.
#[expect(clippy::print_stdout, reason = "the process that measures reads it")]
pub(crate) fn masternode(position: usize) {
    let mut payers = payers();
    let dir = std::env::var(DIR).unwrap();
    let mut config = payers.follower().with_data_dir(Path::new(&dir).join(position.to_string()));
    config.masternode_key = Some(keys(position));
    config.set("listen", "127.0.0.1:0").unwrap();
    let node = running(config);
    println!("{}@{}", node.node_key().unwrap(), node.listen_address().unwrap());
    for line in std::io::stdin().lines().map_while(Result::ok) {
        let words: Vec<&str> = line.split(' ').collect();
        match words[..] {
            ["connect", target] => node.connect(target).unwrap(),
            ["wait"] => {
                while node.peers().len() < N_MASTERNODES - 1 {
                    thread::sleep(LOOK_EVERY);
                }
                println!("ready");
            }
            ["pace", n, per_second] => {
                let samples =
                    pace(&node, &mut payers, n.parse().unwrap(), per_second.parse().unwrap());
                println!("{} {} {}", samples.ours(50), samples.ours(99), samples.floor(50));
            }
            ["burst", n] => {
                println!("{}", burst(&node, &mut payers, n.parse().unwrap()).as_secs_f64());
            }
            ["height"] => println!("{}", node.tip().height),
            _ => panic!("{line}"),
        }
    }
    node.close(PATIENCE).unwrap();
}

/// Payments at even times, each waited for.
fn pace(node: &Node, payers: &mut Payers, n: usize, per_second: u32) -> Samples {
    let mut plain = PlainFile::new();
    let mut samples = Samples::default();
    let interval = Duration::from_secs(1) / per_second;
    let payments = payers.pay();
    let mut due = Instant::now();
    for payment in payments.iter().take(n) {
        thread::sleep(due.saturating_duration_since(Instant::now()));
        due += interval;
        let began = Instant::now();
        let txid = node.submit_transaction(&**payment).unwrap();
        node.wait_finalized(&txid, PATIENCE).unwrap();
        samples.push(began.elapsed(), plain.append(&[7; 1_000]));
    }
    // The rest, so that each payer's next payment has its coin.
    submit(node, &payments[n..]);
    wait_final(node, payments.len());
    samples
}

/// Rounds of payments as fast as they go.
fn burst(node: &Node, payers: &mut Payers, n_rounds: usize) -> Duration {
    let rounds: Vec<_> = (0..n_rounds).map(|_| payers.pay()).collect();
    let before = n_final(node);
    let began = Instant::now();
    for (round, payments) in (1..).zip(&rounds) {
        submit(node, payments);
        // Each pays with the change of the last one.
        wait_final(node, before + round * payments.len());
    }
    began.elapsed()
}

/// Payments that are final, or in a block before anybody said so.
fn n_final(node: &Node) -> usize {
    counter(node, "timecoin_finality_transactions_total")
}

fn submit(node: &Node, payments: &[Arc<Transaction>]) {
    for batch in payments.chunks(256) {
        let batch: Vec<_> = batch.iter().map(|payment| Arc::clone(payment).into()).collect();
        node.submit_transactions(batch).into_iter().for_each(|answer| {
            answer.unwrap();
        });
    }
}

fn wait_final(node: &Node, n: usize) {
    let began = Instant::now();
    while n_final(node) < n {
        assert!(began.elapsed() < PATIENCE, "{} of {n} are final", n_final(node));
        thread::sleep(LOOK_EVERY);
    }
}

fn payers() -> Payers {
    let keys: Vec<KeyPair> = (0..N_MASTERNODES).map(keys).collect();
    Payers::new(PAYERS).with_masternodes(&keys)
}

fn keys(position: usize) -> KeyPair {
    KeyPair::from_seed(format!("masternode {position}").as_bytes())
}

struct Process {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    target: String,
}

impl Process {
    fn start(position: usize, dir: &Path) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .env(POSITION, position.to_string())
            .env(DIR, dir)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let input = child.stdin.take().unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        let mut process = Process { child, input, output, target: String::new() };
        process.target = process.hear();
        process
    }

    fn say(&mut self, what: &str) {
        writeln!(self.input, "{what}").unwrap();
    }

    fn hear(&mut self) -> String {
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        line.trim().to_owned()
    }

    fn ask(&mut self, what: &str) -> String {
        self.say(what);
        self.hear()
    }

    fn end(self) {
        let Process { mut child, input, .. } = self;
        drop(input);
        child.wait().unwrap();
    }
}

const PAYERS: usize = 4_000;

/// Payments that are waited for, and how many begin in a second.
const PACED: usize = 1_000;
const PER_SECOND: u32 = 100;

/// Rounds of all payers.
const BURSTS: usize = 5;

const LOOK_EVERY: Duration = Duration::from_millis(1);
