//! A note left behind by an orderly close, which vouches for the files of the derived tables.
//!
//! With it, an open compares checksums of files, which is fast; without it, or where they
//! differ, the tables are read entry by entry. It is removed before the tables are touched, so a
//! crash leaves none. Losing it costs time only.
//!
//! ```text
//! CLOSED    borsh(Marker), then CRC-32 u32 little-endian of the bytes before
//! ```

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use borsh::{BorshDeserialize, BorshSerialize};

use crate::storage::StorageError;
use crate::storage::derived::VotesMark;
use crate::types::chain::Height;
use crate::types::encode::{decode, encode};
use crate::types::hash::{BlockHash, ChainId};

/// What held when the store was closed.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(super) struct Marker {
    pub(super) chain_id: ChainId,
    /// The last durable block, which the tables held too.
    pub(super) height: Height,
    pub(super) hash: BlockHash,
    /// Sequence of the oldest vote record.
    pub(super) votes_first: u64,
    /// Which vote log, and how far it was.
    pub(super) votes: VotesMark,
    /// The files of the tables, ascending by name.
    pub(super) files: Vec<FileSum>,
}

/// One file, as far as it can be told from another.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, BorshSerialize, BorshDeserialize)]
pub(super) struct FileSum {
    /// Path below the tables' directory.
    name: String,
    bytes: u64,
    checksum: u32,
}

impl Marker {
    /// The note in `dir`, if there is one that can be read.
    pub(super) fn read(dir: &Path) -> Option<Marker> {
        let bytes = fs::read(path(dir)).ok()?;
        let (body, checksum) = bytes.split_last_chunk::<4>()?;
        if crc32fast::hash(body) != u32::from_le_bytes(*checksum) {
            return None;
        }
        decode("marker", body, body.len()).ok()
    }

    /// Writes the note durably, as a whole or not at all.
    ///
    /// # Errors
    /// `Io`.
    pub(super) fn write(&self, dir: &Path) -> Result<(), StorageError> {
        let mut bytes = encode(self);
        bytes.extend_from_slice(&crc32fast::hash(&bytes).to_le_bytes());
        let unfinished = dir.join(UNFINISHED_NAME);
        let write = || -> io::Result<()> {
            let mut file = File::create(&unfinished)?;
            file.write_all(&bytes)?;
            file.sync_all()?;
            fs::rename(&unfinished, path(dir))?;
            File::open(dir)?.sync_all()
        };
        write().map_err(StorageError::io("write", &path(dir)))
    }

    /// Removes the note durably, if there is one.
    ///
    /// # Errors
    /// `Io`.
    pub(super) fn remove(dir: &Path) -> Result<(), StorageError> {
        let path = path(dir);
        match fs::remove_file(&path) {
            Ok(()) => File::open(dir)
                .and_then(|dir| dir.sync_all())
                .map_err(StorageError::io("flush", dir)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(StorageError::io("remove", &path)(error)),
        }
    }

    /// Whether there is a note, readable or not.
    pub(super) fn exists(dir: &Path) -> bool {
        path(dir).exists()
    }
}

/// What every file below `dir` holds; with `sync` it is on disk afterwards.
///
/// # Errors
/// Where a file can't be read.
pub(super) fn sum_files(dir: &Path, sync: bool) -> Result<Vec<FileSum>, StorageError> {
    let mut sums = Vec::new();
    let mut dirs = vec![dir.to_path_buf()];
    while let Some(current) = dirs.pop() {
        let list = StorageError::io("list", &current);
        let entries = fs::read_dir(&current).and_then(Iterator::collect::<io::Result<Vec<_>>>);
        for entry in entries.map_err(list)? {
            let path = entry.path();
            if path.is_dir() {
                dirs.push(path);
            } else {
                sums.push(sum_file(dir, &path, sync).map_err(StorageError::io("read", &path))?);
            }
        }
        if sync {
            let flush = File::open(&current).and_then(|dir| dir.sync_all());
            flush.map_err(StorageError::io("flush", &current))?;
        }
    }
    sums.sort_unstable();
    Ok(sums)
}

fn sum_file(dir: &Path, path: &Path, sync: bool) -> io::Result<FileSum> {
    let mut file = File::open(path)?;
    if sync {
        file.sync_all()?;
    }
    let mut checksum = crc32fast::Hasher::new();
    let mut buffer = vec![0; BUFFER_BYTES];
    let mut bytes = 0;
    loop {
        let n = file.read(&mut buffer)?;
        if n == 0 {
            break;
        }
        checksum.update(&buffer[..n]);
        bytes += n as u64;
    }
    let name = path.strip_prefix(dir).unwrap_or(path).to_string_lossy().into_owned();
    Ok(FileSum { name, bytes, checksum: checksum.finalize() })
}

fn path(dir: &Path) -> PathBuf {
    dir.join(NAME)
}

const NAME: &str = "CLOSED";
const UNFINISHED_NAME: &str = "CLOSED.unfinished";

/// 256 kB: one read keeps a disk busy.
const BUFFER_BYTES: usize = 256 << 10;
