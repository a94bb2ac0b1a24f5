//! Tables for what each operation promises, and a naive model for all of them together.

use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::ledger::view::{Origin, Utxo};
use crate::types::address::Address;
use crate::types::chain::Height;
use crate::types::keys::{PublicKey, Signature};
use crate::types::transaction::{Registration, Transaction, TxKind, TxOutput};

const NOW: Timestamp = Timestamp(1_000);

fn outpoint(n: u8) -> OutPoint {
    OutPoint::new(Txid::from_bytes([n; 32]), u32::from(n))
}

/// A transaction that spends `inputs`, made to differ by `nonce`. The pool takes its word for
/// ids and size.
fn transaction(nonce: u32, inputs: &[u8], bytes: usize) -> VerifiedTransaction {
    let inputs: Vec<_> =
        inputs.iter().map(|&n| (outpoint(n), PublicKey::from_bytes([n; 32]))).collect();
    let mut transaction = Transaction::transfer(&inputs, Vec::new());
    transaction.lock_time = Height(u64::from(nonce));
    let (txid, wtxid) = (transaction.txid(), transaction.wtxid());
    VerifiedTransaction::vouch(Arc::new(transaction), txid, wtxid, bytes)
}

fn spend(fee: u64) -> Spend {
    let output = TxOutput { value: Amount::from_units(fee), address: Address::from_bytes([0; 20]) };
    let inputs = vec![Utxo { output, height: Height(1), origin: Origin::Transfer }];
    Spend { fee: Amount::from_units(fee), inputs }
}

fn limits(transactions_max: usize, bytes_max: usize) -> MempoolLimits {
    MempoolLimits { transactions_max, bytes_max, ..MempoolLimits::default() }
}

fn txids(mempool: &Mempool) -> Vec<Txid> {
    mempool.best_unpinned().map(|entry| entry.transaction.txid()).collect()
}

#[test]
fn fee_rates_compare_exactly() {
    let rate = |fee, bytes| FeeRate::new(Amount::from_units(fee), bytes);
    assert_eq!(rate(3, 200), rate(6, 400));
    assert!(rate(u64::MAX, 3) > rate(u64::MAX - 1, 3));
    assert!(rate(u64::MAX, u32::MAX as usize) < rate(u64::MAX, u32::MAX as usize - 1));
    // Both are 333 units per kB when rounded.
    assert!(rate(1_000_001, 3_000_000) > rate(1_000_000, 3_000_000));
    assert_eq!(rate(1, 0), rate(1, 1));
}

#[test]
fn the_highest_fee_rate_is_first_then_the_oldest() {
    let mut mempool = Mempool::new(MempoolLimits::default());
    let fees = [(1, 100), (2, 300), (3, 100), (4, 200)];
    let all: Vec<_> = fees.iter().map(|&(nonce, _)| transaction(nonce, &[0], 10)).collect();
    for (tx, (_, fee)) in all.iter().zip(fees) {
        mempool.admit(tx.clone(), spend(fee), NOW).unwrap();
    }
    let expected: Vec<_> = [1, 3, 0, 2].iter().map(|&i: &usize| all[i].txid()).collect();
    assert_eq!(txids(&mempool), expected);
}

#[test]
fn the_lowest_fee_rate_makes_room_and_only_for_a_higher_one() {
    let mut mempool = Mempool::new(limits(2, 1_000));
    let (low, high) = (transaction(1, &[1], 10), transaction(2, &[2], 10));
    mempool.admit(low.clone(), spend(10), NOW).unwrap();
    mempool.admit(high.clone(), spend(20), NOW).unwrap();
    let equal = mempool.admit(transaction(3, &[3], 20), spend(20), NOW);
    assert_eq!(equal, Err(AdmitError::Full));
    let admitted = mempool.admit(transaction(4, &[4], 10), spend(11), NOW).unwrap();
    assert_eq!(admitted.evicted, [low]);
    assert!(mempool.contains(&high.txid()));
}

