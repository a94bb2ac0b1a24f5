//! Payments: asked for by name, or made by the workload.

use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;

use super::Simulation;
use super::checks::Broken;
use super::run::Scheduled;
use super::workload::{Coin, Kind, Wallet, corrupt};
use crate::engine::output::Rejection;
use crate::ledger::transaction::{TransactionError, verify_transaction};
use crate::types::address::Address;
use crate::types::amount::Amount;
use crate::types::hash::Txid;
use crate::types::keys::Signature;
use crate::types::message::Message;
use crate::types::transaction::{Registration, Transaction, TxKind};
use crate::types::verified::VerifiedTransaction;

/// Why a payment can't be made.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum PayError {
    /// All wallets of the genesis have other names.
    #[error("all wallets have names: there is none for `{0}`")]
    NoWallet(String),
    /// The coins of the wallet are not worth enough.
    #[error("`{from}` has coins for {available}, not for {value} and a fee")]
    NoCoin {
        /// The wallet.
        from: String,
        /// What was to be paid.
        value: Amount,
        /// What its coins are worth.
        available: Amount,
    },
    /// It takes more coins than a transaction may spend.
    #[error("{value} takes more than {coins_max} coins of `{from}`")]
    ManyCoins {
        /// The wallet.
        from: String,
        /// What was to be paid.
        value: Amount,
        /// Inputs of a payment.
        coins_max: usize,
    },
    /// It is not valid, whatever the state.
    #[error(transparent)]
    Invalid(#[from] TransactionError),
}

/// A transaction that was given to a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Submitted {
    /// Its id.
    pub txid: Txid,
    /// What the node answered, once it did.
    pub answer: Option<Result<(), Rejection>>,
}

impl Simulation {
    /// The wallet of a name; a new name takes one of those that the genesis funds.
    ///
    /// # Errors
    /// [`PayError::NoWallet`] where all have other names.
    pub fn wallet(&mut self, name: &str) -> Result<&Wallet, PayError> {
        let index = self.wallet_index(name)?;
        Ok(&self.wallets.all[index])
    }

    fn wallet_index(&mut self, name: &str) -> Result<usize, PayError> {
        self.wallets.index(name).ok_or_else(|| PayError::NoWallet(name.to_owned()))
    }

    /// Pays from one wallet to another, at the first running honest node.
    ///
    /// # Errors
    /// [`PayError`].
    pub fn pay(&mut self, from: &str, to: &str, value: Amount) -> Result<Txid, PayError> {
        let node = self.gateway(0);
        self.pay_at(node, from, to, value)
    }

    /// Pays from one wallet to another, at a node.
    ///
    /// # Errors
    /// [`PayError`].
    pub fn pay_at(
        &mut self,
        node: usize,
        from: &str,
        to: &str,
        value: Amount,
    ) -> Result<Txid, PayError> {
        let address = self.wallet(to)?.address();
        self.pay_to(node, from, address, value).map(|(_, transaction)| transaction.txid())
    }

    /// Pays from a wallet to an address, at a node. The number names the answer.
    ///
    /// # Errors
    /// [`PayError`]; the wallet keeps its coins then.
    pub fn pay_to(
        &mut self,
        node: usize,
        from: &str,
        to: Address,
        value: Amount,
    ) -> Result<(u64, Arc<Transaction>), PayError> {
        let index = self.wallet_index(from)?;
        let coins = self.wallets.all[index].coins.clone();
        let transaction = self.payment(from, to, value)?;
        let ticket = self.submit(node, transaction.clone()).inspect_err(|_| {
            self.wallets.all[index].coins = coins;
        })?;
        Ok((ticket, Arc::new(transaction)))
    }

    /// Signs a payment without submitting it. Its coin is spent as far as the wallet knows.
    ///
    /// # Errors
    /// [`PayError::NoWallet`], [`PayError::NoCoin`].
    pub fn payment(
        &mut self,
        from: &str,
        to: Address,
        value: Amount,
    ) -> Result<Transaction, PayError> {
        self.wallets.payment(self.chain.id(), from, to, value)
    }

