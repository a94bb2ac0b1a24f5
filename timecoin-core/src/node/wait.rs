//! Waiting for what a node will do, and asking it for a block.

use std::sync::Arc;
use std::time::Duration;

use super::Node;
use super::driver::Request;
use super::error::NodeError;
use super::parking::{Answer, Deadline};
use super::state::NodeState;
use crate::engine::output::TransactionStatus;
use crate::types::certificate::{CertificateError, FinalityCertificate};
use crate::types::chain::Height;
use crate::types::hash::{ChainId, Txid};
use crate::types::masternode_set::MasternodeSet;

impl Node {
    /// Waits until a transaction can never be undone: it is final, or confirmed already.
    ///
    /// A transaction that is not known yet is waited for.
    ///
    /// # Errors
    /// [`NodeError::Timeout`] where it takes longer, and it can be waited for again;
    /// [`NodeError::Transaction`] or [`NodeError::Rejected`] where it was refused;
    /// [`NodeError::Closed`], [`NodeError::Poisoned`], [`NodeError::Storage`].
    pub fn wait_finalized(
        &self,
        txid: &Txid,
        timeout: Duration,
    ) -> Result<TransactionStatus, NodeError> {
        self.wait_status(txid, timeout, "finality", |status| status.is_final().then_some(status))
    }

    /// Waits until a transaction is in a decided block, and tells the block's height.
    ///
    /// # Errors
    /// As [`Node::wait_finalized`].
    pub fn wait_confirmed(&self, txid: &Txid, timeout: Duration) -> Result<Height, NodeError> {
        self.wait_status(txid, timeout, "confirmation", |status| match status {
            TransactionStatus::Confirmed(height) => Some(height),
            _ => None,
        })
    }

    /// Waits until the block at `height` is decided, and tells the height of the tip.
    ///
    /// # Errors
    /// [`NodeError::Timeout`], [`NodeError::Closed`], [`NodeError::Poisoned`].
    pub fn wait_height(&self, height: Height, timeout: Duration) -> Result<Height, NodeError> {
        let (shared, deadline) = (self.shared(), Deadline::after(timeout));
        loop {
            let seen = shared.published.tip_bell.rings();
            let tip = shared.published.tip().height;
            if tip >= height {
                return Ok(tip);
            }
            shared.life.check_hopeful()?;
            if !shared.published.tip_bell.wait(seen, deadline) {
                return Err(NodeError::Timeout { what: "the block", after: timeout });
            }
        }
    }

    /// Asks for a block now, whatever the interval, waits until it is decided, and tells its
    /// height.
    ///
    /// # Errors
    /// [`NodeError::CannotProduceBlock`] where this node is no masternode of this epoch or may
    /// not sign; [`NodeError::Timeout`] where no block is decided in time;
    /// [`NodeError::NotRunning`], [`NodeError::Closed`], [`NodeError::Poisoned`].
    pub fn produce_block(&self, timeout: Duration) -> Result<Height, NodeError> {
        let shared = self.shared();
        shared.life.check_running()?;
        let refuse = |reason| Err(NodeError::CannotProduceBlock { reason });
        let Some(keys) = &shared.config.masternode_key else {
            return refuse("this node has no masternode key");
        };
        if shared.published.masternodes().index_of(&keys.public()).is_none() {
            return refuse("its key is not of a masternode of this epoch");
        }
        if self.is_observer() {
            return refuse(
                "it only observes until the next epoch, since it may have forgotten votes",
            );
        }
        let next = shared.published.tip().height.next();
        shared.inbox.push(Request::ProduceBlock, Deadline::after(timeout))?;
        self.wait_height(next, timeout).map(|_| next)
    }

    /// The proof that a transaction is final, for anyone who has the masternodes of its epoch.
    ///
    /// It can be had from when the transaction is final until a block holds it; what was asked
    /// for is kept longer. From then on the block and its certificate prove as much.
    ///
    /// # Errors
    /// [`NodeError::NoProof`] where it is not final, or its proof is not kept any more;
    /// [`NodeError::NotRunning`], [`NodeError::Closed`], [`NodeError::Poisoned`].
    pub fn finality_proof(&self, txid: &Txid) -> Result<Arc<FinalityCertificate>, NodeError> {
        let shared = self.shared();
        if let Some(kept) = shared.proofs.get(txid) {
            return Ok(kept);
        }
        shared.life.check_running()?;
        let deadline = Deadline::after(shared.config.submit_timeout());
        let answer = Answer::new();
        shared.inbox.push(Request::Certificate(*txid, answer.clone()), deadline)?;
        let Some(certificate) = answer.wait(deadline) else {
            let after = shared.config.submit_timeout();
            return Err(NodeError::Timeout { what: "the finality proof", after });
        };
        let certificate = certificate.ok_or(NodeError::NoProof { txid: *txid })?;
        shared.proofs.keep(certificate.clone());
        Ok(certificate)
    }

    fn wait_status<T>(
        &self,
        txid: &Txid,
        timeout: Duration,
        what: &'static str,
        is_met: impl Fn(TransactionStatus) -> Option<T>,
    ) -> Result<T, NodeError> {
        let (shared, deadline) = (self.shared(), Deadline::after(timeout));
        let waiting = shared.published.waiters.register(*txid);
        loop {
            let seen = waiting.bell.rings();
            let status = self.transaction_status(txid)?;
            if let Some(TransactionStatus::Rejected(rejection)) = status {
                return Err((*rejection).into());
            }
            if let Some(met) = status.and_then(&is_met) {
                return Ok(met);
            }
            shared.life.check_hopeful()?;
            if !waiting.bell.wait(seen, deadline) {
                return Err(NodeError::Timeout { what, after: timeout });
            }
        }
    }

    /// Whether it signs nothing until the next epoch.
    pub(super) fn is_observer(&self) -> bool {
        let is_alive = self.state() != NodeState::Closed;
        is_alive && self.shared().is_observer.load(std::sync::atomic::Ordering::Relaxed)
    }
}

/// Checks the proof that a transaction is final against the masternodes of its epoch. Needs no
/// node.
///
/// # Errors
/// [`NodeError::Proof`] says what does not hold.
pub fn verify_finality_proof(
    proof: &FinalityCertificate,
    chain_id: &ChainId,
    masternodes: &MasternodeSet,
) -> Result<(), NodeError> {
    proof.verify(chain_id, masternodes).map_err(|error: CertificateError| error.into())
}
