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
    use crate::ledger::testkit::masternode_keys;
    use crate::types::address::Network;
    use crate::types::certificate::Seal;
    use crate::types::chain::{Epoch, Round};
    use crate::types::hash::BlockHash;
    use crate::types::keys::Signature;
    use crate::types::masternode_set::Masternode;

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

    /// Masternodes with payout addresses 0, 1, …, and a certificate of some of them.
    fn sealed(n: usize, by: &[u16]) -> (CommitCertificate, MasternodeSet) {
        let mut keys: Vec<_> = (0..n).map(|i| masternode_keys(i).public()).collect();
        keys.sort_unstable();
        let members = (0u8..).zip(keys).map(|(i, consensus_key)| Masternode {
            consensus_key,
            payout: payout(i),
            network_address: String::new(),
        });
        let signature = Signature::from_bytes([0; 64]);
        let certificate = CommitCertificate {
            epoch: Epoch::ZERO,
            height: Height(1),
            round: Round::ZERO,
            block: BlockHash::ZERO,
            seals: by.iter().map(|&voter| Seal { voter, signature }).collect(),
        };
        (certificate, MasternodeSet::new(members.collect()).unwrap())
    }

    fn payout(n: u8) -> Address {
        Address::from_bytes([n; 20])
    }

    #[test]
    fn who_sealed_the_parent_is_paid_evenly_and_the_proposer_gets_the_rest() {
        let proposer = payout(99);
        type Row = (&'static str, u64, &'static [u16], Vec<(u64, Address)>);
        let table: [Row; 6] = [
            ("even", 90, &[0, 2, 3], vec![(30, payout(0)), (30, payout(2)), (30, payout(3))]),
            (
                "remainder",
                92,
                &[0, 1, 2],
                vec![(30, payout(0)), (30, payout(1)), (30, payout(2)), (2, proposer)],
            ),
            ("one", 7, &[1], vec![(7, payout(1))]),
            ("less than one unit each", 2, &[0, 1, 2], vec![(2, proposer)]),
            ("nothing", 0, &[0, 1, 2], vec![]),
            ("nobody", 5, &[], vec![(5, proposer)]),
        ];
        for (desc, total, by, expected) in table {
            let (certificate, set) = sealed(4, by);
            let total = Amount::from_units(total);
            let transaction = coinbase(Height(2), total, proposer, Some((&certificate, &set)));
            let paid = transaction.outputs.iter().map(|o| (o.value.units(), o.address));
            assert_eq!(paid.collect::<Vec<_>>(), expected, "{desc}");
        }
        let first = coinbase(Height(1), Amount::from_units(5), proposer, None);
        assert_eq!(first.outputs, [TxOutput { value: Amount::from_units(5), address: proposer }]);
    }

    #[test]
    fn the_split_is_exact_for_any_total() {
        let most: Vec<u16> = (0..200).collect();
        for n in [1, 2, 3, 7, 134, 200] {
            let (certificate, set) = sealed(200, &most[..n]);
            for total in [0, 1, 199, 200, 201, 5_000_000_007, u64::MAX] {
                let sealed_by = Some((&certificate, &set));
                let transaction =
                    coinbase(Height(2), Amount::from_units(total), payout(99), sealed_by);
                assert_eq!(transaction.output_value(), Some(Amount::from_units(total)));
            }
        }
    }

    #[test]
    fn the_coinbase_of_each_height_has_its_own_id() {
        let of = |height| coinbase(Height(height), Amount::ZERO, payout(0), None).txid();
        assert_ne!(of(1), of(2));
    }
}
