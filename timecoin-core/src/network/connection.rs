//! One connection, from a socket to its end: who is there, then frames both ways.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use socket2::SockRef;
use tokio::io::{AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::Shared;
use super::error::PeerError;
use super::frame::{Joiner, Lane, Splitter};
use super::noise::{Opener, RECORD_BYTES_MAX, Sealer, Secured, Side, handshake};
use super::packet::{AGENT_BYTES_MAX, Attach, Hello, Packet, Refusal, VERSIONS, is_proved, prove};
use super::peer::Peer;
use crate::peers::rate::{Class, RateLimits};
use crate::peers::slots::{ConnectionId, Direction};
use crate::types::encode::{decode, encode};
use crate::types::keys::PublicKey;
use crate::types::message::FRAME_BYTES_MAX;

/// A socket and what is known of it before anything was said.
pub(super) struct Socket {
    pub(super) id: ConnectionId,
    pub(super) stream: TcpStream,
    pub(super) address: SocketAddr,
    pub(super) direction: Direction,
    /// Who must be there.
    pub(super) insists: Option<PublicKey>,
    /// Only to find out whether somebody is there.
    pub(super) is_feeler: bool,
}

/// Both directions of a connection whose ends know each other.
struct Link {
    lane: Lane,
    reader: BufReader<OwnedReadHalf>,
    opener: Opener,
    joiner: Joiner,
    /// Frames that came with the Hello.
    early: Vec<(Class, Vec<u8>)>,
    writer: OwnedWriteHalf,
    sealer: Sealer,
}

/// Runs a connection to its end. Returns the peer, if it was one, and why it ended.
pub(super) async fn run(shared: &Arc<Shared>, socket: Socket) -> (Option<Arc<Peer>>, PeerError) {
    let stop = shared.stop.child_token();
    let is_feeler = socket.is_feeler;
    let introduced = tokio::select! {
        () = stop.cancelled() => return (None, PeerError::Closed),
        result = timeout(HANDSHAKE_MAX, introduce(shared, socket, stop.clone())) => result,
    };
    match introduced {
        Err(_) => (None, PeerError::Silent("handshake")),
        Ok(Err(error)) => (None, error),
        Ok(Ok((peer, _))) if is_feeler => {
            shared.on_felt(&peer);
            (None, PeerError::Closed)
        }
        Ok(Ok((peer, link))) if link.lane == Lane::Blocks => {
            let error = exchange(shared, &peer, link).await;
            peer.stop.cancel();
            (Some(peer), error)
        }
        Ok(Ok((peer, link))) => {
            shared.begin(&peer);
            if peer.direction == Direction::Outbound {
                shared.tasks.spawn(attach(Arc::clone(shared), Arc::clone(&peer)));
            }
            let error = exchange(shared, &peer, link).await;
            (Some(peer), error)
        }
    }
}

/// Encrypts, says who this is, hears who that is, and takes it as a peer or not.
async fn introduce(
    shared: &Arc<Shared>,
    socket: Socket,
    stop: CancellationToken,
) -> Result<(Arc<Peer>, Link), PeerError> {
    let Socket { id, stream, address, direction, insists, is_feeler } = socket;
    let side = match direction {
        Direction::Outbound => Side::Dialler,
        Direction::Inbound => Side::Listener,
    };
    let (mut link, hash) = Link::secure(stream, side).await?;
    let own = own_hello(shared, &hash, side, address);
    if side == Side::Dialler {
        link.say(&own).await?;
    }
    let hello = match link.hear().await? {
        Packet::Hello(hello) => hello,
        Packet::Refused(refusal) => return Err(PeerError::Refused(refusal)),
        Packet::Attach(attach) if side == Side::Listener => {
            let attached = link.attached(shared, attach, &hash).await;
            shared.core().slots.remove(id);
            return attached;
        }
        _ => return Err(PeerError::Garbage("hello")),
    };
    let is_other = insists.is_some_and(|key| key != hello.node_key);
    let judged = judge(shared, &hello, &hash, side).and_then(|()| {
        if is_other {
            Err(Refusal::BadProof)
        } else if is_feeler {
            Ok(())
        } else {
            shared.admit(id, &hello, address, direction)
        }
    });
    if let Err(refusal) = judged {
        link.say(&Packet::Refused(refusal.clone())).await?;
        return Err(if is_other { PeerError::OtherPeer } else { PeerError::Refuses(refusal) });
    }
    let (since, shaper) = (shared.host().now(), shared.shaper.clone());
    let peer = Peer::new(id, &hello, address, direction, since, stop, shaper);
    match side {
        // Whoever dials may say anything.
        Side::Listener => link.say(&own).await?,
        Side::Dialler => shared.on_seen_as(peer.key, hello.sees),
    }
    Ok((peer, link))
}

/// Opens a second connection to a peer that was dialled, for blocks: what is lost of a block then
/// holds up no vote.
async fn attach(shared: Arc<Shared>, peer: Arc<Peer>) {
    let connecting = timeout(HANDSHAKE_MAX, connect(&shared, &peer));
    let connected = tokio::select! {
        () = peer.stop.cancelled() => return,
        connected = connecting => connected,
    };
    let error = match connected {
        Ok(Ok(link)) => exchange(&shared, &peer, link).await,
        Ok(Err(error)) => error,
        Err(_) => PeerError::Silent("second handshake"),
    };
    if let Some(kind) = error.misbehavior() {
        shared.blame(Some(peer.key), peer.address, kind);
    }
    peer.stop.cancel();
    shared.end(&peer, &error);
}

async fn connect(shared: &Shared, peer: &Peer) -> Result<Link, PeerError> {
    let side = Side::Dialler;
    let stream = TcpStream::connect(peer.address).await?;
    let (mut link, hash) = Link::secure(stream, side).await?;
    link.say(&own_attach(shared, &hash, side)).await?;
    let is_peer = |attach: &Attach| {
        attach.node_key == peer.key
            && is_proved(&attach.node_key, &attach.proof, &hash, side.other())
    };
    match link.hear().await? {
        Packet::Attach(attach) if is_peer(&attach) => {
            link.lane = Lane::Blocks;
            peer.part();
            Ok(link)
        }
        Packet::Attach(_) => Err(PeerError::OtherPeer),
        Packet::Refused(refusal) => Err(PeerError::Refused(refusal)),
        _ => Err(PeerError::Garbage("hello")),
    }
}

/// The peer that dialled with a key and had no connection for blocks, which it has from now on.
async fn parted(shared: &Shared, key: &PublicKey) -> Result<Arc<Peer>, Refusal> {
    // The task that takes its first connection may not have come to an end with that.
    for _ in 0..LOOKS_MAX {
        let peer = shared.peer(key).filter(|peer| peer.direction == Direction::Inbound);
        if let Some(peer) = peer {
            return if peer.part() { Ok(peer) } else { Err(Refusal::Duplicate) };
        }
        sleep(LOOK_AGAIN).await;
    }
    Err(Refusal::Unconnected)
}

fn own_attach(shared: &Shared, connection: &[u8], side: Side) -> Packet {
    let proof = prove(&shared.keys, connection, side);
    Packet::Attach(Attach { node_key: shared.keys.public(), proof })
}

fn own_hello(shared: &Shared, connection: &[u8], side: Side, sees: SocketAddr) -> Packet {
    Packet::Hello(Box::new(Hello {
        versions: VERSIONS,
        chain_id: shared.chain_id,
        node_key: shared.keys.public(),
        proof: prove(&shared.keys, connection, side),
        tip: shared.host().tip(),
        first_block: shared.host().first_block(),
        listens: shared.listens,
        sees,
        capabilities: 0,
        now: shared.host().now(),
        agent: AGENT.to_owned(),
    }))
}

/// Whether a peer that says this can be one.
fn judge(shared: &Shared, hello: &Hello, connection: &[u8], side: Side) -> Result<(), Refusal> {
    let (least, most) = hello.versions;
    if least > VERSIONS.1 || most < VERSIONS.0 || least > most {
        return Err(Refusal::Version { speaks: VERSIONS });
    }
    if hello.chain_id != shared.chain_id {
        return Err(Refusal::Chain { chain_id: shared.chain_id });
    }
    let is_plain = hello.agent.len() <= AGENT_BYTES_MAX && hello.agent.is_ascii();
    if !is_plain || !is_proved(&hello.node_key, &hello.proof, connection, side.other()) {
        return Err(Refusal::BadProof);
    }
    Ok(())
}

/// Small packets leave at once, and little waits in the kernel where urgency is not known.
fn prepare(stream: &TcpStream) {
    let socket = SockRef::from(stream);
    let prepared =
        socket.set_tcp_nodelay(true).and_then(|()| socket.set_tcp_notsent_lowat(UNSENT_BYTES_MAX));
    if let Err(error) = prepared {
        tracing::debug!(%error, "a socket keeps its defaults");
    }
}

impl Link {
    /// Encrypts a connection; the bytes name it.
    async fn secure(mut stream: TcpStream, side: Side) -> Result<(Self, Vec<u8>), PeerError> {
        prepare(&stream);
        let Secured { keys, hash } = handshake(&mut stream, side).await?;
        let (reader, writer) = stream.into_split();
        let link = Link {
            lane: Lane::Main,
            reader: BufReader::with_capacity(READ_BYTES, reader),
            opener: Opener::new(Arc::clone(&keys)),
            joiner: Joiner::default(),
            early: Vec::new(),
            writer,
            sealer: Sealer::new(keys),
        };
        Ok((link, hash))
    }

    /// The connection is one for the blocks of a peer that dialled.
    async fn attached(
        mut self,
        shared: &Shared,
        attach: Attach,
        connection: &[u8],
    ) -> Result<(Arc<Peer>, Link), PeerError> {
        let side = Side::Listener;
        let found = if is_proved(&attach.node_key, &attach.proof, connection, side.other()) {
            parted(shared, &attach.node_key).await
        } else {
            Err(Refusal::BadProof)
        };
        let peer = match found {
            Ok(peer) => peer,
            Err(refusal) => {
                self.say(&Packet::Refused(refusal.clone())).await?;
                return Err(PeerError::Refuses(refusal));
            }
        };
        // A peer without the connection that its blocks are to go over gets none.
        if let Err(error) = self.say(&own_attach(shared, connection, side)).await {
            peer.stop.cancel();
            return Err(error);
        }
        self.lane = Lane::Blocks;
        Ok((peer, self))
    }

    async fn say(&mut self, packet: &Packet) -> Result<(), PeerError> {
        let mut splitter = Splitter::default();
        splitter.push(Class::Control, encode(packet).into());
        let (mut record, mut wire) = (Vec::new(), Vec::new());
        splitter.fill(Lane::Main, &mut record);
        self.sealer.seal(&record, &mut wire)?;
        self.writer.write_all(&wire).await?;
        Ok(())
    }

    /// The first packet.
    async fn hear(&mut self) -> Result<Packet, PeerError> {
        let bytes_max = |class| if class == Class::Control { HELLO_BYTES_MAX } else { 0 };
        let mut n_bytes = 0;
        let mut frames = Vec::new();
        while frames.is_empty() {
            let record = self.opener.open(&mut self.reader).await?;
            n_bytes += record.len();
            if n_bytes > HELLO_BYTES_MAX {
                return Err(PeerError::TooLong { bytes: n_bytes, bytes_max: HELLO_BYTES_MAX });
            }
            self.joiner.push(record, bytes_max, |class, frame| frames.push((class, frame)))?;
        }
        let (_, first) = frames.remove(0);
        self.early = frames;
        Ok(decode("hello", &first, HELLO_BYTES_MAX)?)
    }
}

/// Frames both ways, until something ends it.
async fn exchange(shared: &Arc<Shared>, peer: &Arc<Peer>, link: Link) -> PeerError {
    let Link { lane, reader, opener, joiner, early, writer, sealer } = link;
    let incoming = Incoming { reader, opener, joiner, frames: early };
    let result = tokio::select! {
        biased;
        () = peer.stop.cancelled() => Err(PeerError::Closed),
        result = write(peer, lane, writer, sealer) => result,
        result = read(shared, peer, incoming) => result,
    };
    result.err().unwrap_or(PeerError::Closed)
}

struct Incoming {
    reader: BufReader<OwnedReadHalf>,
    opener: Opener,
    joiner: Joiner,
    frames: Vec<(Class, Vec<u8>)>,
}

async fn read(shared: &Arc<Shared>, peer: &Arc<Peer>, incoming: Incoming) -> Result<(), PeerError> {
    let Incoming { mut reader, mut opener, mut joiner, mut frames } = incoming;
    let mut rates = RateLimits::new(&shared.settings.limits.rates, shared.host().now());
    let mut unfinished = Unfinished { shared, peer, n_bytes: 0 };
    loop {
        let now = shared.host().now();
        for (class, frame) in frames.drain(..) {
            let counts = &peer.counts;
            counts.frames_in.fetch_add(1, Ordering::Relaxed);
            counts.bytes_in.fetch_add(frame.len() as u64, Ordering::Relaxed);
            if rates.take(class, frame.len(), now) {
                shared.on_frame(peer, class, frame)?;
            } else {
                counts.dropped_in.fetch_add(1, Ordering::Relaxed);
            }
        }
        let record = opener.open(&mut reader).await?;
        joiner.push(record, frame_bytes_max, |class, frame| frames.push((class, frame)))?;
        unfinished.count(joiner.bytes());
    }
}

/// A connection's part of what unfinished frames take in memory.
struct Unfinished<'a> {
    shared: &'a Shared,
    peer: &'a Peer,
    n_bytes: usize,
}

