//! A handful of engines, their stores and the wires between them.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use crate::engine::input::Input;
use crate::engine::output::{
    BlockCommit, Event, Output, Record, Submission, To, TransactionStatus,
};
use crate::engine::verify::{MessageError, VerifyContext, verify_message};
use crate::engine::{Engine, EngineConfig};
use crate::ledger::state::{LedgerState, genesis_utxos};
use crate::ledger::transaction::verify_transaction;
use crate::ledger::view::{Lookup, Utxo, UtxoView, ViewError};
use crate::mempool::MempoolLimits;
use crate::params::{BlockProduction, Chain, Genesis};
use crate::types::amount::Amount;
use crate::types::chain::{Height, Timestamp};
use crate::types::encode::{decode, encode};
use crate::types::hash::Txid;
use crate::types::keys::{KeyPair, PublicKey};
use crate::types::message::{Decided, Message, Request};
use crate::types::transaction::{OutPoint, Transaction, TxOutput};

/// Steps after which a cluster that does not come to rest counts as stuck.
const STEPS_MAX: usize = 200_000;

/// What a node has on disk.
#[derive(Clone, Default)]
pub(super) struct Store {
    utxos: HashMap<OutPoint, Utxo>,
    confirmed: HashMap<Txid, Height>,
    pub(super) blocks: Vec<Arc<BlockCommit>>,
    pub(super) records: Vec<Record>,
}

impl Store {
    fn genesis(chain: &Chain) -> Self {
        let mut store = Store { utxos: genesis_utxos(chain).collect(), ..Store::default() };
        let genesis_tx = chain.genesis().outputs().next().map(|(outpoint, _)| outpoint.txid);
        store.confirmed.extend(genesis_tx.map(|txid| (txid, Height::ZERO)));
        store
    }

    fn commit(&mut self, commit: Arc<BlockCommit>) {
        let delta = &commit.connected.delta;
        for (outpoint, _) in &delta.spent {
            self.utxos.remove(outpoint).expect("a block spends what is there");
        }
        self.utxos.extend(delta.created.iter().copied());
        let block = commit.connected.block.block();
        let ids = block.transactions.iter().map(|transaction| transaction.txid());
        self.confirmed.extend(ids.map(|txid| (txid, commit.height())));
        self.blocks.push(commit);
    }

    pub(super) fn total(&self) -> Amount {
        self.utxos.values().map(|utxo| utxo.output.value).sum()
    }
}

impl UtxoView for Store {
    fn lookup(&self, outpoint: &OutPoint) -> Result<Lookup, ViewError> {
        Ok(match self.utxos.get(outpoint) {
            Some(utxo) => Lookup::Unspent(*utxo),
            None if self.confirmed.contains_key(&outpoint.txid) => Lookup::Spent,
            None => Lookup::Unknown,
        })
    }

    fn confirmed_at(&self, txid: &Txid) -> Result<Option<Height>, ViewError> {
        Ok(self.confirmed.get(txid).copied())
    }
}

/// One node.
pub(super) struct Node {
    pub(super) engine: Option<Engine>,
    pub(super) store: Store,
    pub(super) keys: KeyPair,
    pub(super) statuses: BTreeMap<Txid, Vec<TransactionStatus>>,
    pub(super) refused: Vec<String>,
    answers: Vec<Submission>,
}

/// All of them.
pub(super) struct Cluster {
    pub(super) chain: Chain,
    pub(super) nodes: Vec<Node>,
    pub(super) now: Timestamp,
    pub(super) owner: KeyPair,
    wires: VecDeque<(usize, usize, Vec<u8>)>,
    /// Questions that were answered from a store.
    pub(super) n_served: usize,
    cut: BTreeSet<(usize, usize)>,
    random: u64,
    mempool: MempoolLimits,
    pub(super) loss_percent: u64,
    /// Messages that never arrive.
    pub(super) lost: Option<fn(&Message) -> bool>,
    pub(super) is_shuffled: bool,
}

