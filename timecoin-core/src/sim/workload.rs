//! Wallets and the payments that they make.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use super::payments::PayError;
use super::random::Random;
use crate::types::address::Address;
use crate::types::amount::Amount;
use crate::types::hash::{ChainId, Txid};
use crate::types::keys::{KeyPair, Signature};
use crate::types::map::HashSet;
use crate::types::transaction::{OutPoint, Transaction, TxOutput};

/// Payments that come by themselves.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Workload {
    /// Payments in a thousand seconds; 0 for none.
    pub per_kilosecond: u32,
    /// When they begin.
    pub start: Duration,
    /// When they end; none for never.
    pub end: Option<Duration>,
    /// Payments whose owner signs a second one of the same coin, of a thousand.
    pub conflicting_permille: u32,
    /// Payments that are not valid, of a thousand.
    pub malformed_permille: u32,
    /// Payments below the dust limit, of a thousand.
    pub dust_permille: u32,
    /// Payments that spend an output that is not final yet, of a thousand.
    pub chained_permille: u32,
    /// Payments that spend a coin whose payment is final, of a thousand.
    pub respent_permille: u32,
    /// Good payments give a whole coin away, so that coins stay as many as they are.
    pub is_whole: bool,
}

impl Workload {
    /// Good payments at a steady rate.
    pub fn good(per_second: u32) -> Self {
        Workload { per_kilosecond: per_second * 1_000, ..Workload::default() }
    }

    /// All kinds of payments.
    pub fn mixed(per_second: u32) -> Self {
        Workload {
            conflicting_permille: 150,
            malformed_permille: 50,
            dust_permille: 30,
            chained_permille: 200,
            respent_permille: 50,
            ..Workload::good(per_second)
        }
    }

    /// The time to the next payment: anything around the mean.
    pub(super) fn gap(&self, random: &mut Random) -> Option<Duration> {
        let mean = 1_000_000_000u64.checked_div(u64::from(self.per_kilosecond))?;
        Some(Duration::from_micros(random.range(1, mean.saturating_mul(2))))
    }
}

/// What kind of payment the workload makes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Good,
    Conflicting,
    Malformed,
    Dust,
    Chained,
    Respent,
}

impl Workload {
    pub(super) fn kind(&self, random: &mut Random) -> Kind {
        let drawn = random.below(1_000);
        let mut edge = 0;
        for (kind, permille) in [
            (Kind::Conflicting, self.conflicting_permille),
            (Kind::Malformed, self.malformed_permille),
            (Kind::Dust, self.dust_permille),
            (Kind::Chained, self.chained_permille),
            (Kind::Respent, self.respent_permille),
        ] {
            edge += u64::from(permille);
            if drawn < edge {
                return kind;
            }
        }
        Kind::Good
    }
}

/// A coin that a wallet can spend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Coin {
    /// Where it is.
    pub outpoint: OutPoint,
    /// How much it is.
    pub value: Amount,
}

/// Keys and what they can spend, as their owner sees it.
#[derive(Clone, Debug)]
pub struct Wallet {
    /// The keys.
    pub keys: KeyPair,
    /// Coins that were not given out, the oldest first.
    pub coins: Vec<Coin>,
}

impl Wallet {
    /// Its address.
    pub fn address(&self) -> Address {
        self.keys.address()
    }

    /// What all of its coins are worth.
    pub fn balance(&self) -> Amount {
        self.coins.iter().map(|coin| coin.value).sum()
    }

    /// Signs a payment of `coins`; what is left goes back, less the fee.
    pub fn spend(
        &self,
        chain_id: &ChainId,
        coins: &[Coin],
        to: Address,
        value: Amount,
    ) -> Transaction {
        let mut outputs = vec![TxOutput { value, address: to }];
        let sum: Amount = coins.iter().map(|coin| coin.value).sum();
        let left = sum.saturating_sub(value).saturating_sub(FEE);
        if left >= CHANGE_MIN {
            outputs.push(TxOutput { value: left, address: self.address() });
        }
        let inputs: Vec<_> = coins.iter().map(|coin| (coin.outpoint, self.keys.public())).collect();
        let mut transaction = Transaction::transfer(&inputs, outputs);
        transaction.sign_all(chain_id, &self.keys);
        transaction
    }

