//! What is tested, built so that it needs no library in the guest.

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use serde_json::Value;

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

/// The file that cargo made of a target.
fn executable(messages: &str, target: &str) -> Result<PathBuf> {
    let made = messages.lines().find_map(|line| {
        let message: Value = serde_json::from_str(line).ok()?;
        let named = message["target"]["name"] == target;
        named.then(|| message["executable"].as_str().map(PathBuf::from))?
    });
    made.with_context(|| format!("cargo built no program {target}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_found_among_other_messages() {
        let messages = r#"{"reason":"compiler-artifact","target":{"name":"vm"},"executable":null}
{"reason":"compiler-artifact","target":{"name":"vm"},"executable":"/target/vm-1"}
{"reason":"build-finished","success":true}"#;
        assert_eq!(
            executable(messages, "vm").unwrap(),
            PathBuf::from("/target/vm-1")
        );
        assert!(executable(messages, "other").is_err());
    }
}
