//! A node's folders, and the program that is called there.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;

pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_floatingip-cni");

/// A file of a node, and whether it is still the same one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct File {
    pub(crate) bytes: Vec<u8>,
    pub(crate) mode: u32,
    inode: u64,
    changed: (i64, i64),
}

pub(crate) struct Scene {
    pub(crate) root: TempDir,
    pub(crate) bin: PathBuf,
    pub(crate) conf: PathBuf,
}

impl Scene {
    pub(crate) fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        let bin = root.path().join("opt/cni/bin");
        let conf = root.path().join("etc/cni/net.d");
        Self { root, bin, conf }
    }

    pub(crate) fn with_folders() -> Self {
        let scene = Self::new();
        fs::create_dir_all(&scene.bin).unwrap();
        fs::create_dir_all(&scene.conf).unwrap();
        scene
    }

    pub(crate) fn installed() -> Self {
        let scene = Self::new();
        told(&scene.install(&["--device", "eth1"]));
        scene
    }

    pub(crate) fn install(&self, options: &[&str]) -> Output {
        self.call(PROGRAM, "install")
            .args(options)
            .output()
            .unwrap()
    }

    pub(crate) fn uninstall(&self) -> Output {
        self.call(PROGRAM, "uninstall").output().unwrap()
    }

    pub(crate) fn call(&self, program: impl AsRef<Path>, command: &str) -> Command {
        let mut call = Command::new(program.as_ref());
        call.env_remove("CNI_COMMAND").arg(command);
        call.arg("--bin-dir").arg(&self.bin);
        call.arg("--conf-dir").arg(&self.conf);
        call
    }

    /// A copy of the program with more bytes at its end. By another process: a file that this one has open for
    /// writing, in whatever thread, might be inherited by a child and could not be started then.
    pub(crate) fn build(&self, more: &str) -> PathBuf {
        let path = self.root.path().join("program");
        let script = r#"cp "$0" "$1" && printf %s "$2" >> "$1""#;
        let mut shell = Command::new("sh");
        shell.args(["-c", script, PROGRAM]).arg(&path).arg(more);
        assert!(shell.status().unwrap().success());
        path
    }

    pub(crate) fn program(&self) -> PathBuf {
        self.bin.join("floatingip-cni")
    }

    pub(crate) fn name(&self) -> PathBuf {
        self.bin.join("galaxy-k8s-vlan")
    }

    pub(crate) fn conflist(&self) -> PathBuf {
        self.conf.join("10-floatingip.conflist")
    }

    /// All files of the node by their names.
    pub(crate) fn files(&self) -> BTreeMap<String, File> {
        let folders = [&self.bin, &self.conf];
        let entries = folders.map(|folder| fs::read_dir(folder).unwrap());
        let entries = entries.into_iter().flatten().map(Result::unwrap);
        entries
            .map(|entry| {
                let name = entry.file_name().into_string().unwrap();
                (name, File::at(&entry.path()))
            })
            .collect()
    }

    /// What the plugin answers when a runtime asks for its versions.
    pub(crate) fn versions(&self) -> String {
        let mut call = Command::new(self.name());
        let output = call.env("CNI_COMMAND", "VERSION").output().unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    }
}

impl File {
    fn at(path: &Path) -> Self {
        let metadata = path.symlink_metadata().unwrap();
        Self {
            bytes: fs::read(path).unwrap(),
            mode: metadata.mode() & 0o7777,
            inode: metadata.ino(),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }
}

/// What a call that worked told.
#[track_caller]
pub(crate) fn told(output: &Output) -> String {
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{complaint}");
    assert_eq!(complaint, "");
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// What a call that failed complained of.
#[track_caller]
pub(crate) fn complaint(output: &Output, code: i32) -> String {
    assert_eq!(output.status.code(), Some(code), "{output:?}");
    assert!(output.stdout.is_empty(), "{output:?}");
    String::from_utf8(output.stderr.clone()).unwrap()
}
