//! Follows headers forward from a decided block, through changes of the masternode set, without
//! the blocks (PROTOCOL 7).
//!
//! A certificate of the last header proves all before it: a quorum commits only to what follows
//! from a decided block, and a header names the block before it by its hash. Only the last header
//! of an epoch whose set changes needs a proof of its own, by the set that goes: otherwise the
//! next set would be believed by its own signatures. The header after it holds that proof.

use borsh::{BorshDeserialize, BorshSerialize};
use thiserror::Error;

use crate::types::block::BlockHeader;
use crate::types::certificate::{CertificateError, CommitCertificate};
use crate::types::chain::{Epoch, Height};
use crate::types::hash::{BlockHash, ChainId, SetHash};
use crate::types::masternode_set::{Masternode, MasternodeSet, MasternodeSetError};

/// A decided block, and the masternodes that decide the next.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Anchor {
    /// Its height.
    pub height: Height,
    /// Its id.
    pub hash: BlockHash,
    /// Who decides the height after it.
    pub masternodes: MasternodeSet,
}

/// One header of a page.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct HeaderLink {
    /// The header.
    pub header: BlockHeader,
    /// The masternodes that it names for the next block, where they are others.
    pub next_members: Option<Vec<Masternode>>,
}

/// Headers in order, with the proof that the last is decided.
#[derive(Clone, Debug, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct HeaderPage {
    /// The headers.
    pub links: Vec<HeaderLink>,
    /// The proof; none where there are no headers.
    pub certificate: Option<CommitCertificate>,
}

/// Blocks that are proved to be decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertifiedHeaders {
    /// Their ids, ascending from the height after the anchor.
    pub hashes: Vec<BlockHash>,
    /// The last of them; the anchor itself where there are none.
    pub end: Anchor,
}

/// Why a page proves nothing.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum HeaderError {
    /// A header of another chain.
    #[error("the header is of chain {found}")]
    OtherChain {
        /// The chain it names.
        found: ChainId,
    },
    /// Not the height after the one before.
    #[error("the header has height {found}, the next is {expected}")]
    WrongHeight {
        /// Its height.
        found: Height,
        /// The next.
        expected: Height,
    },
    /// It does not follow from the header before.
    #[error("the parent of header {height} is {found}, the block before is {expected}")]
    WrongParent {
        /// Its height.
        height: Height,
        /// What it names.
        found: BlockHash,
        /// The block before.
        expected: BlockHash,
    },
    /// It names other masternodes than the header before named for it.
    #[error("the masternode set of header {height} is {found}, not {expected}")]
    WrongSet {
        /// Its height.
        height: Height,
        /// What it names.
        found: SetHash,
        /// What the header before named.
        expected: SetHash,
    },
    /// The set changes within an epoch.
    #[error("header {height} changes the masternode set within an epoch")]
    ChangeWithinEpoch {
        /// Its height.
        height: Height,
    },
    /// Members are missing where the set changes, or there where it does not.
    #[error("header {height} comes without the members of the next set, or with needless ones")]
    MisplacedMembers {
        /// Its height.
        height: Height,
    },
    /// The members are none that make a set.
    #[error("the members after header {height}: {error}")]
    BadMembers {
        /// Its height.
        height: Height,
        /// Why.
        error: MasternodeSetError,
    },
    /// The members are not those that the header names.
    #[error("the members after header {height} make set {found}, not {expected}")]
    OtherMembers {
        /// Its height.
        height: Height,
        /// The set that they make.
        found: SetHash,
        /// The set that the header names.
        expected: SetHash,
    },
    /// No proof that a block is decided.
    #[error("block {height} is not proved: {error}")]
    Unproved {
        /// Its height.
        height: Height,
        /// Why.
        error: CertificateError,
    },
}

/// What all nodes of a chain agree on, as far as headers need it.
#[derive(Clone, Copy)]
pub struct HeaderRules<'a> {
    /// The hash of the genesis.
    pub chain_id: &'a ChainId,
    /// The epoch of a height.
    pub epoch_of: &'a dyn Fn(Height) -> Epoch,
}

