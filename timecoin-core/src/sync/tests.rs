use super::questions::AGAIN_MAX;
use super::*;
use crate::types::keys::KeyPair;
use crate::types::masternode_set::{Masternode, MasternodeSet};

fn peer(n: u8) -> PublicKey {
    KeyPair::from_seed(&[n]).public()
}

fn at(ms: u64) -> Timestamp {
    Timestamp(ms)
}

/// The id of the block that is decided at a height.
fn hash(height: u64) -> BlockHash {
    BlockHash::from_bytes([u8::try_from(height % 251).unwrap(); 32])
}

/// The heights of an answer, as blocks of 1 kB.
fn page(ask: &Ask, n: u64) -> Vec<Came<u64>> {
    let came = |block| Came { height: Height(block), hash: hash(block), bytes: 1_000, block };
    (ask.from.0..ask.from.0 + n).map(came).collect()
}

/// What following `n` headers from a height on comes to.
fn followed(from: Height, n: u64) -> CertifiedHeaders {
    let member = |seed: &[u8]| Masternode {
        consensus_key: KeyPair::from_seed(seed).public(),
        payout: KeyPair::from_seed(seed).address(),
        network_address: String::new(),
    };
    let masternodes = MasternodeSet::new(vec![member(b"one")]).unwrap();
    let height = Height(from.0 + n - 1);
    let hashes = (from.0..from.0 + n).map(hash).collect();
    CertifiedHeaders { hashes, end: Anchor { height, hash: hash(height.0), masternodes } }
}

/// Answers all questions for headers, and gives those for blocks.
fn certify(sync: &mut Sync<u64>, now: u64) -> Vec<Ask> {
    let mut blocks = Vec::new();
    while let Some(ask) = sync.poll(at(now)) {
        if ask.what == What::Blocks {
            blocks.push(ask);
            continue;
        }
        let headers = followed(ask.from, u64::from(ask.count));
        sync.on_headers(ask.peer, ask.id, Some(headers), at(now)).unwrap();
    }
    blocks
}

/// Asks until nothing is to be asked.
fn asks(sync: &mut Sync<u64>, now: u64) -> Vec<Ask> {
    std::iter::from_fn(|| sync.poll(at(now))).collect()
}

fn hand_on(sync: &mut Sync<u64>, up_to: u64, now: u64) -> Vec<u64> {
    std::iter::from_fn(|| sync.next_block(Height(up_to), at(now))).map(|(_, block)| block).collect()
}

/// A ledger that was given nine blocks of the first peer and has not said what it makes of them.
fn nine_handed_on() -> Sync<u64> {
    let mut sync: Sync<u64> = Sync::new(SyncLimits::default(), Height(0));
    sync.on_peer(peer(1), Height(9));
    let ask = sync.poll(at(0)).unwrap();
    sync.on_blocks(peer(1), ask.id, page(&ask, 9), at(0)).unwrap();
    assert_eq!(hand_on(&mut sync, 9, 0).len(), 9);
    sync
}

/// A node that began with the outputs of a block has no blocks before, whatever its height is.
#[test]
fn who_has_not_the_blocks_that_come_next_is_asked_for_none_and_loses_nothing_by_it() {
    let mut sync: Sync<u64> = Sync::new(SyncLimits::default(), Height(0));
    sync.on_peer(peer(1), Height(300));
    sync.on_first_block(peer(1), Height(200));
    for now in [0, 1_000, 60_000] {
        assert_eq!(asks(&mut sync, now), []);
    }
    sync.on_peer(peer(2), Height(300));
    let asked = certify(&mut sync, 60_000);
    assert!(!asked.is_empty() && asked.iter().all(|ask| ask.peer == peer(2)));
    // It is asked as soon as it has what comes next.
    let mut sync: Sync<u64> = Sync::new(SyncLimits::default(), Height(199));
    sync.on_peer(peer(1), Height(260));
    sync.on_first_block(peer(1), Height(200));
    let asked = asks(&mut sync, 0);
    assert!(asked.iter().any(|ask| ask.peer == peer(1) && ask.from == Height(200)));
}

