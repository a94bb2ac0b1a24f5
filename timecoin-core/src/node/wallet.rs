//! Paying and being paid with keys of one's own: coin selection, change, signatures.

mod coins;
mod keys;

use std::sync::{Arc, PoisonError, RwLock};

pub use keys::{Signer, secret_from_text, secret_to_text};

use coins::{Coin, CoinBook, Reservation};
use keys::{Key, transfer_bytes};

use super::Node;
use super::code::ErrorCode;
use super::error::NodeError;
use super::query::Balance;
use crate::engine::output::{Rejection, TransactionStatus};
use crate::ledger::transaction::TransactionError;
use crate::types::address::Address;
use crate::types::amount::Amount;
use crate::types::hash::Txid;
use crate::types::keys::{KeyPair, PublicKey, SecretKey};
use crate::types::transaction::{OutPoint, Transaction, TxOutput};
use crate::types::vote::RejectReason;

/// Keys, and the coins that they own on the chain of one node. Cheap to clone; all clones are
/// the same wallet, and many threads may pay from it at once: no two ever pick the same coin.
///
/// It keeps nothing on disk. Coins are found on the chain; keys are the host's to keep.
///
/// ```
/// use std::time::Duration;
/// use timecoin_core::{Amount, Config, Node, Wallet};
///
/// let node = Node::open(Config::regtest())?;
/// node.start()?;
/// let alice = Wallet::new(&node, Config::regtest_wallet());
/// let bob = Wallet::from_seed(&node, b"bob");
/// let payment = alice.pay(&bob.address(), "1.5 TIME".parse()?)?;
/// node.wait_finalized(&payment.txid, Duration::from_secs(5))?;
/// assert_eq!(bob.balance()?.spendable, Amount::from_units(150_000_000));
/// assert!(payment.fee > Amount::ZERO);
/// # node.close(Duration::from_secs(5))?;
/// # Ok::<(), timecoin_core::NodeError>(())
/// ```
#[derive(Clone)]
pub struct Wallet(Arc<Inner>);

struct Inner {
    node: Node,
    keys: RwLock<Vec<Key>>,
    coins: Arc<CoinBook>,
}

/// A payment that the node took.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Payment {
    /// Its id, to wait for.
    pub txid: Txid,
    /// What it pays the masternodes.
    pub fee: Amount,
    /// The transaction.
    pub transaction: Arc<Transaction>,
}

/// A signed payment that is not submitted. Its coins are reserved until it is submitted or
/// dropped.
pub struct Draft {
    node: Node,
    reservation: Reservation,
    transaction: Arc<Transaction>,
    fee: Amount,
    change: Option<Coin>,
}

impl Wallet {
    /// A wallet of one key pair.
    pub fn new(node: &Node, keys: KeyPair) -> Self {
        Self::with_key(node, Key::from_pair(keys))
    }

    /// A wallet whose signatures the host makes, as with a hardware key.
    pub fn with_signer(node: &Node, signer: Arc<dyn Signer>) -> Self {
        Self::with_key(node, Key::from_signer(signer))
    }

    /// A wallet of a new key.
    ///
    /// # Errors
    /// [`NodeError::Key`] where the operating system has no randomness.
    pub fn generate(node: &Node) -> Result<Self, NodeError> {
        Ok(Self::new(node, KeyPair::generate()?))
    }

    /// A wallet of the key that belongs to `seed`, always the same; only as secret as the seed.
    pub fn from_seed(node: &Node, seed: &[u8]) -> Self {
        Self::new(node, KeyPair::from_seed(seed))
    }

    /// A wallet of an exported key.
    pub fn import(node: &Node, secret: &SecretKey) -> Self {
        Self::new(node, KeyPair::from(secret.clone()))
    }

    /// The address of its first key, which change goes to.
    pub fn address(&self) -> Address {
        self.read_keys()[0].address
    }

