//! I6 and I13: no honest masternode contradicts itself, over all its lives; nothing it signed
//! leaves before it is recorded; and what it promised it promises still after a restart.

use std::collections::{BTreeMap, BTreeSet};

use super::{Broken, Knowledge};
use crate::engine::Engine;
use crate::engine::output::{BlockCommit, Record};
use crate::ledger::view::{Lookup, UtxoView};
use crate::params::Chain;
use crate::types::ballot::{Ballot, Choice, Phase, SignedBallot};
use crate::types::chain::{Epoch, Height, Round};
use crate::types::hash::Txid;
use crate::types::keys::Signature;
use crate::types::map::HashMap;
use crate::types::message::Message;
use crate::types::transaction::OutPoint;
use crate::types::vote::{Vote, VoteBatch, VoteKind};

/// What all honest masternodes have sent.
#[derive(Clone, Debug)]
pub(super) struct Promises {
    nodes: Vec<Promised>,
    /// Who rejected what in which epoch.
    rejects: HashMap<(Epoch, Txid), BTreeSet<usize>>,
    /// The block that settled an outpoint.
    settled: HashMap<OutPoint, Height>,
}

/// What one masternode has sent.
#[derive(Clone, Debug, Default)]
struct Promised {
    height: Height,
    ballots: BTreeMap<(Height, Round, Phase), Choice>,
    given_up: Option<(Height, Round)>,
    epoch: Epoch,
    votes: HashMap<Txid, VoteKind>,
    approves: BTreeMap<OutPoint, Txid>,
    commits: BTreeMap<OutPoint, Txid>,
}

impl Promises {
    pub(super) fn new(n_nodes: usize) -> Self {
        Promises {
            nodes: vec![Promised::default(); n_nodes],
            rejects: HashMap::default(),
            settled: HashMap::default(),
        }
    }

    pub(super) fn add_node(&mut self) {
        self.nodes.push(Promised::default());
    }

    pub(super) fn forget(&mut self, node: usize) {
        self.nodes[node] = Promised::default();
    }

    pub(super) fn on_send(
        &mut self,
        node: usize,
        message: &Message,
        known: &Knowledge,
        is_recorded: impl Fn(&Signature) -> bool,
    ) -> Result<(), Broken> {
        match message {
            Message::Ballot(ballot) => self.on_ballot(node, ballot, is_recorded),
            Message::Proposal(proposal) => self.on_ballot(node, &proposal.ballot, is_recorded),
            Message::RoundChange(change) => self.on_ballot(node, &change.ballot, is_recorded),
            Message::Votes(batch) => self.on_votes(node, batch, known, is_recorded),
            _ => Ok(()),
        }
    }

    fn on_ballot(
        &mut self,
        node: usize,
        signed: &SignedBallot,
        is_recorded: impl Fn(&Signature) -> bool,
    ) -> Result<(), Broken> {
        let ballot = signed.ballot;
        let phase = ballot.choice.phase();
        let what = format!("node {node}: {phase} at height {}, {}", ballot.height, ballot.round);
        if !is_recorded(&signed.signature) {
            return Err(("I13 disk before wire", format!("{what} was not recorded")));
        }
        let promised = &mut self.nodes[node];
        let key = (ballot.height, ballot.round, phase);
        let earlier = *promised.ballots.entry(key).or_insert(ballot.choice);
        if earlier != ballot.choice {
            let text = format!("{what}: {:?} after {earlier:?}", ballot.choice);
            return Err(("I6 contradiction", text));
        }
        Ok(())
    }

    /// B7, in the order of the records: what was signed before a RoundChange may be sent after.
    pub(super) fn on_record(&mut self, node: usize, record: &Record) -> Result<(), Broken> {
        let Record::Ballot { ballot, .. } = record else { return Ok(()) };
        let ballot = ballot.ballot;
        let phase = ballot.choice.phase();
        let promised = &mut self.nodes[node];
        let given_up = promised.given_up.filter(|(height, _)| *height == ballot.height);
        let is_vote = matches!(phase, Phase::Prepare | Phase::Commit);
        if let Some((_, round)) = given_up.filter(|(_, round)| is_vote && *round > ballot.round) {
            let Ballot { height, round: given, .. } = ballot;
            let text =
                format!("node {node}: {phase} at {height}, {given} after RoundChange to {round}");
            return Err(("I6 round given up", text));
        }
        if phase == Phase::RoundChange {
            promised.given_up = promised.given_up.max(Some((ballot.height, ballot.round)));
        }
        Ok(())
    }

