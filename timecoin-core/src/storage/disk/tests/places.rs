//! Directories that can't be written, or not enough.

use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use rustix::process::geteuid;

use super::*;

#[test]
fn directory_without_permission_is_named() {
    if !geteuid().is_root() {
        return;
    }
    let example = Example::new(Left::Closed);
    fs::set_permissions(example.dir.0.path(), fs::Permissions::from_mode(0o555)).unwrap();
    let (path, chain) = (example.dir.0.path().to_path_buf(), example.chain.clone());
    // Another user, for this thread only; root may write everywhere.
    let refused = std::thread::spawn(move || {
        rustix::thread::set_thread_uid(rustix::process::Uid::from_raw(65534)).unwrap();
        DiskStorage::open(&path, &chain, StorageOptions::default()).err()
    });
    let refused = refused.join().unwrap().expect("it can't be written");
    let text = refused.to_string();
    assert!(matches!(refused, StorageError::Io { .. }), "{text}");
    assert!(text.contains("Permission denied"), "{text}");
    example.open_whole(&example.dir);
}

#[test]
fn file_in_place_of_the_directory_is_named() {
    let dir = Directory::new();
    let path = dir.0.path().join("file");
    fs::write(&path, "").unwrap();
    let chain = testkit::solo_chain();
    let refused = DiskStorage::open(&path, &chain, StorageOptions::default()).err().unwrap();
    assert!(refused.to_string().contains(path.to_str().unwrap()), "{refused}");
}

/// A mount that is taken down in the end; none where that is not allowed.
struct Mounted(Directory);

impl Mounted {
    fn new(options: &str) -> Option<Self> {
        let dir = Directory::new();
        let mut mount = Command::new("mount");
        let mount = mount.args(["-t", "tmpfs", "-o", options, "tmpfs"]).arg(dir.0.path());
        let is_mounted = mount.output().is_ok_and(|output| output.status.success());
        if !is_mounted {
            eprintln!("skipped: no file system can be mounted here");
            return None;
        }
        Some(Mounted(dir))
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0.0.path()).status();
    }
}

#[test]
fn full_disk_stops_the_store_and_a_larger_one_goes_on() {
    let chain = testkit::solo_chain_with_coins(400);
    let Some(mount) = Mounted::new("size=6m") else { return };
    let storage = mount.0.open(&chain).unwrap().storage;
    let mut spender = Spender::new(&chain, &storage);
    let mut commits = Vec::new();
    let refused = loop {
        let commit = spender.stage(400);
        if let Err(error) = storage.persist(&[], std::slice::from_ref(&commit)) {
            break error;
        }
        commits.push(commit);
        if let Err(error) = storage.apply() {
            break error;
        }
    };
    assert!(refused.to_string().contains("No space left"), "{refused}");
    let n_readable = storage.state().tip.height.0;
    assert_eq!(n_readable, commits.len() as u64);
    let _ = storage.close();
    drop((storage, spender));
    let larger = Directory::new();
    copy_dir(mount.0.0.path(), larger.0.path());
    let opened = larger.open(&chain).unwrap();
    check(&*opened.storage, &commits);
}

#[test]
fn read_only_file_system_is_named() {
    let Some(mount) = Mounted::new("size=16m") else { return };
    let chain = testkit::solo_chain();
    mount.0.open(&chain).unwrap().storage.close().unwrap();
    let path = mount.0.0.path();
    let remounted = Command::new("mount").args(["-o", "remount,ro"]).arg(path).status().unwrap();
    assert!(remounted.success());
    let refused = mount.0.open(&chain).err().expect("it can't be written");
    assert!(refused.to_string().contains("Read-only file system"), "{refused}");
}
