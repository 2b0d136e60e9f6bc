//! The folder with the records: `NETWORK/CONTAINER@INTERFACE.json`.

use std::fs::{self, DirBuilder, OpenOptions, Permissions};
use std::io::{self, Write as _};
use std::marker::PhantomData;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::record::Record;
use crate::spec::{Attachment, NetworkName};

/// The records of a node.
pub type Folder = FolderOf<Record>;

/// The records of a sort.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FolderOf<R> {
    path: PathBuf,
    sort: PhantomData<fn() -> R>,
}

/// What is remembered of an `ADD`.
pub trait Remembered: Serialize + DeserializeOwned {
    /// Of which network, and which `ADD` it was.
    fn of(&self) -> (&NetworkName, Attachment);
}

/// Why a record cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// The kernel refuses.
    #[error("{path}, where the plugin keeps what it made, cannot be used: {error}")]
    File {
        /// Where.
        path: PathBuf,
        /// What it says.
        error: io::Error,
    },
    /// A file that is no record.
    #[error(
        "{path} is no record of this plugin: {error}; remove it once the links that it names are gone"
    )]
    Unreadable {
        /// Where.
        path: PathBuf,
        /// What is wrong with it.
        error: serde_json::Error,
    },
    /// The record of another attachment, whose name is shortened to the same one.
    #[error("{0} is the record of another attachment")]
    Foreign(PathBuf),
}

impl Folder {
    /// Where it is unless somebody says otherwise: gone after a reboot, as are the links.
    pub const USUAL: &str = "/run/floatingip/cni";
}

impl<R: Remembered> FolderOf<R> {
    /// At a path.
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            sort: PhantomData,
        }
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Makes it, and the one that it is in, for this user alone.
    ///
    /// # Errors
    /// It cannot be made.
    pub fn make(&self) -> Result<(), StateError> {
        let above = self.path.parent().into_iter();
        for path in above.chain([self.path.as_path()]) {
            make_private(path).map_err(failed(path))?;
        }
        // The one above may be anybody's; this one is the plugin's, and a former version may have made it.
        tighten(&self.path).map_err(failed(&self.path))
    }

    /// Makes it, and sees whether a file can be written in it.
    ///
    /// # Errors
    /// None can.
    pub fn try_out(&self) -> Result<(), StateError> {
        self.make()?;
        let path = self.path.join("status");
        write_file(&path, b"{}").map_err(failed(&path))?;
        remove(&path)
    }

    /// The record of an attachment.
    ///
    /// # Errors
    /// It is there and cannot be read.
    pub fn read(
        &self,
        network: &NetworkName,
        attachment: &Attachment,
    ) -> Result<Option<R>, StateError> {
        let path = self.file(network, attachment);
        match read::<R>(&path)? {
            Some(record) if record.of().1 != *attachment => Err(StateError::Foreign(path)),
            found => Ok(found),
        }
    }

    /// Writes a record, whole or not at all: it is on the disk under its name, or the former one is.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn write(&self, record: &R) -> Result<(), StateError> {
        let (network, attachment) = record.of();
        let path = self.file(network, &attachment);
        let folder = self.network(network);
        make_private(&folder).map_err(failed(&folder))?;
        let fresh = path.with_extension("new");
        write_whole(record, &fresh, &path).map_err(failed(&path))
    }

    /// Forgets an attachment; there need be nothing to forget.
    ///
    /// # Errors
    /// The file cannot be removed.
    pub fn forget(&self, network: &NetworkName, attachment: &Attachment) -> Result<(), StateError> {
        remove(&self.file(network, attachment))
    }

    /// All records of a network, and why others cannot be read.
    ///
    /// # Errors
    /// They cannot be listed.
    pub fn all(&self, network: &NetworkName) -> Result<Vec<Result<R, StateError>>, StateError> {
        let paths = files(&self.network(network), "json")?;
        let records = paths.iter().map(|path| read(path).transpose());
        Ok(records.flatten().collect())
    }

    /// All records of all networks: who goes by what others have may miss none.
    ///
    /// # Errors
    /// They cannot be listed, or one cannot be read.
    pub fn every(&self) -> Result<Vec<R>, StateError> {
        let networks = listed(&self.path)?;
        let mut records = Vec::new();
        for network in networks.iter().filter(|path| path.is_dir()) {
            for path in files(network, "json")? {
                records.extend(read(&path)?);
            }
        }
        Ok(records)
    }

    /// Are there records that nobody came to write to their end?
    ///
    /// # Errors
    /// They cannot be listed.
    pub fn is_untidy(&self, network: &NetworkName) -> Result<bool, StateError> {
        Ok(!files(&self.network(network), "new")?.is_empty())
    }

    /// Removes them. The caller has the node's lock, as have those who write some.
    ///
    /// # Errors
    /// They cannot be listed, or one cannot be removed.
    pub fn tidy(&self, network: &NetworkName) -> Result<(), StateError> {
        let unfinished = files(&self.network(network), "new")?;
        unfinished.iter().try_for_each(|path| remove(path))
    }

    /// Removes what was written longer ago than `age`, and beginnings of it.
    ///
    /// # Errors
    /// It cannot be listed, or not be removed.
    pub fn expire(&self, network: &NetworkName, age: Duration) -> Result<(), StateError> {
        for path in listed(&self.network(network))? {
            let written = fs::metadata(&path).and_then(|file| file.modified());
            // What cannot be looked at is being removed by another call, what is of the future is kept.
            let is_old = written.is_ok_and(|at| at.elapsed().is_ok_and(|passed| passed > age));
            if is_old {
                remove(&path)?;
            }
        }
        Ok(())
    }

    fn network(&self, network: &NetworkName) -> PathBuf {
        self.path.join(short(network.as_str()))
    }

    fn file(&self, network: &NetworkName, attachment: &Attachment) -> PathBuf {
        let container = short(attachment.container.as_str());
        let name = format!("{container}@{}.json", attachment.interface);
        self.network(network).join(name)
    }
}