#[test]
fn of_equal_fee_rates_the_newest_goes_first() {
    let mut mempool = Mempool::new(limits(2, 1_000));
    let (older, newer) = (transaction(1, &[1], 10), transaction(2, &[2], 10));
    mempool.admit(older, spend(10), NOW).unwrap();
    mempool.admit(newer.clone(), spend(10), NOW).unwrap();
    let admitted = mempool.admit(transaction(3, &[3], 10), spend(11), NOW).unwrap();
    assert_eq!(admitted.evicted, [newer]);
}

#[test]
fn bytes_evict_as_many_as_it_takes() {
    let mut mempool = Mempool::new(limits(10, 100));
    let small: Vec<_> = (1..=4).map(|n| transaction(n, &[0], 25)).collect();
    for (tx, fee) in small.iter().zip([40, 10, 30, 20]) {
        mempool.admit(tx.clone(), spend(fee), NOW).unwrap();
    }
    assert_eq!(mempool.admit(transaction(5, &[5], 101), spend(10_000), NOW), Err(AdmitError::Full));
    let admitted = mempool.admit(transaction(6, &[6], 50), spend(1_000), NOW).unwrap();
    assert_eq!(admitted.evicted, [small[1].clone(), small[3].clone()]);
    assert_eq!((mempool.len(), mempool.bytes()), (3, 100));
}

#[test]
fn a_pinned_transaction_is_never_evicted() {
    let mut mempool = Mempool::new(limits(1, 1_000));
    let pinned = transaction(1, &[1], 10);
    mempool.admit(pinned.clone(), spend(1), NOW).unwrap();
    mempool.pin(&pinned.txid());
    let rich = transaction(2, &[2], 10);
    assert_eq!(mempool.admit(rich.clone(), spend(1_000), NOW), Err(AdmitError::Full));
    mempool.unpin(&pinned.txid());
    assert_eq!(mempool.admit(rich, spend(1_000), NOW).unwrap().evicted, [pinned]);
}

#[test]
fn a_certified_transaction_always_gets_in() {
    let mut mempool = Mempool::new(limits(CLAIMANTS_MAX, 1_000));
    let others: Vec<_> = (0..4).map(|n| transaction(n, &[1], 10)).collect();
    for (tx, fee) in others.iter().zip([40, 20, 30, 10]) {
        mempool.admit(tx.clone(), spend(fee), NOW).unwrap();
    }
    mempool.pin(&others[3].txid());
    let certified = transaction(9, &[1, 2], 10);
    let refused = mempool.admit(certified.clone(), spend(1_000), NOW);
    assert_eq!(refused, Err(AdmitError::TooManyClaimants { outpoint: outpoint(1) }));
    let admitted = mempool.admit_pinned(certified.clone(), spend(0), NOW);
    assert_eq!(admitted.evicted, [others[1].clone()]);
    assert!(mempool.get(&certified.txid()).unwrap().is_pinned());

    others.iter().for_each(|tx| mempool.pin(&tx.txid()));
    let last = transaction(10, &[1], 10);
    assert_eq!(mempool.admit_pinned(last.clone(), spend(0), NOW), Admitted::default());
    assert!(mempool.contains(&last.txid()));
}

#[test]
fn conflicts_name_every_other_claimant() {
    let mut mempool = Mempool::new(MempoolLimits::default());
    let (a, b) = (transaction(1, &[1, 2], 10), transaction(2, &[2], 10));
    mempool.admit(a.clone(), spend(1), NOW).unwrap();
    mempool.admit(b.clone(), spend(1), NOW).unwrap();
    let c = transaction(3, &[2, 1], 10);
    let expected = [(outpoint(2), a.txid()), (outpoint(2), b.txid()), (outpoint(1), a.txid())];
    assert_eq!(mempool.conflicts(&c), expected);
    assert_eq!(mempool.conflicts(&b), [(outpoint(2), a.txid())]);
}

