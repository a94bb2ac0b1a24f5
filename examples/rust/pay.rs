//! One masternode in this process: pay, see the payment final, then confirmed in a block; a
//! second payment of the same coin is refused; everything is found again after a restart.
//!
//! `pay DIRECTORY`: an empty directory, or one that is not there yet.

#![allow(clippy::print_stdout, reason = "it tells its story there")]

use std::error::Error;
use std::path::Path;
use std::time::Duration;

use timecoin_core::params::BlockProduction;
use timecoin_core::{Amount, Config, Node, NodeEventKind, TransactionStatus, Txid, Wallet};

/// Long enough for any machine that is busy with something else.
const PATIENCE: Duration = Duration::from_secs(60);

fn main() -> Result<(), Box<dyn Error>> {
    let data_dir = std::env::args_os().nth(1).ok_or("usage: pay DIRECTORY")?;
    let mut config = Config::regtest().with_data_dir(Path::new(&data_dir));
    config.genesis.params.block_production = BlockProduction::OnDemand;

    let txid = pay(&config)?;
    find_again(&config, &txid)
}

/// Pays, is refused the second time, has a block made.
fn pay(config: &Config) -> Result<Txid, Box<dyn Error>> {
    let node = Node::open(config.clone())?;
    node.start()?;
    println!("opened a {} node at height {}", node.network(), node.tip().height);

    let alice = Wallet::from_seed(&node, b"regtest wallet");
    let bob = Wallet::from_seed(&node, b"bob");
    let carol = Wallet::from_seed(&node, b"carol");
    println!("alice has {}", alice.balance()?.confirmed);

    // Another wallet of the same key does not know which coins this one uses.
    let five: Amount = "5 TIME".parse()?;
    let rival = Wallet::from_seed(&node, b"regtest wallet");
    let same_coin = rival.build(&[(carol.address(), five)])?;

    let events = node.subscribe();
    let payment = alice.pay(&bob.address(), five)?;
    println!("alice pays {five} to bob for a fee of {}", payment.fee);
    loop {
        let event = events.next_event(PATIENCE)?;
        let NodeEventKind::TransactionStatus { txid, status } = event.kind else { continue };
        if txid != payment.txid {
            continue;
        }
        println!("status {}", status.name());
        if status == TransactionStatus::Finalized {
            break;
        }
    }
    let balance = bob.balance()?;
    println!("bob has {} final and {} confirmed", balance.finalized, balance.confirmed);
    match same_coin.submit() {
        Ok(payment) => return Err(format!("{} spent the coin again", payment.txid).into()),
        Err(error) => println!("paying carol with the same coin is refused: {}", error.code()),
    }

    println!("produced block {}", node.produce_block(PATIENCE)?);
    println!("confirmed at height {}", node.wait_confirmed(&payment.txid, PATIENCE)?);
    println!("alice has {} confirmed", alice.balance()?.confirmed);
    println!("bob has {} confirmed", bob.balance()?.confirmed);
    node.close(PATIENCE)?;
    Ok(payment.txid)
}

/// Opens the node again and finds everything on disk.
fn find_again(config: &Config, txid: &Txid) -> Result<(), Box<dyn Error>> {
    let node = Node::open(config.clone())?;
    println!("closed, and opened again from disk");
    println!("tip at height {}", node.tip().height);
    match node.transaction_status(txid)? {
        Some(TransactionStatus::Confirmed(height)) => {
            println!("the payment is confirmed at height {height}");
        }
        other => return Err(format!("the payment is {other:?}").into()),
    }
    let alice = Wallet::from_seed(&node, b"regtest wallet");
    let bob = Wallet::from_seed(&node, b"bob");
    println!("alice has {} confirmed", alice.balance()?.confirmed);
    println!("bob has {} confirmed", bob.balance()?.confirmed);
    node.close(PATIENCE)?;
    Ok(())
}
