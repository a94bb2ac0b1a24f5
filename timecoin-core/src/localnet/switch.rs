//! The way of a message from one node to another: in memory, through the same model of links as
//! a simulation's, in real time.
//!
//! Nobody waits here. A message is handed to its receiver at once, or lost, or kept until it is
//! due; what does not fit is lost and counted.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use arc_swap::ArcSwapOption;

use super::byzantine::Byzantines;
use super::delays::{Cargo, Delayed, Delays};
use super::link::{LinkCounters, LinkCounts};
use crate::engine::input::PeerId;
use crate::engine::output::To;
use crate::engine::verify::MessageError;
use crate::network::{Put, Shaper};
use crate::node::{NodeError, Parcel, Peers, WeakNode};
use crate::sim::{Network, SimTime};
use crate::types::encode::encode;
use crate::types::keys::PublicKey;
use crate::types::map::HashMap;
use crate::types::message::Message;

/// All links of a net.
pub(super) struct Switch {
    keys: Vec<PublicKey>,
    positions: HashMap<PublicKey, usize>,
    nodes: Vec<ArcSwapOption<WeakNode>>,
    links: Vec<LinkCounters>,
    network: Mutex<Network>,
    /// Whether the network does nothing to any message, so that it need not be asked.
    is_plain: AtomicBool,
    began: Instant,
    delays: Delays<Delayed>,
    byzantines: Arc<Byzantines>,
    packing: Packing,
}

/// How messages travel.
#[derive(Clone, Copy)]
pub(super) struct Packing {
    /// As bytes.
    pub(super) is_encoded: bool,
    /// Receivers believe each other's checks.
    pub(super) is_believed: bool,
}

/// One node's end of all its links.
pub(super) struct Line {
    pub(super) switch: Arc<Switch>,
    pub(super) from: usize,
}

impl Line {
    /// Sends bytes that may be no message.
    pub(super) fn send_bytes(&self, to: &To, bytes: Vec<u8>) {
        self.switch.send_parcel(self.from, to, Parcel::of_bytes(bytes));
    }
}

impl Peers for Line {
    fn send(&self, to: To, message: Message) {
        self.switch.send(self.from, &to, message);
    }

    fn on_misbehavior(&self, from: PeerId, error: &MessageError) {
        self.switch.on_misbehavior(from, self.from, error);
    }
}

impl Shaper for Line {
    fn send(&self, to: PeerId, n_bytes: usize, put: Put) {
        if let Some(&to) = self.switch.positions.get(&to) {
            self.switch.transmit(self.from, to, n_bytes, &Cargo::Frame(put));
        }
    }
}

impl Switch {
    pub(super) fn new(
        keys: Vec<PublicKey>,
        network: Network,
        packing: Packing,
        byzantines: Arc<Byzantines>,
    ) -> Self {
        let n_nodes = keys.len();
        Switch {
            positions: keys.iter().enumerate().map(|(position, key)| (*key, position)).collect(),
            nodes: (0..n_nodes).map(|_| ArcSwapOption::empty()).collect(),
            links: (0..n_nodes * n_nodes).map(|_| LinkCounters::default()).collect(),
            is_plain: AtomicBool::new(network.is_plain()),
            network: Mutex::new(network),
            began: Instant::now(),
            delays: Delays::default(),
            byzantines,
            packing,
            keys,
        }
    }

    /// From now on messages for that position go to this node, or to nobody.
    pub(super) fn connect(&self, position: usize, node: Option<WeakNode>) {
        self.byzantines.connect(position, node.clone());
        self.nodes[position].store(node.map(Arc::new));
    }

    /// Changes what links do, also to what is under way on those that become faster.
    pub(super) fn change(&self, change: impl FnOnce(&mut Network)) {
        let mut network = self.network();
        change(&mut network);
        let hurried = network.hurried(self.now());
        if !hurried.is_empty() {
            self.delays.hurry(|delayed| hurried.get(&(delayed.from, delayed.to)).copied());
        }
        self.is_plain.store(network.is_plain(), Ordering::SeqCst);
    }

    pub(super) fn counts(&self, from: usize, to: usize) -> LinkCounts {
        self.link(from, to).counts()
    }

    fn send(&self, from: usize, to: &To, message: Message) {
        let parcel = if self.packing.is_encoded {
            Parcel::of_bytes(encode(&message))
        } else {
            Parcel::of(message)
        };
        self.send_parcel(from, to, parcel);
    }