impl Cluster {
    pub(super) fn new(n: usize, edit: impl FnOnce(&mut Genesis)) -> Self {
        Self::build(n, MempoolLimits::default(), edit)
    }

    pub(super) fn with_mempool(n: usize, mempool: MempoolLimits) -> Self {
        Self::build(n, mempool, |_| {})
    }

    fn build(n: usize, mempool: MempoolLimits, edit: impl FnOnce(&mut Genesis)) -> Self {
        let mut keys: Vec<KeyPair> =
            (0..n).map(|i| KeyPair::from_seed(format!("masternode {i}").as_bytes())).collect();
        keys.sort_by_key(KeyPair::public);
        let owner = KeyPair::from_seed(b"owner");
        let publics: Vec<PublicKey> = keys.iter().map(KeyPair::public).collect();
        let mut genesis = Genesis::regtest(&publics, &vec![owner.address(); 20]).unwrap();
        genesis.params.block_production = BlockProduction::OnDemand;
        edit(&mut genesis);
        let chain = Chain::new(genesis).unwrap();
        let now = Timestamp(chain.genesis().timestamp.0 + 1_000);
        let nodes = keys.into_iter().map(|keys| Node {
            engine: None,
            store: Store::genesis(&chain),
            keys,
            statuses: BTreeMap::new(),
            refused: Vec::new(),
            answers: Vec::new(),
        });
        let mut cluster = Cluster {
            nodes: nodes.collect(),
            chain,
            now,
            owner,
            wires: VecDeque::new(),
            n_served: 0,
            cut: BTreeSet::new(),
            random: 1,
            mempool,
            loss_percent: 0,
            lost: None,
            is_shuffled: false,
        };
        for index in 0..n {
            cluster.start(index);
        }
        cluster
    }

    /// Starts a node from what its store holds.
    pub(super) fn start(&mut self, index: usize) {
        let node = &mut self.nodes[index];
        let state = node.store.blocks.last();
        let state = state.map_or(LedgerState::genesis(&self.chain), |c| c.connected.state.clone());
        node.engine = Some(Engine::new(EngineConfig {
            chain: self.chain.clone(),
            keys: Some(node.keys.clone()),
            mempool: self.mempool,
            round_timeout: Duration::from_secs(2),
            state,
            records: node.store.records.clone(),
            must_observe: false,
        }));
    }

    pub(super) fn crash(&mut self, index: usize) {
        self.nodes[index].engine = None;
    }

    pub(super) fn cut(&mut self, groups: &[&[usize]]) {
        let group = |node: usize| groups.iter().position(|group| group.contains(&node));
        let n = self.nodes.len();
        let pairs = (0..n).flat_map(|a| (0..n).map(move |b| (a, b)));
        self.cut = pairs.filter(|(a, b)| group(*a) != group(*b)).collect();
    }

    /// Cuts every wire but one direction of one.
    pub(super) fn cut_but(&mut self, from: usize, to: usize) {
        let n = self.nodes.len();
        let pairs = (0..n).flat_map(|a| (0..n).map(move |b| (a, b)));
        self.cut = pairs.filter(|pair| *pair != (from, to)).collect();
    }

    pub(super) fn heal(&mut self) {
        self.cut.clear();
    }

    fn random(&mut self) -> u64 {
        self.random = self.random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        self.random >> 33
    }

    pub(super) fn seed(&mut self, seed: u64) {
        self.random = seed;
    }

    pub(super) fn engine(&self, index: usize) -> &Engine {
        self.nodes[index].engine.as_ref().expect("the node runs")
    }

    pub(super) fn submit(&mut self, index: usize, transaction: &Transaction) -> Submission {
        let transaction = Arc::new(transaction.clone());
        let transaction = verify_transaction(transaction, &self.chain).unwrap();
        self.input(index, Input::Submit { ticket: 1, transaction });
        self.nodes[index].answers.pop().expect("a submission is answered")
    }

    pub(super) fn input(&mut self, index: usize, input: Input) {
        let (now, node) = (self.now, &mut self.nodes[index]);
        let Some(engine) = &mut node.engine else { return };
        engine.handle_input(input, now, &node.store).unwrap();
        self.perform(index);
    }

