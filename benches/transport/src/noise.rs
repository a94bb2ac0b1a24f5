//! TCP with Noise: frames of `length (4, big endian) | Noise message`, at most 16 KiB of plaintext
//! in each, of one class: `class (1) | bytes of that class's stream`. The writer chooses the class
//! of each record when the socket can take it, so a block lets a vote pass after 16 KiB.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use snow::{Builder, HandshakeState, StatelessTransportState};
use socket2::SockRef;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::mpsc;

use crate::link::{Assembly, CLASSES, Class, Link, Message};
use crate::resolver::{Resolver, public_key};

/// XX: each end learns the other's static key, and compares it with the one that it expects.
const PATTERN: &str = "Noise_XX_25519_AESGCM_SHA256";
const PRIVATE: [[u8; 32]; 2] = [[7; 32], [9; 32]];

const RECORD_BYTES_MAX: usize = 16 * 1024;
const TAG_BYTES: usize = 16;
/// What the kernel may hold that is not yet sent: a record, and the next one while it leaves.
const NOTSENT_BYTES_MAX: u32 = 32 * 1024;

pub struct Options {
    /// Empty for the system's.
    pub congestion: &'static str,
    pub is_notsent_limited: bool,
    /// What may wait at the receiver; 0 leaves it to the system, which goes up to megabytes.
    pub receive_bytes: u32,
}

fn set_options(stream: &TcpStream, options: &Options) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let socket = SockRef::from(stream);
    if options.is_notsent_limited {
        socket.set_tcp_notsent_lowat(NOTSENT_BYTES_MAX)?;
    }
    if !options.congestion.is_empty() {
        socket.set_tcp_congestion(options.congestion.as_bytes())?;
    }
    Ok(())
}

/// The receive buffer has to be set before the connection, which agrees on the scale of windows.
fn socket(options: &Options) -> io::Result<TcpSocket> {
    let socket = TcpSocket::new_v4()?;
    if options.receive_bytes > 0 {
        socket.set_recv_buffer_size(options.receive_bytes)?;
    }
    Ok(socket)
}

pub fn listen(address: SocketAddr, options: &Options) -> io::Result<TcpListener> {
    let socket = socket(options)?;
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(64)
}

pub async fn accept(listener: &TcpListener, options: &Options) -> io::Result<Link> {
    let (stream, _) = listener.accept().await?;
    set_options(&stream, options)?;
    let state = builder(&PRIVATE[1])?.build_responder().map_err(io::Error::other)?;
    shake(stream, state, &public_key(&PRIVATE[0])).await
}

pub async fn connect(address: SocketAddr, options: &Options) -> io::Result<Link> {
    let stream = socket(options)?.connect(address).await?;
    set_options(&stream, options)?;
    let state = builder(&PRIVATE[0])?.build_initiator().map_err(io::Error::other)?;
    shake(stream, state, &public_key(&PRIVATE[1])).await
}

fn builder(private: &[u8; 32]) -> io::Result<Builder<'_>> {
    let resolver = Box::new(Resolver);
    Builder::with_resolver(PATTERN.parse().map_err(io::Error::other)?, resolver)
        .prologue(b"timecoin transport bench")
        .and_then(|builder| builder.local_private_key(private))
        .map_err(io::Error::other)
}

async fn shake(
    mut stream: TcpStream,
    mut state: HandshakeState,
    expected: &[u8; 32],
) -> io::Result<Link> {
    let (mut message, mut payload) = ([0; 1024], [0; 1024]);
    while !state.is_handshake_finished() {
        if state.is_my_turn() {
            let n = state.write_message(&[], &mut message[4..]).map_err(io::Error::other)?;
            message[..4].copy_from_slice(&u32::try_from(n).unwrap_or(0).to_be_bytes());
            stream.write_all(&message[..4 + n]).await?;
        } else {
            let n = stream.read_u32().await? as usize;
            let bytes = message.get_mut(..n).ok_or(io::ErrorKind::InvalidData)?;
            stream.read_exact(bytes).await?;
            state.read_message(bytes, &mut payload).map_err(io::Error::other)?;
        }
    }
    if state.get_remote_static() != Some(expected) {
        return Err(io::ErrorKind::PermissionDenied.into());
    }
    let state = Arc::new(state.into_stateless_transport_mode().map_err(io::Error::other)?);
    let (read_half, write_half) = stream.into_split();
    let (link, outgoing, incoming) = Link::new();
    tokio::spawn(write(write_half, Arc::clone(&state), outgoing));
    tokio::spawn(read(read_half, state, incoming));
    Ok(link)
}

