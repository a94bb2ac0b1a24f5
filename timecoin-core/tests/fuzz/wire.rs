//! What peers say about themselves and others, and the frames that it comes in.

use timecoin_core::PeerTarget;
use timecoin_core::network::{Hello, Packet, join_records, unpack_frame};
use timecoin_core::peers::book::AddressBook;

use super::decoders::canonical;
use super::tape::Tape;

pub(crate) fn packet(bytes: &[u8]) {
    canonical::<Packet>(bytes);
}

pub(crate) fn hello(bytes: &[u8]) {
    canonical::<Hello>(bytes);
}

/// Records, each behind its length in one byte.
pub(crate) fn joiner(bytes: &[u8]) {
    let mut rest = bytes;
    let mut records = Vec::new();
    while let Some((length, after)) = rest.split_first() {
        let (record, after) = after.split_at(usize::from(*length).min(after.len()));
        records.push(record);
        rest = after;
    }
    let mut frames = Vec::new();
    let joined = join_records(&records, FRAME_BYTES_MAX, |class, frame| {
        assert!(frame.len() <= FRAME_BYTES_MAX);
        frames.push((class, frame));
    });
    let n_bytes: usize = frames.iter().map(|(_, frame)| 4 + frame.len()).sum();
    assert!(n_bytes <= bytes.len(), "frames out of nothing");
    let Ok(unfinished) = joined else { return };
    assert!(unfinished <= 2 * bytes.len() + 5 * 8, "room for what is only announced");
    // Where records end makes no difference.
    let mut same = Vec::new();
    let one = records.concat();
    join_records(&[&one], FRAME_BYTES_MAX, |class, frame| same.push((class, frame))).unwrap();
    assert_eq!(same, frames);
}

/// What a peer sends in the place of a page of blocks.
pub(crate) fn compressed(bytes: &[u8]) {
    if let Ok(frame) = unpack_frame(bytes, FRAME_BYTES_MAX) {
        assert!(frame.len() <= FRAME_BYTES_MAX);
        let length = u32::try_from(frame.len()).expect("it is short").to_be_bytes();
        assert_eq!(bytes[1..5], length, "it is as long as it says");
    }
}

pub(crate) fn peer_target(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let Ok(target) = text.parse::<PeerTarget>() else { return };
    assert_eq!(target.to_string().parse(), Ok(target));
}

/// The first byte says whether private addresses are taken.
pub(crate) fn address_book(bytes: &[u8]) {
    let is_private = Tape::new(bytes).byte() % 2 == 1;
    let bytes = bytes.get(1..).unwrap_or_default();
    let Ok(book) = AddressBook::decode(bytes, is_private) else { return };
    assert_eq!(book.len(), book.n_tried() + book.n_untried());
    let again = book.encode();
    let same = AddressBook::decode(&again, is_private).expect("it was written here");
    assert_eq!((same.n_tried(), same.n_untried()), (book.n_tried(), book.n_untried()));
    assert_eq!(same.encode(), again);
}

const FRAME_BYTES_MAX: usize = 300;