impl Unfinished<'_> {
    /// Where all of them take too much, who holds most has to go. Masternodes do not: a block of
    /// theirs must come through, whatever others send.
    fn count(&mut self, n_bytes: usize) {
        if n_bytes == self.n_bytes {
            return;
        }
        let before = std::mem::replace(&mut self.n_bytes, n_bytes);
        let of_peer = &self.peer.counts.unfinished;
        let total = &self.shared.unfinished_bytes;
        for held in [of_peer, total] {
            held.fetch_add(n_bytes, Ordering::Relaxed);
            held.fetch_sub(before, Ordering::Relaxed);
        }
        if n_bytes > before && total.load(Ordering::Relaxed) > UNFINISHED_BYTES_MAX {
            self.shared.stop_largest();
        }
    }
}

impl Drop for Unfinished<'_> {
    fn drop(&mut self) {
        self.count(0);
    }
}

impl Shared {
    fn stop_largest(&self) {
        let masternodes = self.host().masternodes();
        let mut peers = self.all_peers();
        peers.retain(|peer| masternodes.index_of(&peer.key).is_none());
        let held = |peer: &Arc<Peer>| peer.counts.unfinished.load(Ordering::Relaxed);
        if let Some(largest) = peers.iter().max_by_key(|peer| held(peer)) {
            tracing::debug!(key = %largest.key, bytes = held(largest), "unfinished frames");
            largest.stop.cancel();
        }
    }
}

