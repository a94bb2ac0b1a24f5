//! Why a connection ends.

use std::io;

use thiserror::Error;

use super::packet::Refusal;
use crate::peers::score::Misbehavior;
use crate::types::encode::DecodeError;

/// Why a connection ended, or was none.
#[derive(Debug, Error)]
pub enum PeerError {
    /// The socket failed or was closed.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The encryption does not hold.
    #[error("encryption: {0}")]
    Noise(#[from] snow::Error),
    /// Not what this protocol sends.
    #[error("garbage in the place of a {0}")]
    Garbage(&'static str),
    /// Not the canonical bytes of a packet.
    #[error(transparent)]
    Malformed(#[from] DecodeError),
    /// A frame that is longer than its class allows.
    #[error("a frame of {bytes} bytes is over the limit of {bytes_max}")]
    TooLong {
        /// Its length.
        bytes: usize,
        /// The limit.
        bytes_max: usize,
    },
    /// The peer did not say in time who it is, or says nothing any more.
    #[error("nothing came for too long: {0}")]
    Silent(&'static str),
    /// The peer refuses this node.
    #[error("the peer refuses: {0}")]
    Refused(Refusal),
    /// This node refuses the peer.
    #[error("refused: {0}")]
    Refuses(Refusal),
    /// The peer is another than the one that was dialled.
    #[error("another masternode answers there")]
    OtherPeer,
    /// What it sent no honest peer sends.
    #[error("misbehavior: {0:?}")]
    Misbehavior(Misbehavior),
    /// This node closed the connection.
    #[error("closed")]
    Closed,
}

impl PeerError {
    /// What it says about the peer; nothing where an honest one can have met it.
    pub(super) fn misbehavior(&self) -> Option<Misbehavior> {
        match self {
            PeerError::Garbage("handshake") => Some(Misbehavior::BadHandshake),
            PeerError::Garbage(_) | PeerError::Malformed(_) => Some(Misbehavior::Undecodable),
            PeerError::TooLong { .. } => Some(Misbehavior::FrameTooLong),
            PeerError::Refuses(Refusal::BadProof) => Some(Misbehavior::BadHandshake),
            PeerError::Misbehavior(kind) => Some(*kind),
            _ => None,
        }
    }
}
