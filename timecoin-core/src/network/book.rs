//! The file that keeps addresses of peers from one life of a node to the next.

use std::io::{self, Write};
use std::path::Path;

use super::{NetworkSettings, Shared};
use crate::peers::book::AddressBook;

/// What the file holds, or an empty book where there is none or it is damaged: addresses are
/// found again.
pub(super) fn load(settings: &NetworkSettings, secret: [u8; 32]) -> AddressBook {
    let is_private = settings.limits.private_addresses;
    let empty = || AddressBook::new(secret, is_private);
    let Some(path) = &settings.book else { return empty() };
    let bytes = match std::fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return empty(),
        Err(error) => {
            tracing::warn!(%error, path = %path.display(), "addresses of peers can't be read");
            return empty();
        }
    };
    let checked = bytes
        .split_last_chunk::<4>()
        .filter(|(content, checksum)| u32::from_be_bytes(**checksum) == crc32fast::hash(content));
    let book = checked.and_then(|(content, _)| AddressBook::decode(content, is_private).ok());
    book.unwrap_or_else(|| {
        tracing::warn!(path = %path.display(), "addresses of peers are damaged and are left");
        empty()
    })
}

/// Writes the file anew.
pub(super) fn keep(shared: &Shared) {
    let Some(path) = &shared.settings.book else { return };
    let mut bytes = shared.core().book.encode();
    bytes.extend(crc32fast::hash(&bytes).to_be_bytes());
    if let Err(error) = write(path, &bytes) {
        tracing::warn!(%error, path = %path.display(), "addresses of peers can't be kept");
    }
}

/// Whole or not at all. Who reads the file learns where this node's peers are: it is the owner's.
fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    use std::os::unix::fs::OpenOptionsExt;
    let fresh = path.with_extension("new");
    let mut options = std::fs::OpenOptions::new();
    let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(&fresh)?;
    file.write_all(bytes)?;
    file.sync_data()?;
    std::fs::rename(fresh, path)
}