/// Sends what waits, the most urgent first, a record at a time. Transactions gather for a moment
/// where the last ones have only left.
async fn write(
    peer: &Arc<Peer>,
    lane: Lane,
    mut writer: OwnedWriteHalf,
    mut sealer: Sealer,
) -> Result<(), PeerError> {
    let (mut record, mut wire) = (Vec::with_capacity(RECORD_BYTES_MAX), Vec::new());
    let mut gathered = Instant::now();
    loop {
        let wait = GATHER.saturating_sub(gathered.elapsed());
        if lane == Lane::Main && !wait.is_zero() && peer.outbox().is_only_transactions() {
            // Whatever comes meanwhile ends the wait, and transactions alone begin it again.
            let _ = timeout(wait, peer.filled(lane)).await;
            continue;
        }
        record.clear();
        wire.clear();
        // What goes next is chosen only when the kernel takes it.
        timeout(WRITE_MAX, writer.writable())
            .await
            .map_err(|_| PeerError::Silent("it reads nothing"))??;
        peer.outbox().fill(lane, &mut record);
        if record.is_empty() {
            peer.filled(lane).await;
            continue;
        }
        gathered = Instant::now();
        sealer.seal(&record, &mut wire)?;
        timeout(WRITE_MAX, writer.write_all(&wire))
            .await
            .map_err(|_| PeerError::Silent("it reads nothing"))??;
        peer.counts.bytes_out.fetch_add(wire.len() as u64, Ordering::Relaxed);
        // A socket that always takes more must not keep a thread to itself.
        tokio::task::yield_now().await;
    }
}

