//! The folders of a net's nodes on disk.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use super::config::LocalStorage;
use crate::node::NodeError;

/// Where a net keeps its nodes' folders, if it does; a temporary one ends with this value.
pub(super) struct Directory {
    path: Option<PathBuf>,
    is_temporary: bool,
}

impl Directory {
    pub(super) fn new(storage: &LocalStorage) -> Result<Self, NodeError> {
        let path = match storage {
            LocalStorage::Memory => None,
            LocalStorage::TemporaryDirectory => Some(create_temporary().map_err(refuse)?),
            LocalStorage::Directory(path) => Some(path.clone()),
        };
        Ok(Directory { path, is_temporary: *storage == LocalStorage::TemporaryDirectory })
    }

    pub(super) fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }

    pub(super) fn of_node(&self, node: usize) -> Option<PathBuf> {
        self.path.as_ref().map(|path| path.join(format!("node-{node}")))
    }

    /// Removes a temporary directory. Idempotent.
    pub(super) fn remove(&self) {
        let Some(path) = self.path.as_ref().filter(|_| self.is_temporary) else { return };
        match fs::remove_dir_all(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                tracing::warn!(path = %path.display(), %error, "a temporary directory stays");
            }
            _ => {}
        }
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        self.remove();
    }
}

/// A new directory that nobody else can look into.
fn create_temporary() -> io::Result<PathBuf> {
    let pid = std::process::id();
    loop {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("timecoin-net-{pid}-{number}"));
        let mut builder = fs::DirBuilder::new();
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        match builder.create(&path) {
            Ok(()) => return Ok(path),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
}

fn refuse(error: io::Error) -> NodeError {
    NodeError::Config {
        field: "storage",
        value: format!("{} ({error})", std::env::temp_dir().display()),
        range: "a place where a directory can be made",
    }
}

static NEXT: AtomicU64 = AtomicU64::new(0);