#[test]
fn pages_come_from_several_peers_and_are_handed_on_in_order() {
    let mut sync: Sync<u64> = Sync::new(SyncLimits::default(), Height(0));
    (1..=3).for_each(|n| sync.on_peer(peer(n), Height(300)));
    let asked = certify(&mut sync, 0);
    assert_eq!(asked.len(), 5);
    let asked_of = |n| asked.iter().filter(|ask| ask.peer == peer(n)).count();
    assert_eq!([asked_of(1), asked_of(2), asked_of(3)].iter().sum::<usize>(), 5);
    assert!((1..=3).all(|n| asked_of(n) >= 1));
    let mut handed = Vec::new();
    for ask in asked.iter().rev() {
        sync.on_blocks(ask.peer, ask.id, page(ask, u64::from(ask.count)), at(10)).unwrap();
        handed.extend(hand_on(&mut sync, u64::MAX, 10));
    }
    assert_eq!(handed, (1..=300).collect::<Vec<_>>());
    sync.on_tip(Height(300), at(20));
    assert!(sync.progress(at(20)).is_none() && sync.poll(at(20)).is_none());
}

#[test]
fn nothing_is_handed_on_beyond_what_can_be_verified() {
    let mut sync: Sync<u64> = Sync::new(SyncLimits::default(), Height(0));
    sync.on_peer(peer(1), Height(50));
    let ask = sync.poll(at(0)).unwrap();
    sync.on_blocks(peer(1), ask.id, page(&ask, 50), at(0)).unwrap();
    assert_eq!(hand_on(&mut sync, 20, 0), (1..=20).collect::<Vec<_>>());
    sync.on_tip(Height(20), at(1));
    assert_eq!(hand_on(&mut sync, 40, 1), (21..=40).collect::<Vec<_>>());
}

#[test]
fn a_short_answer_is_completed_by_another_question() {
    let mut sync: Sync<u64> = Sync::new(SyncLimits::default(), Height(0));
    sync.on_peer(peer(1), Height(10));
    let ask = sync.poll(at(0)).unwrap();
    assert_eq!((ask.from, ask.count), (Height(1), 10));
    sync.on_blocks(peer(1), ask.id, page(&ask, 4), at(0)).unwrap();
    let ask = sync.poll(at(0)).unwrap();
    assert_eq!((ask.from, ask.count), (Height(5), 6));
}

#[test]
fn who_does_not_answer_is_asked_ever_more_rarely_and_others_instead() {
    let mut sync: Sync<u64> = Sync::new(SyncLimits::default(), Height(0));
    sync.on_peer(peer(1), Height(u64::MAX));
    let mut asked_at = Vec::new();
    for now in (0..3_600_000).step_by(500) {
        asked_at.extend(asks(&mut sync, now).iter().map(|_| now));
    }
    assert!(asked_at.len() < 40, "asked {} times in an hour", asked_at.len());
    sync.on_peer(peer(2), Height(5));
    let ask = sync.poll(at(3_600_000)).unwrap();
    assert_eq!((ask.peer, ask.from), (peer(2), Height(1)));
}

#[test]
fn an_empty_answer_costs_its_sender_the_next_question() {
    let mut sync: Sync<u64> = Sync::new(SyncLimits::default(), Height(0));
    sync.on_peer(peer(1), Height(9));
    let ask = sync.poll(at(0)).unwrap();
    sync.on_blocks(peer(1), ask.id, Vec::new(), at(0)).unwrap();
    assert_eq!(sync.poll(at(1_999)), None);
    assert!(sync.progress(at(1_999)).is_none());
    assert!(sync.poll(at(2_000)).is_some());
}