    fn on_votes(
        &mut self,
        node: usize,
        batch: &VoteBatch,
        known: &Knowledge,
        is_recorded: impl Fn(&Signature) -> bool,
    ) -> Result<(), Broken> {
        let promised = &mut self.nodes[node];
        if batch.epoch < promised.epoch {
            return Ok(());
        }
        if !is_recorded(&batch.signature) {
            let text = format!("node {node}: votes {:?} were not recorded", batch.votes);
            return Err(("I13 disk before wire", text));
        }
        if batch.epoch > promised.epoch {
            promised.begin_epoch(batch.epoch);
        }
        for vote in &batch.votes {
            let txid = vote.txid();
            if let Vote::Reject(..) = vote {
                self.rejects.entry((batch.epoch, txid)).or_default().insert(node);
            }
            let quorum_rejects = |txid: &Txid| {
                let Some(set) = known.sets.get(&batch.epoch) else { return true };
                let honest = self.rejects.get(&(batch.epoch, *txid)).map_or(0, BTreeSet::len);
                honest + known.n_byzantine(set) >= set.quorum()
            };
            let claims = known.claims.get(&txid).map(|claims| &claims[..]).unwrap_or(&[]);
            // What is sent or repeated after a block settled it holds nothing.
            let is_open = |claim: &&OutPoint| {
                self.settled.get(claim).is_none_or(|height| *height > promised.height)
            };
            let claims: Vec<OutPoint> = claims.iter().filter(is_open).copied().collect();
            promised
                .on_vote(vote, &claims, quorum_rejects)
                .map_err(|(check, text)| (check, format!("node {node}: {text}")))?;
        }
        Ok(())
    }

    /// What an old block settled is let go.
    pub(super) fn forget_settled(&mut self, claims: &[OutPoint]) {
        claims.iter().for_each(|claim| {
            self.settled.remove(claim);
        });
    }

    /// A block settles what it spends.
    pub(super) fn on_block(&mut self, node: usize, commit: &BlockCommit, chain: &Chain) {
        let promised = &mut self.nodes[node];
        promised.height = commit.height();
        promised.ballots.retain(|(height, ..), _| *height > commit.height());
        for transaction in commit.connected.block.transactions() {
            for claim in transaction.claims() {
                self.settled.insert(claim, commit.height());
                promised.approves.remove(&claim);
                promised.commits.remove(&claim);
            }
        }
        let epoch = commit.connected.state.epoch(chain);
        if epoch > promised.epoch {
            promised.begin_epoch(epoch);
        }
        self.rejects.retain(|(of, _), _| of.next() >= epoch);
    }

    /// Locks that were held before a restart are held after it.
    pub(super) fn on_restart(
        &self,
        node: usize,
        engine: &Engine,
        view: &dyn UtxoView,
        chain: &Chain,
    ) -> Result<(), Broken> {
        let promised = &self.nodes[node];
        if engine.state().epoch(chain) != promised.epoch || engine.own_index().is_none() {
            return Ok(());
        }
        // It may have decided a block already. The claim of a masternode's name is no output that
        // could be spent: there the confirmed transaction says so.
        let is_open = |(outpoint, txid): &(&OutPoint, &Txid)| {
            let is_confirmed = matches!(view.confirmed_at(txid), Ok(Some(_)));
            !is_confirmed && !matches!(view.lookup(outpoint), Ok(Lookup::Spent))
        };
        for (outpoint, txid) in promised.commits.iter().filter(is_open) {
            if engine.finality().committed_spender(outpoint) != Some(*txid) {
                let text = format!("node {node}: the Commit for {txid} on {outpoint} is gone");
                return Err(("I13 promises after a restart", text));
            }
        }
        for (outpoint, txid) in promised.approves.iter().filter(is_open) {
            if engine.finality().approved_spender(outpoint).is_none() {
                let votes = engine.finality().get(txid);
                if votes.is_some_and(|votes| votes.is_rejected()) {
                    continue;
                }
                let text = format!("node {node}: the Approve for {txid} on {outpoint} is gone");
                return Err(("I13 promises after a restart", text));
            }
        }
        let height = engine.state().next_height();
        let given_up = promised.given_up.filter(|(at, _)| *at == height);
        if let Some((_, round)) = given_up.filter(|(_, r)| *r > engine.consensus().round()) {
            let text = format!(
                "node {node}: RoundChange to {round} is forgotten, it is in {}",
                engine.consensus().round()
            );
            return Err(("I13 promises after a restart", text));
        }
        Ok(())
    }
}

impl Promised {
    fn begin_epoch(&mut self, epoch: Epoch) {
        self.epoch = epoch;
        self.votes.clear();
        self.approves.clear();
        self.commits.clear();
    }

    fn on_vote(
        &mut self,
        vote: &Vote,
        claims: &[OutPoint],
        quorum_rejects: impl Fn(&Txid) -> bool,
    ) -> Result<(), Broken> {
        let (txid, kind) = (vote.txid(), vote.kind());
        if kind != VoteKind::Commit {
            let earlier = *self.votes.entry(txid).or_insert(kind);
            if earlier != kind {
                return Err(("I6 contradiction", format!("{kind:?} of {txid} after {earlier:?}")));
            }
        }
        let held = match kind {
            VoteKind::Approve => &mut self.approves,
            VoteKind::Commit => &mut self.commits,
            VoteKind::Reject => return Ok(()),
        };
        for claim in claims {
            let other = held.get(claim).filter(|by| **by != txid);
            if let Some(by) = other {
                let is_released = kind == VoteKind::Approve && quorum_rejects(by);
                if !is_released {
                    let text = format!("live {kind:?} of {by} and of {txid} on {claim}");
                    return Err(("I6 two live votes", text));
                }
            }
        }
        held.extend(claims.iter().map(|claim| (*claim, txid)));
        Ok(())
    }
}
