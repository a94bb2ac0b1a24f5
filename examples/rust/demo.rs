//! Two stories, with the time that each step took. One masternode: a payment is final, then
//! confirmed in a block; the node stops, starts again from disk and finds everything. Four
//! masternodes in virtual time: payments are final while the proposer crashes and the network is
//! cut in two; then back to before the cut.

use std::error::Error;
use std::time::{Duration, Instant};

use timecoin_core::sim::{Simulation, SimulationConfig};
use timecoin_core::{Amount, Config, KeyPair, Node, Txid, Wallet};

/// Long enough for any machine that is busy with something else.
const PATIENCE: Duration = Duration::from_secs(60);

fn main() -> Result<(), Box<dyn Error>> {
    heading("one masternode, on disk");
    one_masternode()?;
    heading("four masternodes, in virtual time");
    four_masternodes()
}

fn one_masternode() -> Result<(), Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    let data_dir = folder.path().join("node");
    let config = Config::regtest().with_data_dir(&data_dir);

    let step = Step::begin("open a node with a chain of its own, on disk");
    let node = Node::open(config.clone())?;
    node.start()?;
    step.end(&format!("chain {}, height {}", node.chain().id(), node.tip().height));

    let alice = Wallet::new(&node, Config::regtest_wallet());
    let bob = KeyPair::from_seed(b"bob").address();
    let step = Step::begin("pay bob 5 TIME");
    let payment = alice.pay(&bob, "5 TIME".parse()?)?;
    step.end(&format!("transaction {}, fee {}", payment.txid, payment.fee));

    let step = Step::begin("wait until the payment is final: two rounds of votes, on disk");
    let status = node.wait_finalized(&payment.txid, PATIENCE)?;
    step.end(status.name());

    let step = Step::begin("pay bob 1,000 times, until all are final");
    let mut last = payment.txid;
    for _ in 0..1_000 {
        last = alice.pay(&bob, Amount::from_units(100_000))?.txid;
    }
    node.wait_finalized(&last, PATIENCE)?;
    step.end("finalized");

    let step = Step::begin("wait until everything is in a block");
    let height = node.wait_confirmed(&last, PATIENCE)?;
    step.end(&format!("confirmed at height {height}"));
    let balance = node.balance(&bob)?;

    let step = Step::begin("stop the node");
    drop(alice);
    node.close(PATIENCE)?;
    step.end(node.state().name());

    let step = Step::begin("start it again from disk");
    let node = Node::open(config)?;
    node.start()?;
    let status = node.transaction_status(&payment.txid)?.ok_or("the payment is gone")?;
    let found = node.balance(&bob)?;
    step.end(&format!(
        "payment {}, bob has {} at height {}",
        status.name(),
        found.confirmed,
        node.tip().height
    ));
    if found.confirmed != balance.confirmed || !status.is_final() {
        return Err("what was confirmed before the stop is not there after it".into());
    }
    node.close(PATIENCE)?;
    Ok(())
}

fn four_masternodes() -> Result<(), Box<dyn Error>> {
    let step = Step::begin("build a network of four, with links of 20 to 80 ms");
    let mut sim = Simulation::new(SimulationConfig::new(4, 7))?;
    step.end(&format!("chain {}", sim.chain().id()));

    let step = Step::begin("pay bob 5 TIME, until it is final at all four");
    let first = sim.pay("alice", "bob", "5 TIME".parse()?)?;
    until_final(&mut sim, &first)?;
    step.end(&format!("final after {} of virtual time, in no block yet", latency(&sim, &first)?));

    let step = Step::begin("crash the next proposer, and pay again");
    let proposer = sim.next_proposer();
    sim.crash(proposer)?;
    let second = sim.pay("alice", "bob", "1 TIME".parse()?)?;
    until_final(&mut sim, &second)?;
    step.end(&format!("masternode {proposer} is down; final after {}", latency(&sim, &second)?));

    let step = Step::begin("wait for the block, which another one proposes");
    sim.run_until(|sim| sim.is_confirmed_everywhere(&second), PATIENCE)?;
    let height = sim.confirmed_at(&second).ok_or("the payment is in no block")?;
    step.end(&format!("block {height}, after {} view changes", sim.metrics().view_changes));

    let step = Step::begin("start it again, cut the network in two, pay, wait 20 s");
    sim.restart(proposer)?;
    let before = sim.snapshot();
    sim.partition(&[&[0, 1], &[2, 3]])?;
    let third = sim.pay("alice", "bob", "2 TIME".parse()?)?;
    sim.advance(Duration::from_secs(20))?;
    if sim.is_final_everywhere(&third) || !sim.is_final_everywhere(&first) {
        return Err("two of four decide nothing, and undo nothing".into());
    }
    step.end("the new payment is not final, the others still are");

    let step = Step::begin("heal");
    sim.heal()?;
    until_final(&mut sim, &third)?;
    step.end("final");

    let step = Step::begin("let an hour pass, at a payment a second, with a double spender");
    let mut busy = SimulationConfig::new(4, 7);
    busy.set("payments_per_kilosecond", "1000")?;
    busy.set("conflicting_permille", "100")?;
    let mut hour = Simulation::new(busy)?;
    hour.advance(Duration::from_secs(3_600))?;
    let (finality, height) = (hour.metrics().finality(), hour.archive().height());
    step.end(&format!(
        "height {height}, {} payments final, half of them within {:?}, all invariants hold",
        finality.len(),
        finality.percentile(50)
    ));

    let step = Step::begin("go back to before the cut");
    sim.revert(&before);
    if sim.digest() != before.digest() {
        return Err("reverting changes something".into());
    }
    step.end("the same digest");
    Ok(())
}

fn until_final(sim: &mut Simulation, txid: &Txid) -> Result<(), Box<dyn Error>> {
    match sim.run_until(|sim| sim.is_final_everywhere(txid), PATIENCE)? {
        true => Ok(()),
        false => Err("the payment does not become final".into()),
    }
}

fn latency(sim: &Simulation, txid: &Txid) -> Result<String, Box<dyn Error>> {
    let latency = sim.metrics().finality_of(txid).ok_or("the payment is not final")?;
    Ok(format!("{} ms", latency.as_millis()))
}

#[expect(clippy::print_stdout, reason = "this is what a demo is for")]
fn heading(text: &str) {
    println!("\n{text}\n");
}

/// One line of the story.
struct Step {
    what: &'static str,
    began: Instant,
}

impl Step {
    fn begin(what: &'static str) -> Self {
        Step { what, began: Instant::now() }
    }

    #[expect(clippy::print_stdout, reason = "this is what a demo is for")]
    fn end(self, result: &str) {
        let millis = self.began.elapsed().as_secs_f64() * 1_000.0;
        println!("{:>9.2} ms  {}\n              {result}", millis, self.what);
    }
}
