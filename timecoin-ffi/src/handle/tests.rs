//! What a handle may and may not find, alone and from many threads.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use super::*;

#[derive(Debug, PartialEq, Eq)]
struct Apple(u64);

impl Object for Apple {
    const KIND: u8 = 1;
    const NAME: &'static str = "apple";
}

#[derive(Debug)]
struct Pear;

impl Object for Pear {
    const KIND: u8 = 2;
    const NAME: &'static str = "pear";
}

fn refusal<T: std::fmt::Debug>(result: Result<T, Failure>) -> String {
    let failure = result.unwrap_err();
    assert_eq!(failure.code(), ErrorCode::InvalidHandle);
    failure.text().to_owned()
}

#[test]
fn a_handle_finds_its_object_until_it_is_freed() {
    let table = HandleTable::new(10);
    let (seven, eight) = (table.insert(Apple(7)).unwrap(), table.insert(Apple(8)).unwrap());
    assert_eq!(*table.get::<Apple>(seven).unwrap(), Apple(7));
    assert_eq!(*table.remove::<Apple>(seven).unwrap(), Apple(7));
    assert_eq!(refusal(table.get::<Apple>(seven)), "the apple handle is freed already");
    assert_eq!(refusal(table.remove::<Apple>(seven)), "the apple handle is freed already");
    assert_eq!(*table.get::<Apple>(eight).unwrap(), Apple(8));
}

#[test]
fn an_old_handle_does_not_find_the_object_in_its_slot() {
    let table = HandleTable::new(10);
    let old = table.insert(Apple(1)).unwrap();
    table.remove::<Apple>(old).unwrap();
    let new = table.insert(Apple(2)).unwrap();
    assert_eq!(unpack(old).2, unpack(new).2);
    assert_eq!(refusal(table.get::<Apple>(old)), "the apple handle is freed already");
    assert_eq!(*table.get::<Apple>(new).unwrap(), Apple(2));
}

#[test]
fn numbers_that_are_no_handles_are_refused() {
    let table = HandleTable::new(10);
    let apple = table.insert(Apple(1)).unwrap();
    assert_eq!(refusal(table.get::<Pear>(apple)), "the pear handle is of another kind");
    assert_eq!(refusal(table.remove::<Pear>(apple)), "the pear handle is of another kind");
    assert_eq!(refusal(table.get::<Apple>(0)), "the apple handle is 0, which none is");
    let forged = [pack(1, 2, 0), pack(1, 1, 1), pack(1, 0, 0), pack(1, 1, u32::MAX)];
    for handle in forged {
        assert_eq!(refusal(table.get::<Apple>(handle)), "the apple handle was never given out");
    }
    assert_eq!(refusal(table.get::<Apple>(u64::MAX)), "the apple handle is of another kind");
    // The kind in the number must be the kind of the object in the slot.
    assert_eq!(refusal(table.get::<Pear>(pack(2, 1, 0))), "the pear handle was never given out");
    assert_eq!(*table.get::<Apple>(apple).unwrap(), Apple(1));
}

#[test]
fn a_slot_is_left_alone_when_its_generations_are_used_up() {
    let table = HandleTable::new(10);
    let first = table.insert(Apple(1)).unwrap();
    table.0.write().unwrap().slots[0].generation = GENERATION_MAX;
    let last = pack(Apple::KIND, GENERATION_MAX, 0);
    assert_eq!(refusal(table.get::<Apple>(first)), "the apple handle is freed already");
    table.remove::<Apple>(last).unwrap();
    let next = table.insert(Apple(2)).unwrap();
    assert_eq!(unpack(next), (Apple::KIND, 1, 1));
    assert_eq!(refusal(table.get::<Apple>(last)), "the apple handle is freed already");
}

#[test]
fn a_full_table_says_so_and_recovers() {
    let table = HandleTable::new(2);
    let handles = [table.insert(Pear).unwrap(), table.insert(Pear).unwrap()];
    assert_eq!(table.insert(Pear).unwrap_err().code(), ErrorCode::Busy);
    table.remove::<Pear>(handles[0]).unwrap();
    assert!(table.insert(Pear).is_ok());
}

#[test]
fn many_threads_use_while_others_free() {
    const THREADS: usize = 4;
    const ROUNDS: u64 = 2_000;
    let (table, freed) = (HandleTable::new(1_000), AtomicUsize::new(0));
    let (is_over, used) = (AtomicBool::new(false), AtomicUsize::new(0));
    let last: [std::sync::atomic::AtomicU64; THREADS] = Default::default();
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                while !is_over.load(Ordering::Relaxed) {
                    for (owner, handle) in (0..).zip(&last) {
                        let handle = handle.load(Ordering::Acquire);
                        // Found or not: never another owner's, never one that is gone.
                        if let Ok(apple) = table.get::<Apple>(handle) {
                            assert_eq!(apple.0, owner);
                            used.fetch_add(1, Ordering::Relaxed);
                        }
                    }
                }
            });
        }
        let owners: Vec<_> = (0..)
            .zip(&last)
            .map(|(owner, last)| {
                let (table, freed) = (&table, &freed);
                scope.spawn(move || {
                    for _ in 0..ROUNDS {
                        let handle = table.insert(Apple(owner)).unwrap();
                        last.store(handle, Ordering::Release);
                        thread::yield_now();
                        let removed = [0; 2].map(|_| table.remove::<Apple>(handle).is_ok());
                        assert_eq!(removed, [true, false]);
                        freed.fetch_add(1, Ordering::Relaxed);
                    }
                })
            })
            .collect();
        owners.into_iter().for_each(|owner| owner.join().unwrap());
        is_over.store(true, Ordering::Relaxed);
    });
    assert_eq!(freed.load(Ordering::Relaxed) as u64, THREADS as u64 * ROUNDS);
    assert!(table.0.read().unwrap().slots.len() <= THREADS);
}

#[test]
fn two_threads_that_free_the_same_handle_agree_who_did() {
    let table = HandleTable::new(1_000);
    for _ in 0..500 {
        let handle = table.insert(Pear).unwrap();
        let free = || table.remove::<Pear>(handle).is_ok();
        let both = thread::scope(|scope| {
            let other = scope.spawn(free);
            [free(), other.join().unwrap()]
        });
        assert_eq!(both.iter().filter(|&&freed| freed).count(), 1);
    }
}

#[test]
fn an_object_that_is_freed_in_use_lives_until_the_use_ends() {
    let table = HandleTable::new(10);
    let handle = table.insert(Apple(9)).unwrap();
    let used = table.get::<Apple>(handle).unwrap();
    drop(table.remove::<Apple>(handle).unwrap());
    assert_eq!(*used, Apple(9));
    assert!(table.get::<Apple>(handle).is_err());
}
