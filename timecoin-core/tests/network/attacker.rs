//! A peer without manners: it encrypts, signs and frames as `docs/network.md` says, with code of
//! its own, and sends what it likes.

use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Instant;

use timecoin_core::network::{Hello, Packet, PeerTip, Ping};
use timecoin_core::types::encode::{decode, encode};
use timecoin_core::types::hash::{Hash256, Tag, hash};
use timecoin_core::types::message::Message;
use timecoin_core::{Genesis, Height, KeyPair, Node, Signature, Timestamp};

use crate::noise::{Cipher, Handshake};
use crate::testkit::LONG;

/// Classes of frames by their numbers.
pub const VOTES: u8 = 0;
pub const TRANSACTIONS: u8 = 1;
pub const BLOCKS: u8 = 2;
pub const SYNC: u8 = 3;
pub const CONTROL: u8 = 4;

/// The most that a record holds.
pub const RECORD: usize = 16_384;

/// An encrypted connection.
pub struct Attacker {
    stream: TcpStream,
    hash: [u8; 32],
    is_dialler: bool,
    sealer: Cipher,
    opener: Cipher,
    streams: [Vec<u8>; 5],
    heard: VecDeque<Packet>,
    n_waits: u64,
    /// Frames that came compressed.
    pub n_packed: usize,
}

/// A socket to a node, with nothing said.
pub fn dial(node: &Node) -> TcpStream {
    let stream = TcpStream::connect(node.listen_address().unwrap()).unwrap();
    stream.set_read_timeout(Some(LONG)).unwrap();
    stream.set_write_timeout(Some(LONG)).unwrap();
    stream.set_nodelay(true).unwrap();
    stream
}

/// Waits until the other end closes.
pub fn wait_closed(stream: &mut TcpStream) {
    let mut bytes = [0; 4_096];
    loop {
        match stream.read(&mut bytes) {
            Ok(0) => return,
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => panic!("not closed"),
            Err(_) => return,
        }
    }
}

impl Attacker {
    /// Dials a node and encrypts; nobody has said who it is.
    pub fn encrypt(node: &Node) -> Self {
        Self::handshake(dial(node), true).unwrap()
    }

    /// Is dialled.
    pub fn accept(listener: &TcpListener) -> Self {
        let (stream, _) = listener.accept().unwrap();
        stream.set_read_timeout(Some(LONG)).unwrap();
        Self::handshake(stream, false).unwrap()
    }

    /// Becomes a peer of a node.
    pub fn join(node: &Node, genesis: &Genesis, keys: &KeyPair) -> Self {
        let mut attacker = Self::encrypt(node);
        let hello = attacker.hello(genesis, keys);
        attacker.say(&Packet::Hello(Box::new(hello))).unwrap();
        match attacker.hear().unwrap() {
            Packet::Hello(_) => attacker,
            other => panic!("{other:?}"),
        }
    }

    fn handshake(mut stream: TcpStream, is_dialler: bool) -> io::Result<Self> {
        let mut state = Handshake::new(b"timecoin/1");
        if is_dialler {
            stream.write_all(&sized(&state.write(None)))?;
            state.read(&read_sized(&mut stream)?, true);
        } else {
            let theirs = state.read(&read_sized(&mut stream)?, false);
            stream.write_all(&sized(&state.write(Some(&theirs))))?;
        }
        let [from_dialler, from_listener] = state.split();
        let (sealer, opener) =
            if is_dialler { (from_dialler, from_listener) } else { (from_listener, from_dialler) };
        let (streams, heard, n_waits, n_packed) = Default::default();
        let hash = state.hash;
        Ok(Attacker { stream, hash, is_dialler, sealer, opener, streams, heard, n_waits, n_packed })
    }

    /// What an honest peer with these keys would say of itself, with an empty ledger.
    pub fn hello(&self, genesis: &Genesis, keys: &KeyPair) -> Hello {
        Hello {
            versions: (1, 1),
            chain_id: genesis.chain_id(),
            node_key: keys.public(),
            proof: self.prove(keys),
            tip: tip(0),
            first_block: Height(1),
            listens: None,
            sees: self.stream.peer_addr().unwrap(),
            capabilities: 0,
            now: Timestamp(0),
            agent: "attacker".to_owned(),
        }
    }

    /// Proves a key on this connection.
    pub fn prove(&self, keys: &KeyPair) -> Signature {
        let proof = hash(Tag::Handshake, &encode(&(&self.hash[..], self.is_dialler)));
        keys.sign(proof.as_bytes())
    }

    /// Where it comes from.
    pub fn address(&self) -> SocketAddr {
        self.stream.local_addr().unwrap()
    }

    /// Sends one record with any content.
    pub fn say_record(&mut self, content: &[u8]) -> io::Result<()> {
        let mut sealed = content.to_vec();
        self.sealer.seal(&[], &mut sealed);
        self.stream.write_all(&sized(&sealed))
    }

