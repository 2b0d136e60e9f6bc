//! Debian packages, fetched by apt from where the machine has its own, into a folder, without installing anything.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::{process, tools};

/// The release whose packages fit each other, and its suites; newer kernels and QEMU come from the last.
const RELEASE: &str = "bookworm";
const SUITES: &[&str] = &["bookworm", "bookworm-updates", BACKPORTS];
const BACKPORTS: &str = "bookworm-backports";

/// The package that depends on the current kernel.
const LATEST_KERNEL: &str = "linux-image-amd64";

/// What is fetched, with all that it needs but the kernel.
const WANTED: &[&str] = &[
    "qemu-system-x86",
    "busybox-static",
    "iproute2",
    "tcpdump",
    "xz-utils",
    "zstd",
];

/// An apt of our own, beside the machine's: its own sources, lists and archives, and a status that says that nothing is installed,
/// so that each package comes with all its libraries.
pub(super) struct Apt {
    folder: PathBuf,
}

impl Apt {
    /// Reads the lists of the release.
    pub(super) fn prepare(folder: &Path) -> Result<Self> {
        let apt = Self {
            folder: folder.to_owned(),
        };
        for needed in ["lists/partial", "archives/partial"] {
            fs::create_dir_all(folder.join(needed))?;
        }
        fs::write(folder.join("status"), "")?;
        fs::write(folder.join("sources.list"), sources(&archive()?))?;
        fs::write(folder.join("apt.conf"), apt.configuration())?;
        tools::download(apt.command("apt-get").args(["update", "-qq"]))?;
        Ok(apt)
    }

    /// Fetches everything, and returns the packages' files.
    pub(super) fn fetch(&self) -> Result<Vec<PathBuf>> {
        let kernel = self.kernel()?;
        let mut closure = self.command("apt-get");
        closure.args(["install", "-qq", "--yes", "--download-only"]);
        closure.args(["--no-install-recommends", "-t", BACKPORTS]);
        tools::download(closure.args(WANTED))?;
        let archives = self.folder.join("archives");
        let mut download = self.command("apt-get");
        download
            .current_dir(&archives)
            .args(["download", "-qq", &kernel]);
        tools::download(&mut download)?;
        let files = fs::read_dir(archives)?.map(|entry| Ok(entry?.path()));
        let files: Result<Vec<PathBuf>> = files.collect();
        Ok(files?.into_iter().filter(|path| is_package(path)).collect())
    }

    /// The name of the current kernel's package.
    fn kernel(&self) -> Result<String> {
        let mut depends = self.command("apt-cache");
        let text = process::output(depends.args([
            "depends",
            "--target-release",
            BACKPORTS,
            LATEST_KERNEL,
        ]))?;
        let name = text.lines().find_map(kernel_of_line);
        name.map(str::to_owned)
            .with_context(|| format!("{LATEST_KERNEL} of {BACKPORTS} names no kernel"))
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command
            .env("APT_CONFIG", self.folder.join("apt.conf"))
            .env("DEBIAN_FRONTEND", "noninteractive");
        command
    }

    /// Hooks of the machine's own apt are not for this one.
    fn configuration(&self) -> String {
        let folder = self.folder.display();
        format!(
            r#"Dir::Etc::sourcelist "{folder}/sources.list";
Dir::Etc::sourceparts "/dev/null";
Dir::State "{folder}";
Dir::State::lists "{folder}/lists";
Dir::State::status "{folder}/status";
Dir::Cache "{folder}";
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
APT::Sandbox::User "";
Acquire::http::Timeout "30";
Acquire::https::Timeout "30";
"#
        )
    }
}

fn kernel_of_line(line: &str) -> Option<&str> {
    let name = line.trim().strip_prefix("Depends: ")?;
    let version = name.strip_prefix("linux-image-")?;
    version
        .starts_with(|first: char| first.is_ascii_digit())
        .then_some(name)
}

fn is_package(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "deb")
}

/// Where the machine has the release from.
fn archive() -> Result<String> {
    let mut targets = Command::new("apt-get");
    targets.args([
        "indextargets",
        "--format",
        "$(RELEASE) $(COMPONENT) $(REPO_URI)",
    ]);
    targets.arg("Identifier: Packages");
    let text = process::output(&mut targets).context(
        "the virtual machine's parts are Debian packages, and apt-get does not say where they are had",
    )?;
    match archive_of(&text) {
        Some(address) => Ok(address.to_owned()),
        None => bail!(
            "the virtual machine's parts are packages of Debian's {RELEASE}, and this machine's apt has no source of that \
             release: add `{RELEASE} main` to its sources"
        ),
    }
}

fn archive_of(targets: &str) -> Option<&str> {
    let wanted = format!("{RELEASE} main ");
    targets.lines().find_map(|line| line.strip_prefix(&wanted))
}

fn sources(archive: &str) -> String {
    let mut text = String::new();
    for suite in SUITES {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "deb [arch=amd64] {archive} {suite} main");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_archive_is_the_one_of_the_release_itself() {
        let targets = "bookworm-updates main http://updates/\nbookworm contrib http://contrib/\nbookworm main http://archive/\n";
        assert_eq!(archive_of(targets), Some("http://archive/"));
        assert_eq!(archive_of("trixie main http://archive/\n"), None);
    }

    #[test]
    fn the_kernel_is_the_dependency_with_a_number() {
        let depends = ["linux-image-amd64", "  Depends: linux-image-6.12.95-amd64"];
        let found: Vec<_> = depends.into_iter().filter_map(kernel_of_line).collect();
        assert_eq!(found, ["linux-image-6.12.95-amd64"]);
    }
}