#[test]
fn answers_to_nobody_and_with_other_blocks_are_named() {
    let mut sync: Sync<u64> = Sync::new(SyncLimits::default(), Height(0));
    sync.on_peer(peer(1), Height(9));
    sync.on_peer(peer(2), Height(9));
    let ask = sync.poll(at(0)).unwrap();
    let other = if ask.peer == peer(1) { peer(2) } else { peer(1) };
    assert_eq!(sync.on_blocks(other, 77, page(&ask, 1), at(0)), Err(BadAnswer::Unrequested));
    assert_eq!(sync.on_blocks(ask.peer, 78, page(&ask, 1), at(0)), Err(BadAnswer::Unrequested));
    let wrong = Ask { from: Height(3), ..ask };
    let answer = sync.on_blocks(ask.peer, ask.id, page(&wrong, 1), at(0));
    assert_eq!(answer, Err(BadAnswer::OtherBlocks));
    let ask = sync.poll(at(0)).unwrap();
    assert_eq!(ask.peer, other);
    let answer = sync.on_blocks(other, ask.id, page(&ask, 10), at(0));
    assert_eq!(answer, Err(BadAnswer::OtherBlocks));
}

#[test]
fn an_answer_to_somebody_elses_question_does_not_take_it_away() {
    let mut sync: Sync<u64> = Sync::new(SyncLimits::default(), Height(0));
    sync.on_peer(peer(1), Height(9));
    let ask = sync.poll(at(0)).unwrap();
    assert!(sync.on_blocks(peer(2), ask.id, page(&ask, 9), at(0)).is_err());
    assert!(sync.on_blocks(peer(1), ask.id, page(&ask, 9), at(0)).is_ok());
}

#[test]
fn blocks_that_bring_nothing_are_fetched_from_another() {
    let mut sync = nine_handed_on();
    sync.on_peer(peer(2), Height(9));
    sync.on_bad_block(&peer(1), at(5));
    let ask = sync.poll(at(5)).unwrap();
    assert_eq!((ask.peer, ask.from, ask.count), (peer(2), Height(1), 9));
}

#[test]
fn bad_blocks_of_who_is_gone_are_fetched_from_another() {
    let mut sync = nine_handed_on();
    sync.on_peer(peer(2), Height(9));
    sync.on_gone(&peer(1));
    assert_eq!(sync.poll(at(5)), None);
    sync.on_bad_block(&peer(1), at(5));
    let ask = sync.poll(at(5)).unwrap();
    assert_eq!((ask.peer, ask.from, ask.count), (peer(2), Height(1), 9));
}

#[test]
fn a_ledger_that_does_not_go_on_blames_who_sent_its_next_block() {
    let mut sync = nine_handed_on();
    assert_eq!(sync.poll(at(29_999)), None);
    sync.on_peer(peer(2), Height(9));
    assert_eq!(sync.poll(at(30_000)).map(|ask| ask.peer), Some(peer(2)));
}

#[test]
fn one_block_behind_is_given_a_moment() {
    let mut sync: Sync<u64> = Sync::new(SyncLimits::default(), Height(7));
    sync.on_peer(peer(1), Height(8));
    assert_eq!(sync.poll(at(0)), None);
    assert_eq!(sync.poll(at(999)), None);
    assert!(sync.poll(at(1_000)).is_some());
    sync.on_tip(Height(8), at(1_001));
    assert_eq!(sync.poll(at(1_001)), None);
}

#[test]
fn what_waits_is_bounded() {
    let limits = SyncLimits { waiting_bytes_max: 5_000, ..SyncLimits::default() };
    let mut sync: Sync<u64> = Sync::new(limits, Height(0));
    sync.on_peer(peer(1), Height(10_000));
    let asked = certify(&mut sync, 0);
    assert_eq!(asked.len(), 2);
    for ask in &asked {
        sync.on_blocks(peer(1), ask.id, page(ask, 64), at(0)).unwrap();
    }
    assert!(certify(&mut sync, 0).is_empty());
}

#[test]
fn who_is_gone_is_asked_no_more_and_what_it_was_asked_is_asked_of_others() {
    let mut sync: Sync<u64> = Sync::new(SyncLimits::default(), Height(0));
    sync.on_peer(peer(1), Height(9));
    assert!(sync.poll(at(0)).is_some());
    sync.on_peer(peer(2), Height(9));
    assert_eq!(sync.poll(at(0)), None);
    sync.on_gone(&peer(1));
    assert_eq!(sync.poll(at(0)).map(|ask| ask.peer), Some(peer(2)));
}