#[test]
fn two_registrations_of_one_name_conflict() {
    let registration = |input: u8| {
        let key = PublicKey::from_bytes([9; 32]);
        let kind = TxKind::RegisterMasternode(Box::new(Registration {
            consensus_key: key,
            payout: Address::from_bytes([0; 20]),
            network_address: String::new(),
            collateral_vout: 0,
            proof: Signature::from_bytes([0; 64]),
        }));
        let inputs = [(outpoint(input), PublicKey::from_bytes([input; 32]))];
        let transaction = Transaction::unsigned(&inputs, Vec::new(), kind);
        let (txid, wtxid) = (transaction.txid(), transaction.wtxid());
        VerifiedTransaction::vouch(Arc::new(transaction), txid, wtxid, 10)
    };
    let mut mempool = Mempool::new(MempoolLimits::default());
    let (first, second) = (registration(1), registration(2));
    mempool.admit(first.clone(), spend(1), NOW).unwrap();
    let conflicts = mempool.conflicts(&second);
    assert_eq!(conflicts.iter().map(|c| c.1).collect::<Vec<_>>(), [first.txid()]);
}

#[test]
fn a_known_transaction_is_not_admitted_again() {
    let mut mempool = Mempool::new(MempoolLimits::default());
    let tx = transaction(1, &[1], 10);
    assert_eq!(mempool.wait(tx.clone(), outpoint(1), None, NOW), Ok(Vec::new()));
    assert_eq!(mempool.wait(tx.clone(), outpoint(1), None, NOW), Err(WaitError::Known));
    mempool.admit(tx.clone(), spend(1), NOW).unwrap();
    assert!(!mempool.is_waiting(&tx.txid()), "admission ends the wait");
    assert_eq!(mempool.admit(tx.clone(), spend(1), NOW), Err(AdmitError::Known));
    assert_eq!(mempool.wait(tx, outpoint(1), None, NOW), Err(WaitError::Known));
}

#[test]
fn waiting_ends_with_the_parent_or_in_time() {
    let bounds = MempoolLimits { waiting_ms_max: 500, ..MempoolLimits::default() };
    let mut mempool = Mempool::new(bounds);
    let all: Vec<_> = (0..4).map(|n| transaction(n, &[1], 10)).collect();
    for (tx, (parent, at)) in all.iter().zip([(7, 0), (8, 10), (7, 20), (8, 30)]) {
        mempool.wait(tx.clone(), outpoint(parent), None, Timestamp(at)).unwrap();
    }
    assert_eq!(mempool.next_expiry(), Some(Timestamp(500)));
    let taken = mempool.take_waiting(&outpoint(7).txid);
    assert_eq!(taken, [(all[0].clone(), None), (all[2].clone(), None)]);
    assert_eq!(mempool.next_expiry(), Some(Timestamp(510)));
    assert_eq!(mempool.expire(Timestamp(509)), []);
    assert_eq!(mempool.expire(Timestamp(510)), [(all[1].clone(), outpoint(8))]);
    assert_eq!(mempool.expire(Timestamp::NEVER), [(all[3].clone(), outpoint(8))]);
    assert_eq!((mempool.waiting_len(), mempool.next_expiry()), (0, None));
}

#[test]
fn the_waiting_room_is_bounded_in_number_bytes_and_per_parent() {
    let bounds = MempoolLimits { waiting_max: 3, ..MempoolLimits::default() };
    let mut mempool = Mempool::new(bounds);
    let big = WAITING_BYTES_MAX - 20;
    mempool.wait(transaction(1, &[1], big), outpoint(1), None, NOW).unwrap();
    let refused = mempool.wait(transaction(2, &[1], 21), outpoint(2), None, NOW);
    assert_eq!(refused, Err(WaitError::Full));
    mempool.wait(transaction(3, &[1], 10), outpoint(2), None, NOW).unwrap();
    mempool.wait(transaction(4, &[1], 10), outpoint(2), None, NOW).unwrap();
    let refused = mempool.wait(transaction(5, &[1], 0), outpoint(2), None, NOW);
    assert_eq!(refused, Err(WaitError::Full));

    let mut mempool = Mempool::new(MempoolLimits::default());
    for nonce in (0..).take(WAITING_PER_PARENT_MAX) {
        mempool.wait(transaction(nonce, &[1], 10), outpoint(1), None, NOW).unwrap();
    }
    let refused = mempool.wait(transaction(u32::MAX, &[1], 10), outpoint(1), None, NOW);
    assert_eq!(refused, Err(WaitError::Full));
    assert_eq!(
        mempool.wait(transaction(u32::MAX, &[1], 10), outpoint(2), None, NOW),
        Ok(Vec::new())
    );
}

