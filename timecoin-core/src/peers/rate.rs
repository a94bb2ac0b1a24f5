//! How much one peer may send: token buckets by class of message, in messages and in bytes.
//!
//! Over the rate is load, not misbehaviour: the message waits or is dropped, and nobody is scored
//! for it. Integers only, so that a rate holds exactly over any time.

use crate::types::chain::Timestamp;

/// A bucket that fills at a steady rate up to its burst.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenBucket {
    per_second: u64,
    /// Thousandths of a token, so that each millisecond adds a whole number.
    burst_millis: i128,
    /// Thousandths of a token, below zero after an amount above the burst.
    level_millis: i128,
    filled_at: Timestamp,
}

impl TokenBucket {
    /// A full bucket of `burst` tokens, at least one, to which `per_second` are added.
    pub fn new(per_second: u64, burst: u64, now: Timestamp) -> Self {
        let burst_millis = i128::from(burst.max(1)) * 1_000;
        TokenBucket { per_second, burst_millis, level_millis: burst_millis, filled_at: now }
    }

    /// Takes `amount` tokens if they are there. An amount above the burst needs a full bucket and
    /// leaves it in debt, so that it passes and the rate still holds.
    pub fn take(&mut self, amount: u64, now: Timestamp) -> bool {
        let is_there = self.has(amount, now);
        if is_there {
            self.level_millis -= i128::from(amount) * 1_000;
        }
        is_there
    }

    fn has(&mut self, amount: u64, now: Timestamp) -> bool {
        self.fill(now);
        self.level_millis >= (i128::from(amount) * 1_000).min(self.burst_millis)
    }

    /// Nothing is added while the clock is behind where it was.
    fn fill(&mut self, now: Timestamp) {
        let elapsed_ms = now.0.saturating_sub(self.filled_at.0);
        let added = i128::from(elapsed_ms).saturating_mul(i128::from(self.per_second));
        self.level_millis = self.level_millis.saturating_add(added).min(self.burst_millis);
        self.filled_at = self.filled_at.max(now);
    }
}

/// Messages that compete with one another for what a peer may send, and not with other classes:
/// whoever floods with transactions must not slow votes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// Votes, ballots and their certificates.
    Votes,
    /// Transactions that wait for a block.
    Transactions,
    /// Proposals and decided blocks.
    Blocks,
    /// Questions and answers of a node that is behind.
    Sync,
    /// Addresses, pings and the like.
    Control,
}

impl Class {
    /// Every class, in the order of declaration.
    pub const ALL: [Class; 5] =
        [Class::Votes, Class::Transactions, Class::Blocks, Class::Sync, Class::Control];
}

/// What one peer may send of one class.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Messages over a long time.
    pub messages_per_second: u64,
    /// Messages at once, at least 1.
    pub messages_burst: u64,
    /// Bytes over a long time.
    pub bytes_per_second: u64,
    /// Bytes at once, at least 1.
    pub bytes_burst: u64,
}

/// What one peer may send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rates {
    /// Of [`Class::Votes`].
    pub votes: Rate,
    /// Of [`Class::Transactions`].
    pub transactions: Rate,
    /// Of [`Class::Blocks`].
    pub blocks: Rate,
    /// Of [`Class::Sync`].
    pub sync: Rate,
    /// Of [`Class::Control`].
    pub control: Rate,
}

impl Rates {
    /// The rate of `class`.
    pub fn of(&self, class: Class) -> Rate {
        match class {
            Class::Votes => self.votes,
            Class::Transactions => self.transactions,
            Class::Blocks => self.blocks,
            Class::Sync => self.sync,
            Class::Control => self.control,
        }
    }
}

/// The buckets of one peer.
#[derive(Clone, Debug)]
pub struct RateLimits {
    messages: [TokenBucket; Class::ALL.len()],
    bytes: [TokenBucket; Class::ALL.len()],
}

impl RateLimits {
    /// Full buckets.
    pub fn new(rates: &Rates, now: Timestamp) -> Self {
        let messages = |class| {
            let rate = rates.of(class);
            TokenBucket::new(rate.messages_per_second, rate.messages_burst, now)
        };
        let bytes = |class| {
            let rate = rates.of(class);
            TokenBucket::new(rate.bytes_per_second, rate.bytes_burst, now)
        };
        RateLimits { messages: Class::ALL.map(messages), bytes: Class::ALL.map(bytes) }
    }

