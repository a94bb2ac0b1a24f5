//! The bytes of a segment: its header, and the frames that follow it. Little-endian throughout.
//!
//! A segment file:
//!
//! ```text
//! offset  width  field
//!      0      8  magic "TIMELOG\0"
//!      8      2  format version
//!     10      1  log kind
//!     11      1  zero
//!     12      4  segment number, as in the file's name
//!     16      8  sequence of the first record
//!     24     32  chain id
//!     56      8  salt, random
//!     64      4  CRC-32 of bytes 0..64
//!     68      -  frames, then zeros to the end of the file
//! ```
//!
//! Every format version keeps this header, so that a version is recognised before it is refused.
//!
//! A frame:
//!
//! ```text
//! offset  width  field
//!      0      4  CRC-32 of bytes 4.. and the payload, started from the header's CRC-32
//!      4      4  payload length n
//!      8      8  sequence
//!     16      8  synced before: every record below this sequence was on disk by then
//!     24      1  frame type: 1 record, 2 mark, 3 seal
//!     25      1  record kind (0 in marks and seals)
//!     26      n  payload (empty in marks and seals)
//! ```
//!
//! A *mark* stands behind the last record after a flush and says that the flush succeeded; the
//! next record overwrites it. A *seal* is the last thing in a segment that has a successor. Both
//! carry the sequence of the record that would come next.
//!
//! The checksum starts from the segment's own, so it binds a frame to its segment, chain and kind
//! as well as to its sequence: an old record in reused disk space, or one moved by a copy, does
//! not pass as new. The salt keeps peers, who choose the bytes of payloads, from placing inside a
//! record something that a scan would take for a frame.

use crc32fast::Hasher;

use super::damage::DamageReason;

/// Says which log a segment belongs to and where in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SegmentHeader {
    pub(super) log_kind: u8,
    pub(super) number: u32,
    pub(super) first_sequence: u64,
    pub(super) chain_id: [u8; 32],
    pub(super) salt: [u8; 8],
}

/// A header that could not be used.
#[derive(Debug)]
pub(super) enum HeaderError {
    Damaged(DamageReason),
    Format(u16),
}

impl SegmentHeader {
    pub(super) fn encode(&self) -> [u8; HEADER_BYTES] {
        let mut bytes = [0; HEADER_BYTES];
        bytes[0..8].copy_from_slice(MAGIC);
        bytes[8..10].copy_from_slice(&FORMAT.to_le_bytes());
        bytes[10] = self.log_kind;
        bytes[12..16].copy_from_slice(&self.number.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.first_sequence.to_le_bytes());
        bytes[24..56].copy_from_slice(&self.chain_id);
        bytes[56..64].copy_from_slice(&self.salt);
        let checksum = crc32fast::hash(&bytes[..64]);
        bytes[64..].copy_from_slice(&checksum.to_le_bytes());
        bytes
    }

    pub(super) fn decode(bytes: &[u8; HEADER_BYTES]) -> Result<Self, HeaderError> {
        if &bytes[0..8] != MAGIC {
            return Err(HeaderError::Damaged(DamageReason::Magic));
        }
        if crc32fast::hash(&bytes[..64]).to_le_bytes() != bytes[64..] {
            return Err(HeaderError::Damaged(DamageReason::HeaderChecksum));
        }
        let format = u16::from_le_bytes(field(bytes, 8));
        if format != FORMAT {
            return Err(HeaderError::Format(format));
        }
        Ok(Self {
            log_kind: bytes[10],
            number: u32::from_le_bytes(field(bytes, 12)),
            first_sequence: u64::from_le_bytes(field(bytes, 16)),
            chain_id: field(bytes, 24),
            salt: field(bytes, 56),
        })
    }

    /// What the checksums of this segment's frames start from.
    pub(super) fn seed(&self) -> u32 {
        u32::from_le_bytes(field(&self.encode(), 64))
    }
}

/// What a frame is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FrameType {
    Record,
    Mark,
    Seal,
}

/// The fixed part of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Frame {
    pub(super) length: u32,
    pub(super) sequence: u64,
    pub(super) synced_before: u64,
    pub(super) frame_type: FrameType,
    pub(super) kind: u8,
}

impl Frame {
    /// A frame without payload that says everything below `sequence` is on disk.
    pub(super) fn marker(frame_type: FrameType, sequence: u64) -> Self {
        Self { length: 0, sequence, synced_before: sequence, frame_type, kind: 0 }
    }

    /// Appends the frame with its payload, whose length is `self.length`, to `out`.
    pub(super) fn encode_into(&self, seed: u32, payload: &[u8], out: &mut Vec<u8>) {
        debug_assert_eq!(self.length as usize, payload.len());
        let start = out.len();
        out.extend_from_slice(&[0; 4]);
        out.extend_from_slice(&self.length.to_le_bytes());
        out.extend_from_slice(&self.sequence.to_le_bytes());
        out.extend_from_slice(&self.synced_before.to_le_bytes());
        out.push(match self.frame_type {
            FrameType::Record => 1,
            FrameType::Mark => 2,
            FrameType::Seal => 3,
        });
        out.push(self.kind);
        out.extend_from_slice(payload);
        let checksum = checksum(seed, &out[start + 4..]);
        out[start..start + 4].copy_from_slice(&checksum.to_le_bytes());
    }

    /// Reads the fixed part, whose checksum is still to be checked; `None` if no frame starts
    /// like this.
    pub(super) fn decode(bytes: &[u8; FRAME_BYTES]) -> Option<Self> {
        let frame_type = match bytes[24] {
            1 => FrameType::Record,
            2 => FrameType::Mark,
            3 => FrameType::Seal,
            _ => return None,
        };
        Some(Self {
            length: u32::from_le_bytes(field(bytes, 4)),
            sequence: u64::from_le_bytes(field(bytes, 8)),
            synced_before: u64::from_le_bytes(field(bytes, 16)),
            frame_type,
            kind: bytes[25],
        })
    }

    /// Size of the frame with its payload.
    pub(super) fn total_bytes(&self) -> u64 {
        FRAME_BYTES as u64 + u64::from(self.length)
    }
}

/// Whether `bytes`, a whole frame with its payload, matches its checksum.
pub(super) fn is_intact(seed: u32, bytes: &[u8]) -> bool {
    bytes.len() >= FRAME_BYTES && checksum(seed, &bytes[4..]).to_le_bytes() == bytes[..4]
}

fn checksum(seed: u32, bytes: &[u8]) -> u32 {
    let mut hasher = Hasher::new_with_initial(seed);
    hasher.update(bytes);
    hasher.finalize()
}

fn field<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    bytes[at..at + N].try_into().expect("the range is N long")
}

const MAGIC: &[u8; 8] = b"TIMELOG\0";
/// The format this version writes and reads.
pub(super) const FORMAT: u16 = 1;
pub(super) const HEADER_BYTES: usize = 68;
pub(super) const FRAME_BYTES: usize = 26;