    /// Everything due now, then every output in order.
    fn perform(&mut self, index: usize) {
        loop {
            let (now, node) = (self.now, &mut self.nodes[index]);
            let Some(engine) = &mut node.engine else { return };
            let Some(output) = engine.poll_output() else {
                if engine.poll_timeout().is_some_and(|at| at <= now) {
                    engine.handle_timeout(now, &node.store).unwrap();
                    continue;
                }
                return;
            };
            self.perform_one(index, output);
        }
    }

    fn perform_one(&mut self, index: usize, output: Output) {
        let node = &mut self.nodes[index];
        match output {
            Output::Persist(record) => {
                let bytes = encode(&record);
                node.store.records.push(decode("record", &bytes, bytes.len()).unwrap());
            }
            Output::Commit(commit) => node.store.commit(commit),
            Output::Submitted { answer, .. } => node.answers.push(answer),
            Output::Notify(Event::Transaction { transaction, status }) => {
                node.statuses.entry(transaction.txid()).or_default().push(status);
            }
            Output::Notify(Event::SignatureRefused { what }) => node.refused.push(what),
            Output::Notify(_) => {}
            Output::Send(to, message) => self.send(index, &to, &message),
            Output::Serve(peer, Request::Decided(height)) => {
                self.n_served += 1;
                let blocks = self.nodes[index].store.blocks.iter();
                let served: Vec<_> =
                    blocks.filter(|c| c.height() >= height).take(10).cloned().collect();
                for commit in served {
                    let block = Arc::clone(commit.connected.block.block());
                    let certificate = commit.certificate.clone();
                    let decided = Decided { block, certificate };
                    self.send(index, &To::Peer(peer), &Message::Decided(decided));
                }
            }
            Output::Serve(..) => {}
        }
    }

    fn send(&mut self, from: usize, to: &To, message: &Message) {
        if self.lost.is_some_and(|is_lost| is_lost(message)) {
            return;
        }
        let bytes = encode(message);
        for index in 0..self.nodes.len() {
            let is_addressed = match to {
                To::All => index != from,
                To::Peer(key) => self.nodes[index].keys.public() == *key,
            };
            let is_lost = self.loss_percent > 0 && self.random() % 100 < self.loss_percent;
            if is_addressed && !is_lost && !self.cut.contains(&(from, index)) {
                self.wires.push_back((from, index, bytes.clone()));
            }
        }
    }

    /// Delivers everything that is under way, and what that causes.
    pub(super) fn settle(&mut self) {
        for index in 0..self.nodes.len() {
            self.perform(index);
        }
        for _ in 0..STEPS_MAX {
            if self.wires.is_empty() {
                return;
            }
            let n = self.wires.len();
            let random = usize::try_from(self.random()).unwrap_or(0);
            let at = if self.is_shuffled { random % n } else { 0 };
            let (from, to, bytes) = self.wires.remove(at).unwrap();
            self.deliver(from, to, &bytes);
        }
        panic!("the cluster does not come to rest");
    }

    /// What one node has sent another and the other has not got.
    pub(super) fn under_way(&self, from: usize, to: usize) -> Vec<Message> {
        let here = self.wires.iter().filter(|(a, b, _)| (*a, *b) == (from, to));
        here.map(|(_, _, bytes)| decode("message", bytes, bytes.len()).unwrap()).collect()
    }

    pub(super) fn deliver(&mut self, from: usize, to: usize, bytes: &[u8]) {
        let Some(engine) = &self.nodes[to].engine else { return };
        let message: Message = decode("message", bytes, bytes.len()).unwrap();
        let params = self.chain.params();
        let state = engine.state();
        let context = VerifyContext {
            chain: &self.chain,
            current: (state.epoch(&self.chain), &state.masternodes),
            tip: (params.epoch_of(state.tip.height), &state.tip_masternodes),
            known: &|_| None,
        };
        let from = self.nodes[from].keys.public();
        if let Some(message) = engine.settled().late(&message) {
            return self.input(to, Input::Message { from, message });
        }
        match verify_message(message.clone(), &context) {
            Ok(message) => self.input(to, Input::Message { from, message }),
            Err(MessageError::OtherEpoch { epoch }) => {
                self.input(to, Input::OtherEpoch { from, epoch, message: Box::new(message) });
            }
            Err(error) => assert!(error.is_innocent(), "an honest node sent this: {error}"),
        }
    }

