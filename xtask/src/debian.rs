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
pub(crate) const BACKPORTS: &str = "bookworm-backports";

/// An apt of our own, beside the machine's: its own sources, lists and archives, and a status that says that nothing is installed,
/// so that each package comes with all its libraries.
pub(crate) struct Apt {
    folder: PathBuf,
}

impl Apt {
    /// Reads the lists of the release.
    pub(crate) fn prepare(folder: &Path) -> Result<Self> {
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

    /// Fetches packages with all that they need, from `suite` where it has them.
    pub(crate) fn fetch_all(&self, packages: &[&str], suite: &str) -> Result<()> {
        let mut closure = self.command("apt-get");
        closure.args(["install", "-qq", "--yes", "--download-only"]);
        closure.args(["--no-install-recommends", "-t", suite]);
        tools::download(closure.args(packages))
    }

    /// Fetches these packages and nothing else.
    pub(crate) fn fetch_only(&self, packages: &[&str]) -> Result<()> {
        let mut download = self.command("apt-get");
        download
            .current_dir(self.archives())
            .args(["download", "-qq"]);
        tools::download(download.args(packages))
    }

    /// The first package of that name's dependencies of which `wanted` makes something.
    pub(crate) fn dependency(
        &self,
        package: &str,
        suite: &str,
        wanted: fn(&str) -> bool,
    ) -> Result<Option<String>> {
        let mut depends = self.command("apt-cache");
        let text = process::output(depends.args(["depends", "--target-release", suite, package]))?;
        let mut names = text.lines().filter_map(dependency_of_line);
        Ok(names.find(|name| wanted(name)).map(str::to_owned))
    }

    /// The files of the packages that were fetched.
    pub(crate) fn fetched(&self) -> Result<Vec<PathBuf>> {
        let files = fs::read_dir(self.archives())?.map(|entry| Ok(entry?.path()));
        let files: Result<Vec<PathBuf>> = files.collect();
        Ok(files?.into_iter().filter(|path| is_package(path)).collect())
    }

    fn archives(&self) -> PathBuf {
        self.folder.join("archives")
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

/// Unpacks the file of a package into a folder.
pub(crate) fn unpack(package: &Path, folder: &Path) -> Result<()> {
    let mut unpack = Command::new("dpkg-deb");
    unpack.arg("--extract").arg(package);
    process::output(unpack.arg(folder)).map(drop)
}

/// Says what is missing before anything is fetched.
pub(crate) fn check_host() -> Result<()> {
    if !cfg!(all(target_os = "linux", target_arch = "x86_64")) {
        bail!("Debian packages are unpacked on Linux on x86-64 only");
    }
    for program in ["apt-get", "apt-cache", "dpkg-deb"] {
        let found = Command::new(program).arg("--version").output();
        if !found.is_ok_and(|output| output.status.success()) {
            bail!("{program} is missing: the parts of these tests are Debian packages");
        }
    }
    Ok(())
}

fn dependency_of_line(line: &str) -> Option<&str> {
    line.trim().strip_prefix("Depends: ")
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
        "the parts of these tests are Debian packages, and apt-get does not say where they are had",
    )?;
    match archive_of(&text) {
        Some(address) => Ok(address.to_owned()),
        None => bail!(
            "the parts of these tests are packages of Debian's {RELEASE}, and this machine's apt has no source of that \
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
    fn only_what_is_needed_in_any_case_is_a_dependency() {
        let depends = [
            "linux-image-amd64",
            "  Depends: linux-image-6.12.95-amd64",
            "  Suggests: linux-doc",
        ];
        let found: Vec<_> = depends.into_iter().filter_map(dependency_of_line).collect();
        assert_eq!(found, ["linux-image-6.12.95-amd64"]);
    }
}
