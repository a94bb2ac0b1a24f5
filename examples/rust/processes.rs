//! Four masternodes in four processes of their own, on disk, over sockets; a fifth node, which
//! only follows, pays. One masternode is killed, the others go on, and it comes back.
//!
//! `processes DIRECTORY [timings]`: an empty directory, or one that is not there yet; whether to
//! print how long things took, which differs from run to run.

#![allow(clippy::print_stdout, reason = "it tells its story there")]

use std::error::Error;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::{Duration, Instant};

use timecoin_core::{Address, Config, Genesis, KeyPair, Node, Wallet};

/// Long enough for any machine that is busy with something else.
const PATIENCE: Duration = Duration::from_secs(60);

const N_MASTERNODES: usize = 4;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

fn main() -> Result<()> {
    let args: Vec<String> = std::env::args().collect();
    let args: Vec<&str> = args.iter().skip(1).map(String::as_str).collect();
    match args[..] {
        ["masternode", position, dir] => masternode(position.parse()?, Path::new(dir)),
        [dir] => story(Path::new(dir), false),
        [dir, "timings"] => story(Path::new(dir), true),
        _ => Err("usage: processes DIRECTORY [timings]".into()),
    }
}

/// One of the processes: says where it listens, dials whom it is told to, ends with its input.
fn masternode(position: usize, dir: &Path) -> Result<()> {
    let mut config = Config::new(genesis()?).with_data_dir(dir);
    config.masternode_key = Some(keys(position));
    config.set("listen", "127.0.0.1:0")?;
    config.round_timeout_ms = 1_000;
    let node = Node::open(config)?;
    node.start()?;
    println!("{}", target(&node)?);
    for line in std::io::stdin().lines() {
        node.connect(&line?)?;
    }
    node.close(PATIENCE)?;
    Ok(())
}

/// The process that starts the others and kills one.
fn story(folder: &Path, has_timings: bool) -> Result<()> {
    let dir = |position: usize| folder.join(format!("masternode-{position}"));
    let mut masternodes: Vec<Process> = Vec::new();
    for position in 0..N_MASTERNODES {
        let mut process = Process::start(position, dir(position))?;
        masternodes.iter().try_for_each(|other| process.connect(&other.target))?;
        masternodes.push(process);
    }

    let mut config = Config::new(genesis()?);
    config.peers =
        masternodes.iter().map(|m| m.target.parse()).collect::<std::result::Result<_, _>>()?;
    let node = Node::open(config)?;
    node.start()?;
    wait_for("four peers", || node.peers().len() == N_MASTERNODES)?;
    println!("four masternodes in processes of their own, and a node that follows them");
    pay(&node, has_timings)?;

    masternodes[2].kill()?;
    println!("masternode 2 is killed");
    for _ in 0..3 {
        pay(&node, has_timings)?;
    }

    let mut back = Process::start(2, dir(2))?;
    let targets: Vec<String> = masternodes.iter().map(|m| m.target.clone()).collect();
    for (_, target) in targets.iter().enumerate().filter(|(position, _)| *position != 2) {
        back.connect(target)?;
    }
    node.connect(&back.target)?;
    masternodes[2] = back;
    let key = keys(2).public();
    let height = || node.peers().iter().find(|peer| peer.key == key).map(|peer| peer.height);
    let began = Instant::now();
    wait_for("masternode 2", || height().is_some_and(|height| height >= node.tip().height))?;
    let how_soon = if has_timings { format!(" after {}", took(began)) } else { String::new() };
    println!("masternode 2 is back, and at the height of the others{how_soon}");
    pay(&node, has_timings)?;
    let bob = node.balance(&bob())?.confirmed;
    println!("bob has {bob}");

    node.close(PATIENCE)?;
    masternodes.into_iter().try_for_each(Process::end)?;
    println!("all have ended");
    Ok(())
}

/// The follower knows the payment to be final once it has the votes of a quorum.
fn pay(node: &Node, has_timings: bool) -> Result<()> {
    let alice = Wallet::new(node, Config::regtest_wallet());
    let began = Instant::now();
    let payment = alice.pay(&bob(), "5 TIME".parse()?)?;
    node.wait_finalized(&payment.txid, PATIENCE)?;
    let finalized = took(began);
    node.wait_confirmed(&payment.txid, PATIENCE)?;
    let confirmed = took(began);
    if has_timings {
        println!("alice pays bob 5 TIME: final after {finalized}, in a block after {confirmed}");
    } else {
        println!("alice pays bob 5 TIME: final, and in a block");
    }
    Ok(())
}

fn bob() -> Address {
    KeyPair::from_seed(b"bob").address()
}

fn took(began: Instant) -> String {
    format!("{:.1} ms", began.elapsed().as_secs_f64() * 1_000.0)
}

fn genesis() -> Result<Genesis> {
    let publics: Vec<_> = (0..N_MASTERNODES).map(|n| keys(n).public()).collect();
    Ok(Genesis::regtest(&publics, &[Config::regtest_wallet().address(); 16])?)
}

/// Anybody can make these: a real masternode's are secret.
fn keys(position: usize) -> KeyPair {
    KeyPair::from_seed(format!("masternode {position}").as_bytes())
}

fn target(node: &Node) -> Result<String> {
    let (key, address) = (node.node_key(), node.listen_address());
    let (key, address) = key.zip(address).ok_or("the node has no network")?;
    Ok(format!("{key}@{address}"))
}

fn wait_for(what: &str, mut is_there: impl FnMut() -> bool) -> Result<()> {
    let deadline = Instant::now() + PATIENCE;
    while !is_there() {
        if Instant::now() > deadline {
            return Err(format!("no {what} within {PATIENCE:?}").into());
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    Ok(())
}

/// A masternode's process, as the one that started it sees it.
struct Process {
    child: Child,
    input: ChildStdin,
    target: String,
}

impl Process {
    fn start(position: usize, dir: PathBuf) -> Result<Self> {
        let mut child = Command::new(std::env::current_exe()?)
            .arg("masternode")
            .arg(position.to_string())
            .arg(dir)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let input = child.stdin.take().ok_or("no input")?;
        let output = child.stdout.take().ok_or("no output")?;
        let mut target = String::new();
        BufReader::new(output).read_line(&mut target)?;
        Ok(Process { child, input, target: target.trim().to_owned() })
    }

    fn connect(&mut self, target: &str) -> Result<()> {
        writeln!(self.input, "{target}")?;
        Ok(())
    }

    /// As `kill -9` does.
    fn kill(&mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    fn end(self) -> Result<()> {
        let Process { mut child, input, .. } = self;
        drop(input);
        child.wait()?;
        Ok(())
    }
}
