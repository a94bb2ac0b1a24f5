//! A chain through three epochs, in which a masternode joins and another leaves; what a peer may
//! say of it.

use proptest::prelude::*;

use super::*;
use crate::ledger::testkit::{TestChain, masternode_keys};
use crate::types::ballot::{Ballot, Choice};
use crate::types::certificate::Seal;
use crate::types::chain::Round;
use crate::types::keys::KeyPair;

const EPOCH_BLOCKS: u64 = 3;

/// A chain of 9 blocks, with all of its headers.
struct Story {
    kit: TestChain,
    links: Vec<HeaderLink>,
    certificates: Vec<CommitCertificate>,
    /// After each height, from 0.
    anchors: Vec<Anchor>,
}

fn anchor(kit: &TestChain) -> Anchor {
    let tip = &kit.state.tip;
    Anchor { height: tip.height, hash: tip.hash, masternodes: kit.state.masternodes.clone() }
}

fn story() -> Story {
    let kit = TestChain::with(4, |genesis| genesis.params.epoch_blocks = EPOCH_BLOCKS);
    let anchors = vec![anchor(&kit)];
    let mut story = Story { kit, links: Vec::new(), certificates: Vec::new(), anchors };
    let newcomer = masternode_keys(9);
    story.kit.add_keys(&newcomer);
    for height in 1..=9 {
        let registration = (height == 1).then(|| story.kit.registration(&newcomer, 0));
        story.kit.extend(registration.into_iter().collect());
        let decided = story.kit.decided.last().unwrap();
        let header = decided.block.header.clone();
        let members = || story.kit.state.masternodes.members().to_vec();
        let next_members = header.changes_set().then(members);
        story.certificates.push(decided.certificate.clone());
        story.links.push(HeaderLink { header, next_members });
        story.anchors.push(anchor(&story.kit));
    }
    assert!(story.links[2].next_members.is_some(), "the newcomer joins");
    story
}

impl Story {
    /// Headers after `from` up to `to`.
    fn page(&self, from: usize, to: usize) -> HeaderPage {
        let certificate = (to > 0).then(|| self.certificates[to - 1].clone());
        HeaderPage { links: self.links[from..to].to_vec(), certificate }
    }

    fn follow(&self, from: usize, page: &HeaderPage) -> Result<CertifiedHeaders, HeaderError> {
        let epoch_of = |height| self.kit.chain.params().epoch_of(height);
        let rules = HeaderRules { chain_id: self.kit.chain.id(), epoch_of: &epoch_of };
        rules.follow(&self.anchors[from], page)
    }
}

/// A certificate of a block by whoever has these keys, in the order of their set.
fn forge(
    story: &Story,
    link: &HeaderLink,
    set: &MasternodeSet,
    keys: &[KeyPair],
) -> CommitCertificate {
    let (height, block) = (link.header.height, link.header.hash());
    let epoch = story.kit.chain.params().epoch_of(height);
    let ballot = Ballot { epoch, height, round: Round::ZERO, choice: Choice::Commit(block) };
    let message = ballot.message(story.kit.chain.id(), &set.hash());
    let seal = |keys: &KeyPair| Seal {
        voter: set.index_of(&keys.public()).unwrap(),
        signature: keys.sign(message.as_bytes()),
    };
    let mut seals: Vec<Seal> = keys.iter().map(seal).collect();
    seals.sort_by_key(|seal| seal.voter);
    CommitCertificate { epoch, height, round: Round::ZERO, block, seals }
}

/// A set of the attacker's own.
fn strangers() -> (MasternodeSet, Vec<KeyPair>) {
    let keys: Vec<KeyPair> = (0..4u8).map(|n| KeyPair::from_seed(&[200, n])).collect();
    let members = keys.iter().map(|keys| Masternode {
        consensus_key: keys.public(),
        payout: keys.address(),
        network_address: String::new(),
    });
    (MasternodeSet::new(members.collect()).unwrap(), keys)
}

#[test]
fn headers_are_followed_through_a_change_of_the_set() {
    let story = story();
    let followed = story.follow(0, &story.page(0, 9)).unwrap();
    let hashes: Vec<BlockHash> = story.links.iter().map(|link| link.header.hash()).collect();
    assert_eq!(followed, CertifiedHeaders { hashes, end: story.anchors[9].clone() });
}

#[test]
fn a_forged_set_at_the_boundary_is_not_believed_by_its_own_signatures() {
    let story = story();
    let (set, keys) = strangers();
    let mut page = story.page(0, 4);
    page.links[2].header.next_masternode_set = set.hash();
    page.links[2].next_members = Some(set.members().to_vec());
    let parent = forge(&story, &page.links[2], &set, &keys);
    let header = &mut page.links[3].header;
    (header.parent, header.masternode_set) = (parent.block, set.hash());
    header.next_masternode_set = set.hash();
    header.parent_certificate = Some(parent.clone());
    page.certificate = Some(forge(&story, &page.links[3], &set, &keys));
    let unproved = |error| Err(HeaderError::Unproved { height: Height(3), error });
    let found = story.follow(0, &page);
    assert!(matches!(found, Err(HeaderError::Unproved { height: Height(3), .. })), "{found:?}");
    // Nor without any proof, nor as the end of a page.
    page.links[3].header.parent_certificate = None;
    assert_eq!(story.follow(0, &page), unproved(CertificateError::OtherSubject));
    page.links.truncate(3);
    page.certificate = Some(parent);
    let found = story.follow(0, &page);
    assert!(matches!(found, Err(HeaderError::Unproved { height: Height(3), .. })), "{found:?}");
}