fn peer(n: u8) -> Source {
    Some(PublicKey::from_bytes([n; 32]))
}

/// Fills the room with transactions of one peer, each with a parent of its own.
fn flooded(limits: MempoolLimits, by: Source) -> Mempool {
    let mut mempool = Mempool::new(limits);
    for nonce in (0..).take(limits.waiting_max) {
        let missing = OutPoint::new(transaction(nonce, &[9], 1).txid(), 0);
        mempool.wait(transaction(nonce, &[1], 10), missing, by, NOW).unwrap();
    }
    mempool
}

#[test]
fn one_peer_fills_the_waiting_room_and_keeps_nobody_out() {
    let limits = MempoolLimits { waiting_max: 10, ..MempoolLimits::default() };
    let mut mempool = flooded(limits, peer(1));
    let oldest = transaction(0, &[1], 10);
    let honest = transaction(100, &[2], 10);
    let evicted = mempool.wait(honest.clone(), outpoint(7), peer(2), NOW).unwrap();
    assert_eq!(evicted.iter().map(|(tx, _)| tx).collect::<Vec<_>>(), [&oldest]);
    for nonce in 200..300 {
        let evicted = mempool.wait(transaction(nonce, &[1], 10), outpoint(8), peer(1), NOW);
        assert_eq!(evicted.unwrap().len(), 1);
        assert!(mempool.is_waiting(&honest.txid()));
    }
    assert_eq!(mempool.waiting_len(), 10);
}

#[test]
fn peers_share_the_waiting_room_evenly() {
    let limits = MempoolLimits { waiting_max: 12, ..MempoolLimits::default() };
    let mut mempool = flooded(limits, peer(1));
    for nonce in 100..130 {
        let by = peer(if nonce % 3 == 0 { 2 } else { 3 });
        mempool.wait(transaction(nonce, &[2], 10), outpoint(7), by, NOW).unwrap();
    }
    let shares = mempool.waiting.shares.values().map(|share| share.sequences.len());
    assert_eq!(shares.collect::<Vec<_>>(), [4, 4, 4]);
}

#[test]
fn bytes_and_siblings_are_shared_as_well() {
    let mut mempool = Mempool::new(MempoolLimits::default());
    for nonce in 0..4 {
        let tx = transaction(nonce, &[1], WAITING_BYTES_MAX / 4);
        mempool.wait(tx, outpoint(1), peer(1), NOW).unwrap();
    }
    let honest = transaction(10, &[2], 500);
    let evicted = mempool.wait(honest.clone(), outpoint(7), peer(2), NOW).unwrap();
    assert_eq!(evicted.len(), 1);
    let again = transaction(11, &[1], WAITING_BYTES_MAX / 4);
    assert_eq!(mempool.wait(again, outpoint(1), peer(1), NOW).unwrap().len(), 1);
    assert!(mempool.is_waiting(&honest.txid()));

    let mut mempool = Mempool::new(MempoolLimits::default());
    for nonce in (0..).take(WAITING_PER_PARENT_MAX) {
        mempool.wait(transaction(nonce, &[1], 10), outpoint(1), peer(1), NOW).unwrap();
    }
    let evicted = mempool.wait(honest.clone(), outpoint(1), peer(2), NOW).unwrap();
    assert_eq!(evicted[0].0, transaction(0, &[1], 10));
    assert!(mempool.is_waiting(&honest.txid()));
}

