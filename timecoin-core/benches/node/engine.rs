//! What the engines of a network take for a payment and for a vote, on one thread, with nothing
//! between them: no clock, no disk, no wire. Signatures of payments are verified before.

use std::collections::{HashMap, VecDeque};
use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use criterion::Criterion;
use timecoin_core::engine::input::{Input, VerifiedMessage};
use timecoin_core::engine::output::{Output, To};
use timecoin_core::engine::verify::{VerifyContext, verify_message};
use timecoin_core::engine::{Engine, EngineConfig};
use timecoin_core::ledger::transaction::verify_transactions;
use timecoin_core::mempool::MempoolLimits;
use timecoin_core::storage::interface::Storage;
use timecoin_core::storage::{MemoryDisk, MemoryStorage};
use timecoin_core::types::message::Message;
use timecoin_core::types::verified::VerifiedTransaction;
use timecoin_core::{Chain, KeyPair, Timestamp, Wtxid};

use crate::setup::{Payers, cpu_time, micros, on_demand};
use crate::table::{Row, Table};

/// From submission to the state after the block, for each payment and engine.
pub(crate) fn payments(_: &mut Criterion, table: &mut Table) {
    for (n, what, micros_max) in [
        (1, "engine of one masternode, CPU for a payment, its block included", 5.0),
        (4, "each engine of four masternodes, CPU for a payment, checks of votes included", 5.0),
    ] {
        let net = Net::run(n);
        let each = net.cost.total().as_secs_f64() / (N_MEASURED * n) as f64;
        table.push(Row {
            what,
            ours: micros(each),
            floor: "-".to_owned(),
            ratio: net.cost.text(N_MEASURED * n),
            target: "≤ 5 µs",
            is_met: each * 1e6 <= micros_max,
        });
        if n > 1 {
            net.push_votes(table);
        }
    }
}

/// Where the time went.
#[derive(Default)]
struct Cost {
    /// Taking submitted and received transactions.
    transactions: Duration,
    /// Checking and counting votes of others.
    votes: Duration,
    /// Signing and counting own votes, proposing.
    timeouts: Duration,
    /// Checking and handling what is about blocks.
    blocks: Duration,
}

impl Cost {
    fn total(&self) -> Duration {
        self.transactions + self.votes + self.timeouts + self.blocks
    }

    fn text(&self, n: usize) -> String {
        let each = |time: Duration| time.as_secs_f64() * 1e6 / n as f64;
        let Cost { transactions, votes, timeouts, blocks } = self;
        format!(
            "{:.2} taking it, {:.2} votes of others, {:.2} own votes and proposals, {:.2} blocks",
            each(*transactions),
            each(*votes),
            each(*timeouts),
            each(*blocks)
        )
    }
}

/// Engines that hear each other at once.
struct Net {
    chain: Chain,
    members: Vec<Member>,
    now: Timestamp,
    known: HashMap<Wtxid, VerifiedTransaction>,
    cost: Cost,
    n_votes: usize,
    /// Verifying the signatures of the batches that the votes came in, nothing else.
    signatures: Duration,
}

struct Member {
    engine: Engine,
    store: Arc<dyn Storage>,
    keys: KeyPair,
    inbox: VecDeque<(usize, Message)>,
}

impl Net {
    /// Rounds of payments, of which the first are not measured.
    fn run(n: usize) -> Self {
        let mut keys: Vec<KeyPair> =
            (0..n).map(|i| KeyPair::from_seed(format!("masternode {i}").as_bytes())).collect();
        keys.sort_by_key(KeyPair::public);
        let mut payers = Payers::new(ROUND_PAYMENTS).with_masternodes(&keys).with_params(on_demand);
        let mut net = Net::new(payers.chain(), keys);
        for round in 0..ROUNDS_WARM + ROUNDS {
            if round == ROUNDS_WARM {
                (net.cost, net.n_votes, net.signatures) = Default::default();
            }
            let payments = verify_transactions(payers.pay(), &net.chain);
            net.pay(payments.into_iter().map(Result::unwrap).collect());
        }
        net
    }

    fn new(chain: &Chain, keys: Vec<KeyPair>) -> Self {
        let member = |keys: KeyPair| {
            let opened = MemoryStorage::open(&MemoryDisk::new(chain), chain).unwrap();
            let engine = Engine::new(EngineConfig {
                chain: chain.clone(),
                keys: Some(keys.clone()),
                mempool: MempoolLimits::default(),
                round_timeout: Duration::from_secs(30),
                state: (*opened.storage.state()).clone(),
                records: Vec::new(),
                must_observe: false,
            });
            Member { engine, store: opened.storage, keys, inbox: VecDeque::new() }
        };
        Net {
            chain: chain.clone(),
            members: keys.into_iter().map(member).collect(),
            now: chain.genesis().timestamp,
            known: HashMap::new(),
            cost: Cost::default(),
            n_votes: 0,
            signatures: Duration::ZERO,
        }
    }

