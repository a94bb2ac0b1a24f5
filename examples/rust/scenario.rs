//! A story of four masternodes, for whatever network it is told on: they pay, the proposer
//! crashes, the network is cut in half, heals, and the proposer returns.

use std::time::Duration;

use timecoin_core::testbed::{Testbed, TestbedError};
use timecoin_core::{Amount, Txid};

/// Long enough for any machine that is busy with something else.
const PATIENCE: Duration = Duration::from_secs(120);

/// Tells it, and gives the ids of its three payments. What must hold and does not is an error.
pub(crate) fn tell<T: Testbed>(
    net: &mut T,
    say: &mut dyn FnMut(&str),
) -> Result<[Txid; 3], TestbedError> {
    let bob = net.address("bob")?;
    let before = net.confirmed_balance(&bob)?;
    let first = net.pay("alice", "bob", Amount::from_time(5))?;
    say("alice pays bob 5 TIME at one of four masternodes");
    until(net, "final everywhere", |net| net.is_final_everywhere(&first))?;
    say("final at all four, before any block");

    let proposer = net.next_proposer().ok_or("nobody proposes")?;
    net.crash(proposer)?;
    let second = net.pay("alice", "bob", Amount::from_time(6))?;
    say("the next proposer crashes; alice pays bob 6 TIME");
    until(net, "final without the proposer", |net| net.is_final_everywhere(&second))?;
    say("final at the other three");
    let height = net.height_min();
    until(net, "a block without the proposer", |net| net.height_min() > height)?;
    say("a block is decided without it");

    let others: Vec<usize> = (0..net.n_nodes()).filter(|node| *node != proposer).collect();
    net.partition(&[&others[..2], &[others[2], proposer]])?;
    let third = net.pay("alice", "bob", Amount::from_time(7))?;
    say("the network is cut in half; alice pays bob 7 TIME");
    net.advance(Duration::from_secs(1))?;
    let is_final_somewhere = net.running().iter().any(|&node| net.is_final(node, &third));
    check(!is_final_somewhere, "a half makes nothing final")?;
    let is_kept = net.is_final_everywhere(&first) && net.is_final_everywhere(&second);
    check(is_kept, "what was final is final")?;
    say("not final: a half is no quorum; what was final is final");

    net.heal()?;
    until(net, "final once healed", |net| net.is_final_everywhere(&third))?;
    say("the network heals: final");
    net.restart(proposer)?;
    let all = [first, second, third];
    until(net, "confirmed at all four", |net| {
        let n_confirmed = |node| all.iter().filter(|txid| net.is_confirmed(node, txid)).count();
        (0..net.n_nodes()).all(|node| net.is_running(node) && n_confirmed(node) == all.len())
    })?;
    say("the proposer returns; all three are confirmed at all four");

    let after = net.confirmed_balance(&bob)?;
    check(after == before.saturating_add(Amount::from_time(18)), "bob has what was paid")?;
    check(net.is_conserved()?, "coins are conserved")?;
    say("bob has 18 TIME more, and no coin came from nowhere");
    Ok(all)
}

fn until<T: Testbed>(
    net: &mut T,
    what: &str,
    mut holds: impl FnMut(&T) -> bool,
) -> Result<(), TestbedError> {
    let came = net.run_until(&mut |net| holds(net), PATIENCE)?;
    check(came, what)
}

fn check(holds: bool, what: &str) -> Result<(), TestbedError> {
    if holds { Ok(()) } else { Err(format!("does not hold: {what}").into()) }
}
