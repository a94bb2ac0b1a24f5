//! Whether a ledger state is the one that a certified header commits to.

use thiserror::Error;

use super::trail::Certified;
use crate::ledger::state::LedgerState;
use crate::params::Chain;
use crate::types::certificate::CertificateError;
use crate::types::chain::Height;

/// What of a ledger state is not what the header says.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum StateError {
    /// A part of it.
    #[error("{part} of the state after block {height} is not what its header commits to")]
    Differs {
        /// Which.
        part: &'static str,
        /// The height that it claims.
        height: Height,
    },
    /// The certificate of its block proves nothing.
    #[error("the certificate of block {height}: {error}")]
    Unproved {
        /// The height that it claims.
        height: Height,
        /// Why.
        error: CertificateError,
    },
}

/// Checks all of a state against the certified header of its block. With it the hash of the
/// unspent outputs is known; whether outputs have it is for whoever has them.
pub(super) fn check_state(
    chain: &Chain,
    header: &Certified,
    state: &LedgerState,
) -> Result<(), StateError> {
    let tip = &state.tip;
    let height = tip.height;
    let parts = [
        ("the block", tip.hash == header.hash),
        ("the timestamp", tip.timestamp == header.timestamp),
        ("the set of outputs", state.utxo_set.commitment() == header.utxo_commitment),
        ("the registry", state.registry_hash() == header.registry),
        ("the masternode set", state.tip_masternodes.hash() == header.masternode_set),
        ("the next masternode set", state.masternodes.hash() == header.next_masternode_set),
    ];
    if let Some((part, _)) = parts.into_iter().find(|(_, holds)| !holds) {
        return Err(StateError::Differs { part, height });
    }
    let unproved = |error| StateError::Unproved { height, error };
    let subject = (chain.params().epoch_of(height), height, tip.hash);
    let certificate = tip
        .certificate
        .as_ref()
        .filter(|one| (one.epoch, one.height, one.block) == subject)
        .ok_or_else(|| unproved(CertificateError::OtherSubject))?;
    certificate.verify(chain.id(), &state.tip_masternodes).map_err(unproved)
}
