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
        let mut last = last_statuses(&actions);
        let mut n_blocks = 0;
        for action in actions {
            n_blocks += usize::from(is_block(&action));
            let Action::Notify(Event::Transaction { transaction, status }) = action else {
                self.perform(action);
                continue;
            };
            if self.is_crashed() {
                return;
            }
            if let Some(last) = last.remove(&(n_blocks, transaction.txid())) {
                self.show_status(&transaction, &last, began);
            }
            self.tell_status(transaction.txid(), status);
        }
    }
}

/// The last status of each transaction between two blocks, by the number of blocks before it: a
/// block ends what is told of the transactions in it.
fn last_statuses(actions: &[Action]) -> HashMap<(usize, Txid), TransactionStatus> {
    let mut n_blocks = 0;
    let mut last = HashMap::default();
    for action in actions {
        n_blocks += usize::from(is_block(action));
        if let Action::Notify(Event::Transaction { transaction, status }) = action {
            last.insert((n_blocks, transaction.txid()), status.clone());
        }
    }
    last
}

fn is_block(action: &Action) -> bool {
    matches!(action, Action::Notify(Event::Block(_)))
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
        assert_eq!(last_statuses(&actions), expected.into_iter().collect());
    }
}