    /// Why it can't pay so much.
    pub(super) fn lacks(&self, name: &str, value: Amount) -> PayError {
        PayError::NoCoin { from: name.to_owned(), value, available: self.balance() }
    }

    /// Takes the oldest coin that is worth `value` and a fee.
    pub(super) fn take_coin(&mut self, value: Amount) -> Option<Coin> {
        let needed = value.saturating_add(FEE);
        let at = self.coins.iter().position(|coin| coin.value >= needed)?;
        Some(self.coins.remove(at))
    }

    /// Takes the oldest coin that is worth `value` and a fee, or as many of the oldest as are;
    /// none where that is more than a payment spends.
    pub(super) fn take_coins(&mut self, value: Amount) -> Option<Vec<Coin>> {
        if let Some(coin) = self.take_coin(value) {
            return Some(vec![coin]);
        }
        let needed = value.saturating_add(FEE);
        let mut sum = Amount::ZERO;
        let n_coins = self.coins.iter().take_while(|coin| {
            let is_needed = sum < needed;
            sum = sum.saturating_add(coin.value);
            is_needed
        });
        let n_coins = n_coins.count();
        let taken: Amount = self.coins.iter().take(n_coins).map(|coin| coin.value).sum();
        let is_enough = taken >= needed && n_coins <= COINS_MAX;
        is_enough.then(|| self.coins.drain(..n_coins).collect())
    }
}

/// Makes a valid payment invalid, in one of several ways.
pub(super) fn corrupt(
    transaction: &mut Transaction,
    keys: &KeyPair,
    chain_id: &ChainId,
    random: &mut Random,
) {
    match random.below(5) {
        0 => {
            if let Some(input) = transaction.inputs.first_mut() {
                input.signature = Signature::from_bytes([7; 64]);
            }
            return;
        }
        1 => {
            if let Some(output) = transaction.outputs.first_mut() {
                output.value = Amount::from_time(90_000_000);
            }
        }
        2 => {
            if let Some(input) = transaction.inputs.first_mut() {
                input.previous_output.txid = Txid::from_bytes([9; 32]);
            }
        }
        3 => transaction.version = 99,
        _ => {
            let doubled = transaction.inputs.first().cloned();
            transaction.inputs.extend(doubled);
        }
    }
    transaction.sign_all(chain_id, keys);
}

/// All wallets, named as they are asked for.
#[derive(Clone, Debug)]
pub(crate) struct Wallets {
    pub(super) all: Vec<Wallet>,
    owners: HashMap<Address, usize>,
    names: BTreeMap<String, usize>,
    /// Outputs that were spent before they were known to be there.
    pub(super) spent_ahead: BTreeSet<OutPoint>,
    /// The last coin that was spent by a payment that is final or soon will be.
    pub(super) respent: Option<(usize, Coin)>,
    credited: Credited,
}

/// Transactions whose outputs were given to their owners: nobody gets a coin twice. The latest
/// are remembered, which are those that nodes still tell of.
#[derive(Clone, Debug, Default)]
struct Credited {
    young: HashSet<Txid>,
    old: HashSet<Txid>,
}

impl Credited {
    /// Whether a transaction is news.
    fn insert(&mut self, txid: Txid) -> bool {
        if self.young.len() >= CREDITED_MAX {
            self.old = std::mem::take(&mut self.young);
        }
        !self.old.contains(&txid) && self.young.insert(txid)
    }
}

