//! Why a storage operation did not happen. Every variant carries what an operator needs to find
//! the file concerned; nothing here is a bad request of a peer or a user.

use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

/// A storage operation that failed, and why.
#[derive(Debug, Error)]
pub enum StorageError {
    /// The operating system refused a file operation.
    #[error("cannot {op} {}: {source}", path.display())]
    Io {
        /// What was attempted, as a verb phrase: "write to", "create".
        op: &'static str,
        /// The file or directory concerned.
        path: PathBuf,
        /// What the operating system answered.
        source: io::Error,
    },

    /// Another open of the data directory is in force.
    #[error("data directory {} is in use by {}", path.display(), holder(*pid))]
    LockedBy {
        /// The data directory.
        path: PathBuf,
        /// Process that holds the lock, which may be this one; `None` when the lock file does
        /// not say.
        pid: Option<u32>,
    },
}

impl StorageError {
    /// Wraps the operating system's answer to `op` on `path`, for `map_err`.
    pub(super) fn io(op: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { op, path: path.to_path_buf(), source }
    }
}

fn holder(pid: Option<u32>) -> String {
    match pid {
        Some(pid) if pid == std::process::id() => format!("this process ({pid})"),
        Some(pid) => format!("process {pid}"),
        None => "another process".to_owned(),
    }
}
