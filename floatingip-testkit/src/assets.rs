//! Where the programs of a control plane are.

mod list;

use std::env;
use std::ffi::OsString;
use std::fmt;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

/// Names the folder with all programs. Empty: use none, and skip what needs them.
pub const FOLDER: &str = "FLOATINGIP_ASSETS";
/// The same by the convention of other projects; such a folder often has etcd and kube-apiserver alone.
pub const KUBEBUILDER: &str = "KUBEBUILDER_ASSETS";
/// When set to `1`, missing programs are a failure instead of a reason to skip.
pub const REQUIRED: &str = "FLOATINGIP_REQUIRE_ASSETS";

/// A program of a control plane.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Part {
    /// Where the API server keeps its objects.
    Etcd,
    /// kube-apiserver.
    ApiServer,
    /// kube-scheduler.
    Scheduler,
    /// kube-controller-manager.
    ControllerManager,
    /// Plays the kubelet of every node.
    Kwok,
}

impl Part {
    /// All of them.
    pub const ALL: &[Self] = &[
        Self::Etcd,
        Self::ApiServer,
        Self::Scheduler,
        Self::ControllerManager,
        Self::Kwok,
    ];

    /// The name of its program.
    pub fn program(self) -> &'static str {
        match self {
            Self::Etcd => "etcd",
            Self::ApiServer => "kube-apiserver",
            Self::Scheduler => "kube-scheduler",
            Self::ControllerManager => "kube-controller-manager",
            Self::Kwok => "kwok",
        }
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.program())
    }
}

/// A folder with programs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assets {
    folder: PathBuf,
}

impl Assets {
    /// The first folder that has all of `parts`: that of `FLOATINGIP_ASSETS` and no other where it is set, that of
    /// `KUBEBUILDER_ASSETS`, or the one that `cargo xtask assets` fills.
    ///
    /// # Errors
    /// There is none; the text says what is missing where, and what to do.
    pub fn find(parts: &[Part]) -> Result<Self> {
        Self::among(&candidates(|name| env::var_os(name)), parts)
    }

    /// As [`find`](Self::find); where there is none, says loudly that `suite` is skipped, or fails under
    /// `FLOATINGIP_REQUIRE_ASSETS=1`.
    ///
    /// # Errors
    /// There is none, and there has to be.
    pub fn find_or_skip(suite: &str, parts: &[Part]) -> Result<Option<Self>> {
        match Self::find(parts) {
            Ok(assets) => Ok(Some(assets)),
            Err(error) if env::var_os(REQUIRED).is_some_and(|value| value == "1") => Err(error),
            Err(error) => {
                say_skipped(suite, &error)?;
                Ok(None)
            }
        }
    }

    /// The path of a part's program.
    pub fn program(&self, part: Part) -> PathBuf {
        self.folder.join(part.program())
    }

    fn among(candidates: &[PathBuf], parts: &[Part]) -> Result<Self> {
        let mut faults = Vec::new();
        for folder in candidates {
            let missing = missing(folder, parts);
            if missing.is_empty() {
                let folder = folder.clone();
                return Ok(Self { folder });
            }
            faults.push(format!("{} lacks {}", folder.display(), missing.join(", ")));
        }
        if faults.is_empty() {
            faults.push(format!("{FOLDER} is empty"));
        }
        bail!(
            "no programs for a control plane: {}; build them with `cargo xtask assets`, or name their folder in {FOLDER}",
            faults.join("; ")
        )
    }
}

/// Past the macros, whose output the test harness keeps to itself when a test passes: a suite that is skipped must not
/// look like one that passed.
fn say_skipped(suite: &str, error: &anyhow::Error) -> Result<()> {
    Ok(writeln!(io::stderr(), "\nSKIPPED: {suite}: {error:#}\n")?)
}

/// The folders to look into, in order.
fn candidates(variable: impl Fn(&str) -> Option<OsString>) -> Vec<PathBuf> {
    if let Some(folder) = variable(FOLDER) {
        let named = Some(folder).filter(|folder| !folder.is_empty());
        return named.into_iter().map(PathBuf::from).collect();
    }
    let kubebuilder = variable(KUBEBUILDER).map(PathBuf::from);
    kubebuilder
        .into_iter()
        .chain(built(variable).ok())
        .collect()
}

/// The folder that `cargo xtask assets` fills: its name has all versions.
fn built(variable: impl Fn(&str) -> Option<OsString>) -> Result<PathBuf> {
    let tools = match variable("FLOATINGIP_TOOLS") {
        Some(folder) => PathBuf::from(folder),
        None => env::home_dir()
            .context("there is no home folder")?
            .join(".cache/floatingip-tools"),
    };
    Ok(tools.join(list::folder_name()))
}

fn missing(folder: &Path, parts: &[Part]) -> Vec<&'static str> {
    let programs = parts.iter().map(|part| part.program());
    programs
        .filter(|program| !folder.join(program).is_file())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(pairs: &[(&str, &str)]) -> impl Fn(&str) -> Option<OsString> {
        |name| {
            let mut found = pairs.iter().filter(|(key, _)| *key == name);
            found.next().map(|(_, value)| OsString::from(value))
        }
    }

    #[test]
    fn the_own_variable_is_the_only_place_where_it_is_set() {
        let both = [(FOLDER, "/a"), (KUBEBUILDER, "/b")];
        assert_eq!(candidates(set(&both)), [PathBuf::from("/a")]);
        assert!(candidates(set(&[(FOLDER, ""), (KUBEBUILDER, "/b")])).is_empty());
    }

    #[test]
    fn the_conventional_variable_comes_before_what_was_built() {
        let found = candidates(set(&[(KUBEBUILDER, "/b"), ("FLOATINGIP_TOOLS", "/t")]));
        assert_eq!(found.len(), 2);
        assert_eq!(found[0], Path::new("/b"));
        assert!(found[1].starts_with("/t"));
    }

    #[test]
    fn the_folder_is_named_after_all_versions() {
        let name = list::folder_name();
        let versions = list::PROGRAMS.iter().map(|(_, version)| version);
        assert!(
            versions.into_iter().all(|version| name.contains(version)),
            "{name}"
        );
        assert_eq!(name.matches("kube").count(), 1, "{name}");
    }

    #[test]
    fn every_part_is_in_the_list() {
        let listed = |part: &Part| {
            list::PROGRAMS
                .iter()
                .any(|(name, _)| *name == part.program())
        };
        assert!(Part::ALL.iter().all(listed));
    }

    #[test]
    fn a_folder_counts_only_with_all_parts_that_are_needed() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("etcd"), "").unwrap();
        let candidates = [PathBuf::from("/nowhere"), folder.path().to_owned()];
        assert!(Assets::among(&candidates, &[Part::Etcd]).is_ok());
        let error = Assets::among(&candidates, &[Part::Etcd, Part::Kwok]).unwrap_err();
        let text = error.to_string();
        assert!(
            text.contains("lacks kwok") && text.contains("cargo xtask assets"),
            "{text}"
        );
    }
}
