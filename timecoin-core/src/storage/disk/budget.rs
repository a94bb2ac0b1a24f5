//! How much memory sled's cache may use: a share of what is available to the process, which in a
//! container is less than what the machine has.

use std::fs;
use std::path::{Path, PathBuf};

/// A 64th of the available memory, at least 8 MiB, at most 128 MiB: sled keeps more than it counts,
/// other nodes may share the process, and a larger cache gained little
/// (`docs/decisions/0006-derived-store.md`).
pub(super) fn cache_bytes_default() -> u64 {
    let available = available_bytes(Path::new("/")).unwrap_or(0);
    (available / SHARE).clamp(CACHE_BYTES_MIN, CACHE_BYTES_MAX)
}

/// The memory that may still be taken: what the machine has left, and what every control group
/// that the process is in leaves.
fn available_bytes(root: &Path) -> Option<u64> {
    let meminfo = fs::read_to_string(root.join("proc/meminfo")).ok();
    let machine = meminfo.as_deref().and_then(machine_bytes);
    let groups = fs::read_to_string(root.join("proc/self/cgroup")).unwrap_or_default();
    let groups = groups.lines().flat_map(|line| group_dirs(root, line));
    groups.filter_map(|dir| group_bytes(&dir)).chain(machine).min()
}

fn machine_bytes(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kibibytes.checked_mul(1024)
}

/// The directories of a control group and all groups around it, from a line
/// `number:controllers:path`. Inside a container the path may not be visible; then the root of
/// the mount is the container's own group.
fn group_dirs(root: &Path, line: &str) -> Vec<PathBuf> {
    let mut fields = line.splitn(3, ':');
    let (_, controllers, path) = (fields.next(), fields.next(), fields.next());
    let (Some(controllers), Some(path)) = (controllers, path) else { return Vec::new() };
    let mount = match controllers {
        "" => root.join("sys/fs/cgroup"),
        _ if controllers.split(',').any(|name| name == "memory") => {
            root.join("sys/fs/cgroup/memory")
        }
        _ => return Vec::new(),
    };
    let relative = Path::new(path.trim_start_matches('/'));
    relative.ancestors().map(|group| mount.join(group)).collect()
}

fn group_bytes(dir: &Path) -> Option<u64> {
    let number = |name: &str| -> Option<u64> {
        fs::read_to_string(dir.join(name)).ok()?.trim().parse().ok()
    };
    let v2 = || Some((number("memory.max")?, number("memory.current")?));
    let v1 = || Some((number("memory.limit_in_bytes")?, number("memory.usage_in_bytes")?));
    let (limit, used) = v2().or_else(v1)?;
    Some(limit.saturating_sub(used))
}

const SHARE: u64 = 64;
const CACHE_BYTES_MIN: u64 = 8 << 20;
const CACHE_BYTES_MAX: u64 = 128 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    fn write(root: &Path, path: &str, text: &str) {
        let path = root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    #[test]
    fn the_tightest_limit_counts() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        assert_eq!(available_bytes(root), None);
        write(root, "proc/meminfo", "MemTotal: 9000 kB\nMemAvailable:    4000 kB\n");
        assert_eq!(available_bytes(root), Some(4000 << 10));
        write(root, "proc/self/cgroup", "1:cpu:/x\n0::/a/b\n");
        write(root, "sys/fs/cgroup/a/b/memory.max", "max\n");
        write(root, "sys/fs/cgroup/a/b/memory.current", "5\n");
        assert_eq!(available_bytes(root), Some(4000 << 10));
        write(root, "sys/fs/cgroup/a/memory.max", "3000\n");
        write(root, "sys/fs/cgroup/a/memory.current", "1000\n");
        assert_eq!(available_bytes(root), Some(2000));
    }

    #[test]
    fn the_first_version_of_control_groups_is_read() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        write(root, "proc/self/cgroup", "4:hugetlb,memory:/c\n");
        write(root, "sys/fs/cgroup/memory/memory.limit_in_bytes", "700\n");
        write(root, "sys/fs/cgroup/memory/memory.usage_in_bytes", "900\n");
        assert_eq!(available_bytes(root), Some(0));
    }

    #[test]
    fn default_is_within_its_bounds() {
        assert!((CACHE_BYTES_MIN..=CACHE_BYTES_MAX).contains(&cache_bytes_default()));
    }
}