#[test]
fn what_the_host_brought_stays() {
    let limits = MempoolLimits { waiting_max: 3, ..MempoolLimits::default() };
    let mut mempool = flooded(limits, None);
    let refused = mempool.wait(transaction(10, &[2], 10), outpoint(7), peer(2), NOW);
    assert_eq!(refused, Err(WaitError::Full));
    let mut mempool = flooded(limits, peer(1));
    for nonce in 10..13 {
        let evicted = mempool.wait(transaction(nonce, &[2], 10), outpoint(7), None, NOW);
        assert_eq!(evicted.unwrap().len(), 1);
    }
}

#[test]
fn a_transaction_does_not_go_with_the_flood_of_another_that_brought_it_too() {
    let limits = MempoolLimits { waiting_max: 10, ..MempoolLimits::default() };
    for is_honest_first in [true, false] {
        let mut mempool = Mempool::new(limits);
        let honest = transaction(0, &[1], 10);
        let [first, second] = if is_honest_first { [2, 1] } else { [1, 2] };
        mempool.wait(honest.clone(), outpoint(7), peer(first), NOW).unwrap();
        mempool.repeat_waiting(&honest.txid(), peer(second));
        for nonce in 200..300 {
            mempool.wait(transaction(nonce, &[1], 10), outpoint(8), peer(1), NOW).unwrap();
            mempool.repeat_waiting(&honest.txid(), peer(1));
        }
        assert!(mempool.is_waiting(&honest.txid()));
        let taken = mempool.take_waiting(&outpoint(7).txid);
        assert_eq!(taken.len(), 1);
        assert_eq!(mempool.take_waiting(&outpoint(8).txid).len(), 9);
        assert_eq!(mempool.waiting_len(), 0);
    }
}

#[test]
fn few_are_remembered_as_having_brought_a_transaction() {
    let mut mempool = Mempool::new(MempoolLimits::default());
    let tx = transaction(0, &[1], 10);
    mempool.wait(tx.clone(), outpoint(7), peer(0), NOW).unwrap();
    for n in 0..100 {
        mempool.repeat_waiting(&tx.txid(), peer(n));
    }
    mempool.repeat_waiting(&tx.txid(), None);
    assert_eq!(mempool.waiting.n_sources(&tx.txid()), 5);
    assert_eq!(mempool.take_waiting(&outpoint(7).txid), [(tx.clone(), peer(0))]);
    assert_eq!(mempool.waiting.n_sources(&tx.txid()), 0);
}

/// Sizes on the heap: the standard hash map keeps 8/7 to 16/7 buckets per item with one byte
/// each, a B-tree node is at least 6/11 full, an allocation costs 16 bytes more than it holds.
#[test]
fn a_pending_transaction_takes_less_than_a_kilobyte() {
    let hashed = |bytes: usize| (bytes + 1) * 16 / 7;
    let in_tree = |bytes: usize| bytes * 11 / 6 + 4;
    let allocated = |bytes: usize| bytes + 16;
    let index = hashed(size_of::<(Txid, Entry)>())
        + hashed(size_of::<(OutPoint, Txid)>())
        + in_tree(size_of::<((FeeRate, Reverse<u64>), Txid)>());
    let own = allocated(16 + size_of::<Transaction>())
        + allocated(size_of::<crate::types::transaction::TxInput>())
        + allocated(2 * size_of::<TxOutput>())
        + allocated(16 + size_of::<(Arc<Transaction>, Txid, [u8; 32], u32)>());
    assert!(index + own <= 1_000, "worst case of all tables at once: {index} + {own}");
}

/// What a mempool promises, written the slow way.
#[derive(Clone, Debug, Default)]
struct Model {
    pending: Vec<ModelEntry>,
    waiting: Vec<(VerifiedTransaction, OutPoint, Timestamp)>,
}

#[derive(Clone, Debug)]
struct ModelEntry {
    transaction: VerifiedTransaction,
    fee: u64,
    is_pinned: bool,
}

