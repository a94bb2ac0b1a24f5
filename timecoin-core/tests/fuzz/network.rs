//! Three honest masternodes of four, their stores, and the wires between them and the fourth.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use timecoin_core::engine::input::Input;
use timecoin_core::engine::output::{Event, Output, To};
use timecoin_core::engine::verify::{MessageError, VerifyContext, verify_message};
use timecoin_core::engine::{Engine, EngineConfig};
use timecoin_core::mempool::MempoolLimits;
use timecoin_core::storage::{MemoryDisk, MemoryStorage, Opened, Storage};
use timecoin_core::types::ballot::SignedBallot;
use timecoin_core::types::certificate::PreparedCertificate;
use timecoin_core::types::encode::{decode, encode};
use timecoin_core::types::message::{Decided, Message, Request};
use timecoin_core::{BlockHash, Chain, Genesis, Height, KeyPair, OutPoint, Timestamp, Txid};

use super::decoders::{chain as shared_chain, masternode_keys};

/// Honest masternodes; the position of the fourth in the set.
pub(crate) const HONEST: usize = 3;

/// What the fourth remembers of anything.
const MEMORY_MAX: usize = 64;

pub(crate) fn chain() -> Chain {
    let keys: Vec<_> = masternode_keys().iter().map(KeyPair::public).collect();
    let owner = owner().address();
    let mut genesis = Genesis::regtest(&keys, &[owner; 8]).expect("four good keys");
    genesis.params.epoch_blocks = 3;
    Chain::new(genesis).expect("it is a regtest genesis")
}

pub(crate) fn owner() -> KeyPair {
    KeyPair::from_seed(b"fuzz owner")
}

pub(crate) struct Node {
    pub(crate) engine: Engine,
    pub(crate) storage: Arc<dyn Storage>,
    disk: MemoryDisk,
    keys: KeyPair,
}

/// Everything, and what the fourth has seen go by.
pub(crate) struct Network {
    pub(crate) chain: &'static Chain,
    pub(crate) nodes: Vec<Node>,
    pub(crate) now: Timestamp,
    pub(crate) wires: VecDeque<(usize, usize, Vec<u8>)>,
    pub(crate) txids: Vec<Txid>,
    pub(crate) blocks: Vec<BlockHash>,
    pub(crate) round_changes: Vec<SignedBallot>,
    pub(crate) prepared: Vec<PreparedCertificate>,
    pub(crate) history: Vec<Vec<u8>>,
    pub(crate) coins: Vec<OutPoint>,
    decided: BTreeMap<Height, BlockHash>,
}

impl Network {
    pub(crate) fn new() -> Self {
        let chain = shared_chain();
        let keys = masternode_keys();
        let disks = keys.into_iter().take(HONEST).map(|keys| (MemoryDisk::new(chain), keys));
        let nodes = disks.map(|(disk, keys)| start(chain, disk, keys)).collect();
        Network {
            chain,
            nodes,
            now: chain.genesis().timestamp.after(Duration::from_secs(1)),
            wires: VecDeque::new(),
            txids: Vec::new(),
            blocks: Vec::new(),
            round_changes: Vec::new(),
            prepared: Vec::new(),
            history: Vec::new(),
            coins: chain.genesis().outputs().map(|(outpoint, _)| outpoint).collect(),
            decided: BTreeMap::new(),
        }
    }

    /// Everything that is not on disk is lost.
    pub(crate) fn restart(&mut self, index: usize) {
        let Node { storage, disk, keys, .. } = self.nodes.remove(index);
        drop(storage);
        self.nodes.insert(index, start(self.chain, disk, keys));
        self.perform(index);
    }

    pub(crate) fn input(&mut self, index: usize, input: Input) {
        let Node { engine, storage, .. } = &mut self.nodes[index];
        engine.handle_input(input, self.now, &**storage).expect("an honest engine goes on");
        self.perform(index);
    }

    /// Everything due now, then every output in order.
    pub(crate) fn perform(&mut self, index: usize) {
        for _ in 0..STEPS_MAX {
            let Node { engine, storage, .. } = &mut self.nodes[index];
            if let Some(output) = engine.poll_output() {
                self.perform_one(index, output);
            } else if engine.poll_timeout().is_some_and(|at| at <= self.now) {
                engine.handle_timeout(self.now, &**storage).expect("an honest engine goes on");
            } else {
                self.check(index);
                return;
            }
        }
        panic!("an engine does not come to rest");
    }