    /// The addresses of all its keys.
    pub fn addresses(&self) -> Vec<Address> {
        self.read_keys().iter().map(|key| key.address).collect()
    }

    /// Adds a new key. Export it: it is nowhere else.
    ///
    /// # Errors
    /// [`NodeError::Key`] where the operating system has no randomness.
    pub fn new_address(&self) -> Result<Address, NodeError> {
        Ok(self.add_key(KeyPair::generate()?))
    }

    /// Adds a key; its coins are found when they are needed.
    pub fn add_key(&self, keys: KeyPair) -> Address {
        self.add(Key::from_pair(keys))
    }

    /// Adds a key whose signatures the host makes.
    pub fn add_signer(&self, signer: Arc<dyn Signer>) -> Address {
        self.add(Key::from_signer(signer))
    }

    /// The secret key of an address.
    ///
    /// # Errors
    /// [`NodeError::UnknownAddress`] where the wallet has no such key or the host signs with it.
    pub fn export(&self, address: &Address) -> Result<SecretKey, NodeError> {
        let keys = self.read_keys();
        let key = keys.iter().find(|key| key.address == *address);
        let secret = key.and_then(Key::secret);
        secret.ok_or(NodeError::UnknownAddress { address: *address })
    }

    /// The money of all its addresses.
    ///
    /// # Errors
    /// As [`Node::balance`].
    pub fn balance(&self) -> Result<Balance, NodeError> {
        let mut sum = Balance::default();
        for address in self.addresses() {
            let one = self.0.node.balance(&address)?;
            sum = Balance {
                confirmed: sum.confirmed.saturating_add(one.confirmed),
                finalized: sum.finalized.saturating_add(one.finalized),
                spendable: sum.spendable.saturating_add(one.spendable),
                immature: sum.immature.saturating_add(one.immature),
                locked: sum.locked.saturating_add(one.locked),
            };
        }
        Ok(sum)
    }

    /// Pays `amount` to `address`: chooses coins, signs, submits. Where coins that would do are
    /// reserved, by a draft or another payment, it waits for them, as long as
    /// [`crate::Config::submit_timeout_ms`] and 5 s at most, and then lacks them.
    ///
    /// # Errors
    /// [`NodeError::InsufficientFunds`], [`NodeError::TooManyCoins`]; an amount below the dust
    /// limit is a [`NodeError::Transaction`]; and as [`Node::submit_transaction`]. Coins are free
    /// again after an error, unless no answer came.
    pub fn pay(&self, address: &Address, amount: Amount) -> Result<Payment, NodeError> {
        self.pay_many(&[(*address, amount)])
    }

    /// Pays several at once, in one transaction.
    ///
    /// # Errors
    /// As [`Wallet::pay`], and [`NodeError::InvalidArgument`] for no payment at all.
    pub fn pay_many(&self, payments: &[(Address, Amount)]) -> Result<Payment, NodeError> {
        let mut n_tries = 0;
        loop {
            n_tries += 1;
            match self.build(payments)?.submit() {
                // Somebody else with the same key was quicker: those coins are forgotten by now.
                Err(error) if n_tries < TRIES_MAX && coins_are_gone(&error) => {
                    self.0.coins.refresh(&self.0.node, &self.addresses())?;
                }
                result => return result,
            }
        }
    }

    /// What a payment would cost now. Nothing stays reserved. It waits for reserved coins as
    /// [`Wallet::pay`] does.
    ///
    /// # Errors
    /// As [`Wallet::pay_many`], without those of submitting.
    pub fn estimate_fee(&self, payments: &[(Address, Amount)]) -> Result<Amount, NodeError> {
        let outputs = self.outputs(payments)?;
        let reservation = self.reserve(&outputs)?;
        Ok(self.complete(outputs, reservation.coins()).1)
    }

