//! A wallet's coins: which there are, which are reserved, which are spent and on their way.

use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::engine::output::TransactionStatus;
use crate::node::Node;
use crate::node::error::NodeError;
use crate::node::parking::Deadline;
use crate::node::published::OutpointState;
use crate::node::query::UTXOS_PAGE_MAX;
use crate::types::address::Address;
use crate::types::amount::Amount;
use crate::types::hash::Txid;
use crate::types::transaction::OutPoint;

/// An output that the wallet can spend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Coin {
    pub(super) outpoint: OutPoint,
    pub(super) value: Amount,
    /// Which of the wallet's keys owns it.
    pub(super) key: usize,
}

/// The coins of one wallet. Filled from the chain on first use and when it runs short.
#[derive(Default)]
pub(super) struct CoinBook {
    coins: Mutex<Coins>,
    /// A reservation ended: coins or change may be free.
    freed: Condvar,
}

#[derive(Default)]
struct Coins {
    /// Free and final, by value.
    by_value: BTreeSet<(Amount, OutPoint)>,
    keys: HashMap<OutPoint, usize>,
    /// Own change whose transaction is not known to be final; the last to be used.
    change: VecDeque<Coin>,
    /// Taken by reservations.
    reserved: HashMap<OutPoint, Amount>,
    /// Spent by own transactions that are on their way.
    spent: HashSet<OutPoint>,
    on_their_way: VecDeque<OnItsWay>,
}

struct OnItsWay {
    txid: Txid,
    since: Instant,
    coins: Vec<OutPoint>,
}

/// Coins that nobody else picks until it is dropped.
pub(super) struct Reservation {
    book: Arc<CoinBook>,
    coins: Vec<Coin>,
    /// How many of them, at the end, are unconfirmed change.
    n_change: usize,
}

