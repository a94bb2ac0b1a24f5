//! Where connections come from: those who dial this node, and those whom it dials.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream, lookup_host};
use tokio::time::{Instant, sleep, timeout};

use super::connection::{Socket, run};
use super::error::PeerError;
use super::packet::Refusal;
use super::settings::PeerTarget;
use super::{Shared, book};
use crate::peers::address::{PeerAddress, canonical};
use crate::peers::dial::{Dial, DialContext, DialKind};
use crate::peers::score::{Misbehavior, Verdict};
use crate::peers::slots::{ConnectionId, Direction};
use crate::types::keys::PublicKey;

/// Takes those who dial this node.
pub(super) async fn accept(shared: Arc<Shared>, listener: std::net::TcpListener) {
    let listener = match TcpListener::from_std(listener) {
        Ok(listener) => listener,
        Err(error) => return tracing::error!(%error, "nobody can dial this node"),
    };
    loop {
        let (stream, address) = match listener.accept().await {
            Ok(accepted) => accepted,
            // Too many open files, most likely: others may end meanwhile.
            Err(error) => {
                tracing::warn!(%error, "a connection could not be taken");
                sleep(ACCEPT_AGAIN).await;
                continue;
            }
        };
        let (id, address) = (ConnectionId(shared.next_id()), canonical(address));
        let now = shared.host().now();
        let is_welcome = {
            let mut core = shared.core();
            let is_banned = core.scores.is_banned(None, address.ip(), now);
            !is_banned && core.slots.on_accepted(id, address).is_ok()
        };
        if is_welcome {
            let direction = Direction::Inbound;
            let socket = Socket { id, stream, address, direction, insists: None, is_feeler: false };
            serve(&shared, socket);
        }
    }
}

/// Dials whom the schedule says, and looks up names and addresses now and then.
pub(super) async fn dial(shared: Arc<Shared>) {
    let mut looked_up: Option<Instant> = None;
    let mut kept = Instant::now();
    loop {
        if looked_up.is_none_or(|at| at.elapsed() >= LOOK_UP_EVERY) {
            looked_up = Some(Instant::now());
            look_up(&shared).await;
        }
        if kept.elapsed() >= KEEP_EVERY {
            kept = Instant::now();
            let shared = Arc::clone(&shared);
            let _ = tokio::task::spawn_blocking(move || book::keep(&shared)).await;
        }
        while let Some(dial) = next_dial(&shared) {
            begin_dial(&shared, dial);
        }
        let _ = timeout(DIAL_EVERY, shared.dialling.notified()).await;
    }
}

fn next_dial(shared: &Shared) -> Option<Dial> {
    let now = shared.host().now();
    let mut core = shared.core();
    let core = &mut *core;
    let mut context = DialContext {
        book: &mut core.book,
        slots: &core.slots,
        scores: &core.scores,
        reserved: &core.reserved,
    };
    core.dials.poll(&mut context, now, &mut core.rng)
}

fn begin_dial(shared: &Arc<Shared>, dial: Dial) {
    let (shared, tracker) = (Arc::clone(shared), shared.tasks.clone());
    tracker.spawn(async move {
        let Dial { address, key, kind } = dial;
        let insists = key.filter(|_| kind == DialKind::Reserved);
        let connected = tokio::select! {
            () = shared.stop.cancelled() => return,
            connected = timeout(DIAL_MAX, TcpStream::connect(address)) => connected,
        };
        match connected {
            Ok(Ok(stream)) => {
                let id = ConnectionId(shared.next_id());
                let direction = Direction::Outbound;
                let is_feeler = kind == DialKind::Feeler;
                let socket = Socket { id, stream, address, direction, insists, is_feeler };
                converse(&shared, socket).await;
            }
            _ => failed(&shared, address),
        }
    });
}

fn failed(shared: &Shared, address: SocketAddr) {
    let now = shared.host().now();
    let mut core = shared.core();
    let core = &mut *core;
    core.dials.on_failed(address, now, &mut core.rng);
    core.book.on_failed(address);
}