    /// Chooses coins and signs. The coins are reserved until the draft is submitted or dropped. It
    /// waits for coins that are reserved already as [`Wallet::pay`] does.
    ///
    /// # Errors
    /// As [`Wallet::pay_many`], without those of submitting.
    pub fn build(&self, payments: &[(Address, Amount)]) -> Result<Draft, NodeError> {
        let outputs = self.outputs(payments)?;
        let reservation = self.reserve(&outputs)?;
        let (outputs, fee, has_change) = self.complete(outputs, reservation.coins());
        let change = (0u32..).zip(&outputs).last().filter(|_| has_change);
        let change = change.map(|(vout, output)| (vout, output.value));
        let keys = self.read_keys();
        let public_keys: Vec<(OutPoint, PublicKey)> = reservation
            .coins()
            .iter()
            .map(|coin| (coin.outpoint, keys[coin.key].public_key))
            .collect();
        let mut transaction = Transaction::transfer(&public_keys, outputs);
        let txid = transaction.txid();
        keys::sign(&mut transaction, self.0.node.chain().id(), &txid, &keys)?;
        let change = change.map(|(vout, value)| {
            let outpoint = OutPoint::new(txid, vout);
            Coin { outpoint, value, key: 0 }
        });
        let transaction = Arc::new(transaction);
        Ok(Draft { node: self.0.node.clone(), reservation, transaction, fee, change })
    }

    /// Signs the inputs whose keys it has, and tells how many those are. Whether the coins are
    /// there is not asked.
    ///
    /// # Errors
    /// What a [`Signer`] of the host answers.
    pub fn sign(&self, transaction: &mut Transaction) -> Result<usize, NodeError> {
        let txid = transaction.txid();
        keys::sign(transaction, self.0.node.chain().id(), &txid, &self.read_keys())
    }

    /// The node that it pays through.
    pub fn node(&self) -> &Node {
        &self.0.node
    }

    fn with_key(node: &Node, key: Key) -> Self {
        let (keys, coins) = (RwLock::new(vec![key]), Arc::default());
        Wallet(Arc::new(Inner { node: node.clone(), keys, coins }))
    }

    fn add(&self, key: Key) -> Address {
        let address = key.address;
        let mut keys = self.0.keys.write().unwrap_or_else(PoisonError::into_inner);
        if !keys.iter().any(|known| known.address == address) {
            keys.push(key);
        }
        address
    }

    fn read_keys(&self) -> std::sync::RwLockReadGuard<'_, Vec<Key>> {
        self.0.keys.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// The outputs of payments, each as the rules want it.
    fn outputs(&self, payments: &[(Address, Amount)]) -> Result<Vec<TxOutput>, NodeError> {
        let params = self.0.node.chain().params();
        if payments.is_empty() {
            let reason = "nobody is to be paid".to_owned();
            return Err(NodeError::InvalidArgument { what: "payments", reason });
        }
        let (outputs, outputs_max) = (payments.len(), params.transaction_outputs_max as usize);
        if outputs >= outputs_max {
            return Err(TransactionError::OutputCount { outputs, outputs_max }.into());
        }
        let dust_limit = params.dust_limit;
        for (vout, &(_, value)) in (0u32..).zip(payments) {
            if value < dust_limit || value == Amount::ZERO {
                return Err(TransactionError::Dust { vout, value, dust_limit }.into());
            }
        }
        let output = |&(address, value)| TxOutput { value, address };
        Ok(payments.iter().map(output).collect())
    }

    /// Reserves coins that cover the outputs and the fee.
    fn reserve(&self, outputs: &[TxOutput]) -> Result<Reservation, NodeError> {
        let params = self.0.node.chain().params();
        let amount = Amount::checked_sum(outputs.iter().map(|output| output.value));
        let amount = amount.ok_or(TransactionError::Overflow { what: "outputs" })?;
        let n_outputs = outputs.len();
        let required = |n_inputs| {
            amount.saturating_add(params.fee_required(transfer_bytes(n_inputs, n_outputs + 1)))
        };
        let inputs_max = params.transaction_inputs_max as usize;
        let coins = self.0.coins.reserve(&self.0.node, &|| self.addresses(), &required, inputs_max);
        coins.map_err(|error| match error {
            NodeError::TooManyCoins { inputs_max, .. } => {
                NodeError::TooManyCoins { amount, inputs_max }
            }
            error => error,
        })
    }

