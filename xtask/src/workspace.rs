//! What cargo says about the workspace: its folder, its packages and their targets.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use serde_json::Value;

use crate::process;

/// The workspace this program belongs to.
pub(crate) struct Workspace {
    pub(crate) root: PathBuf,
    pub(crate) target: PathBuf,
    pub(crate) packages: Vec<Package>,
}

/// One member of the workspace.
pub(crate) struct Package {
    pub(crate) name: String,
    pub(crate) manifest: PathBuf,
    targets: Vec<Target>,
}

struct Target {
    name: String,
    kinds: Vec<String>,
}

impl Workspace {
    /// Asks `cargo metadata`.
    pub(crate) fn load() -> Result<Self> {
        let mut cargo = process::cargo(
            Path::new("."),
            &["metadata", "--no-deps", "--format-version", "1", "--quiet"],
        );
        let metadata = serde_json::from_str(&process::output(&mut cargo)?)?;
        Self::of_metadata(&metadata).context("cargo metadata lacks an expected field")
    }

    /// The names of the targets of one kind (`example`, `bench`) of `package`.
    pub(crate) fn targets<'a>(
        &'a self,
        kind: &'a str,
    ) -> impl Iterator<Item = (&'a Package, &'a str)> {
        self.packages.iter().flat_map(move |package| {
            let right = move |target: &&Target| target.kinds.iter().any(|k| k == kind);
            package
                .targets
                .iter()
                .filter(right)
                .map(move |target| (package, target.name.as_str()))
        })
    }

    fn of_metadata(metadata: &Value) -> Option<Self> {
        let packages = metadata.get("packages")?.as_array()?;
        Some(Self {
            root: metadata.get("workspace_root")?.as_str()?.into(),
            target: metadata.get("target_directory")?.as_str()?.into(),
            packages: packages
                .iter()
                .map(Package::of_metadata)
                .collect::<Option<_>>()?,
        })
    }
}

impl Package {
    fn of_metadata(package: &Value) -> Option<Self> {
        let targets = package.get("targets")?.as_array()?;
        Some(Self {
            name: package.get("name")?.as_str()?.to_owned(),
            manifest: package.get("manifest_path")?.as_str()?.into(),
            targets: targets
                .iter()
                .map(Target::of_metadata)
                .collect::<Option<_>>()?,
        })
    }
}

impl Target {
    fn of_metadata(target: &Value) -> Option<Self> {
        let text = |value: &Value| value.as_str().map(str::to_owned);
        Some(Self {
            name: text(target.get("name")?)?,
            kinds: target
                .get("kind")?
                .as_array()?
                .iter()
                .map(text)
                .collect::<Option<_>>()?,
        })
    }
}
