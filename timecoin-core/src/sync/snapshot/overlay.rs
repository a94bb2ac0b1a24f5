//! What blocks changed in the part of the outputs that is here already.

use std::collections::{BTreeMap, BTreeSet};

use borsh::{BorshDeserialize, BorshSerialize};

use crate::ledger::view::{Utxo, outputs_of};
use crate::types::block::{Block, transactions_root};
use crate::types::chain::Height;
use crate::types::transaction::OutPoint;

/// How far the outputs are here, in the order of outpoints.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Covered {
    Nothing,
    UpTo(OutPoint),
    All,
}

impl Covered {
    fn holds(self, outpoint: &OutPoint) -> bool {
        match self {
            Covered::Nothing => false,
            Covered::UpTo(last) => *outpoint <= last,
            Covered::All => true,
        }
    }
}

/// What a block changed there.
#[derive(Clone, Debug, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Delta {
    /// The height of the block.
    pub height: Height,
    /// Outputs that were unspent before and are spent after it.
    pub spent: Vec<OutPoint>,
    /// Outputs that are unspent after it and were not there before.
    pub created: Vec<(OutPoint, Utxo)>,
}

impl Delta {
    /// What a block changes of the outputs that are covered.
    pub(super) fn of(block: &Block, covered: Covered) -> Self {
        let height = block.header.height;
        let (mut spent, mut created) = (BTreeSet::new(), BTreeMap::new());
        for transaction in &block.transactions {
            let inputs = transaction.inputs.iter().map(|input| input.previous_output);
            for outpoint in inputs.filter(|outpoint| covered.holds(outpoint)) {
                if created.remove(&outpoint).is_none() {
                    spent.insert(outpoint);
                }
            }
            let txid = transaction.txid();
            let outputs = outputs_of(transaction, height);
            let outputs = outputs.map(|(vout, utxo)| (OutPoint::new(txid, vout), utxo));
            created.extend(outputs.filter(|(outpoint, _)| covered.holds(outpoint)));
        }
        Delta { height, spent: spent.into_iter().collect(), created: created.into_iter().collect() }
    }
}

/// Whether a block holds the transactions that its header names.
pub(super) fn is_whole(block: &Block) -> bool {
    let wtxids = block.transactions.iter().map(|transaction| transaction.wtxid());
    transactions_root(wtxids) == block.header.merkle_root
}

/// The changes of all blocks since outputs began to come. It grows with the blocks that are decided
/// meanwhile, not with the outputs.
#[derive(Clone, Debug, Default)]
pub struct Overlay(BTreeMap<OutPoint, Option<Utxo>>);

impl Overlay {
    pub(super) fn apply(&mut self, delta: &Delta) {
        self.0.extend(delta.spent.iter().map(|outpoint| (*outpoint, None)));
        self.0.extend(delta.created.iter().map(|(outpoint, utxo)| (*outpoint, Some(*utxo))));
    }

    /// The outputs as they are after all blocks, ascending, from those that came, ascending.
    pub fn merge<E>(
        &self,
        came: impl Iterator<Item = Result<(OutPoint, Utxo), E>>,
    ) -> impl Iterator<Item = Result<(OutPoint, Utxo), E>> {
        let (mut came, mut changes) = (came.peekable(), self.0.iter().peekable());
        std::iter::from_fn(move || {
            loop {
                let next_came = match came.peek() {
                    Some(Ok((outpoint, _))) => Some(*outpoint),
                    Some(Err(_)) => return came.next(),
                    None => None,
                };
                let change = changes.peek().map(|(outpoint, _)| **outpoint);
                let change = change.filter(|at| next_came.is_none_or(|came| *at <= came));
                if change.is_none() {
                    return came.next();
                }
                if change == next_came {
                    came.next();
                }
                let (outpoint, change) = changes.next()?;
                if let Some(utxo) = change {
                    return Some(Ok((*outpoint, *utxo)));
                }
            }
        })
    }
}
