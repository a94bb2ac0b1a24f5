//! Reading unspent outputs, wherever they are kept, and layering changes over them.

use borsh::{BorshDeserialize, BorshSerialize};
use thiserror::Error;

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
    created: HashMap<OutPoint, (usize, Utxo)>,
    spent: HashMap<OutPoint, Option<(usize, Utxo)>>,
    confirmed: HashMap<Txid, Height>,
    n_changes: usize,
}

impl<'a> Overlay<'a> {
    /// No changes yet, over `base`.
    pub fn new(base: &'a dyn UtxoView) -> Self {
        Overlay {
            base,
            created: HashMap::default(),
            spent: HashMap::default(),
            confirmed: HashMap::default(),
            n_changes: 0,
        }
    }

    /// Adds the outputs of a transaction as if a block at `height` held it.
    pub fn create(&mut self, txid: Txid, transaction: &Transaction, height: Height) {
        for (vout, utxo) in outputs_of(transaction, height) {
            self.created.insert(OutPoint { txid, vout }, (self.n_changes, utxo));
            self.n_changes += 1;
        }
        self.confirmed.insert(txid, height);
    }

    /// Spends an output that [`UtxoView::lookup`] gave.
    pub fn spend(&mut self, outpoint: OutPoint, utxo: Utxo) {
        let order = self.n_changes;
        self.n_changes += 1;
        let inner = self.created.remove(&outpoint).is_some();
        self.spent.insert(outpoint, (!inner).then_some((order, utxo)));
    }

    /// The net change, in an order that depends on the calls only.
    pub fn into_delta(self) -> UtxoDelta {
        let in_order = |mut changes: Vec<(usize, OutPoint, Utxo)>| {
            changes.sort_unstable_by_key(|&(order, ..)| order);
            changes.into_iter().map(|(_, outpoint, utxo)| (outpoint, utxo)).collect()
        };
        let spent = self.spent.into_iter();
        let spent = spent.filter_map(|(outpoint, s)| s.map(|(order, u)| (order, outpoint, u)));
        let created = self.created.into_iter();
        let created = created.map(|(outpoint, (order, utxo))| (order, outpoint, utxo));
        UtxoDelta { spent: in_order(spent.collect()), created: in_order(created.collect()) }
    }
}

impl UtxoView for Overlay<'_> {
    fn lookup(&self, outpoint: &OutPoint) -> Result<Lookup, ViewError> {
        if let Some((_, utxo)) = self.created.get(outpoint) {
            return Ok(Lookup::Unspent(*utxo));
        }
        if self.spent.contains_key(outpoint) || self.confirmed.contains_key(&outpoint.txid) {
            return Ok(Lookup::Spent);
        }
        self.base.lookup(outpoint)
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
