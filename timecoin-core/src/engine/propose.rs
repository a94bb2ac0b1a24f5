//! Building and proposing a block.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use super::Engine;
use super::output::{Halt, To};
use crate::ledger::block::{BlockError, Connected, Proposer, build_block};
use crate::ledger::transaction::verify_transaction;
use crate::ledger::view::UtxoView;
use crate::mempool::Entry;
use crate::types::ballot::Choice;
use crate::types::chain::{Round, Timestamp};
use crate::types::evidence::Evidence;
use crate::types::hash::Txid;
use crate::types::map::{HashMap, HashSet};
use crate::types::message::{Justification, Message, Proposal};
use crate::types::transaction::{OutPoint, Transaction, TxKind};
use crate::types::verified::{Verified, VerifiedTransaction};

/// Room in a block for its coinbase, one output for each of 200 masternodes and one more.
const COINBASE_BYTES_MAX: usize = 6_000;

/// How often a block is built again without a transaction that turned out not to fit.
const BUILDS_MAX: usize = 64;

/// Transactions for a block, each outpoint once, within the limits.
struct Selection {
    chosen: Vec<VerifiedTransaction>,
    ids: HashSet<Txid>,
    taken: HashMap<OutPoint, Txid>,
    n_left: usize,
    bytes_left: usize,
}

impl Selection {
    fn add(&mut self, transaction: &VerifiedTransaction) {
        let fits = self.n_left > 0 && self.bytes_left >= transaction.bytes();
        let is_free = transaction.claims().all(|claim| !self.taken.contains_key(&claim));
        if !fits || !is_free || !self.ids.insert(transaction.txid()) {
            return;
        }
        self.n_left -= 1;
        self.bytes_left -= transaction.bytes();
        self.taken.extend(transaction.claims().map(|claim| (claim, transaction.txid())));
        self.chosen.push(transaction.clone());
    }
}

impl Engine {
    /// At the end of an epoch a proposer waits until a quorum has told what it committed to,
    /// and until it has all of that. An inventory of things that do not exist never counts.
    /// Walking the inventories takes a while: only who is to propose does.
    pub(super) fn check_ready_to_build(&mut self, now: Timestamp) {
        let is_end = self.chain.params().is_epoch_end(self.state.next_height());
        let is_asked = is_end && self.consensus.is_to_propose();
        let is_ready = !is_end || is_asked && self.has_inventories();
        self.pages.wait(is_asked && !is_ready, now);
        self.consensus.set_ready(is_ready);
    }

    fn has_inventories(&self) -> bool {
        let n_complete = self.inventories.n_complete(|txid| self.is_includable(txid));
        n_complete >= self.finality.set().quorum()
    }

    /// Proposes the prepared block that the justification proves, or builds one (B1).
    pub(super) fn propose(
        &mut self,
        round: Round,
        justification: Justification,
        now: Timestamp,
        utxos: &dyn UtxoView,
    ) -> Result<(), Halt> {
        self.sign_votes(now, utxos)?;
        let connected = match &justification.prepared {
            Some(certificate) => {
                let known = self.consensus.candidate(&certificate.block);
                let Some(block) = known.map(|known| known.block.clone()) else { return Ok(()) };
                self.connect(&block, utxos)?
            }
            None => self.build(round, now, utxos)?,
        };
        let Some(connected) = connected else { return Ok(()) };
        let block = connected.block.clone();
        let hash = block.hash();
        let Some(ballot) = self.sign_ballot(round, Choice::PrePrepare(hash)) else {
            return Ok(());
        };
        self.record_ballot(ballot, Some(Arc::clone(block.block())), None);
        let proposal = Proposal { ballot, block: Arc::clone(block.block()), justification };
        self.send(To::All, Message::Proposal(proposal.clone()));
        self.consensus.on_proposal(ballot);
        self.consensus.add_block(block, Some(connected));
        self.consensus.offer(round, hash);
        self.last_proposal = Some(proposal);
        Ok(())
    }

    /// This masternode's proposal of the round it is in, for repeating.
    pub(super) fn own_proposal(&self) -> Option<Proposal> {
        let proposal = self.last_proposal.as_ref()?;
        let ballot = &proposal.ballot.ballot;
        let place = (self.consensus.height(), self.consensus.round());
        ((ballot.height, ballot.round) == place).then(|| proposal.clone())
    }

    fn build(
        &self,
        round: Round,
        now: Timestamp,
        utxos: &dyn UtxoView,
    ) -> Result<Option<Connected>, Halt> {
        let Some(index) = self.finality.own() else { return Ok(None) };
        let mut transactions = self.select(round, now);
        let view = self.decided_view(utxos);
        for _ in 0..BUILDS_MAX {
            let proposer = Proposer { index, now };
            let built =
                build_block(&self.chain, &self.state, &view, transactions.clone(), proposer);
            match built {
                Ok(connected) => return Ok(Some(connected)),
                Err(BlockError::View(error)) => return Err(error.into()),
                Err(BlockError::Transaction { index, .. }) => {
                    transactions.remove(index - 1);
                }
                Err(_) => break,
            }
        }
        Ok(None)
    }