impl ModelEntry {
    fn pays_less(&self, other: &ModelEntry) -> bool {
        let (ours, theirs) = (self.transaction.bytes(), other.transaction.bytes());
        u128::from(self.fee) * (theirs as u128) < u128::from(other.fee) * (ours as u128)
    }
}

impl Model {
    fn bytes(&self) -> usize {
        self.pending.iter().map(|entry| entry.transaction.bytes()).sum()
    }

    fn position(&self, txid: &Txid) -> Option<usize> {
        self.pending.iter().position(|entry| entry.transaction.txid() == *txid)
    }

    fn claimants(&self, outpoint: &OutPoint) -> Vec<Txid> {
        let claiming = self.pending.iter();
        let claiming = claiming.filter(|entry| entry.transaction.claims().any(|c| c == *outpoint));
        claiming.map(|entry| entry.transaction.txid()).collect()
    }

    /// The unpinned one that pays least, the last of equals.
    fn lowest(&self, only: Option<&OutPoint>) -> Option<usize> {
        let mut lowest: Option<usize> = None;
        for (index, entry) in self.pending.iter().enumerate() {
            let counts = only.is_none_or(|o| entry.transaction.claims().any(|c| c == *o));
            let lower = lowest.is_none_or(|l| !self.pending[l].pays_less(entry));
            if counts && !entry.is_pinned && lower {
                lowest = Some(index);
            }
        }
        lowest
    }

    fn has_room(&self, limits: &MempoolLimits, bytes: usize) -> bool {
        self.pending.len() < limits.transactions_max && self.bytes() + bytes <= limits.bytes_max
    }

    fn admit(
        &mut self,
        new: ModelEntry,
        limits: &MempoolLimits,
    ) -> Result<Vec<VerifiedTransaction>, AdmitError> {
        if self.position(&new.transaction.txid()).is_some() {
            return Err(AdmitError::Known);
        }
        for outpoint in new.transaction.claims() {
            if self.claimants(&outpoint).len() >= CLAIMANTS_MAX {
                return Err(AdmitError::TooManyClaimants { outpoint });
            }
        }
        let mut after = self.clone();
        let mut evicted = Vec::new();
        while !after.has_room(limits, new.transaction.bytes()) {
            let lowest = after.lowest(None).ok_or(AdmitError::Full)?;
            if !after.pending[lowest].pays_less(&new) {
                return Err(AdmitError::Full);
            }
            evicted.push(after.pending.remove(lowest).transaction);
        }
        *self = after;
        self.waiting.retain(|(tx, ..)| tx.txid() != new.transaction.txid());
        self.pending.push(new);
        Ok(evicted)
    }

    fn admit_pinned(
        &mut self,
        new: ModelEntry,
        limits: &MempoolLimits,
    ) -> Vec<VerifiedTransaction> {
        if let Some(known) = self.position(&new.transaction.txid()) {
            self.pending[known].is_pinned = true;
            return Vec::new();
        }
        let crowded = |outpoint: &OutPoint| {
            let is_crowded = self.claimants(outpoint).len() >= CLAIMANTS_MAX;
            let lowest = is_crowded.then(|| self.lowest(Some(outpoint))).flatten()?;
            Some(self.pending[lowest].transaction.clone())
        };
        let mut evicted: Vec<VerifiedTransaction> = Vec::new();
        for victim in new.transaction.claims().filter_map(|outpoint| crowded(&outpoint)) {
            if !evicted.contains(&victim) {
                evicted.push(victim);
            }
        }
        self.pending.retain(|entry| !evicted.contains(&entry.transaction));
        while !self.has_room(limits, new.transaction.bytes()) {
            let Some(lowest) = self.lowest(None) else { break };
            evicted.push(self.pending.remove(lowest).transaction);
        }
        self.waiting.retain(|(tx, ..)| tx.txid() != new.transaction.txid());
        self.pending.push(ModelEntry { is_pinned: true, ..new });
        evicted
    }