/// Runs a connection that was taken, on a task of its own.
fn serve(shared: &Arc<Shared>, socket: Socket) {
    let (shared, tracker) = (Arc::clone(shared), shared.tasks.clone());
    tracker.spawn(async move {
        let (id, address) = (socket.id, socket.address);
        let (peer, error) = run(&shared, socket).await;
        shared.core().slots.remove(id);
        blame(&shared, peer.as_ref().map(|peer| peer.key), address, &error);
        if let Some(peer) = peer {
            shared.end(&peer, &error);
        }
        shared.dialling.notify_one();
    });
}

/// Runs a connection that was dialled.
async fn converse(shared: &Arc<Shared>, socket: Socket) {
    let (id, address) = (socket.id, socket.address);
    let (peer, error) = run(shared, socket).await;
    shared.core().slots.remove(id);
    let now = shared.host().now();
    match &peer {
        Some(peer) => {
            {
                let mut core = shared.core();
                let core = &mut *core;
                core.dials.on_closed(address, now, &mut core.rng);
            }
            shared.end(peer, &error);
        }
        None if matches!(error, PeerError::Closed) => {}
        None => {
            tracing::debug!(%address, %error, "no peer there");
            // The end that listens is the one that notices.
            let itself = Refusal::Itself;
            if matches!(&error, PeerError::Refuses(why) | PeerError::Refused(why) if *why == itself)
            {
                shared.core().book.remove(address);
            }
            failed(shared, address);
        }
    }
    blame(shared, peer.map(|peer| peer.key), address, &error);
    shared.dialling.notify_one();
}

/// Counts what a connection's end says about its peer.
fn blame(shared: &Shared, key: Option<PublicKey>, address: SocketAddr, error: &PeerError) {
    if let Some(kind) = error.misbehavior() {
        shared.blame(key, address, kind);
    }
}

impl Shared {
    /// Counts misbehavior, and bans where it is enough.
    pub(super) fn blame(&self, key: Option<PublicKey>, address: SocketAddr, kind: Misbehavior) {
        let now = self.host().now();
        let verdict = self.core().scores.on_misbehavior(key, address.ip(), kind, now);
        tracing::debug!(?key, %address, ?kind, ?verdict, "misbehavior");
        if let Verdict::Ban { until } = verdict {
            if let Some(peer) = key.and_then(|key| self.peer(&key)) {
                peer.stop.cancel();
            }
            self.host().tell(super::NetworkEvent::PeerBanned { key, address, until });
        }
    }
}

/// Finds the addresses of masternodes and of the configured peers, and who may have slots kept.
async fn look_up(shared: &Arc<Shared>) {
    let set = shared.host().masternodes();
    let members = set.members().iter().filter(|member| !member.network_address.is_empty());
    let masternodes = members.map(|member| PeerTarget {
        key: Some(member.consensus_key),
        host: member.network_address.clone(),
    });
    let targets: Vec<PeerTarget> =
        shared.settings.bootstrap.iter().cloned().chain(masternodes).collect();
    for target in targets.iter().filter(|target| target.key != Some(shared.keys.public())) {
        let Ok(Ok(mut found)) = timeout(DIAL_MAX, lookup_host(&target.host)).await else {
            tracing::debug!(host = target.host, "no address found");
            continue;
        };
        let Some(address) = found.next().map(canonical) else { continue };
        let now = shared.host().now();
        let mut core = shared.core();
        match target.key {
            Some(key) => core.reserve(key, address),
            None => {
                let found = PeerAddress::new(None, address, now);
                core.book.add(address.ip(), &[found], now);
            }
        }
    }
    let mut core = shared.core();
    core.slots.set_masternodes(|key| set.index_of(key).is_some());
}

/// The schedule is looked at at least so often.
const DIAL_EVERY: Duration = Duration::from_millis(250);

/// How long a dial may take.
const DIAL_MAX: Duration = Duration::from_secs(5);

/// Names and registered addresses may change.
const LOOK_UP_EVERY: Duration = Duration::from_secs(30);

/// A crash costs the addresses of so long.
const KEEP_EVERY: Duration = Duration::from_secs(300);

/// Before another connection is taken where the last could not be.
const ACCEPT_AGAIN: Duration = Duration::from_millis(100);
