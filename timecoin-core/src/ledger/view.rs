//! Reading unspent outputs, wherever they are kept, and layering changes over them.

use borsh::{BorshDeserialize, BorshSerialize};
use thiserror::Error;

use crate::types::certificate::CommitCertificate;
use crate::types::chain::Height;
use crate::types::hash::Txid;
use crate::types::map::HashMap;
use crate::types::transaction::{OutPoint, Transaction, TxKind, TxOutput};

/// Where an output comes from, as far as spending it depends on that.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, BorshSerialize, BorshDeserialize)]
pub enum Origin {
    /// A transfer or the genesis.
    Transfer,
    /// The reward of a block: it matures.
    Coinbase,
    /// Locked by the registration of a masternode until that has left.
    Collateral,
}

/// An unspent output and what spending it depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, BorshSerialize, BorshDeserialize)]
pub struct Utxo {
    /// The money and whose it is.
    pub output: TxOutput,
    /// The height of the block that made it; 0 for the genesis.
    pub height: Height,
    /// Where it comes from.
    pub origin: Origin,
}

/// Some of the outputs that are unspent after one block.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct OutputPage {
    /// The height of the block.
    pub height: Height,
    /// The outputs, ascending by outpoint.
    pub outputs: Vec<(OutPoint, Utxo)>,
}

/// What is known of an outpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lookup {
    /// It can be spent.
    Unspent(Utxo),
    /// A decided block has it spent, or its transaction never had such an output.
    Spent,
    /// Its transaction is not in a decided block.
    Unknown,
}

/// The store behind a view failed; the node must halt, since it can't tell what is unspent.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("reading the UTXO set: {0}")]
pub struct ViewError(pub String);

/// The unspent outputs after some block.
pub trait UtxoView {
    /// What is known of `outpoint`.
    ///
    /// # Errors
    /// [`ViewError`] where the store can't be read.
    fn lookup(&self, outpoint: &OutPoint) -> Result<Lookup, ViewError>;

    /// The height of the decided block that holds a transaction, if one does.
    ///
    /// # Errors
    /// [`ViewError`] where the store can't be read.
    fn confirmed_at(&self, txid: &Txid) -> Result<Option<Height>, ViewError>;

    /// The certificate of the decided block at a height; a view without blocks has none.
    ///
    /// # Errors
    /// [`ViewError`] where the store can't be read.
    fn certificate_at(&self, _height: Height) -> Result<Option<CommitCertificate>, ViewError> {
        Ok(None)
    }
}

/// The net change of the UTXO set by one block.
#[derive(Clone, Debug, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct UtxoDelta {
    /// Outputs that were unspent before and are spent after it, in the order of spending.
    pub spent: Vec<(OutPoint, Utxo)>,
    /// Outputs that are unspent after it and were not there before, in the order of creation.
    pub created: Vec<(OutPoint, Utxo)>,
}

/// A view with changes on top that are not in the store.
pub struct Overlay<'a> {
    base: &'a dyn UtxoView,
    changes: HashMap<OutPoint, Change>,
    confirmed: HashMap<Txid, Height>,
    /// Nothing where it was spent again.
    created: Vec<Option<(OutPoint, Utxo)>>,
    spent: Vec<(OutPoint, Utxo)>,
}

/// What became of an output.
#[derive(Clone, Copy)]
enum Change {
    /// It is at this place of the created ones.
    Created(usize),
    Spent,
}

impl<'a> Overlay<'a> {
    /// No changes yet, over `base`, with room for those of so many transactions.
    pub fn new(base: &'a dyn UtxoView, n_transactions: usize) -> Self {
        let mut overlay = Overlay {
            base,
            changes: HashMap::default(),
            confirmed: HashMap::default(),
            created: Vec::with_capacity(2 * n_transactions),
            spent: Vec::with_capacity(n_transactions),
        };
        overlay.changes.reserve(3 * n_transactions);
        overlay.confirmed.reserve(n_transactions);
        overlay
    }

    /// Adds the outputs of a transaction as if a block at `height` held it.
    pub fn create(&mut self, txid: Txid, transaction: &Transaction, height: Height) {
        for (vout, utxo) in outputs_of(transaction, height) {
            let outpoint = OutPoint { txid, vout };
            self.changes.insert(outpoint, Change::Created(self.created.len()));
            self.created.push(Some((outpoint, utxo)));
        }
        self.confirmed.insert(txid, height);
    }

    /// Spends an output that [`UtxoView::lookup`] gave.
    pub fn spend(&mut self, outpoint: OutPoint, utxo: Utxo) {
        match self.changes.insert(outpoint, Change::Spent) {
            Some(Change::Created(index)) => self.created[index] = None,
            _ => self.spent.push((outpoint, utxo)),
        }
    }

    /// The net change, in an order that depends on the calls only.
    pub fn into_delta(self) -> UtxoDelta {
        UtxoDelta { spent: self.spent, created: self.created.into_iter().flatten().collect() }
    }
}

impl UtxoView for Overlay<'_> {
    fn lookup(&self, outpoint: &OutPoint) -> Result<Lookup, ViewError> {
        match self.changes.get(outpoint) {
            Some(Change::Created(index)) => {
                let created = self.created[*index].as_ref();
                Ok(created.map_or(Lookup::Spent, |(_, utxo)| Lookup::Unspent(*utxo)))
            }
            Some(Change::Spent) => Ok(Lookup::Spent),
            None => match self.base.lookup(outpoint)? {
                // Its transaction is here, and never had such an output.
                Lookup::Unknown if self.confirmed.contains_key(&outpoint.txid) => Ok(Lookup::Spent),
                found => Ok(found),
            },
        }
    }

    fn confirmed_at(&self, txid: &Txid) -> Result<Option<Height>, ViewError> {
        match self.confirmed.get(txid) {
            Some(height) => Ok(Some(*height)),
            None => self.base.confirmed_at(txid),
        }
    }
}

/// The outputs that a transaction makes when a block at `height` holds it.
pub fn outputs_of(
    transaction: &Transaction,
    height: Height,
) -> impl Iterator<Item = (u32, Utxo)> + '_ {
    (0u32..).zip(&transaction.outputs).map(move |(vout, &output)| {
        let origin = match &transaction.kind {
            TxKind::Coinbase { .. } => Origin::Coinbase,
            TxKind::RegisterMasternode(r) if r.collateral_vout == vout => Origin::Collateral,
            _ => Origin::Transfer,
        };
        (vout, Utxo { output, height, origin })
    })
}
