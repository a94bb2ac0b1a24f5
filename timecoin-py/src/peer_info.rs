//! A peer, as a node sees it.

use pyo3::prelude::*;

use crate::hashes::PublicKey;
use crate::html::{Maybe, fields, truth};

/// A peer that is connected.
#[pyclass(frozen, eq, module = "timecoin")]
#[derive(PartialEq)]
pub(crate) struct PeerInfo(pub(crate) timecoin_core::PeerInfo);

#[pymethods]
impl PeerInfo {
    /// Its node key, proved; a masternode's is its consensus key.
    #[getter]
    fn key(&self) -> PublicKey {
        PublicKey(self.0.key)
    }

    /// The other end of the socket, `address:port`.
    #[getter]
    fn address(&self) -> String {
        self.0.address.to_string()
    }

    /// Whether it dialled this node.
    #[getter]
    fn is_inbound(&self) -> bool {
        self.0.is_inbound
    }

    /// Whether its key is one of the masternodes that decide.
    #[getter]
    fn is_masternode(&self) -> bool {
        self.0.is_masternode
    }

    /// What program it says it is.
    #[getter]
    fn agent(&self) -> &str {
        &self.0.agent
    }

    /// Since when it is a peer, by this node's clock, in milliseconds since the Unix epoch.
    #[getter]
    fn since(&self) -> u64 {
        self.0.since.0
    }

    /// The height of the last block that it says is decided there.
    #[getter]
    fn height(&self) -> u64 {
        self.0.height.0
    }

    /// The last round trip, in milliseconds; `None` before the first answer to a ping.
    #[getter]
    fn round_trip_ms(&self) -> Option<u64> {
        self.0.round_trip_ms
    }

    /// How much its clock is ahead of this node's, in milliseconds; `None` before the first
    /// answer to a ping.
    #[getter]
    fn clock_offset_ms(&self) -> Option<i64> {
        self.0.clock_offset_ms
    }

    /// Bytes of frames that came, and that went.
    #[getter]
    fn bytes(&self) -> (u64, u64) {
        self.0.bytes
    }

    /// Frames that came, and that went.
    #[getter]
    fn frames(&self) -> (u64, u64) {
        self.0.frames
    }

    /// Frames that came over its rate, and frames that did not fit its queue: both are lost.
    #[getter]
    fn dropped(&self) -> (u64, u64) {
        self.0.dropped
    }

    fn __repr__(&self) -> String {
        let peer = &self.0;
        fields(
            "PeerInfo",
            &[
                ("key", &format!("'{}'", peer.key)),
                ("address", &format!("'{}'", peer.address)),
                ("is_inbound", &truth(peer.is_inbound)),
                ("is_masternode", &truth(peer.is_masternode)),
                ("height", &peer.height),
                ("round_trip_ms", &Maybe(peer.round_trip_ms)),
            ],
        )
    }
}
