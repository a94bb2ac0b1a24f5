//! Masternodes on one thread: real engines, real bytes between them, messages in the order in
//! which they were sent.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use timecoin_core::engine::input::Input;
use timecoin_core::engine::output::{Output, To};
use timecoin_core::engine::verify::{VerifyContext, verify_message};
use timecoin_core::engine::{Engine, EngineConfig};
use timecoin_core::ledger::state::LedgerState;
use timecoin_core::ledger::view::{Lookup, UtxoView, ViewError};
use timecoin_core::mempool::MempoolLimits;
use timecoin_core::types::encode::{decode, encode};
use timecoin_core::types::message::Message;
use timecoin_core::{Chain, Genesis, Height, KeyPair, OutPoint, PublicKey, Timestamp, Txid};

/// All of them.
pub(crate) struct Network {
    chain: Chain,
    nodes: Vec<Node>,
    now: Timestamp,
    wires: VecDeque<(usize, usize, Arc<[u8]>)>,
}

struct Node {
    engine: Engine,
    key: PublicKey,
    /// What it would have written, encoded.
    log_bytes: usize,
}

/// A store of a chain without payments.
struct NoOutputs;

impl UtxoView for NoOutputs {
    fn lookup(&self, _: &OutPoint) -> Result<Lookup, ViewError> {
        Ok(Lookup::Unknown)
    }

    fn confirmed_at(&self, _: &Txid) -> Result<Option<Height>, ViewError> {
        Ok(None)
    }
}

impl Network {
    /// So many masternodes at the genesis of a chain whose epochs are long.
    pub(crate) fn new(n: usize) -> Self {
        let keys: Vec<KeyPair> =
            (0..n).map(|i| KeyPair::from_seed(format!("masternode {i}").as_bytes())).collect();
        let publics: Vec<PublicKey> = keys.iter().map(KeyPair::public).collect();
        let mut genesis = Genesis::regtest(&publics, &[]).unwrap();
        genesis.params.epoch_blocks = 1_000_000;
        let chain = Chain::new(genesis).unwrap();
        let node = |keys: KeyPair| Node {
            key: keys.public(),
            engine: Engine::new(EngineConfig {
                chain: chain.clone(),
                keys: Some(keys),
                mempool: MempoolLimits::default(),
                round_timeout: Duration::from_secs(30),
                state: LedgerState::genesis(&chain),
                records: Vec::new(),
                must_observe: false,
            }),
            log_bytes: 0,
        };
        let nodes = keys.into_iter().map(node).collect();
        let now = chain.genesis().timestamp;
        Network { chain, nodes, now, wires: VecDeque::new() }
    }

    /// The lowest height of all.
    pub(crate) fn height(&self) -> Height {
        self.nodes.iter().map(|node| node.engine.state().tip.height).min().unwrap()
    }

    /// Lets the next block become due, and everything happen that comes of it.
    pub(crate) fn decide(&mut self) {
        self.now = self.now.after(Duration::from_millis(self.chain.params().block_interval_ms));
        for index in 0..self.nodes.len() {
            self.perform(index);
        }
        while let Some((from, to, bytes)) = self.wires.pop_front() {
            self.deliver(from, to, &bytes);
        }
    }

    fn deliver(&mut self, from: usize, to: usize, bytes: &[u8]) {
        let from = self.nodes[from].key;
        let engine = &mut self.nodes[to].engine;
        let message: Message = decode("message", bytes, bytes.len()).unwrap();
        let state = engine.state();
        let context = VerifyContext {
            chain: &self.chain,
            current: (state.epoch(&self.chain), &state.masternodes),
            tip: (self.chain.params().epoch_of(state.tip.height), &state.tip_masternodes),
            known: &|_| None,
        };
        let late = engine.settled().late(&message);
        let message = late.unwrap_or_else(|| verify_message(message, &context).unwrap());
        engine.handle_input(Input::Message { from, message }, self.now, &NoOutputs).unwrap();
        self.perform(to);
    }

    /// What is due, and every output in order.
    fn perform(&mut self, index: usize) {
        let engine = &mut self.nodes[index].engine;
        while engine.poll_timeout().is_some_and(|at| at <= self.now) {
            engine.handle_timeout(self.now, &NoOutputs).unwrap();
        }
        while let Some(output) = self.nodes[index].engine.poll_output() {
            match output {
                Output::Persist(record) => self.nodes[index].log_bytes += encode(&record).len(),
                Output::Send(to, message) => self.send(index, &to, &message),
                Output::Commit(_)
                | Output::Notify(_)
                | Output::Serve(..)
                | Output::Submitted { .. } => {}
            }
        }
    }

    fn send(&mut self, from: usize, to: &To, message: &Message) {
        let bytes: Arc<[u8]> = encode(message).into();
        for node in (0..self.nodes.len()).filter(|node| *node != from) {
            let is_addressed = match to {
                To::All => true,
                To::Peer(key) => self.nodes[node].key == *key,
            };
            if is_addressed {
                self.wires.push_back((from, node, Arc::clone(&bytes)));
            }
        }
    }
}
