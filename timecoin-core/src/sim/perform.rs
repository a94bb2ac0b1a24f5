//! What nodes do outside: send, serve, answer, tell.

use std::sync::Arc;
use std::time::Duration;

use super::Simulation;
use super::checks::Broken;
use super::node::Action;
use super::run::Scheduled;
use super::strategy::{Actor, Command, Pass, Strategy, Target};
use super::wire::{Checked, SharedWire, Wire};
use crate::engine::input::PeerId;
use crate::engine::output::{Event, To, TransactionStatus};
use crate::types::chain::Height;
use crate::types::encode::decode;
use crate::types::message::{Message, Request};

impl Simulation {
    pub(super) fn perform(&mut self, index: usize, action: Action) -> Result<(), Broken> {
        match action {
            Action::Send(to, message) => self.send(index, &to, *message),
            Action::Serve(peer, request) => {
                self.serve(index, peer, &request);
                Ok(())
            }
            Action::Submitted(ticket, answer) => {
                if answer.is_err() {
                    self.metrics.payments_refused += 1;
                }
                if let Some(submitted) = self.answers.get_mut(&ticket) {
                    submitted.answer = Some(answer.map(drop));
                }
                Ok(())
            }
            Action::Notify(event) => self.notify(index, &event),
        }
    }

    /// Whether these are votes that another masternode signed: its promises, made when it sent
    /// them, and none of whoever shows them.
    fn shows_votes_of_another(&self, index: usize, message: &Message) -> bool {
        let Message::Votes(batch) = message else { return false };
        let voter = self.checks.known.sets.get(&batch.epoch).and_then(|set| set.get(batch.voter));
        voter.is_some_and(|voter| voter.consensus_key != self.keys[index])
    }

    fn send(&mut self, index: usize, to: &To, message: Message) -> Result<(), Broken> {
        self.checks.learn(&message);
        if self.nodes[index].is_byzantine {
            if self
                .ask_strategies(index, |strategy, actor| strategy.on_send(actor, to, &message))?
                == Pass::Stop
            {
                return Ok(());
            }
        } else if !self.shows_votes_of_another(index, &message) {
            let recorded = &self.nodes[index].recorded;
            self.checks.on_send(index, &message, |signature| recorded.contains(signature))?;
        }
        let wire = Arc::new(Wire::new(message));
        self.trace.add("send", [self.now.0, index as u64], &wire.id);
        self.journal.note(self.now, index, || format!("sends to {to:?}: {}", describe(&wire)));
        for node in 0..self.nodes.len() {
            let is_addressed = match to {
                To::All => true,
                To::Peer(key) => self.keys[node] == *key,
            };
            if is_addressed && node != index {
                self.transmit(index, node, &wire);
            }
        }
        Ok(())
    }

    /// Puts a message onto a link.
    fn transmit(&mut self, from: usize, to: usize, wire: &SharedWire) {
        self.metrics.send(wire.kind, wire.bytes.len());
        if let Some(filter) = &self.network.filter {
            let message = decode::<Message>("message", &wire.bytes, wire.bytes.len());
            if message.is_ok_and(|message| !filter(from, to, &message)) {
                return;
            }
        }
        for at in self.network.arrivals((from, to), wire.bytes.len(), self.now) {
            let wire = Arc::clone(wire);
            self.schedule(at, Scheduled::Deliver { sender: from, to, wire });
        }
    }

    pub(super) fn transmit_forged(&mut self, from: usize, to: &Target, wire: &SharedWire) {
        self.trace.add("forged", [self.now.0, from as u64], &wire.id);
        for node in (0..self.nodes.len()).filter(|node| *node != from) {
            let is_addressed = match to {
                Target::All => true,
                Target::Nodes(nodes) => nodes.contains(&node),
            };
            if is_addressed {
                self.transmit(from, node, wire);
            }
        }
    }

    /// Answers a question from the store.
    fn serve(&mut self, index: usize, peer: PeerId, request: &Request) {
        let durable = self.nodes[index].disk.height();
        let heights: Vec<Height> = match request {
            Request::Decided(from) => {
                (from.0.max(1)..=durable.0).take(SERVED_AT_ONCE).map(Height).collect()
            }
            Request::Block(hash) => {
                let found = self.archive.height_of(hash);
                found.filter(|height| *height <= durable).into_iter().collect()
            }
            Request::Transactions(_) => Vec::new(),
        };
        let to: Vec<usize> =
            (0..self.nodes.len()).filter(|n| *n != index && self.keys[*n] == peer).collect();
        for wire in
            heights.into_iter().filter_map(|height| self.archive.serve(height)).collect::<Vec<_>>()
        {
            for &node in &to {
                self.transmit(index, node, &wire);
            }
        }
    }

    fn notify(&mut self, index: usize, event: &Event) -> Result<(), Broken> {
        self.journal.note(self.now, index, || match event {
            Event::Transaction { transaction, status } => {
                format!("{} is {status:?}", transaction.txid())
            }
            Event::Block(commit) => format!("block {} is decided", commit.height()),
            other => format!("{other:?}"),
        });
        let clock = self.nodes[index].clock.now(self.now);
        self.events.push(self.now, index, clock, event);
        if self.nodes[index].is_byzantine {
            return Ok(());
        }
        match event {
            Event::Transaction { transaction, status: TransactionStatus::Finalized } => {
                self.metrics.finalize(transaction.txid(), self.now);
                self.wallets.credit(transaction.transaction());
            }
            Event::Block(commit) => {
                for transaction in commit.connected.block.transactions() {
                    self.metrics.finalize(transaction.txid(), self.now);
                }
            }
            Event::RoundChanged { .. } => self.metrics.view_changes += 1,
            Event::EvidenceFound(evidence) => {
                self.metrics.offenders.insert(evidence.offender);
            }
            _ => {}
        }
        self.checks.on_event(event)
    }