#[test]
fn who_says_nothing_holds_nobody_up() {
    let mut sync: Sync<u64> = Sync::new(SyncLimits::default(), Height(0));
    sync.on_peer(peer(1), Height(u64::MAX));
    let silent = asks(&mut sync, 0);
    assert!(silent.iter().any(|ask| ask.from == Height(1)));
    sync.on_peer(peer(2), Height(40));
    assert!(asks(&mut sync, 1_999).is_empty(), "all 40 are asked for");
    let again = asks(&mut sync, 2_000);
    let both = [What::Headers, What::Blocks].map(|what| (peer(2), Height(1), 40, what));
    let asked = again.iter().map(|ask| (ask.peer, ask.from, ask.count, ask.what));
    assert_eq!(asked.collect::<Vec<_>>(), both);
    sync.on_blocks(peer(2), again[1].id, page(&again[1], 40), at(2_010)).unwrap();
    assert_eq!(hand_on(&mut sync, 100, 2_010), (1..=40).collect::<Vec<_>>());
    // The first one answers after all, which is no fault and no news.
    let first = silent.iter().find(|ask| ask.what == What::Blocks).unwrap();
    sync.on_blocks(peer(1), first.id, page(first, 40), at(2_020)).unwrap();
    assert!(hand_on(&mut sync, 40, 2_020).is_empty());
}

#[test]
fn an_answer_that_is_late_is_no_fault_and_one_more_is() {
    let mut sync: Sync<u64> = Sync::new(SyncLimits::default(), Height(0));
    sync.on_peer(peer(1), Height(10));
    let ask = sync.poll(at(0)).unwrap();
    assert_eq!(sync.poll(at(10_000)), None);
    assert_eq!(sync.on_blocks(peer(1), ask.id, page(&ask, 10), at(10_001)), Ok(()));
    let again = sync.on_blocks(peer(1), ask.id, page(&ask, 10), at(10_002));
    assert_eq!(again, Err(BadAnswer::Unrequested));
}

#[test]
fn the_faults_of_who_brought_nothing_begin_nothing_again() {
    let mut sync: Sync<u64> = Sync::new(SyncLimits::default(), Height(0));
    sync.on_peer(peer(1), Height(10));
    let ask = sync.poll(at(0)).unwrap();
    sync.on_blocks(peer(1), ask.id, page(&ask, 10), at(0)).unwrap();
    assert_eq!(hand_on(&mut sync, 4, 0), [1, 2, 3, 4]);
    sync.on_peer(peer(2), Height(10));
    sync.on_bad_block(&peer(2), at(1));
    assert_eq!(hand_on(&mut sync, 6, 1), [5, 6]);
    sync.on_bad_block(&peer(1), at(1));
    assert!(hand_on(&mut sync, 6, 1).is_empty());
}

#[test]
fn blocks_beyond_a_page_wait_for_headers() {
    let mut sync: Sync<u64> = Sync::new(SyncLimits::default(), Height(0));
    (1..=3).for_each(|n| sync.on_peer(peer(n), Height(1_000)));
    let asked = asks(&mut sync, 0);
    let headers = asked.iter().find(|ask| ask.what == What::Headers).unwrap();
    assert_eq!((headers.from, headers.count), (Height(1), 256));
    let blocks: Vec<_> = asked.iter().filter(|ask| ask.what == What::Blocks).collect();
    assert_eq!(
        blocks.iter().map(|ask| (ask.from, ask.count)).collect::<Vec<_>>(),
        [(Height(1), 64)]
    );
    let proved = followed(Height(1), 200);
    sync.on_headers(headers.peer, headers.id, Some(proved), at(1)).unwrap();
    let asked = asks(&mut sync, 1);
    let last = asked.iter().filter(|ask| ask.what == What::Blocks);
    assert_eq!(last.map(|ask| ask.from.0 + u64::from(ask.count) - 1).max(), Some(200));
}