    /// Sends bytes of a class's stream: frames, or what is none.
    pub fn say_stream(&mut self, class: u8, bytes: &[u8]) -> io::Result<()> {
        bytes.chunks(RECORD - 3).try_for_each(|some| {
            let mut record = vec![class];
            record.extend(u16::try_from(some.len()).unwrap().to_be_bytes());
            record.extend(some);
            self.say_record(&record)
        })
    }

    pub fn say_frame(&mut self, class: u8, content: &[u8]) -> io::Result<()> {
        self.say_stream(class, &framed(content))
    }

    pub fn say(&mut self, packet: &Packet) -> io::Result<()> {
        self.say_frame(class_of(packet), &encode(packet))
    }

    /// Sends bytes that are no record.
    pub fn say_plainly(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)
    }

    /// The next packet of the node.
    pub fn hear(&mut self) -> io::Result<Packet> {
        loop {
            if let Some(packet) = self.heard.pop_front() {
                return Ok(packet);
            }
            let mut content = read_sized(&mut self.stream)?;
            self.opener.open(&[], &mut content).unwrap();
            let mut record = &content[..];
            while let [class, high, low, rest @ ..] = record {
                let (segment, rest) = rest.split_at(usize::from(u16::from_be_bytes([*high, *low])));
                self.streams[usize::from(*class)].extend(segment);
                record = rest;
            }
            for stream in &mut self.streams {
                while let Some((length, rest)) = stream.split_first_chunk::<4>() {
                    let n_bytes = u32::from_be_bytes(*length) as usize;
                    let Some(frame) = rest.get(..n_bytes) else { break };
                    self.heard.push_back(match frame {
                        [255, head @ ..] => {
                            self.n_packed += 1;
                            let (length, block) = head.split_first_chunk().unwrap();
                            let n_bytes = u32::from_be_bytes(*length) as usize;
                            let frame = lz4_flex::block::decompress(block, n_bytes).unwrap();
                            decode("packet", &frame, n_bytes).unwrap()
                        }
                        frame => decode("packet", frame, n_bytes).unwrap(),
                    });
                    stream.drain(..4 + n_bytes);
                }
            }
        }
    }

    /// The next packet that `find` takes; an error where the node ends the connection before.
    pub fn hear_of<T>(&mut self, mut find: impl FnMut(Packet) -> Option<T>) -> io::Result<T> {
        let deadline = Instant::now() + LONG;
        loop {
            if let Some(found) = find(self.hear()?) {
                return Ok(found);
            }
            assert!(Instant::now() < deadline, "not heard");
        }
    }

    /// Waits until everything that was sent before has been dealt with. It asks again whenever it
    /// hears something else: the question may be over the rate as well.
    pub fn wait_heard(&mut self) -> io::Result<()> {
        self.n_waits += 1;
        let nonce = u64::MAX - self.n_waits;
        let ping = Packet::Ping(Ping { nonce, tip: tip(0) });
        self.say(&ping)?;
        let deadline = Instant::now() + LONG;
        while !matches!(self.hear()?, Packet::Pong(pong) if pong.nonce == nonce) {
            assert!(Instant::now() < deadline, "not heard");
            self.say(&ping)?;
        }
        Ok(())
    }

    /// Waits until the node ends the connection.
    pub fn wait_closed(&mut self) {
        wait_closed(&mut self.stream);
    }
}

/// A tip that nobody has proved.
pub fn tip(height: u64) -> PeerTip {
    let any = Hash256::from_bytes([7; 32]);
    PeerTip { height: Height(height), hash: any.into(), utxo_commitment: any.into() }
}

/// A frame: its length and its content.
pub fn framed(content: &[u8]) -> Vec<u8> {
    let mut bytes = u32::try_from(content.len()).unwrap().to_be_bytes().to_vec();
    bytes.extend(content);
    bytes
}

fn class_of(packet: &Packet) -> u8 {
    match packet {
        Packet::Message(Message::Transaction(_) | Message::DoubleSpend(_)) => TRANSACTIONS,
        Packet::Message(Message::Proposal(_) | Message::Decided(_) | Message::Block(_))
        | Packet::Proposal(_)
        | Packet::Proposed(..) => BLOCKS,
        Packet::Blocks(_) | Packet::Headers(_) | Packet::Outputs(_) | Packet::State(..) => SYNC,
        Packet::Message(message) if !matches!(message, Message::Request(_)) => VOTES,
        _ => CONTROL,
    }
}

fn sized(bytes: &[u8]) -> Vec<u8> {
    let mut sized = u16::try_from(bytes.len()).unwrap().to_be_bytes().to_vec();
    sized.extend(bytes);
    sized
}

fn read_sized(stream: &mut TcpStream) -> io::Result<Vec<u8>> {
    let mut length = [0; 2];
    stream.read_exact(&mut length)?;
    let mut bytes = vec![0; usize::from(u16::from_be_bytes(length))];
    stream.read_exact(&mut bytes)?;
    Ok(bytes)
}
