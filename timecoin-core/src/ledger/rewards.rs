//! What a block pays and to whom (PROTOCOL 2, coinbase).

use crate::params::ChainParams;
use crate::types::address::Address;
use crate::types::amount::Amount;
use crate::types::certificate::CommitCertificate;
use crate::types::chain::Height;
use crate::types::masternode_set::MasternodeSet;
use crate::types::transaction::{TRANSACTION_VERSION, Transaction, TxKind, TxOutput};

/// The new coins of the block at `height`, when `issued` exist before it.
pub fn block_reward(params: &ChainParams, height: Height, issued: Amount) -> Amount {
    let halvings = height.0.saturating_sub(1) / params.block_reward_halving;
    let halvings = u32::try_from(halvings).unwrap_or(u32::MAX);
    let scheduled = params.block_reward.units().checked_shr(halvings).unwrap_or(0);
    Amount::from_units(scheduled).min(params.supply_max.saturating_sub(issued))
}

/// The reward transaction of the block at `height`: `total` split evenly between the
/// masternodes that sealed the parent, the remainder to the proposer.
pub fn coinbase(
    height: Height,
    total: Amount,
    proposer: Address,
    sealed_by: Option<(&CommitCertificate, &MasternodeSet)>,
) -> Transaction {
    let signers: Vec<Address> = match sealed_by {
        Some((certificate, set)) => certificate
            .signers()
            .filter_map(|index| set.get(index).map(|masternode| masternode.payout))
            .collect(),
        None => Vec::new(),
    };
    let n_signers = signers.len() as u64;
    let share = total.units().checked_div(n_signers).unwrap_or(0);
    let remainder = total.units() - share * n_signers;
    let outputs = signers
        .into_iter()
        .map(|address| (share, address))
        .chain([(remainder, proposer)])
        .filter(|&(units, _)| units > 0)
        .map(|(units, address)| TxOutput { value: Amount::from_units(units), address })
        .collect();
    Transaction {
        version: TRANSACTION_VERSION,
        inputs: Vec::new(),
        outputs,
        lock_time: Height::ZERO,
        kind: TxKind::Coinbase { height },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::address::Network;

    #[test]
    fn the_reward_halves_and_stops_at_the_cap() {
        let params = ChainParams { block_reward_halving: 10, ..ChainParams::new(Network::Regtest) };
        let full = params.block_reward.units();
        let reward = |height| block_reward(&params, Height(height), Amount::ZERO).units();
        assert_eq!(
            [reward(1), reward(10), reward(11), reward(21), reward(10_000), reward(u64::MAX)],
            [full, full, full / 2, full / 4, 0, 0]
        );
        let nearly = params.supply_max.saturating_sub(Amount::from_units(7));
        assert_eq!(block_reward(&params, Height(1), nearly), Amount::from_units(7));
        assert_eq!(block_reward(&params, Height(1), params.supply_max), Amount::ZERO);
    }
}
