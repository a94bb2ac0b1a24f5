//! Payments asked for by name, from the wallets that the genesis funds.

use std::sync::{Arc, MutexGuard, PoisonError};

use super::LocalNet;
use crate::engine::output::TransactionStatus;
use crate::node::NodeError;
use crate::sim::{Coin, PayError, Wallet, Wallets};
use crate::types::address::Address;
use crate::types::amount::Amount;
use crate::types::hash::Txid;
use crate::types::transaction::Transaction;

/// The wallets, and what was paid and is not known to be final.
pub(super) struct Purse {
    wallets: Wallets,
    open: Vec<(Txid, Arc<Transaction>)>,
}

impl Purse {
    pub(super) fn new(wallets: Wallets) -> Self {
        Purse { wallets, open: Vec::new() }
    }
}

impl LocalNet {
    /// The wallet of a name, as it is now; a new name takes one of those that the genesis funds.
    /// The same names, asked for in the same order, have the same keys and coins in a simulation
    /// of the same seed.
    ///
    /// # Errors
    /// [`NodeError::InvalidArgument`] where all wallets have other names.
    pub fn wallet(&self, name: &str) -> Result<Wallet, NodeError> {
        let mut purse = self.purse();
        self.credit(&mut purse);
        Ok(purse.wallets.named(name)?.clone())
    }

    /// Pays from one wallet to another, at the first honest node that takes part, which admits it.
    ///
    /// # Errors
    /// [`NodeError::InvalidArgument`] where all wallets have other names;
    /// [`NodeError::InsufficientFunds`] where no coin of the wallet is worth enough;
    /// [`NodeError::NoneTakesPart`]; as
    /// [`crate::Node::submit_transaction`].
    pub fn pay(&self, from: &str, to: &str, value: Amount) -> Result<Txid, NodeError> {
        let transaction = self.payment_between(from, to, value)?;
        let node = self.first_running()?;
        self.submit(node, transaction)
    }

    /// The same, at a node of one's choice.
    ///
    /// # Errors
    /// As [`LocalNet::pay`]; [`NodeError::InvalidArgument`] where there is no such node.
    pub fn pay_at(
        &self,
        node: usize,
        from: &str,
        to: &str,
        value: Amount,
    ) -> Result<Txid, NodeError> {
        self.place(node)?;
        let transaction = self.payment_between(from, to, value)?;
        self.submit(node, transaction)
    }

    /// Pays from a wallet to an address: at a node, or else at the first honest one that takes
    /// part, which admits it.
    ///
    /// # Errors
    /// As [`LocalNet::pay_at`]; the wallet keeps its coins then, unless no answer came.
    pub fn pay_to(
        &self,
        node: Option<usize>,
        from: &str,
        to: Address,
        value: Amount,
    ) -> Result<Arc<Transaction>, NodeError> {
        let node = node.map_or_else(|| self.first_running(), Ok)?;
        self.place(node)?;
        let before = self.wallet(from)?;
        let transaction = self.payment(from, to, value)?;
        let paid = Arc::new(transaction.clone());
        match self.submit(node, transaction) {
            Ok(_) => Ok(paid),
            Err(error @ NodeError::Timeout { .. }) => Err(error),
            Err(error) => {
                let is_spent = |coin: &&Coin| {
                    paid.inputs.iter().any(|input| input.previous_output == coin.outpoint)
                };
                let mut purse = self.purse();
                for coin in before.coins.iter().filter(is_spent) {
                    purse.wallets.give(&before.address(), *coin);
                }
                Err(error)
            }
        }
    }

    /// Signs a payment without submitting it. Its coin is spent as far as the wallet knows.
    ///
    /// # Errors
    /// [`NodeError::InvalidArgument`], [`NodeError::InsufficientFunds`].
    pub fn payment(
        &self,
        from: &str,
        to: Address,
        value: Amount,
    ) -> Result<Transaction, NodeError> {
        self.with_coins(|wallets| wallets.payment(self.chain.id(), from, to, value))
    }

    /// Several payments of the same coin: an owner who double-spends.
    ///
    /// # Errors
    /// [`NodeError::InvalidArgument`], [`NodeError::InsufficientFunds`].
    pub fn conflicting_payments(
        &self,
        from: &str,
        value: Amount,
        n_payments: usize,
    ) -> Result<Vec<Transaction>, NodeError> {
        self.with_coins(|wallets| {
            wallets.conflicting_payments(self.chain.id(), from, value, n_payments)
        })
    }

    /// Gives a transaction to a node, as its host would. Once it is final, the wallets of this
    /// net can spend what it pays them.
    ///
    /// # Errors
    /// [`NodeError::InvalidArgument`] where there is no such node; as
    /// [`crate::Node::submit_transaction`].
    pub fn submit(&self, node: usize, transaction: Transaction) -> Result<Txid, NodeError> {
        let (node, transaction) = (self.node(node)?, Arc::new(transaction));
        let txid = node.submit_transaction(Arc::clone(&transaction))?;
        self.purse().open.push((txid, transaction));
        Ok(txid)
    }

    fn payment_between(
        &self,
        from: &str,
        to: &str,
        value: Amount,
    ) -> Result<Transaction, NodeError> {
        let address = self.purse().wallets.named(to)?.address();
        self.payment(from, address, value)
    }

    /// Looks for coins, and once more after the look at what has become final.
    fn with_coins<T>(
        &self,
        mut make: impl FnMut(&mut Wallets) -> Result<T, PayError>,
    ) -> Result<T, NodeError> {
        let mut purse = self.purse();
        match make(&mut purse.wallets) {
            Err(PayError::NoCoin { .. }) => self.credit(&mut purse),
            made => return Ok(made?),
        }
        Ok(make(&mut purse.wallets)?)
    }

    /// Gives the wallets what has become theirs.
    fn credit(&self, purse: &mut Purse) {
        let Ok(node) = self.gateway() else { return };
        let open = std::mem::take(&mut purse.open);
        for (txid, transaction) in open {
            match node.transaction_status(&txid) {
                Ok(Some(status)) if status.is_final() => purse.wallets.credit(&transaction),
                Ok(Some(TransactionStatus::Rejected(_))) => {}
                _ => purse.open.push((txid, transaction)),
            }
        }
    }

    fn purse(&self) -> MutexGuard<'_, Purse> {
        self.purse.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
