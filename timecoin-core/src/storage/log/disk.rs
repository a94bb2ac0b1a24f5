//! Every change a log makes to its directory goes through here, so that tests can put a disk that
//! fills up, fails, or loses power in its place (`probe.rs`).

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

#[cfg(test)]
use super::probe::Probe;
use crate::storage::StorageError;

/// The file operations of one log.
#[derive(Clone, Debug)]
pub(super) struct Disk {
    /// `false` leaves out every flush.
    pub(super) sync: bool,
    #[cfg(test)]
    pub(super) probe: Option<Arc<Probe>>,
}

/// A segment file open for writing.
#[derive(Clone, Debug)]
pub(super) struct SegmentFile {
    pub(super) file: Arc<File>,
    pub(super) path: PathBuf,
}

impl Disk {
    pub(super) fn new(sync: bool) -> Self {
        Self {
            sync,
            #[cfg(test)]
            probe: None,
        }
    }

    /// Creates the directory and its missing parents, durably.
    pub(super) fn create_dir(&self, dir: &Path) -> Result<(), StorageError> {
        let is_missing = |dir: &&Path| !dir.as_os_str().is_empty() && !dir.exists();
        let n_missing = dir.ancestors().take_while(is_missing).count();
        fs::create_dir_all(dir).map_err(StorageError::io("create", dir))?;
        dir.ancestors().skip(1).take(n_missing.max(1)).try_for_each(|dir| self.flush_dir(dir))
    }

    /// Creates `path` holding `bytes`, durably and as a whole: after a crash the file is there
    /// complete, or not there.
    pub(super) fn create(&self, path: &Path, bytes: &[u8]) -> Result<SegmentFile, StorageError> {
        let unfinished = path.with_extension(UNFINISHED_EXTENSION);
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create_new(true)
            .open(&unfinished)
            .map_err(StorageError::io("create", &unfinished))?;
        #[cfg(test)]
        self.observe(|probe| probe.on_create(&unfinished));
        let mut segment = SegmentFile { file: Arc::new(file), path: unfinished };
        self.write(&segment, 0, bytes)?;
        self.sync(&segment)?;
        fs::rename(&segment.path, path).map_err(StorageError::io("rename", &segment.path))?;
        #[cfg(test)]
        self.observe(|probe| probe.on_rename(&segment.path, path));
        segment.path = path.to_path_buf();
        self.sync_dir(path)?;
        Ok(segment)
    }

    /// Opens an existing segment for writing.
    pub(super) fn open(&self, path: &Path) -> Result<SegmentFile, StorageError> {
        let file = OpenOptions::new().read(true).write(true).open(path);
        let file = file.map_err(StorageError::io("open for writing", path))?;
        Ok(SegmentFile { file: Arc::new(file), path: path.to_path_buf() })
    }

    /// Writes all of `bytes` at `offset`.
    pub(super) fn write(
        &self,
        segment: &SegmentFile,
        offset: u64,
        bytes: &[u8],
    ) -> Result<(), StorageError> {
        let write = |bytes: &[u8]| {
            segment.file.write_all_at(bytes, offset)?;
            #[cfg(test)]
            self.observe(|probe| probe.on_write(&segment.path, offset, bytes));
            Ok(())
        };
        #[cfg(test)]
        if let Some(room) = self.probe.as_ref().and_then(|probe| probe.room_for(bytes.len())) {
            let full = write(&bytes[..room]).and(Err(std::io::ErrorKind::StorageFull.into()));
            return full.map_err(StorageError::io("write to", &segment.path));
        }
        write(bytes).map_err(StorageError::io("write to", &segment.path))
    }

    /// Flushes the segment's bytes and length.
    pub(super) fn sync(&self, segment: &SegmentFile) -> Result<(), StorageError> {
        #[cfg(test)]
        if let Some(probe) = &self.probe {
            probe.on_sync(&segment.path).map_err(StorageError::io("flush", &segment.path))?;
        }
        if self.sync {
            segment.file.sync_data().map_err(StorageError::io("flush", &segment.path))?;
        }
        Ok(())
    }

    /// Cuts the segment to `bytes`.
    pub(super) fn truncate(&self, segment: &SegmentFile, bytes: u64) -> Result<(), StorageError> {
        segment.file.set_len(bytes).map_err(StorageError::io("truncate", &segment.path))?;
        #[cfg(test)]
        self.observe(|probe| probe.on_truncate(&segment.path, bytes));
        Ok(())
    }

    /// Deletes the file, durably.
    pub(super) fn remove(&self, path: &Path) -> Result<(), StorageError> {
        fs::remove_file(path).map_err(StorageError::io("remove", path))?;
        #[cfg(test)]
        self.observe(|probe| probe.on_remove(path));
        self.sync_dir(path)
    }

    /// Flushes the directory that holds `path`.
    pub(super) fn sync_dir(&self, path: &Path) -> Result<(), StorageError> {
        let dir = path.parent().unwrap_or(Path::new("."));
        #[cfg(test)]
        if let Some(probe) = &self.probe {
            probe.on_sync_dir().map_err(StorageError::io("flush", dir))?;
        }
        self.flush_dir(dir)
    }

    fn flush_dir(&self, dir: &Path) -> Result<(), StorageError> {
        if !self.sync {
            return Ok(());
        }
        let dir = if dir.as_os_str().is_empty() { Path::new(".") } else { dir };
        File::open(dir).and_then(|dir| dir.sync_all()).map_err(StorageError::io("flush", dir))
    }

    #[cfg(test)]
    fn observe(&self, see: impl FnOnce(&Probe)) {
        if let Some(probe) = &self.probe {
            see(probe);
        }
    }
}

/// Extension of a segment that is still being created.
pub(super) const UNFINISHED_EXTENSION: &str = "unfinished";