#[test]
fn every_rule_of_a_page_is_checked() {
    let story = story();
    let (set, _) = strangers();
    let hash = BlockHash::from_bytes([1; 32]);
    let spoilt = |change: &dyn Fn(&mut HeaderPage)| {
        let mut page = story.page(0, 4);
        change(&mut page);
        story.follow(0, &page).map(|_| ())
    };
    let other_subject = |height| HeaderError::Unproved {
        height: Height(height),
        error: CertificateError::OtherSubject,
    };
    let found = ChainId::from_bytes([1; 32]);
    let table: Vec<(&str, Result<(), HeaderError>, HeaderError)> = vec![
        (
            "chain",
            spoilt(&|page| page.links[0].header.chain_id = found),
            HeaderError::OtherChain { found },
        ),
        (
            "a gap",
            spoilt(&|page| drop(page.links.remove(1))),
            HeaderError::WrongHeight { found: Height(3), expected: Height(2) },
        ),
        (
            "parent",
            spoilt(&|page| page.links[1].header.parent = hash),
            HeaderError::WrongParent {
                height: Height(2),
                found: hash,
                expected: story.anchors[1].hash,
            },
        ),
        (
            "set",
            spoilt(&|page| page.links[0].header.masternode_set = set.hash()),
            HeaderError::WrongSet {
                height: Height(1),
                found: set.hash(),
                expected: story.anchors[0].masternodes.hash(),
            },
        ),
        (
            "a change within an epoch",
            spoilt(&|page| {
                page.links[0].header.next_masternode_set = set.hash();
                page.links[0].next_members = Some(set.members().to_vec());
            }),
            HeaderError::ChangeWithinEpoch { height: Height(1) },
        ),
        (
            "no members",
            spoilt(&|page| page.links[2].next_members = None),
            HeaderError::MisplacedMembers { height: Height(3) },
        ),
        (
            "needless members",
            spoilt(&|page| page.links[1].next_members = Some(Vec::new())),
            HeaderError::MisplacedMembers { height: Height(2) },
        ),
        (
            "no set",
            spoilt(&|page| page.links[2].next_members = Some(Vec::new())),
            HeaderError::BadMembers {
                height: Height(3),
                error: MasternodeSetError::Size { found: 0 },
            },
        ),
        (
            "members of another set",
            spoilt(&|page| page.links[2].next_members = Some(set.members().to_vec())),
            HeaderError::OtherMembers {
                height: Height(3),
                found: set.hash(),
                expected: story.anchors[3].masternodes.hash(),
            },
        ),
        ("no certificate", spoilt(&|page| page.certificate = None), other_subject(4)),
        (
            "the certificate of another block",
            spoilt(&|page| page.certificate = Some(story.certificates[4].clone())),
            other_subject(4),
        ),
        (
            "too few seals",
            spoilt(&|page| page.certificate.as_mut().unwrap().seals.truncate(2)),
            HeaderError::Unproved {
                height: Height(4),
                error: CertificateError::TooFewSigners { found: 2, required: 4 },
            },
        ),
        (
            "a changed last header",
            spoilt(&|page| page.links[3].header.timestamp.0 += 1),
            other_subject(4),
        ),
    ];
    for (desc, found, expected) in table {
        assert_eq!(found, Err(expected), "{desc}");
    }
}

#[test]
fn what_an_anchor_is_past_is_not_looked_at() {
    let story = story();
    let followed = story.follow(5, &story.page(2, 8)).unwrap();
    assert_eq!((followed.hashes.len(), followed.end), (3, story.anchors[8].clone()));
    let nothing = story.follow(5, &story.page(2, 5)).unwrap();
    assert_eq!((nothing.hashes.len(), nothing.end), (0, story.anchors[5].clone()));
    assert_eq!(story.follow(5, &HeaderPage::default()).unwrap().hashes, []);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn pages_of_any_length_come_to_the_same(cuts in prop::collection::vec(1usize..5, 1..9)) {
        let story = story();
        let (mut at, mut from) = (story.anchors[0].clone(), 0);
        for n in cuts {
            let to = (from + n).min(9);
            let followed = story.follow(from, &story.page(from, to)).unwrap();
            at = followed.end;
            from = to;
        }
        prop_assert_eq!(&at, &story.anchors[from]);
    }

    #[test]
    fn a_changed_byte_certifies_no_other_block(index in any::<prop::sample::Index>(), bit in 0u8..8) {
        let story = story();
        let mut bytes = crate::types::encode::encode(&story.page(0, 7));
        let index = index.index(bytes.len());
        bytes[index] ^= 1 << bit;
        let Ok(page) = crate::types::encode::decode::<HeaderPage>("page", &bytes, bytes.len()) else {
            return Ok(());
        };
        if let Ok(followed) = story.follow(0, &page) {
            let same = |(height, hash): (usize, &BlockHash)| story.anchors[height].hash == *hash;
            prop_assert!((1..).zip(&followed.hashes).all(same));
        }
    }
}
