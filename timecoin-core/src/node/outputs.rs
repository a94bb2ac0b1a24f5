//! The outputs to one address that no block holds yet: nearly always one.

use std::collections::BTreeMap;
use std::ops::Bound;

use crate::types::transaction::{OutPoint, TxOutput};

/// Some outputs, at least one.
#[derive(Debug)]
pub(super) enum Outputs {
    /// A tree takes twelve times as much for one.
    One(OutPoint, TxOutput),
    /// More than one, now or earlier.
    Many(BTreeMap<OutPoint, TxOutput>),
}

impl Outputs {
    pub(super) fn insert(&mut self, outpoint: OutPoint, output: TxOutput) {
        match self {
            Outputs::One(first, value) => {
                let both = [(*first, *value), (outpoint, output)];
                *self = Outputs::Many(BTreeMap::from(both));
            }
            Outputs::Many(outputs) => {
                outputs.insert(outpoint, output);
            }
        }
    }

    /// Takes an output out; says whether none is left, which is the end of the whole.
    pub(super) fn remove(&mut self, outpoint: &OutPoint) -> bool {
        match self {
            Outputs::One(only, _) => only == outpoint,
            Outputs::Many(outputs) => {
                outputs.remove(outpoint);
                outputs.is_empty()
            }
        }
    }

    /// At most so many, ascending, after an outpoint.
    pub(super) fn page(&self, after: Option<&OutPoint>, limit: usize) -> Vec<(OutPoint, TxOutput)> {
        match self {
            Outputs::One(only, output) => {
                let is_asked = limit > 0 && after.is_none_or(|after| only > after);
                is_asked.then_some((*only, *output)).into_iter().collect()
            }
            Outputs::Many(outputs) => {
                let from = after.map_or(Bound::Unbounded, Bound::Excluded);
                let page = outputs.range((from, Bound::Unbounded)).take(limit);
                page.map(|(outpoint, output)| (*outpoint, *output)).collect()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::address::Address;
    use crate::types::amount::Amount;
    use crate::types::hash::Txid;

    #[test]
    fn one_and_many_give_the_same_pages() {
        let outpoint = |vout| OutPoint::new(Txid::ZERO, vout);
        let output = TxOutput { value: Amount::ZERO, address: Address::from_bytes([1; 20]) };
        let mut outputs = Outputs::One(outpoint(5), output);
        let page = |outputs: &Outputs, after: Option<u32>, limit| -> Vec<u32> {
            let page = outputs.page(after.map(outpoint).as_ref(), limit);
            page.into_iter().map(|(outpoint, _)| outpoint.vout).collect()
        };
        assert_eq!(page(&outputs, None, 9), [5]);
        assert_eq!(page(&outputs, Some(4), 9), [5]);
        assert_eq!(page(&outputs, Some(5), 9), [0; 0]);
        assert_eq!(page(&outputs, None, 0), [0; 0]);
        assert!(!outputs.remove(&outpoint(6)));
        outputs.insert(outpoint(7), output);
        outputs.insert(outpoint(3), output);
        assert_eq!(page(&outputs, None, 2), [3, 5]);
        assert_eq!(page(&outputs, Some(3), 9), [5, 7]);
        assert!(!outputs.remove(&outpoint(3)) && !outputs.remove(&outpoint(7)));
        assert_eq!(page(&outputs, None, 9), [5]);
        assert!(outputs.remove(&outpoint(5)));
        assert!(Outputs::One(outpoint(1), output).remove(&outpoint(1)));
    }
}
