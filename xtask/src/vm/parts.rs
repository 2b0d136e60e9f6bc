//! The parts of the machine, unpacked in the folder of tools: QEMU, a kernel with its modules, and the programs of the guest.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use super::kernel;
use crate::debian::{self, Apt};
use crate::{process, tools};

/// In the folder's name: what an earlier version of this program left there is not taken for this one's.
const KEY: &str = "vm-bookworm-qemu-10-linux-6-12";

/// What is fetched, with all that it needs but the kernel; newer ones than the release has come from backports.
const WANTED: &[&str] = &[
    "qemu-system-x86",
    "busybox-static",
    "iproute2",
    "tcpdump",
    "xz-utils",
    "zstd",
];

/// The package that depends on the current kernel.
const LATEST_KERNEL: &str = "linux-image-amd64";

/// Where the libraries are in an unpacked package.
const LIBRARIES: [&str; 2] = ["lib/x86_64-linux-gnu", "usr/lib/x86_64-linux-gnu"];
const LOADER: &str = "lib64/ld-linux-x86-64.so.2";
const QEMU: &str = "usr/bin/qemu-system-x86_64";

/// The folder with everything.
pub(super) struct Parts {
    folder: PathBuf,
}

impl Parts {
    /// Fetches and unpacks them on first use.
    pub(super) fn ready() -> Result<Self> {
        let folder = tools::folder()?.join(KEY);
        if !folder.is_dir() {
            let why = "cannot make ready the parts of the virtual machine";
            check_host().context(why)?;
            tools::placed_whole(&folder, fetch).context(why)?;
        }
        Ok(Self { folder })
    }

    /// The kernel, as QEMU boots it fastest.
    pub(super) fn kernel(&self) -> PathBuf {
        self.folder.join(kernel::IMAGE)
    }

    /// The file of one of the kernel's modules.
    pub(super) fn module(&self, name: &str) -> PathBuf {
        self.folder.join("modules").join(format!("{name}.ko"))
    }

    /// A file as its package has it.
    pub(super) fn packaged(&self, path: &str) -> PathBuf {
        self.folder.join("root").join(path)
    }

    /// QEMU, and where it finds its firmware.
    pub(super) fn qemu(&self) -> Command {
        let mut qemu = self.program(QEMU);
        for firmware in ["qemu", "seabios", "../lib/ipxe/qemu"] {
            let folder = self.packaged("usr/share").join(firmware);
            qemu.arg("-L").arg(folder);
        }
        qemu
    }

    /// A packaged program, with the loader and the libraries of its release instead of this machine's.
    pub(super) fn program(&self, path: &str) -> Command {
        let mut command = self.loader();
        command.arg(self.packaged(path));
        command
    }

    /// The libraries of a packaged program, and the loader.
    pub(super) fn libraries(&self, program: &str) -> Result<Vec<PathBuf>> {
        let mut list = self.loader();
        let text = process::output(list.arg("--list").arg(self.packaged(program)))?;
        let libraries = text
            .lines()
            .filter_map(|line| line.split_once(" => ")?.1.split_whitespace().next());
        let libraries = libraries.map(PathBuf::from);
        Ok(libraries
            .filter(|path| path.starts_with(&self.folder))
            .chain([self.packaged(LOADER)])
            .collect())
    }

    /// The name in the guest of a file of a package.
    pub(super) fn in_guest<'a>(&self, path: &'a Path) -> Result<&'a Path> {
        Ok(path.strip_prefix(self.folder.join("root"))?)
    }

    fn loader(&self) -> Command {
        let mut command = Command::new(self.packaged(LOADER));
        let libraries = LIBRARIES.map(|folder| self.packaged(folder).display().to_string());
        command.args(["--library-path", &libraries.join(":")]);
        command
    }
}

fn fetch(partial: &Path) -> Result<()> {
    let apt = partial.join("apt");
    for package in fetch_packages(&Apt::prepare(&apt)?)? {
        let place = if is_kernel(&package) { "linux" } else { "root" };
        debian::unpack(&package, &partial.join(place))?;
    }
    let parts = Parts {
        folder: partial.to_owned(),
    };
    if !parts.packaged(QEMU).is_file() {
        bail!("the packages have no {QEMU}");
    }
    kernel::prepare(&parts, &partial.join("linux"), partial)?;
    fs::remove_dir_all(partial.join("linux"))?;
    fs::remove_dir_all(apt)?;
    Ok(())
}

fn fetch_packages(apt: &Apt) -> Result<Vec<PathBuf>> {
    let kernel = apt.dependency(LATEST_KERNEL, debian::BACKPORTS, is_kernel_name)?;
    let Some(kernel) = kernel else {
        bail!("{LATEST_KERNEL} of {} names no kernel", debian::BACKPORTS);
    };
    apt.fetch_all(WANTED, debian::BACKPORTS)?;
    apt.fetch_only(&[&kernel])?;
    apt.fetched()
}

fn is_kernel_name(name: &str) -> bool {
    let version = name.strip_prefix("linux-image-");
    version.is_some_and(|version| version.starts_with(|first: char| first.is_ascii_digit()))
}

fn is_kernel(package: &Path) -> bool {
    let name = package.file_name().unwrap_or_default();
    name.to_string_lossy().starts_with("linux-image-")
}

/// Says what is missing before anything is fetched.
fn check_host() -> Result<()> {
    debian::check_host()?;
    let found = Command::new("timeout").arg("--version").output();
    if !found.is_ok_and(|output| output.status.success()) {
        bail!(
            "timeout (coreutils) is missing: the virtual machine is not left running without end"
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_is_the_dependency_with_a_number() {
        assert!(is_kernel_name("linux-image-6.12.95-amd64"));
        assert!(!is_kernel_name("linux-image-amd64"));
        assert!(!is_kernel_name("initramfs-tools"));
    }
}
