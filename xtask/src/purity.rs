//! `floatingip-core` promises to do no I/O: this checks what it is built from.

use anyhow::{Context as _, Result, bail};

use crate::process;
use crate::workspace::Workspace;

/// Every crate that core may be built from. None of them does I/O, reads a clock or starts a
/// thread; add a name only after checking that.
const ALLOWED: &[&str] = &[
    "floatingip-core",
    "ipnet",
    "itoa",
    "memchr",
    "proc-macro2",
    "quote",
    "ryu",
    "serde",
    "serde_core",
    "serde_derive",
    "serde_json",
    "syn",
    "thiserror",
    "thiserror-impl",
    "unicode-ident",
    "zmij",
];

/// Checks core's dependency tree, with every feature and for every platform, and that its root
/// forbids `unsafe`. Returns the number of crates in the tree.
pub(crate) fn check(workspace: &Workspace) -> Result<usize> {
    let tree = process::output(&mut process::cargo(
        &workspace.root,
        &[
            "tree",
            "--quiet",
            "-p",
            "floatingip-core",
            "-e",
            "normal,build",
            "--all-features",
            "--target",
            "all",
            "--prefix",
            "none",
            "--no-dedupe",
        ],
    ))?;
    let crates = crate_names(&tree);
    let foreign: Vec<&str> = crates
        .iter()
        .copied()
        .filter(|name| !ALLOWED.contains(name))
        .collect();
    if !foreign.is_empty() {
        bail!(
            "floatingip-core must stay pure, but depends on {}",
            foreign.join(", ")
        );
    }
    forbids_unsafe(workspace)?;
    Ok(crates.len())
}

fn forbids_unsafe(workspace: &Workspace) -> Result<()> {
    let path = workspace.root.join("floatingip-core/src/lib.rs");
    let source = std::fs::read_to_string(&path)
        .with_context(|| format!("cannot read {}", path.display()))?;
    if !source
        .lines()
        .any(|line| line.trim() == "#![forbid(unsafe_code)]")
    {
        bail!("{} must say #![forbid(unsafe_code)]", path.display());
    }
    Ok(())
}

/// The names in the output of `cargo tree --prefix none`, each once.
fn crate_names(tree: &str) -> Vec<&str> {
    let mut names: Vec<&str> = tree
        .lines()
        .filter_map(|line| line.split_whitespace().next())
        .collect();
    names.sort_unstable();
    names.dedup();
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_taken_from_the_tree_once_each() {
        let tree = "floatingip-core v0.1.0 (/src/core)\nserde v1.0.0\nserde v1.0.0\n\n";
        assert_eq!(crate_names(tree), ["floatingip-core", "serde"]);
    }

    #[test]
    fn no_crate_that_does_io_is_on_the_list() {
        for name in [
            "tokio", "mio", "kube", "hyper", "axum", "reqwest", "redb", "rustix", "libc",
        ] {
            assert!(!ALLOWED.contains(&name), "{name} does I/O");
        }
    }
}
