//! Introduces the cores to each other. Pure: no clock, no I/O, no thread, no lock.
//!
//! A driver gives inputs and the time, calls [`Engine::handle_timeout`] as long as
//! [`Engine::poll_timeout`] is not in the future, then performs every output in order. Each
//! input has a file of its own, which holds everything that it can cause.

mod ballot;
mod behind;
mod certificate;
mod decided;
mod epoch;
mod evidence;
mod guard;
mod held;
pub mod input;
pub mod output;
mod proposal;
mod propose;
mod recall;
mod request;
mod restore;
mod settled;
mod sizes;
mod supports;
mod timeout;
mod transaction;
mod unknown;
pub mod verify;
mod view;
mod vote;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

pub use guard::{Refused, SignGuard};
pub use settled::Settled;
pub use sizes::TableSize;

use crate::consensus::Consensus;
use crate::finality::{Backlog, Finality, Inventories};
use crate::ledger::state::LedgerState;
use crate::ledger::transaction::SpendContext;
use crate::ledger::view::UtxoView;
use crate::mempool::{Mempool, MempoolLimits};
use crate::params::Chain;
use crate::types::ballot::{Phase, PreparedBlock};
use crate::types::certificate::{ApproveCertificate, FinalityCertificate, Seal};
use crate::types::chain::{Height, Round, Timestamp};
use crate::types::evidence::Evidence;
use crate::types::hash::{BlockHash, EvidenceId, Txid};
use crate::types::keys::{KeyPair, Signature};
use crate::types::map::HashSet;
use crate::types::masternode_set::{MasternodeIndex, MasternodeSet};
use crate::types::message::{Message, Proposal};
use crate::types::verified::{Verified, VerifiedTransaction};
use crate::votes::BatchTrees;
use behind::Told;
use certificate::Pages;
use held::Held;
use input::{Input, PeerId, VerifiedMessage};
use output::{Event, Halt, Output, Record, To};
use proposal::PreparedClaims;
use request::CERTIFICATE_BYTES_TOLD_MAX;
use restore::Restore;
use settled::LatestBlocks;
use timeout::Timers;
use unknown::Unknown;
use view::{DecidedView, SpendableView, Unstaged};

/// What an engine is made of.
pub struct EngineConfig {
    /// The chain.
    pub chain: Chain,
    /// The consensus keys of a masternode; none for a node that only follows.
    pub keys: Option<KeyPair>,
    /// The bounds of the mempool.
    pub mempool: MempoolLimits,
    /// The timeout of round 0; 30 s by default (PROTOCOL 8).
    pub round_timeout: Duration,
    /// The ledger after the last decided block.
    pub state: LedgerState,
    /// What the vote log holds, in order.
    pub records: Vec<Record>,
    /// Whether it may have signed what the records do not show: it signs nothing until an epoch
    /// begins that it can't have been in before, by the timestamp of the block before it.
    pub must_observe: bool,
}

/// One node's part in the protocol, as a function of what it is told.
#[derive(Clone)]
pub struct Engine {
    chain: Chain,
    keys: Option<KeyPair>,
    round_timeout: Duration,
    state: LedgerState,
    guard: SignGuard,
    mempool: Mempool,
    finality: Finality,
    consensus: Consensus,
    inventories: Inventories,
    evidence: BTreeMap<EvidenceId, Verified<Evidence>>,
    unstaged: Unstaged,
    outputs: VecDeque<Output>,
    timers: Timers,
    restore: Option<Restore>,
    held: Held<VerifiedMessage>,
    held_unverified: Held<Message>,
    late: BTreeSet<(PeerId, Phase)>,
    latest_blocks: LatestBlocks,
    /// Who was sent a block because of a message about it.
    told_blocks: Told,
    /// Who was sent votes or certificates because of votes that it repeated.
    told_finals: Told,
    /// Who was sent how many bytes of certificates because it asked for transactions.
    told_certificates: Told,
    /// When the tip was decided here; none for the one of an earlier life.
    decided_at: Option<Timestamp>,
    unknown: Unknown,
    pages: Pages,
    /// The last round in which a refused proposal was answered with reasons.
    reasons_told: Option<(Height, Round)>,
    last_proposal: Option<Proposal>,
    /// Commits to the tip that were verified here, in the round of its certificate.
    tip_seals: Vec<Seal>,
    prepared_claims: PreparedClaims,
    restored: BTreeMap<Txid, VerifiedTransaction>,
    /// An observer may have signed in any epoch that began before this.
    observes_past: Option<Timestamp>,
    /// A restarted masternode signs nothing before.
    silent_until: Option<Timestamp>,
    trusts_log: bool,
    recorded: RecordedOnce,
    is_halted: bool,
}

