//! Many streams of frames in one stream of records, so that what is urgent never waits for a
//! block to be through.
//!
//! A record holds segments: a class, a length of two bytes, and bytes that belong behind those
//! of the last segment of that class. In each class's stream a frame is its length in four bytes
//! and its content. All numbers are big-endian.

use std::collections::VecDeque;
use std::sync::Arc;

use super::error::PeerError;
use super::noise::{RECORD_BYTES_MAX, short};
use crate::peers::rate::Class;

/// A frame on its way out; many peers share its bytes.
pub(super) type Frame = Arc<[u8]>;

/// Puts the frames of one peer together from records.
#[derive(Default)]
pub(super) struct Joiner {
    streams: [Partial; Class::ALL.len()],
}

/// Gives `take` the frames that records hold and returns the memory that the unfinished rest takes:
/// for tests with any bytes, what a node does with those of a peer.
///
/// # Errors
/// The one that would end the connection.
#[doc(hidden)]
pub fn join_records(
    records: &[&[u8]],
    bytes_max: usize,
    mut take: impl FnMut(Class, Vec<u8>),
) -> Result<usize, PeerError> {
    let mut joiner = Joiner::default();
    for record in records {
        joiner.push(record, |_| bytes_max, &mut take)?;
    }
    Ok(joiner.bytes())
}

/// What is there of a stream's next frame.
#[derive(Default)]
struct Partial {
    length: [u8; 4],
    n_length: usize,
    bytes: Vec<u8>,
}

impl Joiner {
    /// Takes a record and gives the frames that it completes to `take`. A frame longer than
    /// `bytes_max` says for its class is refused by its length alone, before there is room for it.
    pub(super) fn push(
        &mut self,
        mut record: &[u8],
        bytes_max: impl Fn(Class) -> usize,
        mut take: impl FnMut(Class, Vec<u8>),
    ) -> Result<(), PeerError> {
        while let Some((head, rest)) = record.split_first_chunk::<SEGMENT_HEAD>() {
            let [class, high, low] = *head;
            let class = Class::ALL.get(usize::from(class)).copied();
            let class = class.ok_or(PeerError::Garbage("class"))?;
            let n_bytes = usize::from(u16::from_be_bytes([high, low]));
            let (mut segment, rest) =
                rest.split_at_checked(n_bytes).ok_or(PeerError::Garbage("segment"))?;
            record = rest;
            let partial = &mut self.streams[class as usize];
            while !segment.is_empty() {
                segment = partial.push(segment, bytes_max(class))?;
                if let Some(frame) = partial.take() {
                    take(class, frame);
                }
            }
        }
        if record.is_empty() { Ok(()) } else { Err(PeerError::Garbage("segment")) }
    }

    /// Bytes of frames that are not complete.
    pub(super) fn bytes(&self) -> usize {
        self.streams.iter().map(|stream| stream.bytes.capacity()).sum()
    }
}

impl Partial {
    /// Takes what belongs to the next frame and returns the rest.
    fn push<'a>(&mut self, segment: &'a [u8], bytes_max: usize) -> Result<&'a [u8], PeerError> {
        let n_head = (LENGTH - self.n_length).min(segment.len());
        let (head, rest) = segment.split_at(n_head);
        self.length[self.n_length..self.n_length + n_head].copy_from_slice(head);
        self.n_length += n_head;
        if self.n_length < LENGTH {
            return Ok(rest);
        }
        if self.expected() > bytes_max {
            return Err(PeerError::TooLong { bytes: self.expected(), bytes_max });
        }
        let n_body = (self.expected() - self.bytes.len()).min(rest.len());
        let (body, rest) = rest.split_at(n_body);
        self.bytes.extend_from_slice(body);
        Ok(rest)
    }

    fn take(&mut self) -> Option<Vec<u8>> {
        let is_complete = self.n_length == LENGTH && self.bytes.len() == self.expected();
        is_complete.then(|| {
            self.n_length = 0;
            std::mem::take(&mut self.bytes)
        })
    }

    fn expected(&self) -> usize {
        u32::from_be_bytes(self.length) as usize
    }
}

/// One of the two connections between a pair of nodes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Lane {
    /// The one that says who they are. While it is the only one, everything goes over it.
    #[default]
    Main,
    /// The one for blocks.
    Blocks,
}

/// The frames that wait for one peer, each class within bounds of its own.
#[derive(Default)]
pub(super) struct Splitter {
    streams: [Stream; Class::ALL.len()],
    n_records: usize,
    /// Whether blocks have a connection of their own.
    is_apart: bool,
}

#[derive(Default)]
struct Stream {
    frames: VecDeque<Frame>,
    bytes: usize,
    /// How much of the first frame's length and content is sent, and where: it ends where it
    /// began.
    n_sent: usize,
    begun_on: Lane,
}

