//! Reads frames from a file front to back through a bounded buffer.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use super::damage::DamageReason;
use super::format::{FRAME_BYTES, Frame, FrameType, is_intact};

/// A buffered view of the first `limit` bytes of a file.
#[derive(Debug)]
pub(super) struct Window {
    file: Arc<File>,
    buffer: Vec<u8>,
    start: u64,
    limit: u64,
}

/// What stands at an offset.
pub(super) enum Found<'a> {
    /// An intact frame and its payload.
    Frame(Frame, &'a [u8]),
    /// Nothing but zeros up to the limit, or the limit itself.
    End,
    /// Neither.
    Bad(DamageReason),
}

impl Window {
    pub(super) fn new(file: Arc<File>, limit: u64) -> Self {
        Self { file, buffer: Vec::new(), start: 0, limit }
    }

    pub(super) fn limit(&self) -> u64 {
        self.limit
    }

    /// The `n` bytes at `offset`, or `None` if they reach beyond the limit. The buffer grows to
    /// `n` at most, so callers bound `n` first.
    pub(super) fn slice(&mut self, offset: u64, n: usize) -> io::Result<Option<&[u8]>> {
        let end = offset + n as u64;
        if end > self.limit {
            return Ok(None);
        }
        if offset < self.start || end > self.start + self.buffer.len() as u64 {
            let fill = (self.limit - offset).min(BUFFER_BYTES.max(n) as u64);
            let fill = usize::try_from(fill).expect("not above the buffer's size");
            self.buffer.resize(fill, 0);
            self.start = offset;
            if let Err(error) = self.file.read_exact_at(&mut self.buffer, offset) {
                self.buffer.clear();
                return Err(error);
            }
        }
        let at = usize::try_from(offset - self.start).expect("within the buffer");
        Ok(Some(&self.buffer[at..at + n]))
    }

    /// What stands at `offset`. Payloads above `record_bytes_max` are not read.
    pub(super) fn frame_at(
        &mut self,
        offset: u64,
        seed: u32,
        record_bytes_max: u32,
    ) -> io::Result<Found<'_>> {
        let bad = match self.read_frame(offset, record_bytes_max)? {
            Ok(frame) => {
                let n = FRAME_BYTES + frame.length as usize;
                // Looked at twice because a borrow returned from one branch lasts for all.
                if self.slice(offset, n)?.is_some_and(|bytes| is_intact(seed, bytes)) {
                    let bytes = self.slice(offset, n)?.expect("it was there above");
                    return Ok(Found::Frame(frame, &bytes[FRAME_BYTES..]));
                }
                DamageReason::Checksum
            }
            Err(reason) => reason,
        };
        Ok(if self.is_zero_from(offset)? { Found::End } else { Found::Bad(bad) })
    }

    /// The fixed part of the frame at `offset`, if one could start there.
    fn read_frame(
        &mut self,
        offset: u64,
        record_bytes_max: u32,
    ) -> io::Result<Result<Frame, DamageReason>> {
        let Some(bytes) = self.slice(offset, FRAME_BYTES)? else {
            return Ok(Err(DamageReason::RecordShort));
        };
        let bytes = bytes.try_into().expect("the slice is that long");
        let Some(frame) = Frame::decode(bytes) else {
            return Ok(Err(DamageReason::Checksum));
        };
        Ok(if frame.length > record_bytes_max {
            Err(DamageReason::RecordTooLarge { bytes: frame.length })
        } else if offset + frame.total_bytes() > self.limit {
            Err(DamageReason::RecordShort)
        } else {
            Ok(frame)
        })
    }

    /// Whether only zeros stand between `offset` and the limit.
    pub(super) fn is_zero_from(&mut self, offset: u64) -> io::Result<bool> {
        Ok(self.data_end(offset)? == offset)
    }

    /// Where the last byte that is not zero ends, or `offset` if none follows it.
    pub(super) fn data_end(&mut self, mut offset: u64) -> io::Result<u64> {
        let mut end = offset;
        while offset < self.limit {
            let n = (self.limit - offset).min(BUFFER_BYTES as u64);
            let n = usize::try_from(n).expect("not above the buffer's size");
            let bytes = self.slice(offset, n)?.expect("within the limit");
            if let Some(last) = bytes.iter().rposition(|&byte| byte != 0) {
                end = offset + last as u64 + 1;
            }
            offset += n as u64;
        }
        Ok(end)
    }

    /// Looks behind `offset` for an intact frame which proves that record `sequence` was on disk
    /// when it was written.
    pub(super) fn proves_synced(
        &mut self,
        offset: u64,
        sequence: u64,
        seed: u32,
        record_bytes_max: u32,
    ) -> io::Result<bool> {
        let sequence_max = sequence.saturating_add(self.limit / FRAME_BYTES as u64);
        for offset in offset + 1..self.limit {
            let Ok(frame) = self.read_frame(offset, record_bytes_max)? else {
                continue;
            };
            let is_proof = sequence < frame.synced_before
                && frame.synced_before <= frame.sequence
                && frame.sequence <= sequence_max
                && (frame.frame_type == FrameType::Record || frame.length == 0);
            let n = FRAME_BYTES + frame.length as usize;
            if is_proof && self.slice(offset, n)?.is_some_and(|bytes| is_intact(seed, bytes)) {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// 256 KiB: reads are then bound by the disk, not by system calls.
const BUFFER_BYTES: usize = 256 << 10;