/// What the vote log holds already, so that nothing is written twice.
#[derive(Clone, Debug, Default)]
struct RecordedOnce {
    transactions: HashSet<Txid>,
    batches: HashSet<Signature>,
    certificates: BTreeSet<Txid>,
    blocks: BTreeSet<BlockHash>,
    prepared: Option<PreparedBlock>,
}

impl Engine {
    /// Takes up where state and records leave off. Timeouts may be due at once.
    pub fn new(config: EngineConfig) -> Self {
        let EngineConfig { chain, keys, mempool, round_timeout, state, records, must_observe } =
            config;
        let epoch = state.epoch(&chain);
        let observes = |record: &Record| matches!(record, Record::Observing(e) if *e >= epoch);
        let must_observe = must_observe || records.iter().any(observes);
        let guard = SignGuard::new(epoch, state.tip.height, must_observe);
        let own = own_index(keys.as_ref(), &state.masternodes, must_observe);
        let set = state.masternodes.clone();
        let next_height = state.next_height();
        let latest_blocks = LatestBlocks::of(state.tip.height, state.tip.hash);
        let is_halted = records.iter().any(|record| record.violation().is_some());
        Engine {
            finality: Finality::new(epoch, set.clone(), own, backlog_max(&chain)),
            consensus: Consensus::new(next_height, epoch, set, own, round_timeout),
            chain,
            keys,
            round_timeout,
            state,
            guard,
            mempool: Mempool::new(mempool),
            inventories: Inventories::default(),
            evidence: BTreeMap::new(),
            unstaged: Unstaged::default(),
            outputs: VecDeque::new(),
            timers: Timers::default(),
            restore: Some(Restore::new(records)),
            held: Held::default(),
            held_unverified: Held::default(),
            late: BTreeSet::new(),
            latest_blocks,
            told_blocks: Told::new(1, round_timeout),
            told_finals: Told::new(FINALS_TOLD_MAX, round_timeout),
            told_certificates: Told::new(CERTIFICATE_BYTES_TOLD_MAX, round_timeout),
            decided_at: None,
            unknown: Unknown::default(),
            pages: Pages::default(),
            reasons_told: None,
            last_proposal: None,
            tip_seals: Vec::new(),
            prepared_claims: PreparedClaims::default(),
            restored: BTreeMap::new(),
            observes_past: None,
            silent_until: None,
            trusts_log: false,
            recorded: RecordedOnce::default(),
            is_halted,
        }
    }

    /// Tells the engine that something happened. `utxos` shows at least every block whose
    /// [`Output::Commit`] was polled before.
    ///
    /// # Errors
    /// [`Halt`]: the node must stop writing.
    pub fn handle_input(
        &mut self,
        input: Input,
        now: Timestamp,
        utxos: &dyn UtxoView,
    ) -> Result<(), Halt> {
        self.restore_if_needed(now, utxos)?;
        self.end_silence(now);
        match input {
            Input::Submit { ticket, transaction } => {
                self.on_submit(ticket, transaction, now, utxos)
            }
            Input::ProduceBlock => self.on_produce_block(now, utxos),
            Input::Message { from, message } => self.on_message(from, message, now, utxos),
            Input::OtherEpoch { from, epoch, message } => {
                self.on_other_epoch(from, epoch, *message, now);
                Ok(())
            }
        }
    }

    fn on_message(
        &mut self,
        from: PeerId,
        message: VerifiedMessage,
        now: Timestamp,
        utxos: &dyn UtxoView,
    ) -> Result<(), Halt> {
        if self.is_halted {
            return Ok(());
        }
        match message {
            VerifiedMessage::Transaction(tx) => self.on_transaction(Some(from), tx, now, utxos),
            VerifiedMessage::Votes(batch) => self.on_votes(from, &batch, now, utxos),
            VerifiedMessage::ApproveCertificate(c) => {
                self.on_approve_certificate(from, c, now, utxos)
            }
            VerifiedMessage::FinalityCertificate(c) => {
                self.on_finality_certificate(from, c, now, utxos)
            }
            VerifiedMessage::CertInventory(i) => self.on_inventory(from, i, now, utxos),
            VerifiedMessage::DoubleSpend(p) => self.on_double_spend(Some(from), p, now, utxos),
            VerifiedMessage::Proposal(p) => self.on_proposal(from, p, now, utxos),
            VerifiedMessage::Ballot(b) => self.on_ballot(from, b, now, utxos),
            VerifiedMessage::RoundChange(c) => self.on_round_change(from, c, now, utxos),
            VerifiedMessage::Late(late) => {
                self.on_late(from, &late);
                Ok(())
            }
            VerifiedMessage::Decided(b, c) => self.on_decided(from, b, c, now, utxos),
            VerifiedMessage::Block(b) => self.on_block(b, now, utxos),
            VerifiedMessage::Evidence(e) => self.on_evidence(*e, now),
            VerifiedMessage::Request(r) => {
                self.on_request(from, r, now);
                Ok(())
            }
        }
    }