/// One class's messages that have begun to be sent, and the queue behind them.
struct Outgoing {
    queue: mpsc::Receiver<Vec<u8>>,
    begun: Vec<u8>,
    sent: usize,
}

impl Outgoing {
    /// Appends what there is of this class, as far as there is room.
    fn fill(&mut self, record: &mut Vec<u8>) {
        while record.len() < RECORD_BYTES_MAX {
            if self.sent == self.begun.len() {
                let Ok(next) = self.queue.try_recv() else { return };
                let length = u32::try_from(next.len()).unwrap_or(u32::MAX);
                if record.len() + 4 > RECORD_BYTES_MAX {
                    self.begun = [&length.to_be_bytes(), next.as_slice()].concat();
                    self.sent = 0;
                    return;
                }
                record.extend_from_slice(&length.to_be_bytes());
                (self.begun, self.sent) = (next, 0);
            }
            let n = (self.begun.len() - self.sent).min(RECORD_BYTES_MAX - record.len());
            record.extend_from_slice(&self.begun[self.sent..self.sent + n]);
            self.sent += n;
        }
    }
}

async fn write(
    mut stream: OwnedWriteHalf,
    state: Arc<StatelessTransportState>,
    queues: [mpsc::Receiver<Vec<u8>>; CLASSES],
) -> io::Result<()> {
    let mut classes = queues.map(|queue| Outgoing { queue, begun: Vec::new(), sent: 0 });
    let mut record = Vec::with_capacity(RECORD_BYTES_MAX);
    let mut frame = vec![0; 4 + RECORD_BYTES_MAX + TAG_BYTES];
    for nonce in 0.. {
        let class = loop {
            stream.writable().await?;
            if let Some(class) = choose(&mut classes, &mut record) {
                break class;
            }
            let [votes, transactions, blocks] = &mut classes;
            let (outgoing, message) = tokio::select! {
                biased;
                message = votes.queue.recv() => (votes, message),
                message = transactions.queue.recv() => (transactions, message),
                message = blocks.queue.recv() => (blocks, message),
            };
            let Some(message) = message else { return stream.shutdown().await };
            let length = u32::try_from(message.len()).unwrap_or(u32::MAX);
            outgoing.begun.clear();
            outgoing.begun.extend_from_slice(&length.to_be_bytes());
            outgoing.begun.extend_from_slice(&message);
            outgoing.sent = 0;
        };
        record[0] = class as u8;
        let n = state.write_message(nonce, &record, &mut frame[4..]).map_err(io::Error::other)?;
        frame[..4].copy_from_slice(&u32::try_from(n).unwrap_or(0).to_be_bytes());
        stream.write_all(&frame[..4 + n]).await?;
        // Else this goes on for 128 writes before anything else on the thread runs.
        tokio::task::yield_now().await;
    }
    Ok(())
}

/// The first class that has something, with its bytes in `record`.
fn choose(classes: &mut [Outgoing; CLASSES], record: &mut Vec<u8>) -> Option<Class> {
    for (class, outgoing) in Class::ALL.into_iter().zip(classes) {
        record.clear();
        record.push(0);
        outgoing.fill(record);
        if record.len() > 1 {
            return Some(class);
        }
    }
    None
}

async fn read(
    mut stream: OwnedReadHalf,
    state: Arc<StatelessTransportState>,
    incoming: mpsc::Sender<Message>,
) -> io::Result<()> {
    let mut classes: [Assembly; CLASSES] = Default::default();
    let mut plain = vec![0; RECORD_BYTES_MAX];
    let mut buffer = vec![0; 4 * RECORD_BYTES_MAX];
    let (mut nonce, mut end) = (0, 0);
    loop {
        let n = stream.read(&mut buffer[end..]).await?;
        if n == 0 {
            return Ok(());
        }
        end += n;
        let mut start = 0;
        while let Some((length, rest)) = buffer[start..end].split_first_chunk::<4>() {
            let length = u32::from_be_bytes(*length) as usize;
            if length > RECORD_BYTES_MAX + TAG_BYTES {
                return Err(io::ErrorKind::InvalidData.into());
            }
            let Some(record) = rest.get(..length) else { break };
            let n = state.read_message(nonce, record, &mut plain).map_err(io::Error::other)?;
            nonce += 1;
            start += 4 + length;
            let [class, bytes @ ..] = &plain[..n] else {
                return Err(io::ErrorKind::InvalidData.into());
            };
            let class = *Class::ALL.get(usize::from(*class)).ok_or(io::ErrorKind::InvalidData)?;
            classes[class as usize].push(bytes, class, &incoming).await?;
        }
        buffer.copy_within(start..end, 0);
        end -= start;
        tokio::task::yield_now().await;
    }
}