/// The longest frame of each class.
fn frame_bytes_max(class: Class) -> usize {
    match class {
        Class::Control => CONTROL_BYTES_MAX,
        _ => FRAME_BYTES_MAX,
    }
}

/// What program this is.
const AGENT: &str = concat!("timecoin/", env!("CARGO_PKG_VERSION"));

/// Until both ends have said who they are.
const HANDSHAKE_MAX: Duration = Duration::from_secs(5);

/// How often, and at what intervals, a peer is looked for whose blocks get a connection.
const LOOKS_MAX: usize = 50;
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// How long a peer may take none of what is sent to it.
const WRITE_MAX: Duration = Duration::from_secs(20);

/// The most that comes before a peer has said who it is (PROTOCOL 8).
const HELLO_BYTES_MAX: usize = 64_000;

/// A full inventory: 10,000 ids.
const CONTROL_BYTES_MAX: usize = 400_000;

/// Unfinished frames of all peers.
const UNFINISHED_BYTES_MAX: usize = 128_000_000;

/// How long transactions gather under load.
const GATHER: Duration = Duration::from_millis(1);

/// What the kernel may hold of what it has not sent: two records, so that one can be sealed while
/// the other leaves.
const UNSENT_BYTES_MAX: u32 = 32_768;

/// What is read from a socket at a time.
const READ_BYTES: usize = 65_536;
