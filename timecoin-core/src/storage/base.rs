//! What a store begins from instead of the genesis: the unspent outputs and the ledger state after
//! one decided block, which the headers up to it prove. Whoever writes one has checked that.
//!
//! ```text
//! base/outputs   73 bytes each, ascending: borsh(OutPoint) 36, borsh(Utxo) 37
//! base/state     borsh(Description), then CRC-32 u32 little-endian of the bytes before
//! base.new       one that is being written; it is removed by the next open
//! ```
//!
//! A base is there whole or not at all: its files are flushed before the directory gets its name.
//! The derived tables are begun from it, also when they are made anew, so it is kept.

use std::fs::{self, File};
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use borsh::{BorshDeserialize, BorshSerialize};

use super::StorageError;
use crate::ledger::state::{LedgerState, utxo_element};
use crate::ledger::view::Utxo;
use crate::params::Chain;
use crate::types::chain::Height;
use crate::types::encode::{decode, encode};
use crate::types::hash::{ChainId, Hash256, Hasher, Tag};
use crate::types::transaction::OutPoint;

/// A base that is there.
#[derive(Clone, Debug)]
pub struct Base {
    dir: PathBuf,
    description: Description,
}

#[derive(Clone, Debug, BorshSerialize, BorshDeserialize)]
struct Description {
    format: u16,
    chain_id: ChainId,
    n_outputs: u64,
    /// Of the file of outputs.
    checksum: Hash256,
    state: LedgerState,
}

impl Base {
    /// The base of a data directory, if it has one. Its outputs are checked when they are read.
    ///
    /// # Errors
    /// `BaseDamaged`; `WrongChain`; `Io`.
    pub fn read(data_dir: &Path, chain: &Chain) -> Result<Option<Self>, StorageError> {
        let dir = data_dir.join(NAME);
        if !dir.exists() {
            return Ok(None);
        }
        let damaged = |reason: &str| damaged(&dir, reason.to_owned());
        let path = dir.join(STATE_NAME);
        let bytes = match fs::read(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(damaged("its state is missing"));
            }
            bytes => bytes.map_err(StorageError::io("read", &path))?,
        };
        let (body, checksum) =
            bytes.split_last_chunk::<4>().ok_or_else(|| damaged("its state is cut short"))?;
        if crc32fast::hash(body) != u32::from_le_bytes(*checksum) {
            return Err(damaged("the checksum of its state is wrong"));
        }
        let format = body.first_chunk::<2>().map(|bytes| u16::from_le_bytes(*bytes));
        if let Some(found) = format.filter(|found| *found != FORMAT) {
            return Err(StorageError::UnsupportedFormat { path, found, supported: FORMAT });
        }
        let description: Description = decode("base", body, body.len())
            .map_err(|error| damaged(&format!("its state can't be read: {error}")))?;
        if description.chain_id != *chain.id() {
            let (expected, found) = (chain.id().to_bytes(), description.chain_id.to_bytes());
            return Err(StorageError::WrongChain { path, expected, found });
        }
        Ok(Some(Base { dir, description }))
    }

    /// The ledger after its block.
    pub fn state(&self) -> &LedgerState {
        &self.description.state
    }

    /// The height of its block.
    pub fn height(&self) -> Height {
        self.description.state.tip.height
    }

    /// How many unspent outputs there are.
    pub fn n_outputs(&self) -> u64 {
        self.description.n_outputs
    }

    /// The outputs, ascending. The last item is an error where they are not those that were
    /// written.
    ///
    /// # Errors
    /// `BaseDamaged`, `Io`.
    pub fn outputs(&self) -> Result<BaseOutputs<'_>, StorageError> {
        let path = self.dir.join(OUTPUTS_NAME);
        let file = match File::open(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(damaged(&self.dir, "its outputs are missing".to_owned()));
            }
            file => file.map_err(StorageError::io("open", &path))?,
        };
        let reader = BufReader::with_capacity(BUFFER_BYTES, file);
        let hasher = Hasher::new(Tag::BaseOutputs);
        Ok(BaseOutputs { base: self, path, reader, hasher: Some(hasher), n_read: 0 })
    }
}

/// See [`Base::outputs`].
pub struct BaseOutputs<'a> {
    base: &'a Base,
    path: PathBuf,
    reader: BufReader<File>,
    /// None once the end was reached.
    hasher: Option<Hasher>,
    n_read: u64,
}

impl BaseOutputs<'_> {
    fn read(&mut self) -> Result<Option<(OutPoint, Utxo)>, StorageError> {
        let Some(hasher) = &mut self.hasher else { return Ok(None) };
        let expected = &self.base.description;
        let mut bytes = [0; OUTPUT_BYTES];
        if self.n_read < expected.n_outputs {
            match self.reader.read_exact(&mut bytes) {
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                    return Err(damaged(&self.base.dir, "its outputs are cut short".to_owned()));
                }
                read => read.map_err(StorageError::io("read", &self.path))?,
            }
            self.n_read += 1;
            hasher.update(&bytes);
            let output = decode("output", &bytes, OUTPUT_BYTES);
            let output = output.map_err(|error| damaged(&self.base.dir, error.to_string()))?;
            return Ok(Some(output));
        }
        let found = self.hasher.take().map(|hasher| hasher.finish());
        let rest = self.reader.read(&mut bytes[..1]).map_err(StorageError::io("read", &self.path));
        if found != Some(expected.checksum) || rest? != 0 {
            let reason = "its outputs are not those that were written".to_owned();
            return Err(damaged(&self.base.dir, reason));
        }
        Ok(None)
    }
}

