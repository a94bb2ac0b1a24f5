use proptest::prelude::*;

use super::*;

#[derive(Clone, Copy, Debug)]
enum Change {
    Insert(u8, u64),
    Remove(u8),
}

fn changes() -> impl Strategy<Value = Vec<Change>> {
    let insert = (0u8..20, 1u64..1_000_000).prop_map(|(vout, units)| Change::Insert(vout, units));
    prop::collection::vec(prop_oneof![3 => insert, 2 => (0u8..20).prop_map(Change::Remove)], 0..60)
}

fn outpoint(vout: u8) -> OutPoint {
    OutPoint::new(Txid::ZERO, u32::from(vout))
}

fn utxo(units: u64) -> Utxo {
    let output =
        TxOutput { value: Amount::from_units(units), address: Address::from_bytes([7; 20]) };
    Utxo { output, height: Height::ZERO, origin: Origin::Transfer }
}

proptest! {
    #[test]
    fn what_is_kept_with_each_change_is_what_counting_anew_gives(changes in changes()) {
        let mut outputs = Outputs::default();
        for change in changes {
            match change {
                Change::Insert(vout, units) => outputs.insert(outpoint(vout), utxo(units)),
                Change::Remove(vout) => outputs.remove(&outpoint(vout)),
            }
            prop_assert_eq!(outputs.recount(), Ok(()));
            let total: u128 =
                outputs.all.values().map(|utxo| u128::from(utxo.output.value.units())).sum();
            prop_assert_eq!(outputs.total, total);
        }
    }
}

#[test]
fn counting_anew_finds_what_was_not_counted() {
    let mut outputs = Outputs::default();
    outputs.insert(outpoint(1), utxo(10));
    let mut other = outputs.clone();
    other.total += 1;
    assert!(other.recount().is_err());
    let mut other = outputs.clone();
    other.hash = UtxoSetHash::default();
    assert!(other.recount().is_err());
    let mut other = outputs;
    other.all.insert(outpoint(1), utxo(11));
    assert!(other.recount().is_err());
}
