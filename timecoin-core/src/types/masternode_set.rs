//! The masternodes that decide one epoch, in the one order everybody knows.

use std::io;
use std::sync::Arc;

use borsh::{BorshDeserialize, BorshSerialize};
use thiserror::Error;

use super::address::Address;
use super::chain::{Height, Round};
use super::encode::encode;
use super::hash::{SetHash, Tag, hash};
use super::keys::{PublicKey, VotingKey};
use super::quorum::{faulty_max, one_honest, quorum};
use super::signature_memo::SignatureMemo;

/// The most masternodes a set may have (PROTOCOL 8).
pub const MASTERNODES_MAX: usize = 200;

/// The position of a masternode in the set of an epoch.
pub type MasternodeIndex = u16;

/// One masternode, as everybody on the chain knows it.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Masternode {
    /// The key that signs its votes; it names the masternode.
    pub consensus_key: PublicKey,
    /// Where its rewards go.
    pub payout: Address,
    /// `host:port` where peers find it, or empty.
    pub network_address: String,
}

/// The masternodes of an epoch, sorted by consensus key; cheap to clone.
#[derive(Clone, Debug)]
pub struct MasternodeSet(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    members: Vec<Masternode>,
    keys: Vec<VotingKey>,
    hash: SetHash,
}

/// Why a list of masternodes is no set.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum MasternodeSetError {
    /// Nobody, or more than 200.
    #[error("{found} masternodes: a set has 1 to {MASTERNODES_MAX}")]
    Size {
        /// How many there are.
        found: usize,
    },
    /// A key out of order.
    #[error("masternode {index} is out of order: keys ascend and differ")]
    Order {
        /// Its position.
        index: usize,
    },
    /// A key twice.
    #[error("masternode {key} is there twice")]
    Twice {
        /// The key.
        key: PublicKey,
    },
    /// A key that can't verify a vote.
    #[error("the consensus key of masternode {index} is not usable")]
    Key {
        /// Its position.
        index: usize,
    },
}

impl MasternodeSet {
    /// The set of these members, in any order.
    ///
    /// # Errors
    /// [`MasternodeSetError`]: empty, too large, a key twice or not usable.
    pub fn new(mut members: Vec<Masternode>) -> Result<Self, MasternodeSetError> {
        members.sort_by_key(|member| member.consensus_key);
        Self::from_sorted(members)
    }

    /// The set of these members, in any order. Keys that are in this set are not checked again.
    ///
    /// # Errors
    /// As [`MasternodeSet::new`].
    pub fn with_members(&self, mut members: Vec<Masternode>) -> Result<Self, MasternodeSetError> {
        members.sort_by_key(|member| member.consensus_key);
        if members == self.0.members {
            return Ok(self.clone());
        }
        Self::build(members, |key| self.voting_key(self.index_of(key)?).cloned())
    }

    /// The same set, whose keys know the signatures that their own pairs remember.
    pub fn with_memo(&self, memo: &Arc<dyn SignatureMemo>) -> Self {
        let Inner { members, keys, hash } = &*self.0;
        let keys = keys.iter().map(|key| key.clone().with_memo(Arc::clone(memo))).collect();
        MasternodeSet(Arc::new(Inner { members: members.clone(), keys, hash: *hash }))
    }

    fn from_sorted(members: Vec<Masternode>) -> Result<Self, MasternodeSetError> {
        Self::build(members, |_| None)
    }

    fn build(
        members: Vec<Masternode>,
        known: impl Fn(&PublicKey) -> Option<VotingKey>,
    ) -> Result<Self, MasternodeSetError> {
        if members.is_empty() || members.len() > MASTERNODES_MAX {
            return Err(MasternodeSetError::Size { found: members.len() });
        }
        let unsorted = members.windows(2).position(|w| w[0].consensus_key >= w[1].consensus_key);
        if let Some(before) = unsorted {
            let (key, index) = (members[before].consensus_key, before + 1);
            let is_twice = members[index].consensus_key == key;
            return Err(match is_twice {
                true => MasternodeSetError::Twice { key },
                false => MasternodeSetError::Order { index },
            });
        }
        let parse = |(index, member): (usize, &Masternode)| match known(&member.consensus_key) {
            Some(key) => Ok(key),
            None => VotingKey::try_from(member.consensus_key)
                .map_err(|_| MasternodeSetError::Key { index }),
        };
        let keys = members.iter().enumerate().map(parse).collect::<Result<_, _>>()?;
        let hash = hash(Tag::MasternodeSet, &encode(&members)).into();
        Ok(MasternodeSet(Arc::new(Inner { members, keys, hash })))
    }

    /// How many masternodes there are.
    #[expect(clippy::len_without_is_empty, reason = "a set is never empty")]
    pub fn len(&self) -> usize {
        self.0.members.len()
    }

    /// The members in order.
    pub fn members(&self) -> &[Masternode] {
        &self.0.members
    }

    /// The hash of all members, which every vote and header names.
    pub fn hash(&self) -> SetHash {
        self.0.hash
    }

    /// The member at `index`.
    pub fn get(&self, index: MasternodeIndex) -> Option<&Masternode> {
        self.0.members.get(usize::from(index))
    }

    /// The checked key of the member at `index`.
    pub fn voting_key(&self, index: MasternodeIndex) -> Option<&VotingKey> {
        self.0.keys.get(usize::from(index))
    }

    /// The position of a masternode, if it is a member.
    pub fn index_of(&self, key: &PublicKey) -> Option<MasternodeIndex> {
        let found = self.0.members.binary_search_by_key(key, |member| member.consensus_key).ok()?;
        Some(MasternodeIndex::try_from(found).expect("a set has at most 200 members"))
    }

    /// How many votes decide.
    pub fn quorum(&self) -> usize {
        quorum(self.len())
    }

    /// How many members may be Byzantine.
    pub fn faulty_max(&self) -> usize {
        faulty_max(self.len())
    }

    /// How many members hold at least one honest one.
    pub fn one_honest(&self) -> usize {
        one_honest(self.len())
    }

    /// Who proposes at (`height`, `round`): `(h + r) mod n` (PROTOCOL 3).
    pub fn proposer(&self, height: Height, round: Round) -> MasternodeIndex {
        let position = (u128::from(height.0) + u128::from(round.0)) % self.len() as u128;
        MasternodeIndex::try_from(position).expect("a set has at most 200 members")
    }
}

impl PartialEq for MasternodeSet {
    fn eq(&self, other: &Self) -> bool {
        self.hash() == other.hash()
    }
}

impl Eq for MasternodeSet {}

impl BorshSerialize for MasternodeSet {
    fn serialize<W: io::Write>(&self, writer: &mut W) -> io::Result<()> {
        self.0.members.serialize(writer)
    }
}

impl BorshDeserialize for MasternodeSet {
    fn deserialize_reader<R: io::Read>(reader: &mut R) -> io::Result<Self> {
        let members = Vec::deserialize_reader(reader)?;
        Self::from_sorted(members).map_err(|e| io::Error::new(io::ErrorKind::InvalidData, e))
    }
}
