//! Who holds the lock of a ledger's file.

use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use super::{LOCK_WAIT, Place};
use crate::text::shown;

/// The error of a command that waited in vain for another one to let go of a ledger.
pub fn locked(place: &Place, lock: &Path) -> anyhow::Error {
    let holder = match holder(lock) {
        Some((pid, program)) => format!("the process {pid} ({}) writes to it", shown(&program)),
        None => "another process writes to it".into(),
    };
    anyhow::anyhow!(
        "the ledger {place} cannot be opened: {holder}, and {} s were not enough to wait; wait for it to end, or give it a \
         ledger of its own",
        LOCK_WAIT.as_secs()
    )
}

/// The process that has the lock, and its program, as far as this user can see them.
fn holder(lock: &Path) -> Option<(u32, String)> {
    let lock = std::fs::canonicalize(lock).ok()?;
    let inode = std::fs::metadata(&lock).ok()?.ino();
    let locks = std::fs::read_to_string("/proc/locks").ok()?;
    // A file of that number may be on another disk: whoever has the lock has the file open.
    locks.lines().filter_map(|line| pid_of(line, inode)).find_map(|pid| {
        let mut open = std::fs::read_dir(format!("/proc/{pid}/fd")).ok()?.flatten();
        open.find(|file| std::fs::read_link(file.path()).is_ok_and(|path| path == lock))?;
        let program = std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
        Some((pid, program.trim().to_owned()))
    })
}

/// The process of a line such as `1: FLOCK  ADVISORY  WRITE 4711 fe:00:1311 0 EOF`, where it is about that inode.
fn pid_of(line: &str, inode: u64) -> Option<u32> {
    let mut fields = line.split_whitespace();
    let (kind, pid, file) = (fields.nth(1)?, fields.nth(2)?, fields.next()?);
    (kind == "FLOCK" && file.rsplit(':').next()?.parse() == Ok(inode)).then(|| pid.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_lock_on_that_file_names_its_process() {
        assert_eq!(pid_of("1: FLOCK  ADVISORY  WRITE 4711 fe:00:1311 0 EOF", 1311), Some(4711));
        for other in [
            "1: FLOCK  ADVISORY  WRITE 4711 fe:00:1312 0 EOF",
            "1: POSIX  ADVISORY  WRITE 4711 fe:00:1311 0 EOF",
            "1: -> FLOCK  ADVISORY  WRITE 4711 fe:00:1311 0 EOF",
            "1: FLOCK",
            "",
        ] {
            assert_eq!(pid_of(other, 1311), None, "{other}");
        }
    }
}