    /// The next thing to do, in order.
    pub fn poll_output(&mut self) -> Option<Output> {
        let output = self.outputs.pop_front()?;
        if matches!(output, Output::Commit(_)) {
            self.unstaged.pop();
        }
        Some(output)
    }

    /// When [`Engine::handle_timeout`] is due; in the past for "at once".
    pub fn poll_timeout(&self) -> Option<Timestamp> {
        if self.is_halted {
            return None;
        }
        if self.restore.is_some() || self.finality.has_outbox() {
            return Some(Timestamp::ZERO);
        }
        self.next_timeout()
    }

    /// The ledger after the last decided block.
    pub fn state(&self) -> &LedgerState {
        &self.state
    }

    /// The chain.
    pub fn chain(&self) -> &Chain {
        &self.chain
    }

    /// The transactions that wait.
    pub fn mempool(&self) -> &Mempool {
        &self.mempool
    }

    /// The votes of the epoch.
    pub fn finality(&self) -> &Finality {
        &self.finality
    }

    /// The height that is being decided.
    pub fn consensus(&self) -> &Consensus {
        &self.consensus
    }

    /// The portable proof that a transaction is final, until a block holds it.
    pub fn finality_certificate(&self, txid: &Txid) -> Option<Arc<FinalityCertificate>> {
        self.finality.finality_certificate(txid, &mut BatchTrees::default())
    }

    /// The proof that a transaction is certified, until a block holds it.
    pub fn approve_certificate(&self, txid: &Txid) -> Option<Arc<ApproveCertificate>> {
        self.finality.approve_certificate(txid, &mut BatchTrees::default())
    }

    /// Whether this masternode signs nothing until an epoch begins that it can't have been in.
    pub fn is_observing(&self) -> bool {
        self.guard.is_observing()
    }

    /// This node's position in the set that decides the next block, if it may vote.
    pub fn own_index(&self) -> Option<MasternodeIndex> {
        self.finality.own()
    }

    fn persist(&mut self, record: Record) {
        self.outputs.push_back(Output::Persist(Box::new(record)));
    }

    fn send(&mut self, to: To, message: Message) {
        self.outputs.push_back(Output::Send(to, Box::new(message)));
    }

    fn notify(&mut self, event: Event) {
        self.outputs.push_back(Output::Notify(event));
    }

    fn decided_view<'a>(&'a self, utxos: &'a dyn UtxoView) -> DecidedView<'a> {
        DecidedView { store: utxos, unstaged: &self.unstaged }
    }

    fn spendable_view<'a>(&'a self, utxos: &'a dyn UtxoView) -> SpendableView<'a> {
        SpendableView {
            decided: self.decided_view(utxos),
            finality: &self.finality,
            mempool: &self.mempool,
            next_height: self.state.next_height(),
        }
    }

    fn spend_context(&self) -> SpendContext<'_> {
        SpendContext {
            chain: &self.chain,
            registry: &self.state.registry,
            sets: [&self.state.masternodes, &self.state.tip_masternodes],
            next_height: self.state.next_height(),
        }
    }

    /// A signature was refused: a bug, or a store that was put back in time. Nothing is sent.
    fn refuse(&mut self, refused: &Refused) {
        self.notify(Event::SignatureRefused { what: refused.to_string() });
    }
}

/// The position of `keys` in the set that decides, unless this node only observes.
fn own_index(
    keys: Option<&KeyPair>,
    set: &MasternodeSet,
    is_observing: bool,
) -> Option<MasternodeIndex> {
    let keys = keys.filter(|_| !is_observing)?;
    set.index_of(&keys.public())
}

/// Half a block, in count and in bytes (F9).
fn backlog_max(chain: &Chain) -> Backlog {
    let params = chain.params();
    Backlog {
        transactions: params.block_transactions_max as usize / 2,
        bytes: params.block_bytes_max as usize / 2,
    }
}

/// Batches of votes and certificates for a voter that repeats itself, in a while.
const FINALS_TOLD_MAX: usize = 64;

#[cfg(test)]
mod tests;
