//! What goes over a connection: the messages of the protocol, and what two peers say to each
//! other about the connection, addresses, transactions and blocks (`docs/network.md`).

use std::fmt;
use std::net::SocketAddr;

use borsh::{BorshDeserialize, BorshSerialize};

use super::noise::Side;
use crate::ledger::state::LedgerState;
use crate::ledger::view::OutputPage;
use crate::peers::address::PeerAddress;
use crate::peers::slots;
use crate::sync::headers::HeaderPage;
use crate::types::ballot::SignedBallot;
use crate::types::block::BlockHeader;
use crate::types::chain::{Height, Timestamp};
use crate::types::encode::encode;
use crate::types::hash::{BlockHash, ChainId, Hash256, Tag, Txid, UtxoCommitment, Wtxid, hash};
use crate::types::keys::{KeyPair, PublicKey, Signature, verify_strict};
use crate::types::message::{Decided, Justification, Message};
use crate::types::transaction::{OutPoint, Transaction};

/// One frame.
#[allow(clippy::large_enum_variant, reason = "a packet is decoded where it is used up")]
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum Packet {
    /// A message of the protocol; its bytes are those of the frame behind the first.
    Message(Message),
    /// Who this is: the first packet from each end, and only the first.
    Hello(Box<Hello>),
    /// Why there will be no connection; the last packet.
    Refused(Refusal),
    /// Asks for a [`Packet::Pong`]; says when it left and what is decided.
    Ping(Ping),
    /// Answers a [`Packet::Ping`].
    Pong(Pong),
    /// What is decided here, whenever that changes.
    Tip(PeerTip),
    /// Asks for addresses of other peers.
    GetAddresses,
    /// Addresses of other peers.
    Addresses(Vec<PeerAddress>),
    /// Transactions that came into this node's mempool.
    Inventory(Vec<Txid>),
    /// Transactions that were in it as the connection began: their certificates are wanted too.
    Pending(Vec<Txid>),
    /// Asks for transactions of an inventory.
    GetTransactions(Vec<Txid>),
    /// A proposal whose transactions the peer has, most likely.
    Proposal(Box<CompactProposal>),
    /// Asks for transactions of a compact proposal by their positions.
    GetProposed(BlockHash, Vec<u16>),
    /// Answers a [`Packet::GetProposed`].
    Proposed(BlockHash, Vec<(u16, Transaction)>),
    /// Asks for decided blocks.
    GetBlocks(GetBlocks),
    /// Answers a [`Packet::GetBlocks`]: as many as fit, in order; none where there are none.
    Blocks(Blocks),
    /// Instead of a Hello: this connection is for the blocks of a peer that is connected.
    Attach(Attach),
    /// Asks for headers of decided blocks.
    GetHeaders(GetHeaders),
    /// Answers a [`Packet::GetHeaders`]: as many as fit, in order; none where there are none.
    Headers(Headers),
    /// Asks for unspent outputs.
    GetOutputs(GetOutputs),
    /// Answers a [`Packet::GetOutputs`].
    Outputs(Outputs),
    /// Asks for the ledger state; the number names the answer.
    GetState(u64),
    /// Answers a [`Packet::GetState`]: of the last durable block, or none from whoever has no time.
    State(u64, Option<Box<LedgerState>>),
}

/// See [`Packet::Attach`]; each end says it, the dialler first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Attach {
    /// Its node key.
    pub node_key: PublicKey,
    /// Its signature of this connection, as in a [`Hello`].
    pub proof: Signature,
}

/// Who a peer is.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Hello {
    /// The least and the most version of this protocol that it speaks.
    pub versions: (u16, u16),
    /// Its chain, named by the hash of its genesis.
    pub chain_id: ChainId,
    /// Its node key: for a masternode its consensus key.
    pub node_key: PublicKey,
    /// Its signature of this connection, which proves that key.
    pub proof: Signature,
    /// What is decided there.
    pub tip: PeerTip,
    /// The first block that it has, if it has any: 1, or a later one where it began from the
    /// unspent outputs of a block.
    pub first_block: Height,
    /// Where it listens, as it knows itself: an unspecified host is the one it comes from.
    pub listens: Option<SocketAddr>,
    /// Where the other end's connection comes from, as it sees it.
    pub sees: SocketAddr,
    /// What it can do beyond version 1: a bit each, none defined.
    pub capabilities: u64,
    /// Its clock.
    pub now: Timestamp,
    /// What program it is, at most [`AGENT_BYTES_MAX`] bytes.
    pub agent: String,
}

impl Hello {
    /// Where others can dial the node: where it says, on the host that it comes from unless it
    /// names one.
    pub(super) fn listens_at(&self, comes_from: SocketAddr) -> Option<SocketAddr> {
        let listens = self.listens.filter(|listens| listens.port() != 0)?;
        let is_named = !listens.ip().is_unspecified();
        let host = if is_named { listens.ip() } else { comes_from.ip() };
        Some(SocketAddr::new(host, listens.port()))
    }
}

/// What is decided at a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct PeerTip {
    /// The height of its last block.
    pub height: Height,
    /// Its id.
    pub hash: BlockHash,
    /// The unspent outputs after it.
    pub utxo_commitment: UtxoCommitment,
}

/// See [`Packet::Ping`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Ping {
    /// Names the answer.
    pub nonce: u64,
    /// What is decided.
    pub tip: PeerTip,
}

/// See [`Packet::Pong`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Pong {
    /// Of the ping.
    pub nonce: u64,
    /// The clock of the one that answers.
    pub now: Timestamp,
}