    fn pay(&mut self, payments: Vec<VerifiedTransaction>) {
        let height = self.members[0].engine.state().tip.height;
        // A node knows what it verified as long as no block holds it.
        let is_open = |known: &VerifiedTransaction| {
            self.members.iter().any(|member| member.engine.mempool().contains(&known.txid()))
        };
        self.known.retain(|_, known| is_open(known));
        self.known.extend(payments.iter().map(|p| (p.wtxid(), p.clone())));
        for batch in payments.chunks(BATCH) {
            self.now = Timestamp(self.now.0 + 100);
            let member = &mut self.members[0];
            let began = cpu_time();
            for (ticket, transaction) in (0..).zip(batch) {
                let input = Input::Submit { ticket, transaction: transaction.clone() };
                member.engine.handle_input(input, self.now, &*member.store).unwrap();
            }
            self.cost.transactions += cpu_time() - began;
            self.collect(0);
            self.settle();
        }
        let tip = &self.members[0].engine.state().tip;
        assert!(tip.height > height, "blocks confirm what is final");
    }

    /// Until nobody has anything to say at this time.
    fn settle(&mut self) {
        loop {
            let mut is_quiet = true;
            for index in 0..self.members.len() {
                is_quiet &= !self.deliver(index);
                while self.members[index].engine.poll_timeout().is_some_and(|at| at <= self.now) {
                    let member = &mut self.members[index];
                    let began = cpu_time();
                    member.engine.handle_timeout(self.now, &*member.store).unwrap();
                    self.cost.timeouts += cpu_time() - began;
                    self.collect(index);
                    is_quiet = false;
                }
            }
            if is_quiet {
                return;
            }
        }
    }

    /// Hands a member what the others sent; says whether that was anything.
    fn deliver(&mut self, index: usize) -> bool {
        let inbox = std::mem::take(&mut self.members[index].inbox);
        let is_any = !inbox.is_empty();
        let mut transactions = Vec::new();
        for (from, message) in inbox {
            let from = self.members[from].keys.public();
            if let Message::Transaction(transaction) = &message {
                transactions.push((from, self.known[&transaction.wtxid()].clone()));
                continue;
            }
            self.take(index, &mut transactions);
            let is_votes = if let Message::Votes(batch) = &message {
                self.n_votes += batch.votes.len();
                let key = self.members[index].engine.finality().set().voting_key(batch.voter);
                let began = cpu_time();
                black_box(key.unwrap().verify(&[0; 32], &batch.signature)).unwrap_err();
                self.signatures += cpu_time() - began;
                true
            } else {
                false
            };
            let took = self.hear(index, from, message);
            *(if is_votes { &mut self.cost.votes } else { &mut self.cost.blocks }) += took;
            self.collect(index);
        }
        self.take(index, &mut transactions);
        is_any
    }

    fn take(
        &mut self,
        index: usize,
        transactions: &mut Vec<(timecoin_core::PublicKey, VerifiedTransaction)>,
    ) {
        let member = &mut self.members[index];
        let began = cpu_time();
        for (from, transaction) in transactions.drain(..) {
            let message = VerifiedMessage::Transaction(transaction);
            let input = Input::Message { from, message };
            member.engine.handle_input(input, self.now, &*member.store).unwrap();
        }
        self.cost.transactions += cpu_time() - began;
        self.collect(index);
    }

    fn hear(&mut self, index: usize, from: timecoin_core::PublicKey, message: Message) -> Duration {
        let member = &mut self.members[index];
        let began = cpu_time();
        let state = member.engine.state();
        let params = self.chain.params();
        let context = VerifyContext {
            chain: &self.chain,
            current: (state.epoch(&self.chain), &state.masternodes),
            tip: (params.epoch_of(state.tip.height), &state.tip_masternodes),
            known: &|wtxid| self.known.get(wtxid).cloned(),
        };
        let message = verify_message(message, &context).unwrap();
        let input = Input::Message { from, message };
        member.engine.handle_input(input, self.now, &*member.store).unwrap();
        cpu_time() - began
    }

    /// Stores what a member decided, and hands its messages to the others.
    fn collect(&mut self, index: usize) {
        while let Some(output) = self.members[index].engine.poll_output() {
            match output {
                Output::Commit(commit) => {
                    let store = &self.members[index].store;
                    store.stage(Arc::clone(&commit));
                    store.persist(&[], &[commit]).unwrap();
                    store.apply().unwrap();
                }
                Output::Send(to, message) => {
                    for (other, member) in self.members.iter_mut().enumerate() {
                        let is_meant = match &to {
                            To::All => other != index,
                            To::Peer(peer) => member.keys.public() == *peer,
                        };
                        if is_meant {
                            member.inbox.push_back((index, Message::clone(&message)));
                        }
                    }
                }
                _ => {}
            }
        }
    }

    fn push_votes(&self, table: &mut Table) {
        let n_votes = self.n_votes as f64;
        let each = (self.cost.votes.as_secs_f64() - self.signatures.as_secs_f64()) / n_votes;
        table.push(Row {
            what: "a vote of another masternode, all it causes here; floor: signatures of batches",
            ours: micros(each),
            floor: micros(self.signatures.as_secs_f64() / n_votes),
            ratio: "beside the floor".to_owned(),
            target: "≤ 1 µs",
            is_met: each * 1e6 <= 1.0,
        });
    }
}

const ROUND_PAYMENTS: usize = 4_096;

const ROUNDS_WARM: usize = 3;

const ROUNDS: usize = 8;

const N_MEASURED: usize = ROUNDS * ROUND_PAYMENTS;

/// What a driver hands over between two looks at the clock.
const BATCH: usize = 1_024;
