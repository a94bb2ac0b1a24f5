//! I1, I2, I3 and I5: one block at each height, valid by the slow ledger, with a certificate
//! that an outsider can check; and every node arrives at the same state.

use std::collections::BTreeSet;

use super::ledger::SlowLedger;
use super::{Broken, Knowledge};
use crate::engine::output::BlockCommit;
use crate::params::Chain;
use crate::types::ballot::{Ballot, Choice};
use crate::types::certificate::CommitCertificate;
use crate::types::chain::Round;
use crate::types::hash::BlockHash;
use crate::types::keys::Signature;
use crate::types::masternode_set::MasternodeSet;
use crate::types::transaction::TxKind;

/// The chain as the checks see it.
#[derive(Clone, Debug)]
pub(super) struct ChainCheck {
    ledger: SlowLedger,
    chain: Chain,
    /// Seals of recent blocks that were checked.
    seals: BTreeSet<(BlockHash, Round, u16, Signature)>,
}

impl ChainCheck {
    pub(super) fn new(chain: &Chain) -> Self {
        ChainCheck { ledger: SlowLedger::new(chain), chain: chain.clone(), seals: BTreeSet::new() }
    }

    /// The first node decided the next block.
    pub(super) fn on_block(
        &mut self,
        chain: &Chain,
        commit: &BlockCommit,
        known: &Knowledge,
    ) -> Result<(), Broken> {
        self.check_certificate(commit)?;
        let height = commit.height();
        let block = commit.connected.block.block();
        for transaction in &block.transactions {
            let TxKind::Evidence(evidence) = &transaction.kind else { continue };
            if !known.byzantine.contains(&evidence.offender) {
                let text = format!("block {height} convicts {:?}", evidence.offender);
                return Err(("I10 evidence", text));
            }
        }
        self.ledger
            .apply(chain, block)
            .map_err(|text| ("I2 validity", format!("block {height}: {text}")))?;
        self.ledger
            .compare(block, &commit.connected.state)
            .map_err(|text| ("I5 conservation", format!("block {height}: {text}")))
    }

    /// Another node decided a height.
    pub(super) fn on_block_again(
        &mut self,
        commit: &BlockCommit,
        archived: &BlockCommit,
    ) -> Result<(), Broken> {
        self.check_certificate(commit)?;
        let (first, second) = (&archived.connected, &commit.connected);
        let height = commit.height();
        if first.block.hash() != second.block.hash() {
            let text =
                format!("height {height}: {} and {}", first.block.hash(), second.block.hash());
            return Err(("I1 agreement", text));
        }
        let mut state = second.state.clone();
        state.tip.certificate.clone_from(&first.state.tip.certificate);
        if state != first.state || first.delta != second.delta {
            return Err(("I5 state", format!("nodes differ in the state after block {height}")));
        }
        Ok(())
    }

    /// I3, as an outsider would: all that it has is the masternode set.
    fn check_certificate(&mut self, commit: &BlockCommit) -> Result<(), Broken> {
        let CommitCertificate { epoch, height, round, block, seals } = &commit.certificate;
        let wrong = |text: String| Err(("I3 certificates", format!("height {height}: {text}")));
        let set: &MasternodeSet = &commit.connected.state.tip_masternodes;
        if *block != commit.connected.block.hash()
            || *height != commit.height()
            || *epoch != self.chain.params().epoch_of(*height)
        {
            return wrong("the certificate is of something else".to_owned());
        }
        if seals.len() < set.quorum() || seals.windows(2).any(|w| w[0].voter >= w[1].voter) {
            return wrong(format!("{} seals are no quorum", seals.len()));
        }
        let ballot = Ballot {
            epoch: *epoch,
            height: *height,
            round: *round,
            choice: Choice::Commit(*block),
        };
        let message = ballot.message(self.chain.id(), &set.hash());
        for seal in seals {
            if self.seals.contains(&(*block, *round, seal.voter, seal.signature)) {
                continue;
            }
            let key = set.voting_key(seal.voter);
            let holds = key.is_some_and(|k| k.verify(message.as_bytes(), &seal.signature).is_ok());
            if !holds {
                return wrong(format!("the seal of {} does not hold", seal.voter));
            }
            if self.seals.len() >= SEALS_MAX {
                self.seals.clear();
            }
            self.seals.insert((*block, *round, seal.voter, seal.signature));
        }
        Ok(())
    }
}

/// Seals that are remembered; then they are checked anew.
const SEALS_MAX: usize = 4_096;
