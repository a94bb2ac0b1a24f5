//! Keeps a data directory to one open at a time (PROTOCOL 6). The lock is `flock` on a file in
//! the directory, so the kernel releases it with the process, however that ends; the pid in the
//! file is only for the message a second open gets.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process;
use std::time::Duration;

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;
use rustix::process::{Pid, test_kill_process};

use super::StorageError;

/// A held lock on a data directory, released on drop.
///
/// `flock` belongs to the open file, which `fork` shares. A forked child therefore keeps the
/// directory locked if its parent is killed, until the child ends too; and the child's copy does
/// not release the parent's lock when it is dropped. The file is closed on `exec`.
#[derive(Debug)]
pub struct DirectoryLock {
    file: File,
    path: PathBuf,
    /// Process that took the lock: a forked copy must not release it.
    pid: u32,
}

impl DirectoryLock {
    /// Takes the lock of `dir`, which must exist.
    ///
    /// # Errors
    /// `LockedBy` while another open is in force, in this process or another; `Io` if the lock
    /// file can't be created, as in a read-only directory.
    pub fn acquire(dir: &Path) -> Result<Self, StorageError> {
        let path = dir.join(FILE_NAME);
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(StorageError::io("open", &path))?;
        lock_or_name_holder(&file, dir, &path)?;
        let lock = Self { file, path, pid: process::id() };
        lock.write_pid().map_err(StorageError::io("write to", &lock.path))?;
        Ok(lock)
    }

    /// The lock file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn write_pid(&self) -> io::Result<()> {
        self.file.set_len(0)?;
        self.file.write_all_at(format!("{}\n", self.pid).as_bytes(), 0)
    }
}

impl Drop for DirectoryLock {
    fn drop(&mut self) {
        if self.pid == process::id() {
            // Both are a courtesy: closing the file releases the lock, and who takes it next
            // overwrites the pid.
            let _ = self.file.set_len(0);
            let _ = flock(&self.file, FlockOperation::Unlock);
        }
    }
}

/// Takes the lock, or finds out who has it. The holder writes its pid just after taking the
/// lock, so an empty file or a dead pid may be a holder that is about to write, or about to let
/// go: those are looked at again for a moment.
fn lock_or_name_holder(file: &File, dir: &Path, path: &Path) -> Result<(), StorageError> {
    let mut attempts_left = ATTEMPTS;
    loop {
        match flock(file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => return Ok(()),
            Err(Errno::WOULDBLOCK) => {}
            Err(errno) => return Err(StorageError::io("lock", path)(errno.into())),
        }
        let pid = read_pid(file);
        attempts_left -= 1;
        if attempts_left == 0 || pid.is_some_and(is_running) {
            return Err(StorageError::LockedBy { path: dir.to_path_buf(), pid });
        }
        std::thread::sleep(ATTEMPT_PAUSE);
    }
}

fn read_pid(file: &File) -> Option<u32> {
    let mut text = [0; 16];
    let n = file.read_at(&mut text, 0).ok()?;
    std::str::from_utf8(&text[..n]).ok()?.trim().parse().ok()
}

fn is_running(pid: u32) -> bool {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
    pid.is_some_and(|pid| test_kill_process(pid) != Err(Errno::SRCH))
}

const FILE_NAME: &str = "LOCK";
/// 10 looks, 5 ms apart: far longer than the two system calls between lock and pid.
const ATTEMPTS: u32 = 10;
const ATTEMPT_PAUSE: Duration = Duration::from_millis(5);

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader};
    use std::process::{Child, Command, Stdio};

    use super::*;

    #[test]
    fn second_open_in_this_process_names_this_process() {
        let dir = tempfile::tempdir().unwrap();
        let lock = DirectoryLock::acquire(dir.path()).unwrap();
        let refused = DirectoryLock::acquire(dir.path()).unwrap_err();
        assert!(
            matches!(&refused, StorageError::LockedBy { pid, .. } if *pid == Some(process::id())),
            "{refused}"
        );
        drop(lock);
        DirectoryLock::acquire(dir.path()).unwrap();
    }

    #[test]
    fn another_process_is_named_and_its_death_releases() {
        let dir = tempfile::tempdir().unwrap();
        let mut child = spawn_holder(dir.path());
        let refused = DirectoryLock::acquire(dir.path()).unwrap_err();
        let pid = child.id();
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(
            matches!(&refused, StorageError::LockedBy { pid: found, .. } if *found == Some(pid)),
            "{refused}"
        );
        assert_eq!(
            std::fs::read_to_string(dir.path().join(FILE_NAME)).unwrap(),
            format!("{pid}\n")
        );
        let lock = DirectoryLock::acquire(dir.path()).unwrap();
        assert_eq!(read_pid(&lock.file), Some(process::id()));
    }

    /// A copy of the open file, as a forked child has, keeps the lock of a process that died,
    /// but not the lock of one that closed the directory.
    #[test]
    fn shared_open_file_does_not_outlive_a_release() {
        let dir = tempfile::tempdir().unwrap();
        let lock = DirectoryLock::acquire(dir.path()).unwrap();
        let inherited = lock.file.try_clone().unwrap();
        drop(lock);
        DirectoryLock::acquire(dir.path()).unwrap();
        drop(inherited);
    }

    #[test]
    fn forked_copy_does_not_release() {
        let dir = tempfile::tempdir().unwrap();
        let lock = DirectoryLock::acquire(dir.path()).unwrap();
        let other_pid = process::id() + 1;
        let file = lock.file.try_clone().unwrap();
        drop(DirectoryLock { file, path: lock.path.clone(), pid: other_pid });
        assert!(DirectoryLock::acquire(dir.path()).is_err());
    }

    #[test]
    fn missing_directory_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let refused = DirectoryLock::acquire(&dir.path().join("none")).unwrap_err();
        assert!(matches!(&refused, StorageError::Io { op: "open", .. }), "{refused}");
    }

    /// Runs this test binary again as a process that takes the lock and waits to be killed.
    fn spawn_holder(dir: &Path) -> Child {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "storage::lock::tests::hold_the_lock", "--ignored", "--nocapture"])
            .env(HOLD_DIR, dir)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        assert!(lines.map_while(Result::ok).any(|line| line.contains("held")));
        child
    }

    #[test]
    #[ignore = "run by another_process_is_named_and_its_death_releases"]
    fn hold_the_lock() {
        let Some(dir) = std::env::var_os(HOLD_DIR) else {
            return;
        };
        let _lock = DirectoryLock::acquire(Path::new(&dir)).unwrap();
        println!("held");
        std::thread::sleep(Duration::from_secs(60));
    }

    const HOLD_DIR: &str = "TIMECOIN_TEST_HOLD_DIR";
}
