//! The address book as bytes, for the caller to keep in a file.

use borsh::{BorshDeserialize, BorshSerialize};

use super::{AddressBook, Entry, PLACES_MAX};
use crate::peers::address::is_routable;
use crate::types::encode::{DecodeError, decode, encode};

/// No encoded book is longer: 20,480 entries of at most 110 bytes take 2.2 MB.
pub const BOOK_BYTES_MAX: usize = 4 << 20;

/// The layout that [`AddressBook::encode`] writes.
pub(super) const VERSION: u8 = 1;

#[derive(BorshSerialize, BorshDeserialize)]
pub(super) struct File {
    pub(super) version: u8,
    pub(super) secret: [u8; 32],
    pub(super) entries: Vec<Entry>,
}

impl AddressBook {
    /// The book as bytes for a file that only its owner reads: the secret is among them. The
    /// caller adds a checksum.
    pub fn encode(&self) -> Vec<u8> {
        let in_order = self.by_address.values().map(|id| self.entry(*id).clone());
        encode(&File { version: VERSION, secret: self.secret, entries: in_order.collect() })
    }

    /// The book of these bytes. Entries that have no place any more are left out.
    ///
    /// # Errors
    /// [`DecodeError`] if they are no book of this version or more than [`BOOK_BYTES_MAX`].
    pub fn decode(bytes: &[u8], private_addresses: bool) -> Result<AddressBook, DecodeError> {
        let malformed = |reason: String| DecodeError::Malformed { what: "address book", reason };
        if bytes.first().is_some_and(|version| *version != VERSION) {
            return Err(malformed(format!("version {} is not {VERSION}", bytes[0])));
        }
        let file: File = decode("address book", bytes, BOOK_BYTES_MAX)?;
        let mut book = AddressBook::new(file.secret, private_addresses);
        for entry in file.entries {
            if entry.sources.len() > PLACES_MAX {
                return Err(malformed(format!("{} is in too many places", entry.peer.address())));
            }
            book.restore(entry);
        }
        Ok(book)
    }

    pub(super) fn restore(&mut self, entry: Entry) {
        let address = entry.peer.address();
        if self.contains(address) || !is_routable(address, self.private_addresses) {
            return;
        }
        let Entry { is_tried, sources, .. } = entry.clone();
        let id = self.insert(Entry { is_tried: false, sources: Vec::new(), ..entry });
        if is_tried {
            let bucket = self.tried_bucket(address);
            let is_placed = self.tried.insert(bucket, id);
            self.entry_mut(id).is_tried = is_placed;
        }
        for source in sources.into_iter().filter(|_| !is_tried) {
            self.place_beside(id, source);
        }
        self.forget_if_homeless(id);
    }
}