    /// Adds the change where it is worth an output; gives the fee, and whether there is change.
    fn complete(
        &self,
        mut outputs: Vec<TxOutput>,
        coins: &[Coin],
    ) -> (Vec<TxOutput>, Amount, bool) {
        let params = self.0.node.chain().params();
        let available: Amount = coins.iter().map(|coin| coin.value).sum();
        let amount: Amount = outputs.iter().map(|output| output.value).sum();
        let fee = params.fee_required(transfer_bytes(coins.len(), outputs.len() + 1));
        let rest = available.saturating_sub(amount);
        let change = rest.saturating_sub(fee);
        if change < params.dust_limit || change == Amount::ZERO {
            return (outputs, rest, false);
        }
        outputs.push(TxOutput { value: change, address: self.address() });
        (outputs, fee, true)
    }
}

impl Draft {
    /// The signed transaction.
    pub fn transaction(&self) -> &Arc<Transaction> {
        &self.transaction
    }

    /// What it pays the masternodes.
    pub fn fee(&self) -> Amount {
        self.fee
    }

    /// Submits it.
    ///
    /// # Errors
    /// As [`Node::submit_transaction`].
    pub fn submit(self) -> Result<Payment, NodeError> {
        let Draft { node, reservation, transaction, fee, change } = self;
        let submitted = match is_known(&node, &transaction) {
            // Another wallet with the same key made the very same payment of the same coins.
            Ok(Some(conflict)) => Err(conflict.into()),
            Ok(None) => node.submit_transaction(Arc::clone(&transaction)),
            Err(error) => Err(error),
        };
        match submitted {
            Ok(txid) => {
                reservation.spend(&node, txid, change);
                Ok(Payment { txid, fee, transaction })
            }
            Err(error) => {
                match error.code() {
                    // It may be on its way: its coins must not be used for anything else.
                    ErrorCode::Timeout => reservation.spend(&node, transaction.txid(), None),
                    _ if coins_are_gone(&error) => reservation.forget(),
                    _ => drop(reservation),
                }
                Err(error)
            }
        }
    }
}

impl std::fmt::Debug for Wallet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Wallet").field("addresses", &self.addresses()).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Draft {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut draft = f.debug_struct("Draft");
        draft.field("transaction", &self.transaction).field("fee", &self.fee);
        draft.finish_non_exhaustive()
    }
}

/// What a payment conflicts with where the node knew it before it was made here.
fn is_known(node: &Node, transaction: &Transaction) -> Result<Option<Rejection>, NodeError> {
    let by = transaction.txid();
    let reason = match node.transaction_status(&by)? {
        None | Some(TransactionStatus::Rejected(_)) => return Ok(None),
        Some(TransactionStatus::Confirmed(_)) => RejectReason::ConflictsWithConfirmed,
        Some(TransactionStatus::Finalized) => RejectReason::ConflictsWithFinal,
        Some(_) => RejectReason::ConflictsWithApproved,
    };
    let outpoint = transaction.inputs[0].previous_output;
    Ok(Some(Rejection::Conflict { outpoint, by, reason }))
}

/// Whether an error says that coins of a payment are not there any more.
fn coins_are_gone(error: &NodeError) -> bool {
    matches!(
        error.code(),
        ErrorCode::TransactionInputSpent
            | ErrorCode::TransactionUnknownInput
            | ErrorCode::ConflictsWithApproved
            | ErrorCode::ConflictsWithFinal
            | ErrorCode::ConflictsWithConfirmed
    )
}

/// How often a payment is built anew when its coins are gone.
const TRIES_MAX: usize = 3;

#[cfg(test)]
mod tests;
