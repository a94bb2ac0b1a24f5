//! A snapshot in a simulated world: peers of every kind answer in virtual time, from a seed, while
//! blocks are decided and the masternode set changes.

mod world;

use std::sync::OnceLock;

use proptest::prelude::*;

use self::world::{Kind, World};
use super::overlay::Covered;
use super::*;
use crate::ledger::testkit::{COIN, FEE, TestChain, masternode_keys};
use crate::ledger::view::Utxo;
use crate::sync::headers::HeaderLink;
use crate::types::certificate::CommitCertificate;

/// A chain with everything that peers may be asked for at each height.
pub(super) struct Story {
    pub(super) kit: TestChain,
    pub(super) links: Vec<HeaderLink>,
    pub(super) certificates: Vec<CommitCertificate>,
    /// After each height, from 0.
    pub(super) states: Vec<LedgerState>,
    pub(super) outputs: Vec<Vec<(OutPoint, Utxo)>>,
}

pub(super) const HEIGHT: usize = 60;

impl Story {
    /// Payments that make and spend outputs, and masternodes that join and leave.
    fn tell() -> Self {
        let kit = TestChain::with(4, |genesis| genesis.params.epoch_blocks = 7);
        let states = vec![kit.state.clone()];
        let (links, certificates, outputs) = Default::default();
        let mut story = Story { kit, links, certificates, states, outputs };
        story.note_outputs();
        let newcomer = masternode_keys(9);
        story.kit.add_keys(&newcomer);
        let mut random = crate::sim::Random::new(1, "story");
        for height in 1..=HEIGHT {
            let kit = &mut story.kit;
            let change = match height {
                9 => Some(kit.registration(&newcomer, 0)),
                30 => Some(kit.deregistration(&newcomer, 1)),
                _ => None,
            };
            let coins = kit.coins(&kit.wallet);
            let fit = |(_, utxo): &(OutPoint, Utxo)| {
                utxo.origin == crate::ledger::view::Origin::Transfer
                    && utxo.output.value.units() > 8 * FEE
                    && utxo.output.value.units() < COIN.units()
            };
            let mut coins: Vec<_> = coins.into_iter().filter(fit).collect();
            let genesis =
                (2..16).map(|n| kit.coin(n)).find(|coin| kit.view.utxos.contains_key(coin));
            coins.extend(genesis.map(|coin| (coin, kit.view.utxos[&coin])));
            random.shuffle(&mut coins);
            let payments = coins.iter().take(3).map(|(coin, utxo)| {
                let part = (utxo.output.value.units() - FEE) / 3;
                let own = kit.wallet.address();
                kit.transfer(&kit.wallet, &[*coin], &[(part, own), (part, own), (part, own)])
            });
            let transactions = change.into_iter().chain(payments).collect();
            kit.extend(transactions);
            let decided = story.kit.decided.last().unwrap();
            let header = decided.block.header.clone();
            let members = || story.kit.state.masternodes.members().to_vec();
            let next_members = header.changes_set().then(members);
            story.certificates.push(decided.certificate.clone());
            story.links.push(HeaderLink { header, next_members });
            story.states.push(story.kit.state.clone());
            story.note_outputs();
        }
        assert!(story.links.iter().filter(|link| link.next_members.is_some()).count() >= 2);
        assert!(story.outputs[HEIGHT].len() > 200);
        story
    }

    fn note_outputs(&mut self) {
        let utxos = &self.kit.view.utxos;
        self.outputs.push(utxos.iter().map(|(outpoint, utxo)| (*outpoint, *utxo)).collect());
    }
}

pub(super) fn story() -> &'static Story {
    static STORY: OnceLock<Story> = OnceLock::new();
    STORY.get_or_init(Story::tell)
}

fn seeds() -> u64 {
    std::env::var("SEEDS").map_or(200, |n| n.parse().unwrap())
}

/// With one honest peer, whoever else there is, exactly the right outputs come, also where the
/// process ends now and then; and nobody honest is blamed.
#[test]
fn one_honest_peer_is_enough() {
    for seed in 0..seeds() {
        let world = World::new(seed, true).run();
        assert!(world.is_done, "seed {seed}: nothing after {} ms, {}", world.now, world.tell());
    }
}

