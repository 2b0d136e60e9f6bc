//! Archives as the kernel unpacks them into its first file system: cpio in its `newc` form.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::Path;

use anyhow::{Result, bail};

const FOLDER: u32 = 0o040_755;
const PROGRAM: u32 = 0o100_755;
const LINK: u32 = 0o120_777;

/// An archive that is being written. Folders come by themselves before what is in them.
#[derive(Default)]
pub(super) struct Archive {
    bytes: Vec<u8>,
    names: BTreeSet<String>,
}

impl Archive {
    /// An empty folder.
    pub(super) fn folder(&mut self, name: &str) -> Result<()> {
        self.parents(name)?;
        self.entry(name, FOLDER, b"")
    }

    /// A file that anyone may read and run. One that is there already stays.
    pub(super) fn file(&mut self, name: &str, content: &[u8]) -> Result<()> {
        self.parents(name)?;
        self.entry(name, PROGRAM, content)
    }

    /// A symbolic link.
    pub(super) fn link(&mut self, name: &str, target: &str) -> Result<()> {
        self.parents(name)?;
        self.entry(name, LINK, target.as_bytes())
    }

    /// The whole archive.
    pub(super) fn finish(mut self) -> Result<Vec<u8>> {
        self.entry("TRAILER!!!", 0, b"")?;
        Ok(self.bytes)
    }

    fn parents(&mut self, name: &str) -> Result<()> {
        let mut parents: Vec<&Path> = Path::new(name).ancestors().skip(1).collect();
        parents.retain(|parent| !parent.as_os_str().is_empty());
        for parent in parents.into_iter().rev() {
            self.entry(&parent.to_string_lossy(), FOLDER, b"")?;
        }
        Ok(())
    }

    fn entry(&mut self, name: &str, mode: u32, content: &[u8]) -> Result<()> {
        if name.starts_with('/') {
            bail!("{name} begins with a slash");
        }
        if !self.names.insert(name.to_owned()) {
            return Ok(());
        }
        let header = [
            u32::try_from(self.names.len())?,
            mode,
            0, // user
            0, // group
            1, // links
            0, // time
            u32::try_from(content.len())?,
            0, // device, major and minor
            0,
            0, // device of a device node, major and minor
            0,
            u32::try_from(name.len() + 1)?,
            0, // checksum, of another form only
        ];
        self.bytes.extend(b"070701");
        for field in header {
            write!(self.bytes, "{field:08x}")?;
        }
        self.bytes.extend(name.as_bytes());
        self.bytes.push(0);
        self.pad();
        self.bytes.extend(content);
        self.pad();
        Ok(())
    }

    /// Names and contents end at multiples of four.
    fn pad(&mut self) {
        let whole = self.bytes.len().next_multiple_of(4);
        self.bytes.resize(whole, 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(archive: &[u8]) -> Vec<String> {
        let number =
            |field: &[u8]| usize::from_str_radix(std::str::from_utf8(field).unwrap(), 16).unwrap();
        let (mut rest, mut names) = (archive, Vec::new());
        while !rest.is_empty() {
            let (size, length) = (number(&rest[54..62]), number(&rest[94..102]));
            let name = &rest[110..110 + length - 1];
            names.push(String::from_utf8(name.to_vec()).unwrap());
            rest = &rest[(110 + length).next_multiple_of(4) + size.next_multiple_of(4)..];
        }
        names
    }

    #[test]
    fn folders_come_once_and_before_what_is_in_them() {
        let mut archive = Archive::default();
        archive.file("a/b/one", b"12345").unwrap();
        archive.link("a/b/two", "one").unwrap();
        archive.file("a/b/one", b"again").unwrap();
        let expected = ["a", "a/b", "a/b/one", "a/b/two", "TRAILER!!!"];
        assert_eq!(names(&archive.finish().unwrap()), expected);
    }

    #[test]
    fn a_name_from_the_root_is_refused() {
        assert!(Archive::default().file("/init", b"").is_err());
    }
}
