//! What a node's network is opened with.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;

use thiserror::Error;

use crate::peers::PeerLimits;
use crate::sync::SyncLimits;
use crate::types::keys::PublicKey;

/// What a node's network is opened with.
#[derive(Clone, Debug)]
pub struct NetworkSettings {
    /// Where to listen; port 0 takes any free one. None: nobody can dial this node.
    pub listen: Option<SocketAddr>,
    /// Where to find others.
    pub bootstrap: Vec<PeerTarget>,
    /// A file that keeps addresses of peers; none for memory.
    pub book: Option<PathBuf>,
    /// Bounds.
    pub limits: PeerLimits,
    /// Bounds of a sync.
    pub sync: SyncLimits,
    /// How far clocks may be apart before nothing is signed, in milliseconds (`max_clock_drift`).
    pub drift_ms_max: u64,
}

/// A peer to dial: `host:port`, or `key@host:port` where no other may answer.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PeerTarget {
    /// Who must answer.
    pub key: Option<PublicKey>,
    /// A name or an address, and a port.
    pub host: String,
}

/// A text that names no peer.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{text} is not host:port or key@host:port")]
pub struct PeerTargetError {
    /// The text, its first 100 characters.
    pub text: String,
}

impl FromStr for PeerTarget {
    type Err = PeerTargetError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let error = || PeerTargetError { text: text.chars().take(100).collect() };
        let (key, host) = match text.split_once('@') {
            Some((key, host)) => (Some(key.parse().map_err(|_| error())?), host),
            None => (None, text),
        };
        let (name, port) = host.rsplit_once(':').ok_or_else(error)?;
        let is_port = port.parse::<u16>().is_ok_and(|port| port != 0);
        if name.is_empty() || !is_port || host.len() > HOST_BYTES_MAX {
            return Err(error());
        }
        Ok(PeerTarget { key, host: host.to_owned() })
    }
}

impl std::fmt::Display for PeerTarget {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.key {
            Some(key) => write!(f, "{key}@{}", self.host),
            None => f.write_str(&self.host),
        }
    }
}

/// A name of the domain name system has at most 253, and a port 6.
const HOST_BYTES_MAX: usize = 260;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::keys::KeyPair;

    #[test]
    fn targets_are_read_as_they_are_written() {
        let key = KeyPair::from_seed(b"peer").public();
        for text in ["127.0.0.1:80", "[::1]:7000", "node.example:7000", &format!("{key}@a:1")] {
            let target: PeerTarget = text.parse().unwrap();
            assert_eq!(target.to_string(), text);
        }
        for text in ["", "host", "host:", ":80", "host:0", "host:70000", "x@host:1", "@host:1"] {
            assert!(text.parse::<PeerTarget>().is_err(), "{text}");
        }
    }
}