    /// What goes into a block: all that is final, all that is certified, evidence; and in
    /// round 0 what is contested or old (F7). Parents come before children, because a child is
    /// approved only once its parent is final.
    fn select(&self, round: Round, now: Timestamp) -> Vec<VerifiedTransaction> {
        let params = self.chain.params();
        let mut selection = Selection {
            chosen: Vec::new(),
            ids: HashSet::default(),
            taken: HashMap::default(),
            n_left: params.block_transactions_max as usize - 1,
            bytes_left: (params.block_bytes_max as usize).saturating_sub(COINBASE_BYTES_MAX),
        };
        self.own_commits_first(&mut selection);
        for evidence in self.evidence_transactions() {
            selection.add(&evidence);
        }
        for txid in self.finality.finals().chain(self.finality.certified()) {
            if let Some(entry) = self.mempool.get(txid) {
                selection.add(&entry.transaction);
            }
        }
        if round == Round::ZERO {
            let grace = Duration::from_millis(params.contest_grace_ms);
            let is_old = |entry: &&Entry| entry.added_at.after(grace) <= now;
            let is_split = |txid: &Txid| {
                let votes = self.finality.get(txid);
                votes.is_some_and(|v| v.is_split()) || self.is_claimed_twice(txid)
            };
            let included = self.mempool.entries().filter(|entry| {
                is_old(entry) || self.timers.is_contested() && is_split(&entry.transaction.txid())
            });
            for entry in included {
                if self.may_include(&entry.transaction) {
                    selection.add(&entry.transaction);
                }
            }
        }
        parents_first(selection.chosen)
    }

    /// At the end of an epoch, what must be in takes its place before anything else does.
    fn own_commits_first(&self, selection: &mut Selection) {
        if !self.chain.params().is_epoch_end(self.state.next_height()) {
            return;
        }
        let named = self.inventories.union();
        let open = self.finality.open_commits();
        for txid in open.iter().chain(&named) {
            let is_includable = self.is_includable(txid);
            if let Some(entry) = self.mempool.get(txid).filter(|_| is_includable) {
                selection.add(&entry.transaction);
            }
        }
    }

    fn is_claimed_twice(&self, txid: &Txid) -> bool {
        let entry = self.mempool.get(txid);
        entry.is_some_and(|entry| !self.mempool.conflicts(&entry.transaction).is_empty())
    }

    /// Nothing that this masternode committed to is contradicted by its own proposal.
    fn may_include(&self, transaction: &VerifiedTransaction) -> bool {
        let txid = transaction.txid();
        let mut spenders = transaction.claims().filter_map(|c| self.finality.committed_spender(&c));
        spenders.all(|by| by == txid)
    }

    fn evidence_transactions(&self) -> Vec<VerifiedTransaction> {
        let wrap = |evidence: &Verified<Evidence>| {
            let kind = TxKind::Evidence(Box::new(Evidence::clone(evidence)));
            let transaction = Transaction::unsigned(&[], Vec::new(), kind);
            verify_transaction(Arc::new(transaction), &self.chain).ok()
        };
        self.evidence.values().filter_map(wrap).collect()
    }
}

/// Orders transactions so that what one spends of another comes after it; otherwise the order
/// stays.
fn parents_first(transactions: Vec<VerifiedTransaction>) -> Vec<VerifiedTransaction> {
    let position: HashMap<Txid, usize> =
        transactions.iter().enumerate().map(|(index, tx)| (tx.txid(), index)).collect();
    let is_ordered = transactions.iter().enumerate().all(|(index, transaction)| {
        let mut parents = transaction.inputs.iter().map(|input| input.previous_output.txid);
        parents.all(|parent| position.get(&parent).is_none_or(|before| *before < index))
    });
    if is_ordered {
        return transactions;
    }
    let mut placed: BTreeSet<Txid> = BTreeSet::new();
    let mut ordered = Vec::with_capacity(transactions.len());
    let mut left = transactions;
    loop {
        let n_before = ordered.len();
        let (ready, waiting): (Vec<_>, Vec<_>) = left.into_iter().partition(|transaction| {
            let mut parents = transaction.inputs.iter().map(|input| input.previous_output.txid);
            parents.all(|parent| !position.contains_key(&parent) || placed.contains(&parent))
        });
        placed.extend(ready.iter().map(VerifiedTransaction::txid));
        ordered.extend(ready);
        left = waiting;
        if left.is_empty() || ordered.len() == n_before {
            return ordered;
        }
    }
}
