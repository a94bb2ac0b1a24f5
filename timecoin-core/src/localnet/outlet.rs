//! Where a node's words leave it, for its links or for the strategies that it follows.

use std::sync::Arc;

use super::byzantine::Byzantines;
use super::switch::Line;
use crate::engine::input::PeerId;
use crate::engine::output::To;
use crate::engine::verify::MessageError;
use crate::node::Peers;
use crate::types::encode::{decode, encode};
use crate::types::hash::Txid;
use crate::types::message::{FRAME_BYTES_MAX, Message};

/// One life of one node, as it speaks.
pub(super) struct Outlet {
    pub(super) way: Way,
    pub(super) node: usize,
    pub(super) byzantines: Arc<Byzantines>,
}

/// Where what a node says goes.
pub(super) enum Way {
    /// Onto the links of the net.
    Memory(Arc<Line>),
    /// Into connections.
    Sockets(Arc<dyn Peers>),
}

impl Outlet {
    /// Sends past all strategies.
    pub(super) fn let_out(&self, to: To, message: Message) {
        self.peers().send(to, message);
    }

    /// Sends what may be a value that no bytes decode to, as bytes, so that its receivers find
    /// that out.
    pub(super) fn let_out_forged(&self, to: To, message: &Message) {
        match &self.way {
            Way::Memory(line) => line.send_bytes(&to, encode(message)),
            Way::Sockets(peers) => peers.send(to, message.clone()),
        }
    }

    /// Sends bytes that may be no message, which sockets do not carry.
    pub(super) fn let_out_bytes(&self, to: To, bytes: Vec<u8>) {
        if let Way::Memory(line) = &self.way {
            line.send_bytes(&to, bytes);
        }
    }

    fn is_byzantine(&self) -> bool {
        self.byzantines.is_byzantine(self.node)
    }

    fn peers(&self) -> &dyn Peers {
        match &self.way {
            Way::Memory(line) => &**line,
            Way::Sockets(peers) => &**peers,
        }
    }
}

impl Peers for Outlet {
    fn send(&self, to: To, message: Message) {
        if self.is_byzantine() {
            self.byzantines.say(self.node, to, message);
        } else {
            self.let_out(to, message);
        }
    }

    fn on_misbehavior(&self, from: PeerId, error: &MessageError) {
        self.peers().on_misbehavior(from, error);
    }

    fn on_pending(&self, txid: &Txid) {
        self.peers().on_pending(txid);
    }

    fn on_block(&self) {
        self.peers().on_block();
    }

    /// Links in memory let strategies hear by themselves.
    fn on_verified(&self, from: PeerId, message: &[u8]) {
        self.peers().on_verified(from, message);
        if matches!(self.way, Way::Sockets(_))
            && self.is_byzantine()
            && let Ok(message) = decode("message", message, FRAME_BYTES_MAX)
        {
            self.byzantines.hear(self.node, from, message);
        }
    }
}
