//! The encryption of a connection: a Noise handshake without identities, and records under the
//! keys that it gives. Who the two ends are is said inside, by signatures of the handshake's hash
//! (`docs/network.md`).

use std::sync::Arc;

use snow::{Builder, HandshakeState, StatelessTransportState};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::error::PeerError;
use super::resolver::{Resolver, TAG_BYTES};

/// Which end began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    /// It dialled.
    Dialler,
    /// It was dialled.
    Listener,
}

impl Side {
    /// The side of the peer.
    pub(super) fn other(self) -> Side {
        match self {
            Side::Dialler => Side::Listener,
            Side::Listener => Side::Dialler,
        }
    }
}

/// An encrypted connection, before anybody has said who it is.
pub(super) struct Secured {
    pub(super) keys: Arc<StatelessTransportState>,
    /// Names this connection and no other.
    pub(super) hash: Vec<u8>,
}

/// Runs the handshake: one message from each end.
pub(super) async fn handshake<S>(stream: &mut S, side: Side) -> Result<Secured, PeerError>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut state = begin(side)?;
    for turn in [Side::Dialler, Side::Listener] {
        if turn == side {
            let mut message = [0; HANDSHAKE_BYTES_MAX];
            let n_bytes = state.write_message(&[], &mut message)?;
            stream.write_u16(short(n_bytes)).await?;
            stream.write_all(&message[..n_bytes]).await?;
            stream.flush().await?;
        } else {
            let n_bytes = usize::from(stream.read_u16().await?);
            let mut message = [0; HANDSHAKE_BYTES_MAX];
            let message = message.get_mut(..n_bytes).ok_or(PeerError::Garbage("handshake"))?;
            stream.read_exact(message).await?;
            state.read_message(message, &mut [])?;
        }
    }
    let hash = state.get_handshake_hash().to_vec();
    Ok(Secured { keys: Arc::new(state.into_stateless_transport_mode()?), hash })
}

fn begin(side: Side) -> Result<HandshakeState, PeerError> {
    let builder =
        Builder::with_resolver(PATTERN.parse()?, Box::new(Resolver)).prologue(PROLOGUE)?;
    Ok(match side {
        Side::Dialler => builder.build_initiator()?,
        Side::Listener => builder.build_responder()?,
    })
}

/// Encrypts records, one after the other.
pub(super) struct Sealer {
    keys: Arc<StatelessTransportState>,
    n_sealed: u64,
}

impl Sealer {
    pub(super) fn new(keys: Arc<StatelessTransportState>) -> Self {
        Sealer { keys, n_sealed: 0 }
    }

    /// Appends a record with its length: at most [`RECORD_BYTES_MAX`] of content.
    pub(super) fn seal(&mut self, content: &[u8], wire: &mut Vec<u8>) -> Result<(), PeerError> {
        let start = wire.len();
        wire.resize(start + 2 + content.len() + TAG_BYTES, 0);
        let n_bytes = self.keys.write_message(self.n_sealed, content, &mut wire[start + 2..])?;
        self.n_sealed += 1;
        wire.truncate(start + 2 + n_bytes);
        wire[start..start + 2].copy_from_slice(&short(n_bytes).to_be_bytes());
        Ok(())
    }
}

/// Decrypts records, one after the other.
pub(super) struct Opener {
    keys: Arc<StatelessTransportState>,
    n_opened: u64,
    sealed: Vec<u8>,
    content: Vec<u8>,
}

impl Opener {
    pub(super) fn new(keys: Arc<StatelessTransportState>) -> Self {
        let content = vec![0; RECORD_BYTES_MAX];
        Opener { keys, n_opened: 0, sealed: vec![0; RECORD_BYTES_MAX + TAG_BYTES], content }
    }

    /// The content of the next record of a stream.
    pub(super) async fn open<S>(&mut self, stream: &mut S) -> Result<&[u8], PeerError>
    where
        S: AsyncRead + Unpin,
    {
        let n_bytes = usize::from(stream.read_u16().await?);
        let sealed = self.sealed.get_mut(..n_bytes).ok_or(PeerError::Garbage("record length"))?;
        stream.read_exact(sealed).await?;
        let n_bytes = self.keys.read_message(self.n_opened, sealed, &mut self.content)?;
        self.n_opened += 1;
        Ok(&self.content[..n_bytes])
    }
}

/// A length in two bytes; no record or segment is longer.
pub(super) fn short(n_bytes: usize) -> u16 {
    u16::try_from(n_bytes).expect("records are shorter than 65,536 bytes")
}

/// Ephemeral keys on both sides and nothing else: the signatures inside say who they are.
const PATTERN: &str = "Noise_NN_25519_AESGCM_SHA256";

/// Both ends must mean this protocol.
const PROLOGUE: &[u8] = b"timecoin/1";

/// What a handshake message can be long; the longer of the two has 48 bytes.
const HANDSHAKE_BYTES_MAX: usize = 128;

/// The content of a record. One takes 15 microseconds of a network with 10 gigabit a second, and
/// is the most by which something urgent waits behind something that is being written.
pub(super) const RECORD_BYTES_MAX: usize = 16_384;

#[cfg(test)]
mod tests {
    use super::*;

    async fn secured() -> (Secured, Secured) {
        let (mut near, mut far) = tokio::io::duplex(1_000);
        let (near, far) =
            tokio::join!(handshake(&mut near, Side::Dialler), handshake(&mut far, Side::Listener));
        (near.unwrap(), far.unwrap())
    }

    #[tokio::test]
    async fn both_ends_agree_and_no_two_connections_do() {
        let (near, far) = secured().await;
        assert_eq!(near.hash, far.hash);
        assert_ne!(near.hash, secured().await.0.hash);
    }

    #[tokio::test]
    async fn records_arrive_and_altered_repeated_or_swapped_ones_do_not() {
        let (near, far) = secured().await;
        let mut sealer = Sealer::new(near.keys);
        let mut records = [Vec::new(), Vec::new()];
        sealer.seal(b"first", &mut records[0]).unwrap();
        sealer.seal(&[7; RECORD_BYTES_MAX], &mut records[1]).unwrap();
        let [first, second] = &records;
        let mut opener = Opener::new(Arc::clone(&far.keys));
        assert_eq!(opener.open(&mut &first[..]).await.unwrap(), b"first");
        assert!(opener.open(&mut &first[..]).await.is_err());
        assert_eq!(opener.open(&mut &second[..]).await.unwrap(), &[7; RECORD_BYTES_MAX]);
        assert!(Opener::new(Arc::clone(&far.keys)).open(&mut &second[..]).await.is_err());
        let mut altered = first.clone();
        altered[4] ^= 1;
        assert!(Opener::new(Arc::clone(&far.keys)).open(&mut &altered[..]).await.is_err());
        let too_long = [0xff; 70_000];
        assert!(Opener::new(far.keys).open(&mut &too_long[..]).await.is_err());
    }

    #[tokio::test]
    async fn garbage_is_no_handshake() {
        for garbage in [&b"GET / HTTP/1.1\r\n\r\n"[..], &[0; 200], &[0, 32], &[0xff; 100]] {
            let (mut near, mut far) = tokio::io::duplex(1_000);
            near.write_all(garbage).await.unwrap();
            near.shutdown().await.unwrap();
            assert!(handshake(&mut far, Side::Listener).await.is_err());
        }
    }
}