impl HeaderRules<'_> {
    /// Follows a page from an anchor. What it holds up to the anchor's height is not looked at:
    /// the anchor may have moved on while the page was under way.
    ///
    /// # Errors
    /// [`HeaderError`], the first that is found. Nothing of the page is certified then.
    pub fn follow(
        &self,
        anchor: &Anchor,
        page: &HeaderPage,
    ) -> Result<CertifiedHeaders, HeaderError> {
        let links = page.links.iter().skip_while(|link| link.header.height <= anchor.height);
        let (mut at, mut hashes) = (anchor.clone(), Vec::with_capacity(page.links.len()));
        // Who decided the block at `at`, where others decide the next, whose header proves it.
        let mut outgoing: Option<MasternodeSet> = None;
        for link in links {
            self.check_place(&at, &link.header)?;
            if let Some(outgoing) = outgoing.take() {
                self.check_proof(&at, &outgoing, link.header.parent_certificate.as_ref())?;
            }
            if let Some(next) = self.changed_set(&at, link)? {
                outgoing = Some(std::mem::replace(&mut at.masternodes, next));
            }
            (at.height, at.hash) = (link.header.height, link.header.hash());
            hashes.push(at.hash);
        }
        if !hashes.is_empty() {
            let decided_by = outgoing.as_ref().unwrap_or(&at.masternodes);
            self.check_proof(&at, decided_by, page.certificate.as_ref())?;
        }
        Ok(CertifiedHeaders { hashes, end: at })
    }

    fn check_place(&self, at: &Anchor, header: &BlockHeader) -> Result<(), HeaderError> {
        let height = header.height;
        if header.chain_id != *self.chain_id {
            return Err(HeaderError::OtherChain { found: header.chain_id });
        }
        if height != at.height.next() {
            return Err(HeaderError::WrongHeight { found: height, expected: at.height.next() });
        }
        if header.parent != at.hash {
            let (found, expected) = (header.parent, at.hash);
            return Err(HeaderError::WrongParent { height, found, expected });
        }
        let (found, expected) = (header.masternode_set, at.masternodes.hash());
        if found != expected {
            return Err(HeaderError::WrongSet { height, found, expected });
        }
        Ok(())
    }

    /// The set after a header whose place is checked, where it is another.
    fn changed_set(
        &self,
        at: &Anchor,
        link: &HeaderLink,
    ) -> Result<Option<MasternodeSet>, HeaderError> {
        let (height, expected) = (link.header.height, link.header.next_masternode_set);
        let members = match (&link.next_members, link.header.changes_set()) {
            (None, false) => return Ok(None),
            (Some(members), true) => members.clone(),
            _ => return Err(HeaderError::MisplacedMembers { height }),
        };
        if (self.epoch_of)(height) == (self.epoch_of)(height.next()) {
            return Err(HeaderError::ChangeWithinEpoch { height });
        }
        let next = at.masternodes.with_members(members);
        let next = next.map_err(|error| HeaderError::BadMembers { height, error })?;
        if next.hash() != expected {
            return Err(HeaderError::OtherMembers { height, found: next.hash(), expected });
        }
        Ok(Some(next))
    }

    /// Whether a certificate proves the block at `at`, by the set that decided it.
    fn check_proof(
        &self,
        at: &Anchor,
        decided_by: &MasternodeSet,
        certificate: Option<&CommitCertificate>,
    ) -> Result<(), HeaderError> {
        let unproved = |error| HeaderError::Unproved { height: at.height, error };
        let subject = ((self.epoch_of)(at.height), at.height, at.hash);
        let certificate = certificate
            .filter(|one| (one.epoch, one.height, one.block) == subject)
            .ok_or_else(|| unproved(CertificateError::OtherSubject))?;
        certificate.verify(self.chain_id, decided_by).map_err(unproved)
    }
}

#[cfg(test)]
mod tests;