    fn send_parcel(&self, from: usize, to: &To, parcel: Parcel) {
        let parcel = Arc::new(if self.packing.is_believed { parcel.believed() } else { parcel });
        match to {
            To::All => {
                for to in (0..self.keys.len()).filter(|to| *to != from) {
                    self.transmit(from, to, parcel.bytes_about(), &Cargo::Parcel(parcel.clone()));
                }
            }
            To::Peer(key) => {
                if let Some(&to) = self.positions.get(key).filter(|to| **to != from) {
                    self.transmit(from, to, parcel.bytes_about(), &Cargo::Parcel(parcel));
                }
            }
        }
    }

    fn transmit(&self, from: usize, to: usize, n_bytes: usize, cargo: &Cargo) {
        let link = self.link(from, to);
        link.sent.fetch_add(1, Ordering::Relaxed);
        // What is under way is not overtaken.
        if self.is_plain.load(Ordering::SeqCst) && link.under_way.load(Ordering::SeqCst) == 0 {
            return self.deliver(from, to, cargo);
        }
        let n_now = self.send_off((from, to), n_bytes, cargo);
        (0..n_now).for_each(|_| self.deliver(from, to, cargo));
    }

    /// Puts a message among those under way; gives how often it is to be delivered at once.
    fn send_off(&self, (from, to): (usize, usize), n_bytes: usize, cargo: &Cargo) -> usize {
        let link = self.link(from, to);
        let mut n_now = 0;
        // Held until all are among the delayed, where a change of the network finds them.
        let mut network = self.network();
        let now = self.now();
        let arrivals = network.arrivals((from, to), n_bytes, now);
        if arrivals.is_empty() {
            link.lost.fetch_add(1, Ordering::Relaxed);
        }
        for at in arrivals {
            if at <= now && link.under_way.load(Ordering::SeqCst) == 0 {
                n_now += 1;
            } else if link.under_way.fetch_add(1, Ordering::SeqCst) >= UNDER_WAY_MAX {
                link.under_way.fetch_sub(1, Ordering::SeqCst);
                link.overflowed.fetch_add(1, Ordering::Relaxed);
            } else {
                self.delays.push(at, Delayed { from, to, cargo: cargo.clone() });
            }
        }
        n_now
    }

    fn deliver(&self, from: usize, to: usize, cargo: &Cargo) {
        let link = self.link(from, to);
        let node = self.nodes[to].load();
        let taken = match (&*node, cargo) {
            (None, _) => Err(NodeError::Closed),
            (Some(node), Cargo::Parcel(parcel)) => {
                if self.byzantines.is_byzantine(to)
                    && let Ok(message) = parcel.message()
                {
                    self.byzantines.hear(to, self.keys[from], message);
                }
                node.receive(self.keys[from], Arc::clone(parcel))
            }
            (Some(_), Cargo::Frame(put)) if put() => Ok(()),
            (Some(_), Cargo::Frame(_)) => Err(NodeError::Busy { queue_max: 0 }),
        };
        let counter = match taken {
            Ok(()) => &link.delivered,
            Err(NodeError::Busy { .. }) => &link.overflowed,
            Err(_) => &link.undeliverable,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    /// Delivers what is due, until dropped.
    pub(super) async fn run(self: Arc<Self>) {
        loop {
            let due = self.delays.take_due(self.now());
            for Delayed { from, to, cargo } in due {
                self.deliver(from, to, &cargo);
                self.link(from, to).under_way.fetch_sub(1, Ordering::SeqCst);
            }
            self.delays.wait(|| self.now()).await;
        }
    }

    fn on_misbehavior(&self, from: PeerId, to: usize, error: &MessageError) {
        if let Some(&from) = self.positions.get(&from) {
            if !self.byzantines.is_byzantine(from) {
                tracing::error!(from, to, %error, "a node of this net is refused by another");
            }
            self.link(from, to).refused.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn link(&self, from: usize, to: usize) -> &LinkCounters {
        &self.links[from * self.keys.len() + to]
    }

    fn network(&self) -> MutexGuard<'_, Network> {
        self.network.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> SimTime {
        SimTime::ZERO.after(self.began.elapsed())
    }
}

/// Messages of one direction of a link that are under way; more are lost.
const UNDER_WAY_MAX: usize = 16_384;