#[test]
fn a_block_that_is_not_the_certified_one_costs_its_sender_at_once() {
    let mut sync: Sync<u64> = Sync::new(SyncLimits::default(), Height(0));
    (1..=2).for_each(|n| sync.on_peer(peer(n), Height(70)));
    let asked = certify(&mut sync, 0);
    let mut blocks = page(&asked[0], 10);
    blocks[9].hash = BlockHash::ZERO;
    let answer = sync.on_blocks(asked[0].peer, asked[0].id, blocks, at(0));
    assert_eq!(answer, Err(BadAnswer::NotCertified));
    assert!(hand_on(&mut sync, 70, 0).is_empty());
    assert!(asks(&mut sync, 0).iter().all(|ask| ask.peer != asked[0].peer));
}

#[test]
fn blocks_that_came_before_the_headers_are_compared_too() {
    let mut sync: Sync<u64> = Sync::new(SyncLimits::default(), Height(0));
    sync.on_peer(peer(1), Height(70));
    let asked = asks(&mut sync, 0);
    let of = |what| *asked.iter().find(|ask| ask.what == what).unwrap();
    let mut blocks = page(&of(What::Blocks), 64);
    blocks[0].hash = BlockHash::ZERO;
    sync.on_blocks(peer(1), of(What::Blocks).id, blocks, at(0)).unwrap();
    sync.on_headers(peer(1), of(What::Headers).id, Some(followed(Height(1), 70)), at(0)).unwrap();
    assert!(hand_on(&mut sync, 70, 0).is_empty());
    assert_eq!(sync.poll(at(0)), None);
}

#[test]
fn a_height_that_no_headers_prove_costs_the_next_question() {
    let mut sync: Sync<u64> = Sync::new(SyncLimits::default(), Height(0));
    sync.on_peer(peer(1), Height(u64::MAX));
    let headers = *asks(&mut sync, 0).iter().find(|ask| ask.what == What::Headers).unwrap();
    let nothing = CertifiedHeaders { hashes: Vec::new(), end: followed(Height(0), 1).end };
    sync.on_headers(peer(1), headers.id, Some(nothing), at(0)).unwrap();
    assert_eq!(sync.poll(at(1_999)), None);
    let headers = *asks(&mut sync, 2_000).iter().find(|ask| ask.what == What::Headers).unwrap();
    let answer = sync.on_headers(peer(1), headers.id, None, at(2_000));
    assert_eq!(answer, Err(BadAnswer::BadHeaders));
    assert_eq!(sync.poll(at(5_999)), None);
}

#[test]
fn headers_of_a_silent_peer_are_asked_of_few_others() {
    let mut sync: Sync<u64> = Sync::new(SyncLimits::default(), Height(0));
    (1..=9).for_each(|n| sync.on_peer(peer(n), Height(u64::MAX)));
    let mut asked = Vec::new();
    for now in (0..9_999).step_by(100) {
        asked.extend(asks(&mut sync, now).into_iter().filter(|ask| ask.what == What::Headers));
    }
    let peers: std::collections::BTreeSet<_> = asked.iter().map(|ask| ask.peer).collect();
    assert_eq!((asked.len(), peers.len()), (AGAIN_MAX, AGAIN_MAX));
}

#[test]
fn headers_are_kept_for_a_window_only() {
    let mut sync: Sync<u64> = Sync::new(SyncLimits::default(), Height(0));
    sync.on_peer(peer(1), Height(u64::MAX));
    certify(&mut sync, 0);
    assert_eq!(sync.certified.end(), Height(4_096));
    sync.on_tip(Height(4_200), at(1));
    assert_eq!((sync.certified.end(), sync.anchor()), (Height(4_200), None));
}

#[test]
fn an_answer_that_the_ledger_overtook_costs_nothing() {
    let mut sync: Sync<u64> = Sync::new(SyncLimits::default(), Height(0));
    sync.on_peer(peer(1), Height(1_000));
    let headers = *asks(&mut sync, 0).iter().find(|ask| ask.what == What::Headers).unwrap();
    sync.on_tip(Height(300), at(1));
    let nothing = CertifiedHeaders { hashes: Vec::new(), end: followed(Height(300), 1).end };
    sync.on_headers(peer(1), headers.id, Some(nothing), at(1)).unwrap();
    assert!(sync.poll(at(1)).is_some());
}