    fn wait(
        &mut self,
        transaction: VerifiedTransaction,
        missing: OutPoint,
        expires_at: Timestamp,
        limits: &MempoolLimits,
    ) -> Result<Vec<(VerifiedTransaction, OutPoint)>, WaitError> {
        let txid = transaction.txid();
        let waits = self.waiting.iter().any(|(tx, ..)| tx.txid() == txid);
        if waits || self.position(&txid).is_some() {
            return Err(WaitError::Known);
        }
        if self.waiting.len() >= limits.waiting_max {
            return Err(WaitError::Full);
        }
        self.waiting.push((transaction, missing, expires_at));
        Ok(Vec::new())
    }
}

#[derive(Clone, Debug)]
enum Step {
    Admit(VerifiedTransaction, u64),
    AdmitPinned(VerifiedTransaction, u64),
    Pin(VerifiedTransaction),
    Unpin(VerifiedTransaction),
    Remove(VerifiedTransaction),
    Wait(VerifiedTransaction, u8),
    TakeWaiting(u8),
    Expire(u64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let any_transaction = (0u32..40).prop_map(|nonce| {
        // Size and inputs follow from the nonce: one id has one form.
        let inputs = [u8::try_from(nonce % 4).unwrap(), 4 + u8::try_from(nonce % 3).unwrap()];
        let (n_inputs, bytes) = (1 + nonce % 2, 10 + nonce * 13 % 50);
        transaction(nonce, &inputs[..n_inputs as usize], bytes as usize)
    });
    let any_transaction = any_transaction.boxed();
    let fee = 0u64..60;
    let step = prop_oneof![
        8 => (any_transaction.clone(), fee.clone()).prop_map(|(tx, fee)| Step::Admit(tx, fee)),
        2 => (any_transaction.clone(), fee).prop_map(|(tx, fee)| Step::AdmitPinned(tx, fee)),
        2 => any_transaction.clone().prop_map(Step::Pin),
        3 => any_transaction.clone().prop_map(Step::Unpin),
        2 => any_transaction.clone().prop_map(Step::Remove),
        3 => (any_transaction, 0u8..4).prop_map(|(tx, parent)| Step::Wait(tx, parent)),
        1 => (0u8..4).prop_map(Step::TakeWaiting),
        1 => (0u64..150).prop_map(Step::Expire),
    ];
    prop::collection::vec(step, 1..150)
}

fn assert_same(mempool: &Mempool, model: &Model) {
    let pending = mempool.entries().map(|e| (e.transaction.clone(), e.fee.units(), e.is_pinned()));
    let expected = model.pending.iter().map(|e| (e.transaction.clone(), e.fee, e.is_pinned));
    assert_eq!(pending.collect::<Vec<_>>(), expected.collect::<Vec<_>>());
    assert_eq!((mempool.len(), mempool.bytes()), (model.pending.len(), model.bytes()));
    let mut best: Vec<&ModelEntry> = model.pending.iter().filter(|e| !e.is_pinned).collect();
    best.sort_by(|a, b| b.pays_less(a).cmp(&a.pays_less(b)).reverse());
    let best: Vec<Txid> = best.iter().map(|entry| entry.transaction.txid()).collect();
    assert_eq!(txids(mempool), best);
    for n in 0..10 {
        let claimants: Vec<Txid> = mempool.claimants(&outpoint(n)).collect();
        assert_eq!(claimants, model.claimants(&outpoint(n)));
    }
    assert_eq!(mempool.waiting_len(), model.waiting.len());
    assert!(model.waiting.iter().all(|(tx, ..)| mempool.is_waiting(&tx.txid())));
    assert_eq!(mempool.next_expiry(), model.waiting.iter().map(|w| w.2).min());
    let n_claims: usize = mempool.entries().map(|e| e.transaction.claims().count()).sum();
    let n_rivals: usize = mempool.rivals.values().map(Vec::len).sum();
    assert_eq!(mempool.claims.len() + n_rivals, n_claims);
    assert!(mempool.rivals.values().all(|rivals| !rivals.is_empty()));
    assert_eq!(mempool.unpinned.len(), best.len());
}

proptest! {
    #[test]
    fn agrees_with_the_naive_model(
        steps in steps(),
        transactions_max in 1usize..12,
        bytes_max in 40usize..400,
    ) {
        let limits = MempoolLimits {
            transactions_max, bytes_max, waiting_max: 5, waiting_ms_max: 100,
        };
        let mut mempool = Mempool::new(limits);
        let mut model = Model::default();
        let mut now = 0;
        for step in steps {
            let before = mempool.clone();
            let pinned_before = before.entries().filter(|e| e.is_pinned());
            let pinned_before: Vec<Txid> = pinned_before.map(|e| e.transaction.txid()).collect();
            let mut removed = None;
            match step.clone() {
                Step::Admit(tx, fee) => {
                    let new = ModelEntry { transaction: tx.clone(), fee, is_pinned: false };
                    let admitted = mempool.admit(tx, spend(fee), Timestamp(now));
                    let expected = model.admit(new, &limits);
                    prop_assert_eq!(admitted.map(|a| a.evicted), expected);
                    let was_within = before.len() <= transactions_max
                        && before.bytes() <= bytes_max;
                    let is_within = mempool.len() <= transactions_max
                        && mempool.bytes() <= bytes_max;
                    prop_assert!(is_within || !was_within);
                }
                Step::AdmitPinned(tx, fee) => {
                    let new = ModelEntry { transaction: tx.clone(), fee, is_pinned: false };
                    let admitted = mempool.admit_pinned(tx, spend(fee), Timestamp(now));
                    prop_assert_eq!(admitted.evicted, model.admit_pinned(new, &limits));
                }
                Step::Pin(tx) | Step::Unpin(tx) => {
                    let is_pinned = matches!(step, Step::Pin(_));
                    if is_pinned { mempool.pin(&tx.txid()) } else { mempool.unpin(&tx.txid()) }
                    if let Some(index) = model.position(&tx.txid()) {
                        model.pending[index].is_pinned = is_pinned;
                    }
                }
                Step::Remove(tx) => {
                    removed = mempool.remove(&tx.txid()).map(|entry| entry.transaction.txid());
                    let expected = model.position(&tx.txid());
                    let expected = expected.map(|i| model.pending.remove(i).transaction.txid());
                    prop_assert_eq!(removed, expected);
                }
                Step::Wait(tx, parent) => {
                    let answer = mempool.wait(tx.clone(), outpoint(parent), None, Timestamp(now));
                    let expires_at = Timestamp(now + 100);
                    prop_assert_eq!(
                        answer,
                        model.wait(tx, outpoint(parent), expires_at, &limits)
                    );
                }
                Step::TakeWaiting(parent) => {
                    let parent = outpoint(parent);
                    let (taken, kept) =
                        model.waiting.into_iter().partition(|(_, missing, _)| *missing == parent);
                    model.waiting = kept;
                    let taken: Vec<(VerifiedTransaction, OutPoint, Timestamp)> = taken;
                    let expected: Vec<_> = taken.into_iter().map(|(tx, ..)| (tx, None)).collect();
                    prop_assert_eq!(mempool.take_waiting(&parent.txid), expected);
                }
                Step::Expire(passed) => {
                    now += passed;
                    let (gone, kept) =
                        model.waiting.into_iter().partition(|(.., at)| *at <= Timestamp(now));
                    model.waiting = kept;
                    let gone: Vec<(VerifiedTransaction, OutPoint, Timestamp)> = gone;
                    let expected: Vec<_> = gone.into_iter().map(|(tx, o, _)| (tx, o)).collect();
                    prop_assert_eq!(mempool.expire(Timestamp(now)), expected);
                }
            }
            for txid in pinned_before {
                prop_assert!(mempool.contains(&txid) || removed == Some(txid));
            }
            assert_same(&mempool, &model);
        }
    }
}