    /// Lets a Byzantine node's strategies see a message before its engine does; true where they
    /// keep it from the engine.
    pub(super) fn hide_from_engine(
        &mut self,
        index: usize,
        sender: usize,
        wire: &Wire,
        checked: &Checked,
    ) -> Result<bool, Broken> {
        let is_message = !matches!(checked, Checked::Bad(_));
        if !is_message || self.nodes[index].strategies.is_empty() {
            return Ok(false);
        }
        let Ok(message) = decode::<Message>("message", &wire.bytes, wire.bytes.len()) else {
            return Ok(false);
        };
        let pass = self.ask_strategies(index, |strategy, actor| {
            strategy.on_receive(actor, sender, &message)
        })?;
        Ok(pass == Pass::Stop)
    }

    pub(super) fn wake_strategy(&mut self, index: usize, position: usize) -> Result<(), Broken> {
        self.ask_strategy(index, position, |strategy, actor| strategy.on_wake(actor))?;
        Ok(())
    }

    /// Asks all strategies of a node, until one stops the message.
    pub(super) fn ask_strategies(
        &mut self,
        index: usize,
        mut ask: impl FnMut(&mut dyn Strategy, &mut Actor<'_>) -> Pass,
    ) -> Result<Pass, Broken> {
        for position in 0..self.nodes[index].strategies.len() {
            let pass = self.ask_strategy(index, position, &mut ask)?;
            if pass == Some(Pass::Stop) {
                return Ok(Pass::Stop);
            }
        }
        Ok(Pass::On)
    }

    /// Asks one strategy, and does what it wants done.
    pub(super) fn ask_strategy<T>(
        &mut self,
        index: usize,
        position: usize,
        ask: impl FnOnce(&mut dyn Strategy, &mut Actor<'_>) -> T,
    ) -> Result<Option<T>, Broken> {
        let node = &mut self.nodes[index];
        let view = self.archive.view_with(node.disk.height(), &node.staged);
        let now = node.clock.now(self.now);
        let (Some(engine), Some(strategy)) =
            (node.engine.as_deref(), node.strategies.get_mut(position))
        else {
            return Ok(None);
        };
        let mut actor = Actor {
            keys: &node.keys,
            node: index,
            peers: &self.keys,
            engine,
            view: &view,
            now,
            random: &mut self.random_strategy,
            commands: Vec::new(),
        };
        let answer = ask(&mut **strategy, &mut actor);
        let commands = actor.commands;
        for command in commands {
            self.obey(index, position, command)?;
        }
        Ok(Some(answer))
    }

    fn obey(&mut self, index: usize, position: usize, command: Command) -> Result<(), Broken> {
        match command {
            Command::Send { to, message, delay } => {
                self.checks.learn(&message);
                let wire = Arc::new(Wire::new(*message));
                if delay == Duration::ZERO {
                    self.transmit_forged(index, &to, &wire);
                } else {
                    let at = self.now.after(delay);
                    self.schedule(at, Scheduled::Forged { node: index, to, wire });
                }
            }
            Command::SendBytes(to, bytes) => {
                self.transmit_forged(index, &to, &Arc::new(Wire::garbage(bytes)));
            }
            Command::Wake(delay) => {
                let at = self.now.after(delay);
                let life = self.nodes[index].life;
                self.schedule(at, Scheduled::Strategy { node: index, life, position });
            }
            Command::Forget => {
                let fault = super::Fault::Forget(index);
                self.schedule(self.now, Scheduled::Fault(fault));
            }
        }
        Ok(())
    }
}

/// A message in a line.
fn describe(wire: &Wire) -> String {
    match decode::<Message>("message", &wire.bytes, wire.bytes.len()) {
        Ok(Message::Transaction(transaction)) => {
            let inputs: Vec<String> =
                transaction.inputs.iter().map(|i| i.previous_output.to_string()).collect();
            format!("transaction {} of {inputs:?}", transaction.txid())
        }
        Ok(Message::Votes(batch)) => format!("votes of epoch {}: {:?}", batch.epoch, batch.votes),
        Ok(Message::Ballot(signed)) => format!("{:?}", signed.ballot),
        Ok(Message::RoundChange(change)) => format!("{:?}", change.ballot.ballot),
        Ok(Message::Proposal(proposal)) => format!(
            "{:?} at {} with {} transactions, {}",
            proposal.ballot.ballot,
            proposal.block.header.timestamp,
            proposal.block.transactions.len(),
            if proposal.justification.prepared.is_some() { "prepared" } else { "fresh" }
        ),
        Ok(Message::CertInventory(inventory)) => format!("inventory {:?}", inventory.txids),
        Ok(Message::Request(request)) => format!("{request:?}"),
        _ => wire.kind.to_owned(),
    }
}

/// Blocks in one answer.
const SERVED_AT_ONCE: usize = 20;
