//! A file descriptor that can be read while something waits: one byte in a pair of sockets.

use std::io::{self, Read, Write};
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::net::UnixStream;

/// Readable between `set` and `clear`; the caller alternates them.
#[derive(Debug)]
pub(super) struct Readiness {
    read: UnixStream,
    write: UnixStream,
}

impl Readiness {
    pub(super) fn new() -> io::Result<Self> {
        let (read, write) = UnixStream::pair()?;
        read.set_nonblocking(true)?;
        write.set_nonblocking(true)?;
        Ok(Readiness { read, write })
    }

    /// One byte always fits: there is at most one in the pair.
    pub(super) fn set(&self) {
        let _ = (&self.write).write(&[1]);
    }

    pub(super) fn clear(&self) {
        let _ = (&self.read).read(&mut [0; 16]);
    }

    pub(super) fn fd(&self) -> RawFd {
        self.read.as_raw_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_readable_from_set_to_clear() {
        let readiness = Readiness::new().unwrap();
        let read = || (&readiness.read).read(&mut [0; 2]).map_err(|error| error.kind());
        assert_eq!(read(), Err(io::ErrorKind::WouldBlock));
        readiness.set();
        assert_eq!(read(), Ok(1));
        readiness.set();
        readiness.clear();
        assert_eq!(read(), Err(io::ErrorKind::WouldBlock));
    }
}