    fn perform_one(&mut self, index: usize, output: Output) {
        let storage = Arc::clone(&self.nodes[index].storage);
        match output {
            Output::Persist(record) => {
                let bytes = encode(&record);
                let again = decode("record", &bytes, bytes.len()).expect("it was encoded here");
                assert_eq!(*record, again);
                storage.persist(&[again], &[]).expect("memory does not fail");
            }
            Output::Commit(commit) => {
                let (height, hash) = (commit.height(), commit.connected.block.hash());
                let known = *self.decided.entry(height).or_insert(hash);
                assert_eq!(known, hash, "two blocks are decided at height {height}");
                storage.stage(Arc::clone(&commit));
                storage.persist(&[], &[commit]).expect("memory does not fail");
                storage.apply().expect("memory does not fail");
            }
            Output::Send(to, message) => self.send(index, &to, *message),
            Output::Serve(peer, Request::Decided(height)) => {
                for height in (height.0..).take(5) {
                    let block = storage.block(Height(height)).expect("memory does not fail");
                    let Some(Decided { block, certificate }) = block else { break };
                    let message = Message::Decided(Decided { block, certificate });
                    self.send(index, &To::Peer(peer), message);
                }
            }
            Output::Notify(Event::SignatureRefused { what }) => panic!("refused to sign: {what}"),
            Output::Notify(Event::SafetyViolation(violation)) => {
                panic!("one of four forked the chain: {violation}")
            }
            Output::Notify(Event::EvidenceFound(evidence)) => {
                let fourth = masternode_keys()[HONEST].public();
                assert_eq!(evidence.offender, fourth, "an honest masternode is accused");
            }
            Output::Serve(..) | Output::Submitted { .. } | Output::Notify(_) => {}
        }
    }

    fn send(&mut self, from: usize, to: &To, message: Message) {
        let bytes = encode(&message);
        for index in (0..HONEST).filter(|&index| index != from) {
            let is_addressed = *to == To::All || *to == To::Peer(self.nodes[index].keys.public());
            if is_addressed && self.wires.len() < WIRES_MAX {
                self.wires.push_back((from, index, bytes.clone()));
            }
        }
        self.overhear(message, bytes);
    }

    fn overhear(&mut self, message: Message, bytes: Vec<u8>) {
        match message {
            Message::Transaction(transaction) => keep(&mut self.txids, transaction.txid()),
            Message::Proposal(proposal) => keep(&mut self.blocks, proposal.block.hash()),
            Message::RoundChange(change) => {
                keep(&mut self.round_changes, change.ballot);
                change.certificate.into_iter().for_each(|c| keep(&mut self.prepared, c));
            }
            _ => {}
        }
        keep(&mut self.history, bytes);
    }

    /// Gives bytes to a node as if they came from `from`, which may be the fourth.
    pub(crate) fn deliver(&mut self, from: usize, to: usize, bytes: &[u8]) {
        let Ok(message) = decode::<Message>("message", bytes, bytes.len()) else { return };
        let params = self.chain.params();
        let state = self.nodes[to].engine.state();
        let context = VerifyContext {
            chain: self.chain,
            current: (state.epoch(self.chain), &state.masternodes),
            tip: (params.epoch_of(state.tip.height), &state.tip_masternodes),
            known: &|_| None,
        };
        let sender = masternode_keys()[from].public();
        match verify_message(message.clone(), &context) {
            Ok(message) => self.input(to, Input::Message { from: sender, message }),
            Err(MessageError::OtherEpoch { epoch }) => {
                self.input(
                    to,
                    Input::OtherEpoch { from: sender, epoch, message: Box::new(message) },
                );
            }
            Err(error) => {
                assert!(from == HONEST || error.is_innocent(), "an honest one sent this: {error}");
            }
        }
    }

    /// Delivers in order, as far as it goes within a bound.
    pub(crate) fn settle(&mut self) {
        for _ in 0..SETTLE_MAX {
            let Some((from, to, bytes)) = self.wires.pop_front() else { return };
            self.deliver(from, to, &bytes);
        }
    }

    pub(crate) fn advance(&mut self, duration: Duration) {
        self.now = self.now.after(duration);
        (0..HONEST).for_each(|index| self.perform(index));
    }

    fn check(&self, index: usize) {
        for table in self.nodes[index].engine.table_sizes() {
            assert!(table.len <= table.len_max, "{table:?}");
        }
    }
}

fn start(chain: &Chain, disk: MemoryDisk, keys: KeyPair) -> Node {
    let Opened { storage, records, .. } =
        MemoryStorage::open(&disk, chain).expect("the disk is free");
    let engine = Engine::new(EngineConfig {
        chain: chain.clone(),
        keys: Some(keys.clone()),
        mempool: MempoolLimits { transactions_max: 50, waiting_max: 8, ..MempoolLimits::default() },
        round_timeout: Duration::from_secs(2),
        state: storage.state().as_ref().clone(),
        records,
        must_observe: false,
    });
    Node { engine, storage, disk, keys }
}

fn keep<T: PartialEq>(items: &mut Vec<T>, item: T) {
    if !items.contains(&item) {
        if items.len() >= MEMORY_MAX {
            items.remove(0);
        }
        items.push(item);
    }
}

/// Outputs and timeouts of one input; an engine needs far fewer.
const STEPS_MAX: usize = 20_000;

/// Messages under way; more are lost.
const WIRES_MAX: usize = 2_000;

/// Messages that one settling delivers.
const SETTLE_MAX: usize = 400;