    /// Several payments of the same coin to different people: an owner who double-spends.
    ///
    /// # Errors
    /// [`PayError::NoWallet`], [`PayError::NoCoin`].
    pub fn conflicting_payments(
        &mut self,
        from: &str,
        value: Amount,
        n_payments: usize,
    ) -> Result<Vec<Transaction>, PayError> {
        self.wallets.conflicting_payments(self.chain.id(), from, value, n_payments)
    }

    /// A transaction that registers a node as a masternode, with collateral from a wallet.
    ///
    /// # Errors
    /// [`PayError::NoWallet`], [`PayError::NoCoin`].
    pub fn registration(&mut self, from: &str, node: usize) -> Result<Transaction, PayError> {
        let collateral = self.chain.params().masternode_collateral;
        let index = self.wallet_index(from)?;
        let coin = self.wallets.all[index].take_coin(collateral);
        let coin = coin.ok_or_else(|| self.wallets.all[index].lacks(from, collateral))?;
        let keys = self.nodes[node].keys.clone();
        let kind = TxKind::RegisterMasternode(Box::new(Registration {
            consensus_key: keys.public(),
            payout: keys.address(),
            network_address: String::new(),
            collateral_vout: 0,
            proof: Signature::from_bytes([0; 64]),
        }));
        let wallet = &self.wallets.all[index];
        let mut transaction = wallet.spend(self.chain.id(), &[coin], keys.address(), collateral);
        transaction.kind = kind;
        let proof = self.proof(&transaction, node);
        if let TxKind::RegisterMasternode(registration) = &mut transaction.kind {
            registration.proof = proof;
        }
        transaction.sign_all(self.chain.id(), &wallet.keys);
        Ok(transaction)
    }

    /// A transaction that takes a node out of the masternode set; a wallet pays its fee.
    ///
    /// # Errors
    /// [`PayError::NoWallet`], [`PayError::NoCoin`].
    pub fn deregistration(&mut self, from: &str, node: usize) -> Result<Transaction, PayError> {
        let to = self.wallet(from)?.address();
        let mut transaction = self.payment(from, to, Amount::from_time(1))?;
        let consensus_key = self.nodes[node].key();
        let proof = Box::new(Signature::from_bytes([0; 64]));
        transaction.kind = TxKind::DeregisterMasternode { consensus_key, proof };
        let signed = self.proof(&transaction, node);
        if let TxKind::DeregisterMasternode { proof, .. } = &mut transaction.kind {
            **proof = signed;
        }
        let index = self.wallet_index(from)?;
        transaction.sign_all(self.chain.id(), &self.wallets.all[index].keys);
        Ok(transaction)
    }

    fn proof(&self, transaction: &Transaction, node: usize) -> Signature {
        let message = Transaction::registration_message(self.chain.id(), &transaction.txid());
        self.nodes[node].keys.sign(message.as_bytes())
    }

    /// Gives a transaction to a node, as its host would. The number names the answer.
    ///
    /// # Errors
    /// [`PayError::Invalid`] where it is not valid whatever the state; then no node sees it.
    pub fn submit(&mut self, node: usize, transaction: Transaction) -> Result<u64, PayError> {
        let transaction = Arc::new(transaction);
        let verified = verify_transaction(Arc::clone(&transaction), &self.chain)?;
        self.memo.note_transaction(&verified);
        self.checks.learn(&Message::Transaction(transaction));
        self.metrics.submit(verified.txid(), self.now);
        Ok(self.schedule_submit(node, verified, Duration::ZERO))
    }

    fn schedule_submit(
        &mut self,
        node: usize,
        transaction: VerifiedTransaction,
        delay: Duration,
    ) -> u64 {
        self.next_ticket += 1;
        let ticket = self.next_ticket;
        while self.answers.len() >= ANSWERS_MAX {
            self.answers.pop_first();
        }
        self.answers.insert(ticket, Submitted { txid: transaction.txid(), answer: None });
        let at = self.now.after(delay);
        self.schedule(at, Scheduled::Submit { node, ticket, transaction });
        ticket
    }

    /// Gives a transaction, where it could be made, to a node that runs.
    pub(super) fn submit_somewhere(&mut self, transaction: Result<Transaction, PayError>) {
        let node = self.gateway(0);
        // Without a coin, or with nobody to take it, nothing happens.
        transaction.and_then(|transaction| self.submit(node, transaction)).ok();
    }

