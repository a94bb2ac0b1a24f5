//! Misbehaviour about rounds and ballots: Prepare, Commit, RoundChange.

use std::time::Duration;

use super::{Actor, Pass, Strategy, Target};
use crate::engine::output::To;
use crate::types::ballot::{Choice, PreparedBlock};
use crate::types::certificate::{PreparedCertificate, Seal};
use crate::types::chain::{Epoch, Height, Round};
use crate::types::hash::BlockHash;
use crate::types::message::{Message, RoundChange};

/// Sends nothing at all.
#[derive(Clone)]
pub(super) struct Withhold;

impl Strategy for Withhold {
    fn name(&self) -> &'static str {
        "withhold"
    }

    fn on_send(&mut self, _actor: &mut Actor<'_>, _to: &To, _message: &Message) -> Pass {
        Pass::Stop
    }

    fn clone_box(&self) -> Box<dyn Strategy> {
        Box::new(self.clone())
    }
}

/// Sends what it sends to about half of the others only, another half each time.
#[derive(Clone)]
pub(super) struct Selective;

impl Strategy for Selective {
    fn name(&self) -> &'static str {
        "selective"
    }

    fn on_send(&mut self, actor: &mut Actor<'_>, to: &To, message: &Message) -> Pass {
        let mut nodes = actor.nodes_of(to);
        nodes.retain(|_| actor.random.below(2) == 0);
        actor.send(&nodes, message.clone());
        Pass::Stop
    }

    fn clone_box(&self) -> Box<dyn Strategy> {
        Box::new(self.clone())
    }
}

/// Says one thing to some and another to the rest, in Prepare and Commit: both for blocks that
/// exist, so that both may come to have a quorum.
#[derive(Clone, Default)]
pub(super) struct EquivocateBallots {
    heard: Vec<BlockHash>,
}

impl Strategy for EquivocateBallots {
    fn name(&self) -> &'static str {
        "equivocate-ballots"
    }

    fn on_send(&mut self, actor: &mut Actor<'_>, _to: &To, message: &Message) -> Pass {
        let Message::Ballot(signed) = message else { return Pass::On };
        let other = actor.random.choose(&self.heard).copied();
        let other = other.unwrap_or(BlockHash::from_bytes([7; 32]));
        let choice = match signed.ballot.choice {
            Choice::Prepare(_) => Choice::Prepare(other),
            Choice::Commit(_) => Choice::Commit(other),
            _ => return Pass::On,
        };
        let Some(forged) = actor.ballot(signed.ballot.round, choice) else { return Pass::On };
        let [first, second] = actor.halves();
        actor.send(&first, message.clone());
        actor.send(&second, Message::Ballot(forged));
        Pass::Stop
    }

    fn on_receive(&mut self, actor: &mut Actor<'_>, _from: usize, message: &Message) -> Pass {
        let Message::Proposal(proposal) = message else { return Pass::On };
        let Some(block) = proposal.ballot.ballot.choice.block() else { return Pass::On };
        if self.heard.len() >= HEARD_MAX {
            self.heard.remove(0);
        }
        self.heard.push(block);
        // It supports every proposal at once, in every phase.
        for choice in [Choice::Prepare(block), Choice::Commit(block)] {
            if let Some(forged) = actor.ballot(proposal.ballot.ballot.round, choice) {
                actor.send_all(Message::Ballot(forged));
            }
        }
        Pass::On
    }

    fn clone_box(&self) -> Box<dyn Strategy> {
        Box::new(self.clone())
    }
}

/// Claims that blocks are prepared which are not, with certificates that prove nothing.
#[derive(Clone)]
pub(super) struct BogusClaims;

impl Strategy for BogusClaims {
    fn name(&self) -> &'static str {
        "bogus-claims"
    }

    fn on_send(&mut self, actor: &mut Actor<'_>, _to: &To, message: &Message) -> Pass {
        let Message::RoundChange(change) = message else { return Pass::On };
        let round = change.ballot.ballot.round;
        let claimed = Round(round.0.saturating_sub(1));
        let block = BlockHash::from_bytes([u8::try_from(actor.random.below(250)).unwrap_or(0); 32]);
        let claim = PreparedBlock { round: claimed, block };
        let Some(ballot) = actor.ballot(round, Choice::RoundChange(Some(claim))) else {
            return Pass::On;
        };
        let signature = ballot.signature;
        let voters = 0..u16::try_from(actor.set().quorum()).unwrap_or(1);
        let seals = match actor.random.below(4) {
            0 => None,
            1 => Some(voters.map(|voter| Seal { voter, signature }).collect()),
            2 => Some(vec![Seal { voter: ballot.voter, signature }; actor.set().quorum()]),
            _ => Some(Vec::new()),
        };
        let (epoch, height) = (actor.epoch(), actor.height());
        let certificate =
            seals.map(|seals| PreparedCertificate { epoch, height, round: claimed, block, seals });
        actor.send_all(Message::RoundChange(RoundChange { ballot, certificate }));
        Pass::On
    }

    fn clone_box(&self) -> Box<dyn Strategy> {
        Box::new(self.clone())
    }
}