impl Splitter {
    /// Puts a frame behind the others of its class, unless too many wait.
    pub(super) fn push(&mut self, class: Class, frame: Frame) -> bool {
        let stream = &mut self.streams[class as usize];
        let (frames_max, bytes_max) = waiting_max(class);
        let is_full = stream.frames.len() >= frames_max || stream.bytes + frame.len() > bytes_max;
        if is_full && !stream.frames.is_empty() {
            return false;
        }
        stream.bytes += frame.len();
        stream.frames.push_back(frame);
        true
    }

    /// Whether `bytes` more may wait that the peer asked for. Nobody else has a use for them, so
    /// that less of them waits than of what goes to all.
    pub(super) fn has_room_to_serve(&self, class: Class, bytes: usize) -> bool {
        self.streams[class as usize].bytes + bytes <= SERVED_BYTES_MAX
    }

    /// Sends blocks over a connection of their own from now on, or no more.
    pub(super) fn set_apart(&mut self, is_apart: bool) {
        self.is_apart = is_apart;
    }

    /// The connection that frames of a class begin on.
    pub(super) fn lane(&self, class: Class) -> Lane {
        let is_bulk = matches!(class, Class::Blocks | Class::Sync);
        if self.is_apart && is_bulk { Lane::Blocks } else { Lane::Main }
    }

    /// Fills a record with what is most urgent of what goes over a connection. Now and then the
    /// least urgent goes first, so that nothing waits for ever.
    pub(super) fn fill(&mut self, lane: Lane, record: &mut Vec<u8>) {
        self.n_records += 1;
        let is_turned = self.n_records.is_multiple_of(TURNED_EVERY);
        for position in 0..Class::ALL.len() {
            let position = if is_turned { Class::ALL.len() - 1 - position } else { position };
            let class = BY_URGENCY[position];
            let begins = self.lane(class) == lane;
            self.streams[class as usize].fill(class, lane, begins, record);
        }
    }

    /// Whether nothing waits but transactions, which may gather.
    pub(super) fn is_only_transactions(&self) -> bool {
        let waits = |class: &Class| !self.streams[*class as usize].frames.is_empty();
        let others = [Class::Votes, Class::Control];
        waits(&Class::Transactions) && !others.iter().any(waits)
    }
}

impl Stream {
    /// Fills a record; new frames begin there only where `begins` says so.
    fn fill(&mut self, class: Class, lane: Lane, begins: bool, record: &mut Vec<u8>) {
        let room = RECORD_BYTES_MAX.saturating_sub(record.len() + SEGMENT_HEAD);
        let goes = if self.n_sent > 0 { self.begun_on == lane } else { begins };
        if self.frames.is_empty() || room == 0 || !goes {
            return;
        }
        self.begun_on = lane;
        let start = record.len();
        record.extend_from_slice(&[class as u8, 0, 0]);
        let end = start + SEGMENT_HEAD + room;
        while let Some(frame) = self.frames.front().filter(|_| record.len() < end) {
            let length = u32::try_from(frame.len()).unwrap_or(u32::MAX).to_be_bytes();
            let n_head = LENGTH.saturating_sub(self.n_sent).min(end - record.len());
            let head = self.n_sent.min(LENGTH);
            record.extend_from_slice(&length[head..head + n_head]);
            let body = self.n_sent.saturating_sub(LENGTH);
            let n_body = (frame.len() - body).min(end - record.len());
            record.extend_from_slice(&frame[body..body + n_body]);
            self.n_sent += n_head + n_body;
            if self.n_sent < LENGTH + frame.len() {
                break;
            }
            self.bytes -= frame.len();
            self.n_sent = 0;
            self.frames.pop_front();
            if !begins {
                break;
            }
        }
        let n_bytes = short(record.len() - start - SEGMENT_HEAD);
        record[start + 1..start + SEGMENT_HEAD].copy_from_slice(&n_bytes.to_be_bytes());
    }
}

/// Frames of a class that may wait for one peer, and their bytes.
const fn waiting_max(class: Class) -> (usize, usize) {
    match class {
        Class::Votes | Class::Transactions => (16_384, 16_000_000),
        Class::Blocks | Class::Sync => (256, 16_000_000),
        Class::Control => (1_024, 1_000_000),
    }
}

/// Bytes of a class that wait for one peer at its own wish: two answers of a sync.
const SERVED_BYTES_MAX: usize = 4_000_000;

/// Classes, the most urgent first.
const BY_URGENCY: [Class; Class::ALL.len()] =
    [Class::Votes, Class::Control, Class::Transactions, Class::Blocks, Class::Sync];

/// One record in so many begins with the least urgent class.
const TURNED_EVERY: usize = 8;

/// A class and a length.
const SEGMENT_HEAD: usize = 3;