/// What is in a folder, which need not be there.
fn listed(folder: &Path) -> Result<Vec<PathBuf>, StateError> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(failed(folder)(error)),
    };
    let paths = entries.map(|entry| entry.map(|entry| entry.path()));
    paths.collect::<Result<_, _>>().map_err(failed(folder))
}

fn files(folder: &Path, extension: &str) -> Result<Vec<PathBuf>, StateError> {
    let mut paths = listed(folder)?;
    paths.retain(|path| path.extension().is_some_and(|it| it == extension));
    Ok(paths)
}

fn read<R: Remembered>(path: &Path) -> Result<Option<R>, StateError> {
    let bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(path)(error)),
    };
    let record = serde_json::from_slice(&bytes);
    record.map(Some).map_err(|error| {
        let path = path.to_owned();
        StateError::Unreadable { path, error }
    })
}

fn write_whole(record: &impl Remembered, fresh: &Path, path: &Path) -> io::Result<()> {
    write_file(fresh, &serde_json::to_vec_pretty(record)?)?;
    fs::rename(fresh, path)
}

fn write_file(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut options = OpenOptions::new();
    let options = options.write(true).create(true).truncate(true).mode(0o600);
    let mut file = options.open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

fn remove(path: &Path) -> Result<(), StateError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed(path)(error)),
        _ => Ok(()),
    }
}