impl CoinBook {
    /// Reserves coins worth what `required` says for their number, waiting for reservations of
    /// other threads where those could do it.
    pub(super) fn reserve(
        self: &Arc<Self>,
        node: &Node,
        addresses: &dyn Fn() -> Vec<Address>,
        required: &dyn Fn(usize) -> Amount,
        inputs_max: usize,
    ) -> Result<Reservation, NodeError> {
        let wait_max = FREED_WAIT_MAX.min(node.shared().config.submit_timeout());
        let deadline = Deadline::after(wait_max);
        let mut is_fresh = false;
        let mut coins = self.lock();
        loop {
            coins.promote_change(node, PROMOTED_MAX)?;
            let shortage = match coins.select(required, inputs_max) {
                Ok((picked, n_change)) => {
                    coins.take(&picked);
                    drop(coins);
                    return Ok(Reservation { book: Arc::clone(self), coins: picked, n_change });
                }
                Err(shortage) => shortage,
            };
            if !is_fresh {
                drop(coins);
                self.refresh(node, &addresses())?;
                is_fresh = true;
                coins = self.lock();
                continue;
            }
            let left = deadline.left().filter(|_| coins.reserved_may_cover(&shortage));
            let Some(left) = left else { return Err(shortage) };
            let waited = self.freed.wait_timeout(coins, left);
            coins = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Reads all coins from the chain again.
    pub(super) fn refresh(&self, node: &Node, addresses: &[Address]) -> Result<(), NodeError> {
        let mut found = Vec::new();
        for (key, address) in addresses.iter().enumerate() {
            let mut after = None;
            loop {
                let page = node.utxos_of(address, after.as_ref(), UTXOS_PAGE_MAX)?;
                let Some(last) = page.last() else { break };
                after = Some(last.outpoint);
                let free = page
                    .iter()
                    .filter(|info| info.state == OutpointState::Unspent && node.is_mature(info));
                found.extend(free.map(|info| Coin {
                    outpoint: info.outpoint,
                    value: info.output.value,
                    key,
                }));
            }
        }
        let mut coins = self.lock();
        coins.forget_arrived(node, usize::MAX)?;
        coins.by_value.clear();
        coins.keys.clear();
        for coin in found {
            coins.add(coin);
        }
        coins.promote_change(node, usize::MAX)
    }

    fn lock(&self) -> MutexGuard<'_, Coins> {
        self.coins.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Coins {
    /// Adds a free coin, unless it is reserved or spent here.
    fn add(&mut self, coin: Coin) {
        let is_taken =
            self.reserved.contains_key(&coin.outpoint) || self.spent.contains(&coin.outpoint);
        if !is_taken {
            self.by_value.insert((coin.value, coin.outpoint));
            self.keys.insert(coin.outpoint, coin.key);
        }
    }

    /// The smallest coin that does it alone, else the largest ones together, else with change
    /// that is not final yet. Gives the coins, and how many at the end are such change.
    fn select(
        &self,
        required: &dyn Fn(usize) -> Amount,
        inputs_max: usize,
    ) -> Result<(Vec<Coin>, usize), NodeError> {
        let enough = (required(1), OutPoint::new(Txid::ZERO, 0));
        if let Some(&(value, outpoint)) = self.by_value.range(enough..).next() {
            return Ok((vec![Coin { outpoint, value, key: self.keys[&outpoint] }], 0));
        }
        let final_coins = self.by_value.iter().rev().map(|&(value, outpoint)| Coin {
            outpoint,
            value,
            key: self.keys[&outpoint],
        });
        let n_final = self.by_value.len();
        let (mut picked, mut sum) = (Vec::new(), Amount::ZERO);
        for coin in final_coins.chain(self.change.iter().copied()) {
            sum = sum.saturating_add(coin.value);
            picked.push(coin);
            if sum >= required(picked.len()) {
                let n_change = picked.len().saturating_sub(n_final);
                return Ok((picked, n_change));
            }
            if picked.len() == inputs_max {
                return Err(NodeError::TooManyCoins { amount: sum, inputs_max });
            }
        }
        let required = required(picked.len().max(1));
        Err(NodeError::InsufficientFunds { available: sum, required })
    }

    fn take(&mut self, picked: &[Coin]) {
        for coin in picked {
            self.by_value.remove(&(coin.value, coin.outpoint));
            self.keys.remove(&coin.outpoint);
            self.reserved.insert(coin.outpoint, coin.value);
        }
        let reserved = &self.reserved;
        self.change.retain(|coin| !reserved.contains_key(&coin.outpoint));
    }

    /// Whether coins that are reserved now would end the shortage, or their change might.
    fn reserved_may_cover(&self, shortage: &NodeError) -> bool {
        let NodeError::InsufficientFunds { available, required } = shortage else { return false };
        let reserved: Amount = self.reserved.values().copied().sum();
        reserved > Amount::ZERO && available.saturating_add(reserved) >= *required
    }

    /// Makes coins of the oldest change whose transactions are final by now.
    fn promote_change(&mut self, node: &Node, n_max: usize) -> Result<(), NodeError> {
        for _ in 0..n_max.min(self.change.len()) {
            let Some(coin) = self.change.pop_front() else { break };
            match node.transaction_status(&coin.outpoint.txid)? {
                Some(status) if status.is_final() => self.add(coin),
                // Gone, or never there: its coins are found again by a refresh.
                Some(TransactionStatus::Rejected(_)) | None => {}
                Some(_) if n_max == usize::MAX => self.change.push_back(coin),
                Some(_) => {
                    self.change.push_front(coin);
                    break;
                }
            }
        }
        Ok(())
    }

    /// Forgets what the oldest own transactions spent, once those are confirmed or dead.
    fn forget_arrived(&mut self, node: &Node, n_max: usize) -> Result<(), NodeError> {
        for _ in 0..n_max.min(self.on_their_way.len()) {
            let Some(oldest) = self.on_their_way.pop_front() else { break };
            if has_arrived(node, &oldest)? {
                oldest.coins.iter().for_each(|coin| {
                    self.spent.remove(coin);
                });
            } else if n_max == usize::MAX {
                self.on_their_way.push_back(oldest);
            } else {
                self.on_their_way.push_front(oldest);
                break;
            }
        }
        Ok(())
    }
}

/// Whether the chain and the node tell by themselves which coins a transaction spent or freed.
fn has_arrived(node: &Node, transaction: &OnItsWay) -> Result<bool, NodeError> {
    let shared = node.shared();
    if shared.published.is_live(&transaction.txid) {
        return Ok(false);
    }
    let is_refused = shared.published.status(&transaction.txid).is_some();
    let confirmed = shared.storage.confirmed_at(&transaction.txid)?;
    let is_lost = transaction.since.elapsed() > LOST_AFTER;
    Ok(is_refused || confirmed.is_some() || is_lost)
}

impl Reservation {
    /// The coins, those that are unconfirmed change last.
    pub(super) fn coins(&self) -> &[Coin] {
        &self.coins
    }

    /// A transaction spends them, and may give change.
    pub(super) fn spend(mut self, node: &Node, txid: Txid, change: Option<Coin>) {
        let spent: Vec<OutPoint> = self.coins.drain(..).map(|coin| coin.outpoint).collect();
        let mut coins = self.book.lock();
        for outpoint in &spent {
            coins.reserved.remove(outpoint);
            coins.spent.insert(*outpoint);
        }
        coins.on_their_way.push_back(OnItsWay { txid, since: Instant::now(), coins: spent });
        coins.change.extend(change);
        // A store that can't be read shows in the next payment.
        let _ = coins.forget_arrived(node, FORGOTTEN_MAX);
        drop(coins);
        self.book.freed.notify_all();
    }

    /// They are gone.
    pub(super) fn forget(mut self) {
        let mut coins = self.book.lock();
        for coin in self.coins.drain(..) {
            coins.reserved.remove(&coin.outpoint);
        }
        drop(coins);
        self.book.freed.notify_all();
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        if self.coins.is_empty() {
            return;
        }
        let n_final = self.coins.len() - self.n_change;
        let mut coins = self.book.lock();
        for (index, coin) in self.coins.drain(..).enumerate() {
            coins.reserved.remove(&coin.outpoint);
            if index < n_final {
                coins.add(coin);
            } else {
                coins.change.push_front(coin);
            }
        }
        drop(coins);
        self.book.freed.notify_all();
    }
}

/// How long a payment waits for coins that other payments have reserved, where
/// `submit_timeout_ms` is no shorter.
const FREED_WAIT_MAX: Duration = Duration::from_secs(5);

/// A transaction that nobody knows after so long was never taken.
const LOST_AFTER: Duration = Duration::from_secs(120);

/// Change looked at in one payment; each payment makes one at most, so that none piles up.
const PROMOTED_MAX: usize = 4;

/// Own transactions looked at in one payment; each payment adds one, so that none pile up.
const FORGOTTEN_MAX: usize = 4;