impl Wallets {
    /// The wallets of a seed, without coins.
    pub(super) fn new(seed: u64, n_wallets: usize) -> Self {
        let wallet = |index: usize| Wallet {
            keys: KeyPair::from_seed(format!("wallet {index} of seed {seed}").as_bytes()),
            coins: Vec::new(),
        };
        let all: Vec<Wallet> = (0..n_wallets).map(wallet).collect();
        let owners = all.iter().enumerate().map(|(index, wallet)| (wallet.address(), index));
        Wallets {
            owners: owners.collect(),
            all,
            names: BTreeMap::new(),
            spent_ahead: BTreeSet::new(),
            respent: None,
            credited: Credited::default(),
        }
    }

    /// The wallet of a name; a new name takes the next one that has none.
    pub(super) fn index(&mut self, name: &str) -> Option<usize> {
        if let Some(index) = self.names.get(name) {
            return Some(*index);
        }
        let next = self.names.len();
        if next >= self.all.len() {
            return None;
        }
        self.names.insert(name.to_owned(), next);
        Some(next)
    }

    /// The wallet of a name.
    pub(crate) fn named(&mut self, name: &str) -> Result<&mut Wallet, PayError> {
        let index = self.index(name).ok_or_else(|| PayError::NoWallet(name.to_owned()))?;
        Ok(&mut self.all[index])
    }

    /// Signs a payment. Its coin is spent as far as the wallet knows.
    pub(crate) fn payment(
        &mut self,
        chain_id: &ChainId,
        from: &str,
        to: Address,
        value: Amount,
    ) -> Result<Transaction, PayError> {
        let wallet = self.named(from)?;
        let Some(coins) = wallet.take_coins(value) else {
            if wallet.balance() < value.saturating_add(FEE) {
                return Err(wallet.lacks(from, value));
            }
            let from = from.to_owned();
            return Err(PayError::ManyCoins { from, value, coins_max: COINS_MAX });
        };
        Ok(wallet.spend(chain_id, &coins, to, value))
    }

    /// Several payments of the same coin, each of one unit more than the one before.
    pub(crate) fn conflicting_payments(
        &mut self,
        chain_id: &ChainId,
        from: &str,
        value: Amount,
        n_payments: usize,
    ) -> Result<Vec<Transaction>, PayError> {
        let wallet = self.named(from)?;
        let coin = wallet.take_coin(value.saturating_add(Amount::from_units(n_payments as u64)));
        let coin = coin.ok_or_else(|| wallet.lacks(from, value))?;
        let pay = |number: usize| {
            let value = value.saturating_add(Amount::from_units(number as u64));
            wallet.spend(chain_id, &[coin], wallet.address(), value)
        };
        Ok((0..n_payments).map(pay).collect())
    }

    /// Notes who can spend the outputs of a transaction.
    pub(crate) fn credit(&mut self, transaction: &Arc<Transaction>) {
        let txid = transaction.txid();
        if !self.credited.insert(txid) {
            return;
        }
        for (vout, output) in (0u32..).zip(&transaction.outputs) {
            let outpoint = OutPoint::new(txid, vout);
            let is_spent = self.spent_ahead.remove(&outpoint);
            let owner = self.owners.get(&output.address).filter(|_| !is_spent);
            if let Some(wallet) = owner.map(|owner| &mut self.all[*owner]) {
                wallet.coins.push(Coin { outpoint, value: output.value });
            }
        }
    }

    /// Gives a coin to the wallet of an address, if one has it, and has the coin not yet.
    pub(crate) fn give(&mut self, owner: &Address, coin: Coin) {
        let Some(wallet) = self.owners.get(owner).map(|index| &mut self.all[*index]) else {
            return;
        };
        if !wallet.coins.iter().any(|known| known.outpoint == coin.outpoint) {
            wallet.coins.push(coin);
        }
    }
}

/// What each payment leaves for the masternodes.
pub const FEE: Amount = Amount::from_units(10_000);

/// Coins in one payment: 64 inputs are 8,500 bytes, which [`FEE`] pays for.
pub(super) const COINS_MAX: usize = 64;

/// Credited transactions in one table of two.
const CREDITED_MAX: usize = 5_000;

/// Less than this is not worth an output.
const CHANGE_MIN: Amount = Amount::from_units(100_000);