/// The folder itself is for this user alone; those that lead to it are as usual.
fn make_private(path: &Path) -> io::Result<()> {
    if let Some(above) = path.parent() {
        fs::create_dir_all(above)?;
    }
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

fn tighten(path: &Path) -> io::Result<()> {
    if fs::metadata(path)?.permissions().mode() & 0o077 == 0 {
        return Ok(());
    }
    fs::set_permissions(path, Permissions::from_mode(0o700))
}

fn failed(path: &Path) -> impl Fn(io::Error) -> StateError {
    move |error| StateError::File {
        path: path.to_owned(),
        error,
    }
}

/// A name that fits a file: those that are longer keep their beginning and get a sum of all.
fn short(name: &str) -> String {
    const LONGEST: usize = 200;
    const KEPT: usize = 160;
    match name.get(..KEPT) {
        Some(start) if name.len() > LONGEST => format!("{start}~{:016x}", sum(name)),
        _ => name.to_owned(),
    }
}

/// FNV-1a: the same in every build, which the standard library's hash is not.
pub(super) fn sum(text: &str) -> u64 {
    let add = |sum: u64, byte: u8| (sum ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    text.bytes().fold(0xcbf2_9ce4_8422_2325, add)
}

#[cfg(test)]
mod tests {
    use super::super::record::Stage;
    use super::*;

    fn record(network: &str, container: &str) -> Record {
        Record {
            network: network.parse().unwrap(),
            container: container.parse().unwrap(),
            interface: "eth0".parse().unwrap(),
            netns: PathBuf::from("/run/netns/c1"),
            space: None,
            stage: Stage::Begun,
            lent: None,
            endpoints: Vec::new(),
        }
    }

    #[test]
    fn records_are_read_as_they_were_written_whatever_the_length_of_names() {
        let folder = tempfile::tempdir().unwrap();
        let folder = Folder::at(folder.path());
        for container in [
            "c",
            &"f".repeat(64),
            &"f".repeat(5000),
            &format!("{}e", "f".repeat(4999)),
        ] {
            let record = record("lan", container);
            folder.write(&record).unwrap();
            let read = folder.read(&record.network, &record.attachment()).unwrap();
            assert_eq!(read, Some(record));
        }
        assert_eq!(folder.all(&"lan".parse().unwrap()).unwrap().len(), 4);
        assert!(folder.all(&"other".parse().unwrap()).unwrap().is_empty());
        folder.write(&record("other", "c1")).unwrap();
        assert_eq!(folder.every().unwrap().len(), 5);
    }

    #[test]
    fn nobody_else_reads_what_is_remembered() {
        let state = tempfile::tempdir().unwrap();
        let mode = |path: &str| {
            let meta = fs::metadata(state.path().join(path)).unwrap();
            meta.permissions().mode() & 0o777
        };
        let folder = Folder::at(state.path().join("cni/vlan"));
        folder.make().unwrap();
        folder.write(&record("lan", "c1")).unwrap();
        for path in ["cni", "cni/vlan", "cni/vlan/lan"] {
            assert_eq!(mode(path), 0o700, "{path}");
        }
        assert_eq!(mode("cni/vlan/lan/c1@eth0.json"), 0o600);
        for path in ["cni", "cni/vlan"] {
            let usual = Permissions::from_mode(0o755);
            fs::set_permissions(state.path().join(path), usual).unwrap();
        }
        folder.make().unwrap();
        assert_eq!((mode("cni"), mode("cni/vlan")), (0o755, 0o700));
    }

    #[test]
    fn what_is_forgotten_is_gone_and_may_be_forgotten_again() {
        let folder = tempfile::tempdir().unwrap();
        let folder = Folder::at(folder.path());
        let record = record("lan", "c1");
        folder.write(&record).unwrap();
        for _ in 0..2 {
            folder
                .forget(&record.network, &record.attachment())
                .unwrap();
            let read = folder.read(&record.network, &record.attachment()).unwrap();
            assert_eq!(read, None);
        }
    }

    #[test]
    fn what_is_old_expires_and_what_is_young_stays() {
        let folder = tempfile::tempdir().unwrap();
        let folder = Folder::at(folder.path());
        let records = ["c1", "c2"].map(|container| record("lan", container));
        records.iter().for_each(|it| folder.write(it).unwrap());
        let network = &records[0].network;
        let old = folder.file(network, &records[0].attachment());
        let hour = Duration::from_secs(3600);
        let long_ago = std::time::SystemTime::now() - 2 * hour;
        let file = OpenOptions::new().write(true).open(old).unwrap();
        file.set_modified(long_ago).unwrap();
        folder.expire(network, hour).unwrap();
        let left = folder.all(network).unwrap();
        assert_eq!(left.len(), 1);
        assert_eq!(left[0].as_ref().unwrap(), &records[1]);
        folder.expire(&"other".parse().unwrap(), hour).unwrap();
    }

    #[test]
    fn a_file_that_is_no_record_is_named() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("lan")).unwrap();
        fs::write(folder.path().join("lan/c1@eth0.json"), "{").unwrap();
        let record = record("lan", "c1");
        let read = Folder::at(folder.path()).read(&record.network, &record.attachment());
        assert!(read.unwrap_err().to_string().contains("c1@eth0.json"));
    }
}