impl Iterator for BaseOutputs<'_> {
    type Item = Result<(OutPoint, Utxo), StorageError>;

    fn next(&mut self) -> Option<Self::Item> {
        let read = self.read();
        if read.is_err() {
            self.hasher = None;
        }
        read.transpose()
    }
}

/// A base that is being written beside the place where it will be.
pub struct BaseWriter {
    data_dir: PathBuf,
    path: PathBuf,
    file: BufWriter<File>,
    hasher: Hasher,
    n_outputs: u64,
    sync: bool,
}

impl BaseWriter {
    /// Begins in `data_dir`, in place of one that was begun before. Without `sync` nothing is
    /// flushed, for tests.
    ///
    /// # Errors
    /// `Io`.
    pub fn create(data_dir: &Path, sync: bool) -> Result<Self, StorageError> {
        remove_unfinished(data_dir)?;
        let dir = data_dir.join(UNFINISHED_NAME);
        fs::create_dir(&dir).map_err(StorageError::io("create", &dir))?;
        let path = dir.join(OUTPUTS_NAME);
        let file = File::create(&path).map_err(StorageError::io("create", &path))?;
        Ok(BaseWriter {
            data_dir: data_dir.to_path_buf(),
            path,
            file: BufWriter::with_capacity(BUFFER_BYTES, file),
            hasher: Hasher::new(Tag::BaseOutputs),
            n_outputs: 0,
            sync,
        })
    }

    /// Adds the next unspent output, ascending by outpoint.
    ///
    /// # Errors
    /// `Io`.
    pub fn push(&mut self, outpoint: &OutPoint, utxo: &Utxo) -> Result<(), StorageError> {
        let bytes = utxo_element(outpoint, utxo);
        self.hasher.update(&bytes);
        self.n_outputs += 1;
        self.file.write_all(&bytes).map_err(StorageError::io("write to", &self.path))
    }

    /// Ends with the ledger after its block, and puts it in its place.
    ///
    /// # Errors
    /// `Io`.
    pub fn install(self, chain: &Chain, state: LedgerState) -> Result<Base, StorageError> {
        let BaseWriter { data_dir, path, file, hasher, n_outputs, sync } = self;
        let flush = |file: &File| if sync { file.sync_all() } else { Ok(()) };
        let file = file.into_inner().map_err(io::IntoInnerError::into_error);
        file.and_then(|file| flush(&file)).map_err(StorageError::io("write to", &path))?;
        let checksum = hasher.finish();
        let chain_id = *chain.id();
        let description = Description { format: FORMAT, chain_id, n_outputs, checksum, state };
        let mut bytes = encode(&description);
        bytes.extend_from_slice(&crc32fast::hash(&bytes).to_le_bytes());
        let (unfinished, dir) = (data_dir.join(UNFINISHED_NAME), data_dir.join(NAME));
        let place = || -> io::Result<()> {
            let mut file = File::create(unfinished.join(STATE_NAME))?;
            file.write_all(&bytes)?;
            flush(&file)?;
            flush(&File::open(&unfinished)?)?;
            fs::rename(&unfinished, &dir)?;
            flush(&File::open(&data_dir)?)
        };
        place().map_err(StorageError::io("write", &dir))?;
        Ok(Base { dir, description })
    }
}

/// Removes a base that was never finished.
///
/// # Errors
/// `Io`.
pub fn remove_unfinished(data_dir: &Path) -> Result<(), StorageError> {
    remove(&data_dir.join(UNFINISHED_NAME))
}

/// Removes what came of a base so far: a store is begun without it, or the base is there.
///
/// # Errors
/// `Io`.
pub fn remove_journal(data_dir: &Path) -> Result<(), StorageError> {
    remove(&data_dir.join(JOURNAL_NAME))
}

fn remove(dir: &Path) -> Result<(), StorageError> {
    match fs::remove_dir_all(dir) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(StorageError::io("remove", dir)(error))
        }
        _ => Ok(()),
    }
}

fn damaged(dir: &Path, reason: String) -> StorageError {
    StorageError::BaseDamaged { path: dir.to_path_buf(), reason }
}

/// Where whoever fetches a base keeps what came so far; an open removes it.
pub const JOURNAL_NAME: &str = "bootstrap";

const NAME: &str = "base";
const UNFINISHED_NAME: &str = "base.new";
const OUTPUTS_NAME: &str = "outputs";
const STATE_NAME: &str = "state";

/// The version of both files.
const FORMAT: u16 = 1;

/// An outpoint and an unspent output.
const OUTPUT_BYTES: usize = 73;

/// 256 kB: one read keeps a disk busy.
const BUFFER_BYTES: usize = 256 << 10;