    /// Moves the clock to the next timeout of anybody, at most `limit` on, and settles.
    pub(super) fn step_time(&mut self, limit: Duration) {
        let engines = self.nodes.iter().filter_map(|node| node.engine.as_ref());
        let next = engines.filter_map(Engine::poll_timeout).min().unwrap_or(Timestamp::NEVER);
        self.now = next.max(self.now.next()).min(self.now.after(limit));
        self.settle();
    }

    /// Lets time pass.
    pub(super) fn advance(&mut self, duration: Duration) {
        let end = self.now.after(duration);
        self.settle();
        while self.now < end {
            self.step_time(end.since(self.now));
        }
    }

    pub(super) fn produce(&mut self) {
        for index in 0..self.nodes.len() {
            self.input(index, Input::ProduceBlock);
        }
        self.settle();
    }

    /// A payment of one of the owner's 20 first coins, with a fee.
    pub(super) fn payment(&self, coin: u32, to: &KeyPair, units: u64) -> Transaction {
        let (outpoint, output) = self.chain.genesis().outputs().nth(coin as usize).unwrap();
        let change = output.value.units() - units - 10_000;
        let outputs = vec![
            TxOutput { value: Amount::from_units(units), address: to.address() },
            TxOutput { value: Amount::from_units(change), address: self.owner.address() },
        ];
        let mut transaction = Transaction::transfer(&[(outpoint, self.owner.public())], outputs);
        transaction.sign_all(self.chain.id(), &self.owner);
        transaction
    }

    pub(super) fn last_status(&self, index: usize, txid: &Txid) -> Option<TransactionStatus> {
        let node = &self.nodes[index];
        if let Some(height) = node.store.confirmed.get(txid) {
            return Some(TransactionStatus::Confirmed(*height));
        }
        node.statuses.get(txid).and_then(|statuses| statuses.last()).cloned()
    }

    /// What must hold whatever happened: one chain, money conserved, nothing final reverted,
    /// no signature refused.
    pub(super) fn check(&self) {
        let mut chain: BTreeMap<Height, crate::types::hash::BlockHash> = BTreeMap::new();
        for node in &self.nodes {
            assert_eq!(node.refused, Vec::<String>::new());
            for commit in &node.store.blocks {
                let hash = commit.connected.block.hash();
                let known = *chain.entry(commit.height()).or_insert(hash);
                assert_eq!(known, hash, "two blocks at height {}", commit.height());
                let set = &commit.connected.state.tip_masternodes;
                commit.certificate.verify(self.chain.id(), set).unwrap();
            }
            let issued = node.store.blocks.last().map(|c| c.connected.state.issued);
            let issued = issued.unwrap_or(self.chain.genesis().allocated());
            assert_eq!(node.store.total(), issued);
        }
        self.check_finality();
    }

    /// No two final transactions, and no final and confirmed one, claim the same.
    fn check_finality(&self) {
        let mut claims: HashMap<OutPoint, Txid> = HashMap::new();
        let mut claim = |transaction: &Transaction, txid: Txid| {
            for outpoint in transaction.claims() {
                let known = *claims.entry(outpoint).or_insert(txid);
                assert_eq!(known, txid, "two irreversible spends of {outpoint}");
            }
        };
        for node in &self.nodes {
            for commit in &node.store.blocks {
                for transaction in commit.connected.block.transactions() {
                    claim(transaction, transaction.txid());
                }
            }
            let Some(engine) = &node.engine else { continue };
            for txid in engine.finality().finals() {
                if let Some(entry) = engine.mempool().get(txid) {
                    claim(&entry.transaction, *txid);
                }
            }
        }
    }
}