/// Liars alone never get anything in that is wrong.
#[test]
fn liars_alone_bring_nothing_wrong() {
    let mut n_done = 0;
    for seed in 0..seeds() / 2 {
        n_done += u32::from(World::new(seed, false).run().is_done);
    }
    // Some kinds lie in one thing only, so that two of them can be right together.
    assert!(u64::from(n_done) < seeds() / 2);
}

#[test]
fn each_kind_of_liar_is_found_out_alone_with_one_honest_peer() {
    for kind in Kind::ALL {
        for seed in 0..5 {
            let world = World::of(seed, &[kind, kind, Kind::Honest]).run();
            assert!(world.is_done, "{kind:?}, seed {seed}: nothing after {} ms", world.now);
        }
    }
}

/// Blames exactly one of two: it sent all pages.
#[test]
fn who_sent_all_of_a_wrong_set_is_blamed() {
    for seed in 0..20 {
        let world = World::of(seed, &[Kind::Alters]).run_for(60_000);
        assert!(!world.is_done);
        assert_eq!(world.n_banned(), 1, "seed {seed}");
    }
}

#[test]
fn a_state_is_what_its_header_commits_to_in_every_part() {
    let state = &story().states[20];
    let header = &story().links[19].header;
    let certified = Certified::new(header, header.hash());
    let check = |state: &LedgerState| proof::check_state(&story().kit.chain, &certified, state);
    assert_eq!(check(state), Ok(()));
    type Change = fn(&mut LedgerState);
    let changes: [(&str, Change); 9] = [
        ("the block", |state| state.tip.hash = BlockHash::ZERO),
        ("the timestamp", |state| state.tip.timestamp.0 += 1),
        ("the set of outputs", |state| state.utxo_set.insert(b"one more")),
        ("the registry", |state| state.issued = state.issued.saturating_add(COIN)),
        ("the registry", |state| {
            std::sync::Arc::make_mut(&mut state.registry).deregister(&masternode_keys(9).public());
        }),
        ("the masternode set", |state| {
            state.tip_masternodes = story().kit.chain.first_set().clone();
        }),
        ("the next masternode set", |state| {
            state.masternodes = story().kit.chain.first_set().clone();
        }),
        ("certificate", |state| state.tip.certificate = None),
        ("certificate", |state| {
            let certificate = state.tip.certificate.as_mut().unwrap();
            certificate.seals.pop();
        }),
    ];
    for (part, change) in changes {
        let mut state = state.clone();
        change(&mut state);
        let error = check(&state).unwrap_err().to_string();
        assert!(error.contains(part), "{part}: {error}");
    }
    assert!(check(&story().states[50]).is_err());
}

#[test]
fn a_block_whose_transactions_are_others_is_not_whole() {
    let mut block = (*story().kit.decided[20].block).clone();
    assert!(overlay::is_whole(&block));
    block.transactions.pop();
    assert!(!overlay::is_whole(&block));
}

proptest! {
    /// Pages of different blocks, each moved on from its own, are the set of the last.
    #[test]
    fn pages_of_many_moments_become_one_set(
        steps in prop::collection::vec((1_usize..40, 0_usize..4), 1..60),
        start in 1_usize..20,
    ) {
        let story = story();
        let (mut height, mut covered) = (start, Covered::Nothing);
        let (mut overlay, mut came) = (Overlay::default(), Vec::new());
        let mut steps = steps.into_iter().cycle();
        while covered != Covered::All {
            let (n, n_blocks) = steps.next().unwrap();
            let is_behind = |outpoint: &OutPoint| match covered {
                Covered::Nothing => true,
                Covered::UpTo(last) => *outpoint > last,
                Covered::All => false,
            };
            let rest = story.outputs[height].iter().filter(|(outpoint, _)| is_behind(outpoint));
            let page: Vec<_> = rest.take(n).copied().collect();
            covered = page.last().filter(|_| page.len() == n).map_or(Covered::All, |(last, _)| {
                Covered::UpTo(*last)
            });
            came.extend(page.into_iter().map(Ok::<_, ()>));
            for _ in 0..n_blocks.min(HEIGHT - height) {
                height += 1;
                overlay.apply(&Delta::of(&story.kit.decided[height - 1].block, covered));
            }
        }
        let merged: Vec<_> = overlay.merge(came.into_iter()).collect::<Result<_, _>>().unwrap();
        prop_assert_eq!(&merged, &story.outputs[height]);
    }
}