    /// The n-th honest node that runs, counted around; node 0 where none does.
    pub fn gateway(&self, nth: usize) -> usize {
        let running: Vec<usize> = self.running().collect();
        running.get(nth % running.len().max(1)).copied().unwrap_or(0)
    }

    /// The next payment of the workload.
    pub(super) fn make_payment(&mut self) -> Result<(), Broken> {
        let config = Arc::clone(&self.config);
        let workload = &config.workload;
        let elapsed = self.elapsed();
        if workload.end.is_some_and(|end| elapsed >= end) {
            return Ok(());
        }
        if let Some(gap) = workload.gap(&mut self.random_workload) {
            self.schedule(self.now.after(gap), Scheduled::Payment);
        }
        let kind = workload.kind(&mut self.random_workload);
        let n_wallets = self.wallets.all.len();
        let from = self.random_workload.index(n_wallets);
        let to = self.random_workload.index(n_wallets);
        let mut value = Amount::from_units(self.random_workload.range(1_000_000, 500_000_000));
        let nodes: Vec<usize> = (0..2)
            .map(|_| {
                let nth = self.random_workload.index(self.nodes.len());
                self.gateway(nth)
            })
            .collect();
        let address = self.wallets.all[to].address();
        let least = if workload.is_whole { Amount::ZERO } else { value };
        let Some(coin) = self.wallets.all[from].take_coin(least) else { return Ok(()) };
        if workload.is_whole {
            value = coin.value.saturating_sub(self.chain.params().fee_required(WHOLE_BYTES));
        }
        let keys = self.wallets.all[from].keys.clone();
        let id = *self.chain.id();
        let sign = |sim: &Self, coin: Coin, to: Address, value: Amount| {
            sim.wallets.all[from].spend(&id, &[coin], to, value)
        };
        let mut transaction = sign(self, coin, address, value);
        match kind {
            Kind::Good => self.wallets.respent = Some((from, coin)),
            Kind::Respent => {
                self.wallets.all[from].coins.push(coin);
                let Some((owner, coin)) = self.wallets.respent else { return Ok(()) };
                transaction = self.wallets.all[owner].spend(&id, &[coin], address, least);
            }
            Kind::Conflicting => {
                let own = self.wallets.all[from].address();
                let other = sign(self, coin, own, value.saturating_add(Amount::from_units(1)));
                self.submit(nodes[1], other).ok();
            }
            Kind::Malformed => {
                corrupt(&mut transaction, &keys, &id, &mut self.random_workload);
                self.wallets.all[from].coins.push(coin);
            }
            Kind::Dust => {
                transaction = sign(self, coin, address, Amount::from_units(1));
                self.wallets.all[from].coins.push(coin);
            }
            Kind::Chained => {
                // Its first output is spent before it is known to be final.
                let parent = crate::types::transaction::OutPoint::new(transaction.txid(), 0);
                self.wallets.spent_ahead.insert(parent);
                let child_coin = Coin { outpoint: parent, value };
                let back = self.wallets.all[from].address();
                let half = Amount::from_units(value.units() / 2);
                let child = self.wallets.all[to].spend(&id, &[child_coin], back, half);
                let delay = Duration::from_millis(self.random_workload.below(200));
                self.submit_later(nodes[1], child, delay);
            }
        }
        if self.submit(nodes[0], transaction).is_err() {
            self.metrics.payments_refused += 1;
        }
        Ok(())
    }

    fn submit_later(&mut self, node: usize, transaction: Transaction, delay: Duration) {
        let transaction = Arc::new(transaction);
        let Ok(verified) = verify_transaction(Arc::clone(&transaction), &self.chain) else {
            return;
        };
        self.memo.note_transaction(&verified);
        self.checks.learn(&Message::Transaction(transaction));
        self.schedule_submit(node, verified, delay);
    }
}

/// Submissions whose answers are kept.
const ANSWERS_MAX: usize = 10_000;

/// A payment with one input and one output is shorter.
const WHOLE_BYTES: usize = 250;
