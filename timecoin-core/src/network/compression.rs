//! Pages of blocks travel compressed where that saves something: keys and outpoints that come again
//! do, hashes and signatures don't. Votes and transactions never: they are small, and in a hurry.
//!
//! A compressed frame is [`COMPRESSED`], the length of the frame that it stands for in four bytes
//! and an LZ4 block of exactly that. Why LZ4: `docs/decisions/0008-compression.md`.

use super::error::PeerError;

/// What to send in the place of a frame: itself, unless it is long enough and compresses.
pub(super) fn pack(frame: Vec<u8>) -> Vec<u8> {
    let Some(length) = u32::try_from(frame.len()).ok().filter(|_| frame.len() >= PLAIN_MAX) else {
        return frame;
    };
    let mut packed = vec![0; HEAD + lz4_flex::block::get_maximum_output_size(frame.len())];
    packed[0] = COMPRESSED;
    packed[1..HEAD].copy_from_slice(&length.to_be_bytes());
    match lz4_flex::block::compress_into(&frame, &mut packed[HEAD..]) {
        Ok(n_bytes) if HEAD + n_bytes <= frame.len() - frame.len() / SAVED_MIN => {
            packed.truncate(HEAD + n_bytes);
            packed
        }
        _ => frame,
    }
}

/// The frame that a compressed one stands for. One that would be longer than `bytes_max` is refused
/// by what it says of itself, before there is room for it.
///
/// # Errors
/// The one that ends the connection.
pub fn unpack(packed: &[u8], bytes_max: usize) -> Result<Vec<u8>, PeerError> {
    let garbage = PeerError::Garbage("compressed frame");
    let Some((head, block)) = packed.split_first_chunk::<HEAD>() else { return Err(garbage) };
    let [_, length @ ..] = *head;
    let bytes = usize::try_from(u32::from_be_bytes(length)).unwrap_or(usize::MAX);
    if bytes > bytes_max {
        return Err(PeerError::TooLong { bytes, bytes_max });
    }
    let mut frame = vec![0; bytes];
    match lz4_flex::block::decompress_into(block, &mut frame) {
        Ok(n_bytes) if n_bytes == bytes => Ok(frame),
        _ => Err(garbage),
    }
}

/// The first byte of a compressed frame; no packet has this kind, so nothing is compressed twice.
pub(super) const COMPRESSED: u8 = 255;

/// Its kind, and a length.
const HEAD: usize = 5;

/// What is shorter goes as it is.
const PLAIN_MAX: usize = 4_096;

/// It must save one part in so many.
const SAVED_MIN: usize = 8;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Bytes with a tenth of chance in them.
    fn blocks(n: usize) -> Vec<u8> {
        (0..n).map(|at| if at % 10 == 0 { (at * at / 7).to_le_bytes()[0] } else { 1 }).collect()
    }

    #[test]
    fn what_compresses_is_shorter_and_comes_back() {
        let frame = blocks(100_000);
        let packed = pack(frame.clone());
        assert!(packed[0] == COMPRESSED && packed.len() < frame.len() / 2);
        assert_eq!(unpack(&packed, 100_000).unwrap(), frame);
    }

    #[test]
    fn what_is_short_or_has_no_pattern_goes_as_it_is() {
        let short = blocks(PLAIN_MAX - 1);
        assert_eq!(pack(short.clone()), short);
        let mut hasher = blake3::Hasher::new();
        let mut random = vec![0; 100_000];
        hasher.update(b"no pattern").finalize_xof().fill(&mut random);
        assert_eq!(pack(random.clone()), random);
    }

    #[test]
    fn a_frame_that_says_it_is_longer_than_it_may_be_is_refused_by_its_head() {
        let mut bomb = vec![COMPRESSED];
        bomb.extend(u32::MAX.to_be_bytes());
        assert!(matches!(unpack(&bomb, 8_000_000), Err(PeerError::TooLong { .. })));
        let packed = pack(vec![0; 1_000_000]);
        assert!(packed.len() < 5_000);
        assert!(matches!(unpack(&packed, 999_999), Err(PeerError::TooLong { .. })));
    }

    #[test]
    fn a_frame_that_is_longer_or_shorter_than_it_says_is_garbage() {
        for wrong in [99_999_u32, 100_001, 0] {
            let mut packed = pack(blocks(100_000));
            packed[1..HEAD].copy_from_slice(&wrong.to_be_bytes());
            let error = unpack(&packed, 1_000_000).unwrap_err();
            assert!(matches!(error, PeerError::Garbage(_)), "{wrong}: {error}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_frame_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let mut packed = vec![COMPRESSED, 0, 0];
            packed.extend(bytes);
            if let Ok(frame) = unpack(&packed, 1_000) {
                prop_assert!(frame.len() <= 1_000);
            }
        }

        #[test]
        fn what_is_packed_comes_back(seed in any::<u64>(), n in 0_usize..50_000, period in 1_u64..5_000) {
            let frame: Vec<u8> =
                (0..n as u64).map(|at| seed.wrapping_mul(at % period + 1).to_le_bytes()[1]).collect();
            let packed = pack(frame.clone());
            let is_packed = packed.first() == Some(&COMPRESSED) && packed != frame;
            let back = if is_packed { unpack(&packed, n).unwrap() } else { packed };
            prop_assert_eq!(back, frame);
        }
    }
}