/// A [`crate::types::message::Proposal`] that names its transactions.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct CompactProposal {
    /// The signed PrePrepare.
    pub ballot: SignedBallot,
    /// The header of the block.
    pub header: BlockHeader,
    /// The first transaction, which nobody else has.
    pub coinbase: Transaction,
    /// The ids of the others, signatures included.
    pub wtxids: Vec<Wtxid>,
    /// Why it may be proposed.
    pub justification: Justification,
}

/// See [`Packet::GetBlocks`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct GetBlocks {
    /// Names the answer.
    pub id: u64,
    /// The first.
    pub from: Height,
    /// How many, at most [`BLOCKS_MAX`].
    pub count: u16,
}

/// See [`Packet::Blocks`].
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Blocks {
    /// Of the question.
    pub id: u64,
    /// The blocks with their certificates.
    pub blocks: Vec<Decided>,
}

/// See [`Packet::GetHeaders`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct GetHeaders {
    /// Names the answer.
    pub id: u64,
    /// The first.
    pub from: Height,
    /// How many, at most [`HEADERS_MAX`].
    pub count: u16,
}

/// See [`Packet::Headers`].
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Headers {
    /// Of the question.
    pub id: u64,
    /// The headers, with the proof that they are decided.
    pub page: HeaderPage,
}

/// See [`Packet::GetOutputs`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct GetOutputs {
    /// Names the answer.
    pub id: u64,
    /// Behind which; from the first on where there is none.
    pub after: Option<OutPoint>,
    /// How many, at most [`OUTPUTS_MAX`].
    pub count: u16,
}

/// See [`Packet::Outputs`].
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Outputs {
    /// Of the question.
    pub id: u64,
    /// As many as were asked for, or all that are left; none from whoever has no time.
    pub page: Option<OutputPage>,
}

/// Why a node does not take another as a peer.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum Refusal {
    /// No version of the protocol is spoken by both.
    Version {
        /// What the refusing node speaks.
        speaks: (u16, u16),
    },
    /// Another chain.
    Chain {
        /// The refusing node's.
        chain_id: ChainId,
    },
    /// The signature does not prove the node key.
    BadProof,
    /// The key is this node's own.
    Itself,
    /// They are connected already.
    Duplicate,
    /// There is no room.
    Full,
    /// Banned for a time.
    Banned,
    /// A connection for the blocks of a peer that is not connected.
    Unconnected,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refusal::Version { speaks: (least, most) } => {
                write!(f, "no common version, only {least} to {most} are spoken")
            }
            Refusal::Chain { chain_id } => write!(f, "another chain, not {chain_id}"),
            Refusal::BadProof => f.write_str("the node key is not proved"),
            Refusal::Itself => f.write_str("it is this node itself"),
            Refusal::Duplicate => f.write_str("connected already"),
            Refusal::Full => f.write_str("no room for more peers"),
            Refusal::Banned => f.write_str("banned for a time"),
            Refusal::Unconnected => f.write_str("not connected"),
        }
    }
}

impl From<slots::Refusal> for Refusal {
    fn from(refusal: slots::Refusal) -> Self {
        match refusal {
            slots::Refusal::OwnKey => Refusal::Itself,
            slots::Refusal::Duplicate => Refusal::Duplicate,
            _ => Refusal::Full,
        }
    }
}

/// The signature that proves a node key on one connection: of its hash and the side.
pub(super) fn prove(keys: &KeyPair, connection: &[u8], side: Side) -> Signature {
    keys.sign(proof_message(connection, side).as_bytes())
}

/// Whether `proof` is the one of the key on that connection and side.
pub(super) fn is_proved(key: &PublicKey, proof: &Signature, connection: &[u8], side: Side) -> bool {
    verify_strict(key, proof_message(connection, side).as_bytes(), proof).is_ok()
}

fn proof_message(connection: &[u8], side: Side) -> Hash256 {
    hash(Tag::Handshake, &encode(&(connection, side == Side::Dialler)))
}

/// The versions of the protocol that this program speaks.
pub const VERSIONS: (u16, u16) = (1, 1);

/// The most bytes of [`Hello::agent`].
pub const AGENT_BYTES_MAX: usize = 64;

/// The most blocks that one answer holds.
pub const BLOCKS_MAX: u16 = 64;

/// The most headers that one answer holds.
pub const HEADERS_MAX: u16 = 256;

/// The most outputs that one answer holds: 1.8 MB.
pub const OUTPUTS_MAX: u16 = 25_000;

/// The first byte of a frame that is a [`Packet::Message`].
pub(super) const MESSAGE: u8 = 0;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proof_is_of_one_key_one_connection_and_one_side() {
        let [keys, other] = [b"one", b"two"].map(|seed| KeyPair::from_seed(seed));
        let proof = prove(&keys, b"connection", Side::Dialler);
        assert!(is_proved(&keys.public(), &proof, b"connection", Side::Dialler));
        assert!(!is_proved(&keys.public(), &proof, b"connection", Side::Listener));
        assert!(!is_proved(&keys.public(), &proof, b"another", Side::Dialler));
        assert!(!is_proved(&other.public(), &proof, b"connection", Side::Dialler));
    }

    #[test]
    fn a_message_is_its_own_bytes_behind_one() {
        let message = Message::Request(crate::types::message::Request::Decided(Height(7)));
        let bytes = encode(&Packet::Message(message.clone()));
        assert_eq!(bytes[0], MESSAGE);
        assert_eq!(bytes[1..], encode(&message));
    }
}