    /// Whether the peer may send a message of `bytes` now; takes nothing if not.
    pub fn take(&mut self, class: Class, bytes: usize, now: Timestamp) -> bool {
        let messages = &mut self.messages[class as usize];
        let taken = bytes as u64;
        let bytes = &mut self.bytes[class as usize];
        bytes.has(taken, now) && messages.take(1, now) && bytes.take(taken, now)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(ms: u64) -> Timestamp {
        Timestamp(1_000_000 + ms)
    }

    #[test]
    fn a_burst_passes_and_then_the_rate() {
        let mut bucket = TokenBucket::new(10, 3, at(0));
        let taken: Vec<bool> = (0..4).map(|_| bucket.take(1, at(0))).collect();
        assert_eq!(taken, [true, true, true, false]);
        assert_eq!([bucket.take(1, at(99)), bucket.take(1, at(100))], [false, true]);
    }

    #[test]
    fn a_clock_that_goes_back_gives_nothing_away() {
        let mut bucket = TokenBucket::new(1, 1, at(5_000));
        assert!(bucket.take(1, at(5_000)));
        assert!(!bucket.take(1, Timestamp::ZERO));
        assert!(!bucket.take(1, at(5_999)), "the second counts from 5,000 on");
        assert!(bucket.take(1, at(6_000)));
    }

    #[test]
    fn an_amount_above_the_burst_passes_alone_and_is_paid_for() {
        let mut bucket = TokenBucket::new(100, 50, at(0));
        assert!(bucket.take(200, at(0)));
        assert!(!bucket.take(1, at(1_500)), "the debt of 150 takes 1.5 s");
        assert!(bucket.take(1, at(1_510)));
        assert!(!bucket.take(200, at(1_520)), "not before the bucket is full");
    }

    #[test]
    fn extreme_numbers_overflow_nothing() {
        let mut bucket = TokenBucket::new(u64::MAX, u64::MAX, Timestamp::ZERO);
        assert!(bucket.take(u64::MAX, Timestamp::NEVER));
        assert!(!bucket.take(1, Timestamp::ZERO) && !bucket.take(1, Timestamp::NEVER));
    }

    #[test]
    fn classes_do_not_compete() {
        let mut limits = RateLimits::new(&Rates::default(), at(0));
        while limits.take(Class::Transactions, 1_000, at(0)) {}
        assert!(limits.take(Class::Votes, 1_000, at(0)));
    }

    #[test]
    fn a_message_refused_for_its_bytes_costs_no_message() {
        let rate = Rate {
            messages_per_second: 0,
            messages_burst: 1,
            bytes_per_second: 1_000,
            bytes_burst: 1_000,
        };
        let rates = Rates { votes: rate, ..Rates::default() };
        let mut limits = RateLimits::new(&rates, at(0));
        limits.bytes[Class::Votes as usize].take(1_000, at(0));
        assert!(!limits.take(Class::Votes, 500, at(0)));
        assert!(limits.take(Class::Votes, 500, at(500)));
    }

    /// In every millisecond of ten seconds: 20 transactions of 300 bytes, a vote batch on each, an
    /// inventory that names them and a question for them; and a full proposal each second.
    #[test]
    fn an_honest_peer_is_never_over_the_default_rates() {
        let mut limits = RateLimits::new(&Rates::default(), at(0));
        for ms in 0..10_000 {
            for _ in 0..20 {
                assert!(limits.take(Class::Transactions, 300, at(ms)), "after {ms} ms");
                assert!(limits.take(Class::Votes, 200, at(ms)), "after {ms} ms");
            }
            for _ in 0..2 {
                assert!(limits.take(Class::Control, 20 * 32 + 5, at(ms)), "after {ms} ms");
            }
            if ms % 1_000 == 0 {
                assert!(limits.take(Class::Blocks, 4_000_000, at(ms)), "after {ms} ms");
            }
            assert!(limits.take(Class::Sync, 1_000_000, at(ms)), "after {ms} ms");
        }
    }

    #[test]
    fn the_default_bursts_hold_the_largest_frames() {
        let rates = Rates::default();
        for class in [Class::Votes, Class::Transactions, Class::Blocks, Class::Sync] {
            assert!(rates.of(class).bytes_burst >= 8_000_000, "{class:?}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn no_run_of_requests_gets_more_than_burst_and_rate(
            per_second in 0_u64..5_000,
            burst in 1_u64..5_000,
            steps in prop::collection::vec((0_u64..700, 1_u64..2_000), 0..100),
        ) {
            let mut bucket = TokenBucket::new(per_second, burst, at(0));
            let (mut now, mut taken, mut largest) = (0, 0, burst);
            for (wait, amount) in steps {
                now += wait;
                if bucket.take(amount, at(now)) {
                    taken += amount;
                    largest = largest.max(amount);
                }
            }
            prop_assert!(taken * 1_000 <= largest * 1_000 + per_second * now);
        }
    }
}
