//! What is tested, built so that it needs no library in the guest.

use std::path::PathBuf;

use anyhow::Result;

use crate::dist::executable;
use crate::process;
use crate::workspace::Workspace;

const PACKAGE: &str = "floatingip-cni";
const TESTS: &str = "vm";
const TARGET: &str = "x86_64-unknown-linux-gnu";

/// The programs of the guest.
pub(super) struct Guest {
    /// The tests.
    pub(super) tests: PathBuf,
    /// All plugins: which one it is the name says that it is called by.
    pub(super) plugins: PathBuf,
}

impl Guest {
    /// Builds them for the named target, so that the flags are not also those of build scripts and macros.
    pub(super) fn build(workspace: &Workspace) -> Result<Self> {
        let arguments = [
            "build",
            "--package",
            PACKAGE,
            "--test",
            TESTS,
            "--bin",
            PACKAGE,
            "--target",
            TARGET,
            "--message-format",
            "json-render-diagnostics",
        ];
        let mut cargo = process::cargo(&workspace.root, &arguments);
        cargo.env(
            "RUSTFLAGS",
            "-C target-feature=+crt-static -C strip=debuginfo",
        );
        let messages = process::output(&mut cargo)?;
        Ok(Self {
            tests: executable(&messages, TESTS)?,
            plugins: executable(&messages, PACKAGE)?,
        })
    }
}
