//! Four masternodes in virtual time: a payment is final without a leader and stays so, while the
//! proposer crashes and the network is cut in two; then back to before the cut.

#![allow(clippy::print_stdout, reason = "it tells its story there")]

use std::error::Error;
use std::time::Duration;

use timecoin_core::sim::{Simulation, SimulationConfig};
use timecoin_core::{Amount, Hash256, Txid};

/// More virtual time than anything here takes while a quorum can talk.
const WITHIN: Duration = Duration::from_secs(60);

fn main() -> Result<(), Box<dyn Error>> {
    let mut sim = Simulation::new(SimulationConfig::new(4, 7))?;
    let (alice, bob) = ("alice", "bob");
    sim.wallet(alice)?;
    sim.wallet(bob)?;
    println!("four masternodes, seed 7");

    let five = sim.pay(alice, bob, "5 TIME".parse()?)?;
    until_final(&mut sim, &five)?;
    println!("alice pays bob 5 TIME: final after {} ms, in no block yet", latency_ms(&sim, &five)?);

    let proposer = sim.next_proposer();
    sim.crash(proposer)?;
    println!("masternode {proposer}, who proposes the next block, crashes");
    let one = sim.pay(alice, bob, "1 TIME".parse()?)?;
    until_final(&mut sim, &one)?;
    println!("alice pays bob 1 TIME: final after {} ms", latency_ms(&sim, &one)?);
    let height = until_confirmed(&mut sim, &one)?;
    println!("both are in block {height}, after {} view changes", sim.metrics().view_changes);
    sim.restart(proposer)?;
    println!("masternode {proposer} is back");

    let before = sim.snapshot();
    sim.partition(&[&[0, 1], &[2, 3]])?;
    let two = sim.pay(alice, bob, "2 TIME".parse()?)?;
    sim.advance(Duration::from_secs(20))?;
    if sim.is_final_everywhere(&two) || !sim.is_final_everywhere(&five) {
        return Err("two of four decide nothing, and undo nothing".into());
    }
    println!("cut in two: alice pays bob 2 TIME, and it is not final");
    println!("what was final is: bob has {}", balance(&mut sim, bob)?);
    sim.heal()?;
    until_final(&mut sim, &two)?;
    println!("healed: final, and in block {}", until_confirmed(&mut sim, &two)?);
    println!("bob has {}", balance(&mut sim, bob)?);

    let after = Hash256::from_bytes(sim.digest());
    sim.revert(&before);
    if sim.digest() != before.digest() {
        return Err("reverting changes something".into());
    }
    println!("back before the cut: bob has {}", balance(&mut sim, bob)?);
    println!("digest {after}");
    Ok(())
}

fn until_final(sim: &mut Simulation, txid: &Txid) -> Result<(), Box<dyn Error>> {
    match sim.run_until(|sim| sim.is_final_everywhere(txid), WITHIN)? {
        true => Ok(()),
        false => Err("the payment does not become final".into()),
    }
}

fn until_confirmed(sim: &mut Simulation, txid: &Txid) -> Result<u64, Box<dyn Error>> {
    sim.run_until(|sim| sim.is_confirmed_everywhere(txid), WITHIN)?;
    Ok(sim.confirmed_at(txid).ok_or("the payment is in no block")?.0)
}

fn latency_ms(sim: &Simulation, txid: &Txid) -> Result<u128, Box<dyn Error>> {
    Ok(sim.metrics().finality_of(txid).ok_or("the payment is not final")?.as_millis())
}

fn balance(sim: &mut Simulation, name: &str) -> Result<Amount, Box<dyn Error>> {
    Ok(sim.wallet(name)?.balance())
}