/// The length of a frame.
const LENGTH: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn join(records: &[Vec<u8>]) -> Vec<(Class, Vec<u8>)> {
        let mut joiner = Joiner::default();
        let mut frames = Vec::new();
        for record in records {
            joiner.push(record, |_| 1_000_000, |class, frame| frames.push((class, frame))).unwrap();
        }
        assert_eq!(joiner.bytes(), 0);
        frames
    }

    fn records(splitter: &mut Splitter) -> Vec<Vec<u8>> {
        records_on(Lane::Main, splitter)
    }

    fn records_on(lane: Lane, splitter: &mut Splitter) -> Vec<Vec<u8>> {
        let mut records = Vec::new();
        loop {
            let mut record = Vec::new();
            splitter.fill(lane, &mut record);
            assert!(record.len() <= RECORD_BYTES_MAX);
            if record.is_empty() {
                return records;
            }
            records.push(record);
        }
    }

    #[test]
    fn a_block_ends_on_the_connection_on_which_it_began() {
        let mut splitter = Splitter::default();
        let blocks = [[1; 40_000], [2; 40_000]];
        blocks.iter().for_each(|block| assert!(splitter.push(Class::Blocks, (*block).into())));
        let mut first = Vec::new();
        splitter.fill(Lane::Main, &mut first);
        splitter.set_apart(true);
        assert!(records_on(Lane::Blocks, &mut splitter).is_empty());
        splitter.push(Class::Votes, [3; 300].into());
        let main = join(&[vec![first], records_on(Lane::Main, &mut splitter)].concat());
        let classes: Vec<_> = main.iter().map(|(class, frame)| (*class, frame[0])).collect();
        assert_eq!(classes, [(Class::Votes, 3), (Class::Blocks, 1)]);
        let apart = join(&records_on(Lane::Blocks, &mut splitter));
        assert_eq!(apart, [(Class::Blocks, blocks[1].to_vec())]);
    }

    #[test]
    fn a_vote_does_not_wait_for_a_block() {
        let mut splitter = Splitter::default();
        splitter.push(Class::Blocks, vec![1; 100_000].into());
        let mut first = Vec::new();
        splitter.fill(Lane::Main, &mut first);
        splitter.push(Class::Votes, vec![2; 300].into());
        let mut second = Vec::new();
        splitter.fill(Lane::Main, &mut second);
        let frames = join(&[vec![first, second], records(&mut splitter)].concat());
        assert_eq!(
            frames.iter().map(|(class, _)| *class).collect::<Vec<_>>(),
            [Class::Votes, Class::Blocks]
        );
    }

    #[test]
    fn what_is_least_urgent_gets_its_turn() {
        let mut splitter = Splitter::default();
        splitter.push(Class::Sync, vec![1; 10].into());
        let mut n_records = 0;
        let is_through = loop {
            while splitter.push(Class::Votes, vec![2; 300].into()) {}
            let mut record = Vec::new();
            splitter.fill(Lane::Main, &mut record);
            n_records += 1;
            if record[0] == Class::Sync as u8 {
                break true;
            }
            if n_records > TURNED_EVERY {
                break false;
            }
        };
        assert!(is_through);
    }

    #[test]
    fn a_class_that_is_full_takes_no_more_and_the_others_do() {
        let mut splitter = Splitter::default();
        while splitter.push(Class::Sync, vec![0; 1_000_000].into()) {}
        assert!(splitter.push(Class::Votes, vec![0].into()));
        assert!(!splitter.push(Class::Sync, vec![0; 1_000_000].into()));
    }

    #[test]
    fn four_gigabytes_are_refused_by_their_length() {
        let mut joiner = Joiner::default();
        let record = [Class::Blocks as u8, 0, 4, 0xff, 0xff, 0xff, 0xff];
        let refused = joiner.push(&record, |_| 8_000_000, |_, _| panic!("no frame"));
        assert!(matches!(refused, Err(PeerError::TooLong { .. })));
        assert_eq!(joiner.bytes(), 0);
    }

    proptest! {
        #[test]
        fn frames_come_out_as_they_went_in(
            frames in prop::collection::vec((0..5usize, prop::collection::vec(0..=255u8, 0..40_000)), 0..20)
        ) {
            let mut splitter = Splitter::default();
            for (class, frame) in &frames {
                prop_assert!(splitter.push(Class::ALL[*class], frame.clone().into()));
            }
            let joined = join(&records(&mut splitter));
            for class in Class::ALL {
                let sent = frames.iter().filter(|(c, _)| Class::ALL[*c] == class).map(|(_, f)| f);
                let come = joined.iter().filter(|(c, _)| *c == class).map(|(_, f)| f);
                prop_assert!(sent.eq(come));
            }
        }

        #[test]
        fn any_bytes_give_frames_or_an_error(
            records in prop::collection::vec(prop::collection::vec(0..=255u8, 0..300), 0..20)
        ) {
            let mut joiner = Joiner::default();
            for record in records {
                if joiner.push(&record, |_| 1_000, |_, f| assert!(f.len() <= 1_000)).is_err() {
                    break;
                }
                prop_assert!(joiner.bytes() <= 5 * 2_000);
            }
        }
    }
}
