//! Four masternodes on hosts of their own: network namespaces, joined by a bridge, whose links
//! drop packets, are slow, and are pulled.
//!
//! It takes root and iproute2, and `nft` from nftables for loss; where something is missing the test
//! says so and does without.

#![allow(clippy::unwrap_used, reason = "a test that fails says where")]

use std::io::{BufRead, BufReader, Lines, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use timecoin_core::{Amount, Config, Genesis, KeyPair, Node, PeerTarget, Txid, Wallet};

const N_MASTERNODES: usize = 4;

/// What everything has time for, also on a machine that is busy with something else.
const LONG: Duration = Duration::from_secs(240);

#[test]
fn payments_are_final_over_links_that_lose_are_slow_and_are_pulled() {
    let Some(lab) = Lab::build() else {
        println!("skipped: it takes root, network namespaces and iproute2");
        return;
    };
    let mut hosts: Vec<Host> = (0..N_MASTERNODES).map(|n| Host::start(&lab, n)).collect();
    settle(&mut hosts, "good links");

    if lab.lose(20) {
        settle(&mut hosts, "links that lose a fifth of all packets");
        lab.lose_nothing();
    } else {
        println!("skipped: loss of packets, which takes nft");
    }

    if lab.limit("2mbit") {
        settle(&mut hosts, "links of 2 Mbit/s");
        lab.limit_nothing();
    } else {
        println!("skipped: a rate, which takes tc and tbf");
    }

    lab.pull(3);
    let (one, rest) = hosts.split_last_mut().unwrap();
    let unheard = settle(rest, "without a masternode");
    assert!(unheard.iter().all(|txid| !one.is_final(txid)), "its cable is pulled");
    lab.plug(3);
    let height = rest[0].height();
    wait_for("the one that was away", || one.height() >= height);

    lab.pull(2);
    lab.pull(3);
    let txid = hosts[0].pay();
    // Ten times as long as with four.
    thread::sleep(Duration::from_secs(1));
    assert!(hosts.iter_mut().all(|host| !host.is_final(&txid)), "two of four are no quorum");
    lab.plug(2);
    lab.plug(3);
    for host in &mut hosts {
        wait_for("what was paid without a quorum", || host.is_final(&txid));
    }
    hosts.into_iter().for_each(Host::end);
}

/// Pays, and waits until everybody has it final and a later block decided.
fn settle(hosts: &mut [Host], what: &str) -> Vec<Txid> {
    let height = hosts[0].height();
    let txids: Vec<Txid> = (0..5).map(|_| hosts[0].pay()).collect();
    for host in hosts {
        for txid in &txids {
            wait_for(what, || host.is_final(txid));
        }
        wait_for(what, || host.height() > height);
    }
    txids
}

fn wait_for(what: &str, mut is_there: impl FnMut() -> bool) {
    let deadline = Instant::now() + LONG;
    while !is_there() {
        assert!(Instant::now() < deadline, "{what}: not in {LONG:?}");
        thread::sleep(Duration::from_millis(50));
    }
}

/// Namespaces of this process: one for each host, and one for the bridge between them.
struct Lab {
    name: String,
}

impl Lab {
    /// Builds it; nothing where the machine does not let us.
    fn build() -> Option<Lab> {
        let lab = Lab { name: format!("tc{}", std::process::id()) };
        let hub = lab.hub();
        if !run(&format!("ip netns add {hub}")) {
            return None;
        }
        let is_joined = run(&format!("ip -n {hub} link add bridge type bridge"))
            && run(&format!("ip -n {hub} link set bridge up"))
            && (0..N_MASTERNODES).all(|host| lab.add(host));
        is_joined.then_some(lab)
    }

    fn add(&self, host: usize) -> bool {
        let (hub, name, address) = (self.hub(), self.host(host), address(host));
        [
            format!("ip netns add {name}"),
            format!("ip -n {name} link set lo up"),
            format!("ip -n {hub} link add port{host} type veth peer name eth0 netns {name}"),
            format!("ip -n {hub} link set port{host} master bridge up"),
            format!("ip -n {name} address add {address}/24 dev eth0"),
            format!("ip -n {name} link set eth0 up"),
        ]
        .iter()
        .all(|command| run(command))
    }

    fn hub(&self) -> String {
        format!("{}hub", self.name)
    }

    fn host(&self, host: usize) -> String {
        format!("{}h{host}", self.name)
    }

    /// Pulls the cable of a host: nobody is told.
    fn pull(&self, host: usize) {
        assert!(run(&format!("ip -n {} link set port{host} down", self.hub())));
    }

    fn plug(&self, host: usize) {
        assert!(run(&format!("ip -n {} link set port{host} up", self.hub())));
    }

    /// Every host loses so many in a hundred of the packets that come; `false` without `nft`.
    fn lose(&self, percent: u32) -> bool {
        (0..N_MASTERNODES).all(|host| {
            let nft = format!("ip netns exec {} nft", self.host(host));
            run(&format!("{nft} add table inet lossy"))
                && run(&format!(
                    "{nft} add chain inet lossy in {{ type filter hook input priority 0; }}"
                ))
                && run(&format!(
                    "{nft} add rule inet lossy in meta iifname eth0 \
                     numgen random mod 100 < {percent} counter drop"
                ))
        })
    }

    fn lose_nothing(&self) {
        for host in 0..N_MASTERNODES {
            let nft = format!("ip netns exec {} nft", self.host(host));
            let rules = said(&format!("{nft} list table inet lossy"));
            assert!(rules.contains("counter packets") && !rules.contains("packets 0 "), "{rules}");
            assert!(run(&format!("{nft} delete table inet lossy")));
        }
    }

    /// Every host sends no faster than this; `false` where the kernel has no such limit.
    fn limit(&self, rate: &str) -> bool {
        (0..N_MASTERNODES).all(|host| {
            let tc = format!("tc -n {}", self.host(host));
            let bucket = format!("tbf rate {rate} burst 16kb latency 200ms");
            run(&format!("{tc} qdisc add dev eth0 root {bucket}"))
        })
    }

    fn limit_nothing(&self) {
        for host in 0..N_MASTERNODES {
            assert!(run(&format!("tc -n {} qdisc del dev eth0 root", self.host(host))));
        }
    }
}

impl Drop for Lab {
    /// The links go with their namespaces.
    fn drop(&mut self) {
        for name in (0..N_MASTERNODES).map(|host| self.host(host)).chain([self.hub()]) {
            run(&format!("ip netns del {name}"));
        }
    }
}

/// Whether a command did what it says.
fn run(command: &str) -> bool {
    let command = self::command(command).stdout(Stdio::null()).stderr(Stdio::null()).status();
    command.is_ok_and(|status| status.success())
}

fn said(command: &str) -> String {
    String::from_utf8(self::command(command).output().unwrap().stdout).unwrap()
}

/// Its words have no blanks in them.
fn command(line: &str) -> Command {
    let mut words = line.split_whitespace();
    let mut command = Command::new(words.next().unwrap());
    command.args(words);
    command
}

fn address(host: usize) -> String {
    format!("10.77.0.{}", host + 1)
}

/// A masternode on a host: a process that answers each line with one.
struct Host {
    child: Child,
    input: ChildStdin,
    output: Lines<BufReader<ChildStdout>>,
}

impl Host {
    fn start(lab: &Lab, position: usize) -> Self {
        let mut child = Command::new("ip")
            .args(["netns", "exec", &lab.host(position)])
            .arg(std::env::current_exe().unwrap())
            .args(["the_masternode_of_a_host", "--exact", "--ignored", "--nocapture"])
            .env(POSITION, position.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let input = child.stdin.take().unwrap();
        let output = BufReader::new(child.stdout.take().unwrap()).lines();
        Host { child, input, output }
    }

    fn ask(&mut self, question: &str) -> String {
        writeln!(self.input, "{question}").unwrap();
        let mut lines = self.output.by_ref().map(Result::unwrap);
        // The first line of a test ends with what the test says first.
        let answer = lines.find_map(|line| line.split_once(ANSWER).map(|(_, a)| a.to_owned()));
        answer.unwrap()
    }

    fn height(&mut self) -> u64 {
        self.ask("height").parse().unwrap()
    }

    fn pay(&mut self) -> Txid {
        self.ask("pay").parse().unwrap()
    }

    fn is_final(&mut self, txid: &Txid) -> bool {
        self.ask(&txid.to_string()) == "final"
    }

    fn end(self) {
        let Host { mut child, input, .. } = self;
        drop(input);
        assert!(child.wait().unwrap().success());
    }
}

/// One of the processes: ends with its input.
#[test]
#[ignore = "it is a process of the other test"]
fn the_masternode_of_a_host() {
    let position: usize = std::env::var(POSITION).unwrap().parse().unwrap();
    let mut config = Config::new(genesis());
    config.masternode_key = Some(keys(position));
    config.set("listen", &format!("{}:{PORT}", address(position))).unwrap();
    config.round_timeout_ms = 1_000;
    let others = (0..N_MASTERNODES).filter(|other| *other != position);
    let target = |other| format!("{}@{}:{PORT}", keys(other).public(), address(other));
    config.peers = others.map(|other| target(other).parse::<PeerTarget>().unwrap()).collect();
    let node = Node::open(config).unwrap();
    node.start().unwrap();
    let wallet = Wallet::new(&node, Config::regtest_wallet());
    for line in std::io::stdin().lines().map_while(Result::ok) {
        let answer = match line.as_str() {
            "height" => node.tip().height.to_string(),
            "pay" => {
                let to = KeyPair::from_seed(b"bob").address();
                wallet.pay(&to, Amount::from_units(100_000)).unwrap().txid.to_string()
            }
            txid => {
                let status = node.transaction_status(&txid.parse().unwrap()).unwrap();
                if status.is_some_and(|status| status.is_final()) { "final" } else { "open" }
                    .to_owned()
            }
        };
        println!("{ANSWER}{answer}");
    }
    node.close(LONG).unwrap();
}

fn keys(position: usize) -> KeyPair {
    KeyPair::from_seed(format!("masternode {position}").as_bytes())
}

fn genesis() -> Genesis {
    let publics: Vec<_> = (0..N_MASTERNODES).map(|n| keys(n).public()).collect();
    let mut genesis =
        Genesis::regtest(&publics, &[Config::regtest_wallet().address(); 64]).unwrap();
    genesis.params.block_interval_ms = 500;
    genesis
}

const PORT: u16 = 7_070;

const POSITION: &str = "TIMECOIN_TEST_POSITION";

const ANSWER: &str = "answer: ";
