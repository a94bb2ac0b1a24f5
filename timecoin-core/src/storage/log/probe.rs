//! A disk for tests: it fills up, fails to flush, and loses power. It watches the operations of a
//! log on a real directory and can tell what of them a power loss would leave.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

/// Watches one log.
#[derive(Debug, Default)]
pub(super) struct Probe {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    events: Vec<Event>,
    room: Option<usize>,
    syncs_left: Option<usize>,
}

/// What happened, in order.
#[derive(Clone, Debug)]
pub(super) enum Event {
    Create(PathBuf),
    Rename(PathBuf, PathBuf),
    Write(PathBuf, u64, Vec<u8>),
    Truncate(PathBuf, u64),
    Sync(PathBuf),
    SyncFailed(PathBuf),
    Remove(PathBuf),
    SyncDir,
    /// The test was told that every record below is on disk.
    Promised(u64),
    /// The test asked to drop the records below.
    Pruned(u64),
}

impl Probe {
    /// The disk has room for `bytes` more.
    pub(super) fn set_room(&self, bytes: Option<usize>) {
        self.state.lock().unwrap().room = bytes;
    }

    /// That many more flushes, of files and of the directory, succeed.
    pub(super) fn set_syncs_left(&self, n: Option<usize>) {
        self.state.lock().unwrap().syncs_left = n;
    }

    pub(super) fn events(&self) -> Vec<Event> {
        self.state.lock().unwrap().events.clone()
    }

    pub(super) fn note(&self, event: Event) {
        self.state.lock().unwrap().events.push(event);
    }

    /// How much of a write of `bytes` fits, if not all of it.
    pub(super) fn room_for(&self, bytes: usize) -> Option<usize> {
        let mut state = self.state.lock().unwrap();
        let room = state.room?;
        state.room = Some(room.saturating_sub(bytes));
        (bytes > room).then_some(room)
    }

    pub(super) fn on_create(&self, path: &Path) {
        self.note(Event::Create(path.to_path_buf()));
    }

    pub(super) fn on_rename(&self, from: &Path, to: &Path) {
        self.note(Event::Rename(from.to_path_buf(), to.to_path_buf()));
    }

    pub(super) fn on_write(&self, path: &Path, offset: u64, bytes: &[u8]) {
        self.note(Event::Write(path.to_path_buf(), offset, bytes.to_vec()));
    }

    pub(super) fn on_truncate(&self, path: &Path, bytes: u64) {
        self.note(Event::Truncate(path.to_path_buf(), bytes));
    }

    pub(super) fn on_sync(&self, path: &Path) -> io::Result<()> {
        let outcome = self.spend_sync();
        self.note(match outcome {
            Ok(()) => Event::Sync(path.to_path_buf()),
            Err(_) => Event::SyncFailed(path.to_path_buf()),
        });
        outcome
    }

    pub(super) fn on_remove(&self, path: &Path) {
        self.note(Event::Remove(path.to_path_buf()));
    }

    pub(super) fn on_sync_dir(&self) -> io::Result<()> {
        self.spend_sync()?;
        self.note(Event::SyncDir);
        Ok(())
    }

    fn spend_sync(&self) -> io::Result<()> {
        match &mut self.state.lock().unwrap().syncs_left {
            Some(0) => return Err(io::Error::other("injected")),
            Some(n) => *n -= 1,
            None => {}
        }
        Ok(())
    }
}

/// What a file system knows of a directory: what is on the disk and what only the kernel has.
#[derive(Clone, Debug, Default)]
pub(super) struct Volume {
    files: Vec<Content>,
    names: BTreeMap<PathBuf, usize>,
    names_on_disk: BTreeMap<PathBuf, usize>,
}

#[derive(Clone, Debug, Default)]
struct Content {
    bytes: Vec<u8>,
    on_disk: Vec<u8>,
    /// Pages that a flush would write. A failed flush forgets them, as Linux does.
    dirty: BTreeMap<usize, ()>,
}

impl Volume {
    /// All that is in `dir`, as if it were on disk.
    pub(super) fn of(dir: &Path) -> Self {
        let mut volume = Self::default();
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            let bytes = fs::read(&path).unwrap();
            let content = Content { on_disk: bytes.clone(), bytes, dirty: BTreeMap::new() };
            volume.names.insert(path, volume.files.len());
            volume.files.push(content);
        }
        volume.names_on_disk = volume.names.clone();
        volume
    }

    pub(super) fn apply(&mut self, event: &Event) {
        match event {
            Event::Create(path) => {
                self.names.insert(path.clone(), self.files.len());
                self.files.push(Content::default());
            }
            Event::Rename(from, to) => {
                let file = self.names.remove(from).unwrap();
                self.names.insert(to.clone(), file);
            }
            Event::Remove(path) => {
                self.names.remove(path);
            }
            Event::SyncDir => self.names_on_disk = self.names.clone(),
            Event::Write(path, offset, bytes) => {
                self.content(path).write(usize::try_from(*offset).unwrap(), bytes);
            }
            Event::Truncate(path, bytes) => {
                self.content(path).bytes.resize(usize::try_from(*bytes).unwrap(), 0);
            }
            Event::Sync(path) => self.content(path).sync(),
            Event::SyncFailed(path) => self.content(path).dirty.clear(),
            Event::Promised(_) | Event::Pruned(_) => {}
        }
    }

    fn content(&mut self, path: &Path) -> &mut Content {
        &mut self.files[self.names[path]]
    }

    /// Writes to `dir` what a power loss leaves, where `toss` decides what made it to the disk.
    pub(super) fn lose_power(&self, dir: &Path, mut toss: impl FnMut() -> bool) {
        let mut names = self.names_on_disk.clone();
        for path in self.names.keys().chain(self.names_on_disk.keys()) {
            if toss() {
                match self.names.get(path) {
                    Some(&file) => names.insert(path.clone(), file),
                    None => names.remove(path),
                };
            }
        }
        for (path, file) in names {
            let bytes = self.files[file].after_power_loss(&mut toss);
            fs::write(dir.join(path.file_name().unwrap()), bytes).unwrap();
        }
    }
}

impl Content {
    fn write(&mut self, offset: usize, bytes: &[u8]) {
        let end = offset + bytes.len();
        self.bytes.resize(self.bytes.len().max(end), 0);
        self.bytes[offset..end].copy_from_slice(bytes);
        self.dirty.extend((offset / PAGE..end.div_ceil(PAGE)).map(|page| (page, ())));
    }

    fn sync(&mut self) {
        self.on_disk.resize(self.bytes.len(), 0);
        for page in std::mem::take(&mut self.dirty).into_keys() {
            let range = page_range(page, self.bytes.len());
            self.on_disk[range.clone()].copy_from_slice(&self.bytes[range]);
        }
    }

    fn after_power_loss(&self, toss: &mut impl FnMut() -> bool) -> Vec<u8> {
        let mut bytes = self.on_disk.clone();
        if toss() {
            bytes.resize(self.bytes.len(), 0);
        }
        let both = bytes.len().min(self.bytes.len());
        for &page in self.dirty.keys() {
            let range = page_range(page, both);
            if !range.is_empty() && toss() {
                bytes[range.clone()].copy_from_slice(&self.bytes[range]);
            }
        }
        bytes
    }
}

fn page_range(page: usize, bytes: usize) -> Range<usize> {
    (page * PAGE).min(bytes)..((page + 1) * PAGE).min(bytes)
}

const PAGE: usize = 4096;
