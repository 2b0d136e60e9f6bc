//! Settings under `/proc/sys/net`. They are those of the namespace of the thread that opens them.

use std::fs;
use std::io;
use std::path::PathBuf;

/// The value of a setting like `ipv4/ip_forward`, or none where the kernel does not have it.
///
/// # Errors
/// It is there and cannot be read.
pub(super) fn read(name: &str) -> io::Result<Option<String>> {
    match fs::read_to_string(path(name)) {
        Ok(value) => Ok(Some(value.trim().to_owned())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Sets it.
///
/// # Errors
/// The kernel does not have it, or refuses the value.
pub(super) fn write(name: &str, value: &str) -> io::Result<()> {
    fs::write(path(name), value)
}

fn path(name: &str) -> PathBuf {
    PathBuf::from("/proc/sys/net").join(name)
}