/// Claims rounds far ahead, many of them, and other heights and epochs.
#[derive(Clone)]
pub(super) struct RoundsAhead;

impl Strategy for RoundsAhead {
    fn name(&self) -> &'static str {
        "rounds-ahead"
    }

    fn on_start(&mut self, actor: &mut Actor<'_>) {
        actor.wake_after(Duration::from_millis(100));
    }

    fn on_wake(&mut self, actor: &mut Actor<'_>) {
        let round = actor.round().0;
        let height = actor.height();
        for ahead in [1, 2, 3, 50, 9_999, 10_001, 1_000_000] {
            let round = Round(round.saturating_add(ahead));
            let choice = Choice::RoundChange(None);
            let forged = actor.ballot(round, choice);
            let messages = forged.map(|ballot| RoundChange { ballot, certificate: None });
            messages.into_iter().for_each(|m| actor.send_all(Message::RoundChange(m)));
            let block = BlockHash::from_bytes([9; 32]);
            for choice in [Choice::Prepare(block), Choice::Commit(block)] {
                if let Some(ballot) = actor.ballot(round, choice) {
                    actor.send_all(Message::Ballot(ballot));
                }
            }
        }
        for (height, epoch) in [
            (Height(height.0 + 1), actor.epoch()),
            (Height(height.0 + 1_000), Epoch(actor.epoch().0 + 50)),
            (height.previous(), actor.epoch()),
            (height, actor.epoch().next()),
        ] {
            let choice = Choice::RoundChange(None);
            if let Some(ballot) = actor.ballot_at(epoch, height, Round(1), choice) {
                let change = RoundChange { ballot, certificate: None };
                actor.send_all(Message::RoundChange(change));
            }
        }
        actor.wake_after(Duration::from_millis(700));
    }

    fn clone_box(&self) -> Box<dyn Strategy> {
        Box::new(self.clone())
    }
}

/// Repeats what it heard and what it said, later and to anybody.
#[derive(Clone, Default)]
pub(super) struct Replay {
    heard: Vec<Message>,
}

impl Replay {
    fn keep(&mut self, actor: &mut Actor<'_>, message: &Message) {
        if self.heard.len() < REPLAYED_MAX {
            self.heard.push(message.clone());
        } else {
            let place = actor.random.index(REPLAYED_MAX);
            self.heard[place] = message.clone();
        }
    }
}

impl Strategy for Replay {
    fn name(&self) -> &'static str {
        "replay"
    }

    fn on_start(&mut self, actor: &mut Actor<'_>) {
        actor.wake_after(Duration::from_millis(200));
    }

    fn on_send(&mut self, actor: &mut Actor<'_>, _to: &To, message: &Message) -> Pass {
        self.keep(actor, message);
        Pass::On
    }

    fn on_receive(&mut self, actor: &mut Actor<'_>, _from: usize, message: &Message) -> Pass {
        self.keep(actor, message);
        Pass::On
    }

    fn on_wake(&mut self, actor: &mut Actor<'_>) {
        for _ in 0..4 {
            let Some(message) = actor.random.choose(&self.heard).cloned() else { break };
            let delay = actor.random.duration(Duration::ZERO, Duration::from_secs(3));
            actor.send_after(Target::All, message, delay);
        }
        actor.wake_after(Duration::from_millis(300));
    }

    fn clone_box(&self) -> Box<dyn Strategy> {
        Box::new(self.clone())
    }
}

/// Forgets every vote now and then, and starts again.
#[derive(Clone)]
pub(super) struct Amnesia;

impl Strategy for Amnesia {
    fn name(&self) -> &'static str {
        "amnesia"
    }

    fn on_start(&mut self, actor: &mut Actor<'_>) {
        let delay = actor.random.duration(Duration::from_millis(300), Duration::from_secs(3));
        actor.wake_after(delay);
    }

    fn on_wake(&mut self, actor: &mut Actor<'_>) {
        actor.forget();
    }

    fn clone_box(&self) -> Box<dyn Strategy> {
        Box::new(self.clone())
    }
}

/// Sends bytes that are no message, and messages with bits flipped.
#[derive(Clone)]
pub(super) struct Garbage;

impl Strategy for Garbage {
    fn name(&self) -> &'static str {
        "garbage"
    }

    fn on_send(&mut self, actor: &mut Actor<'_>, to: &To, message: &Message) -> Pass {
        let mut bytes = crate::types::encode::encode(message);
        let nodes = actor.nodes_of(to);
        for _ in 0..actor.random.range(1, 4) {
            let place = actor.random.index(bytes.len());
            if let Some(byte) = bytes.get_mut(place) {
                *byte ^= 1 << actor.random.below(8);
            }
        }
        if actor.random.below(4) == 0 {
            bytes.truncate(actor.random.index(bytes.len()));
        }
        actor.send_bytes(Target::Nodes(nodes), bytes);
        if actor.random.below(2) == 0 { Pass::On } else { Pass::Stop }
    }

    fn clone_box(&self) -> Box<dyn Strategy> {
        Box::new(self.clone())
    }
}

/// Blocks that are remembered.
const HEARD_MAX: usize = 8;

/// Messages that are remembered.
const REPLAYED_MAX: usize = 64;
