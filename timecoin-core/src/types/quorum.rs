//! How many masternodes a decision takes; the rule is written here and nowhere else.

/// How many of `n` masternodes may be Byzantine: `⌊(n-1)/3⌋` (PROTOCOL 1).
pub const fn faulty_max(n: usize) -> usize {
    n.saturating_sub(1) / 3
}

/// How many of `n` masternodes decide: `⌊2n/3⌋ + 1` (PROTOCOL 1).
pub const fn quorum(n: usize) -> usize {
    2 * n / 3 + 1
}

/// How many masternodes hold at least one honest one: `f + 1`.
pub const fn one_honest(n: usize) -> usize {
    faulty_max(n) + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    /// More than any chain can have, so that the rule does not lean on the limit of 200.
    const N_CHECKED: usize = 10_000;

    #[test]
    fn two_quorums_share_an_honest_masternode() {
        for n in 1..N_CHECKED {
            let shared = (2 * quorum(n)).saturating_sub(n);
            assert!(shared > faulty_max(n), "n = {n}");
        }
    }

    #[test]
    fn the_honest_can_decide_alone() {
        for n in 1..N_CHECKED {
            assert!(n - faulty_max(n) >= quorum(n), "n = {n}");
        }
    }

    #[test]
    fn small_sets() {
        let table = [(1, 0, 1), (2, 0, 2), (3, 0, 3), (4, 1, 3), (5, 1, 4), (6, 1, 5), (7, 2, 5)];
        for (n, f, q) in table {
            assert_eq!((faulty_max(n), quorum(n)), (f, q), "n = {n}");
        }
    }
}
