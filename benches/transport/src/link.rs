//! What both transports give: a queue for each class of message, and one that all arrive in.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::mpsc;

pub const CLASSES: usize = 3;
const MESSAGE_BYTES_MAX: usize = 8 << 20;

/// What has arrived of blocks, whole or not.
pub static BLOCK_BYTES: AtomicU64 = AtomicU64::new(0);

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Class {
    Vote,
    Transaction,
    Block,
}

impl Class {
    pub const ALL: [Class; CLASSES] = [Class::Vote, Class::Transaction, Class::Block];
}

pub type Message = (Class, Vec<u8>);

/// One peer.
pub struct Link {
    pub to: [mpsc::Sender<Vec<u8>>; CLASSES],
    pub from: mpsc::Receiver<Message>,
}

impl Link {
    pub fn new() -> (Self, [mpsc::Receiver<Vec<u8>>; CLASSES], mpsc::Sender<Message>) {
        let (votes, votes_out) = mpsc::channel(1024);
        let (transactions, transactions_out) = mpsc::channel(1024);
        let (blocks, blocks_out) = mpsc::channel(1);
        let (incoming, from) = mpsc::channel(1024);
        let link = Self { to: [votes, transactions, blocks], from };
        (link, [votes_out, transactions_out, blocks_out], incoming)
    }
}

/// Messages put together from a stream of `length (4, big endian) | bytes`.
#[derive(Default)]
pub struct Assembly {
    buffer: Vec<u8>,
}

impl Assembly {
    pub async fn push(
        &mut self,
        bytes: &[u8],
        class: Class,
        incoming: &mpsc::Sender<Message>,
    ) -> io::Result<()> {
        if class == Class::Block {
            BLOCK_BYTES.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        }
        self.buffer.extend_from_slice(bytes);
        let mut start = 0;
        while let Some((length, rest)) = self.buffer[start..].split_first_chunk::<4>() {
            let length = u32::from_be_bytes(*length) as usize;
            if length > MESSAGE_BYTES_MAX {
                return Err(io::ErrorKind::InvalidData.into());
            }
            let Some(message) = rest.get(..length) else { break };
            let message = (class, message.to_vec());
            incoming.send(message).await.map_err(|_| io::ErrorKind::BrokenPipe)?;
            start += 4 + length;
        }
        self.buffer.drain(..start);
        Ok(())
    }
}
