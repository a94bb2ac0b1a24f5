//! The codecs of what is stored of the ledger, and the state that a chain starts with.

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::ledger::testkit::{COIN, COINS, MapView, TestChain, masternode_keys};
use crate::ledger::view::UtxoDelta;
use crate::types::arbitrary::{self, codec_tests};

fn utxo() -> impl Strategy<Value = Utxo> + Clone {
    let origin =
        prop_oneof![Just(Origin::Transfer), Just(Origin::Coinbase), Just(Origin::Collateral)];
    (arbitrary::output(), arbitrary::height(), origin).prop_map(|(output, height, origin)| Utxo {
        output,
        height,
        origin,
    })
}

fn delta() -> impl Strategy<Value = UtxoDelta> {
    let utxos = vec((arbitrary::outpoint(), utxo()), 0..4);
    (utxos.clone(), utxos).prop_map(|(spent, created)| UtxoDelta { spent, created })
}

/// States of a real chain with registrations, departures and a certificate in its tip.
fn state() -> impl Strategy<Value = LedgerState> {
    (0usize..3, any::<bool>(), any::<bool>()).prop_map(|(n_blocks, joins, leaves)| {
        let mut kit = TestChain::new(2);
        for _ in 0..n_blocks {
            kit.extend(Vec::new());
        }
        let mut transactions = Vec::new();
        if joins {
            transactions.push(kit.registration(&masternode_keys(9), 0));
        }
        if leaves {
            transactions.push(kit.deregistration(&masternode_keys(0), 1));
        }
        kit.extend(transactions);
        kit.state
    })
}

codec_tests! {
    utxos: utxo(),
    deltas: delta(),
    outpoints: arbitrary::outpoint(),
    registries: state().prop_map(|state| Registry::clone(&state.registry)),
}

proptest! {
    // A state has two kilobytes of set hash: each case decodes some three thousand prefixes.
    #![proptest_config(ProptestConfig::with_cases(8))]
    #[test]
    fn states(state in state(), noise in arbitrary::noise()) {
        arbitrary::check_codec(&state, &noise)?;
    }
}

#[test]
fn a_chain_starts_with_its_allocations() {
    let kit = TestChain::new(3);
    let state = LedgerState::genesis(&kit.chain);
    assert_eq!(state.issued.units(), COIN.units() * COINS as u64);
    assert_eq!(MapView::genesis(&kit.chain).total(), u128::from(state.issued.units()));
    assert_eq!((state.next_height(), state.epoch(&kit.chain)), (Height(1), Epoch(0)));
    assert_eq!(state.masternodes.len(), 3);
}
