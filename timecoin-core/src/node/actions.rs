//! Doing what the engine wants done, in order, once everything before it is on disk.
//!
//! A batch often takes a transaction through several statuses at once. Subscribers are told of
//! each; readers, who ask and are not told, see the last of them from the first on, which costs
//! one visit to the published tables in place of three.

use std::sync::Arc;
use std::time::Instant;

use super::reply::Reply;
use super::shared::Shared;
use crate::engine::input::PeerId;
use crate::engine::output::{Event, Submission, To, TransactionStatus};
use crate::types::hash::Txid;
use crate::types::map::HashMap;
use crate::types::message::{Message, Request};

/// What is done once everything before it is on disk, in order.
pub(super) enum Action {
    Send(To, Box<Message>),
    Serve(PeerId, Request),
    Answer(Reply, Submission),
    Notify(Event),
}

impl Shared {
    /// Does all of what one run of the engine, begun at `began`, or several wanted.
    pub(super) fn perform_all(self: &Arc<Self>, actions: Vec<Action>, began: Instant) {
        let mut statuses = Statuses::of(&actions, began);
        for action in actions {
            self.perform(action, &mut statuses);
        }
    }
}

/// What readers are yet to see of the statuses in some actions.
pub(super) struct Statuses {
    /// When the first run of the engine began that they are of.
    pub(super) began: Instant,
    /// The last of each transaction between two blocks, by the number of blocks before it: a block
    /// ends what is told of the transactions in it.
    last: HashMap<(usize, Txid), TransactionStatus>,
    n_blocks: usize,
}

impl Statuses {
    fn of(actions: &[Action], began: Instant) -> Self {
        let mut n_blocks = 0;
        let mut last = HashMap::default();
        for action in actions {
            match action {
                Action::Notify(Event::Block(_)) => n_blocks += 1,
                Action::Notify(Event::Transaction { transaction, status }) => {
                    last.insert((n_blocks, transaction.txid()), status.clone());
                }
                _ => {}
            }
        }
        Statuses { began, last, n_blocks: 0 }
    }

    /// What readers are to see where a status of the transaction stands, unless they do.
    pub(super) fn take(&mut self, txid: &Txid) -> Option<TransactionStatus> {
        self.last.remove(&(self.n_blocks, *txid))
    }

    /// A block stands here.
    pub(super) fn pass_block(&mut self) {
        self.n_blocks += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::state::LedgerState;
    use crate::storage::{MemoryDisk, MemoryStorage};
    use crate::testkit::{decide, genesis_coins, pay, solo_chain_with_coins, wallet_keys};
    use crate::types::amount::Amount;

    #[test]
    fn the_last_status_is_that_between_two_blocks() {
        let chain = solo_chain_with_coins(2);
        let to = wallet_keys().address();
        let payment = |coin| pay(&chain, &wallet_keys(), coin, to, Amount::from_time(1));
        let coins = genesis_coins(&chain);
        let (first, second) = (payment(coins[0]), payment(coins[1]));
        let storage = MemoryStorage::open(&MemoryDisk::new(&chain), &chain).unwrap().storage;
        let state = LedgerState::genesis(&chain);
        let block = decide(&chain, &state, &*storage, vec![first.clone()]);
        let told = |transaction: &crate::types::verified::VerifiedTransaction, status| {
            Action::Notify(Event::Transaction { transaction: transaction.clone(), status })
        };
        let actions = [
            told(&first, TransactionStatus::Pending),
            told(&second, TransactionStatus::Approved),
            told(&first, TransactionStatus::Finalized),
            Action::Notify(Event::Block(block)),
            told(&first, TransactionStatus::Contested),
            told(&second, TransactionStatus::Certified),
        ];
        let expected = [
            ((0, first.txid()), TransactionStatus::Finalized),
            ((0, second.txid()), TransactionStatus::Approved),
            ((1, first.txid()), TransactionStatus::Contested),
            ((1, second.txid()), TransactionStatus::Certified),
        ];
        let statuses = Statuses::of(&actions, Instant::now());
        assert_eq!(statuses.last, expected.into_iter().collect());
    }
}
