//! The whole story of one masternode, with the time that each step took: a payment is final,
//! then confirmed in a block; the node stops, starts again from disk and finds everything.

use std::error::Error;
use std::time::{Duration, Instant};

use timecoin_core::{Amount, Config, KeyPair, Node, Wallet};

/// Long enough for any machine that is busy with something else.
const PATIENCE: Duration = Duration::from_secs(60);

fn main() -> Result<(), Box<dyn Error>> {
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
