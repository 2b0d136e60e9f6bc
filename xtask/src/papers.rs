//! The project's papers must agree with each other and with the code.

mod named;
mod readme;
mod text;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

use crate::ci;
use crate::workspace::Workspace;

/// Checks everything in this module and returns the number of files read. All faults are reported,
/// not only the first.
pub(crate) fn check(workspace: &Workspace) -> Result<usize> {
    let files = text::files(&workspace.root)?;
    let mut faults = Vec::new();
    for path in &files {
        let Ok(content) = fs::read_to_string(path) else {
            continue;
        };
        text::check(path, &content, &mut faults);
    }
    check_readmes(&workspace.root, &mut faults)?;
    check_example(&workspace.root, &mut faults)?;
    check_contributing(&workspace.root, &mut faults)?;
    check_toolchain(&workspace.root, &mut faults)?;
    check_lints(workspace, &mut faults)?;
    check_named_tests(&workspace.root, &files, &mut faults)?;
    if faults.is_empty() {
        return Ok(files.len());
    }
    bail!("{} faults:\n  {}", faults.len(), faults.join("\n  "))
}

/// The command that the README gives for running the tests: its second `sh` block.
pub(crate) fn test_command(workspace: &Workspace) -> Result<String> {
    let readme = read(&workspace.root, "README.md")?;
    let commands = readme::blocks_in(&readme, "sh");
    let Some(command) = commands
        .get(1)
        .filter(|command| command.starts_with("cargo test"))
    else {
        bail!("the second `sh` block of README.md must be a `cargo test` command");
    };
    Ok(command.clone())
}

/// The translation has the same outline and the same commands as the original.
fn check_readmes(root: &Path, faults: &mut Vec<String>) -> Result<()> {
    let (original, translation) = (read(root, "README.md")?, read(root, "README.zh-CN.md")?);
    if readme::outline(&original) != readme::outline(&translation) {
        faults.push("README.md and README.zh-CN.md have different headings".to_owned());
    }
    for block in readme::differing_blocks(&original, &translation) {
        faults.push(format!(
            "README.md and README.zh-CN.md differ in a code block: {block}"
        ));
    }
    Ok(())
}

/// The configuration in the README is the one that the server serves by default.
fn check_example(root: &Path, faults: &mut Vec<String>) -> Result<()> {
    let example = read(root, "examples/floatingip-config.yaml")?;
    let shown = readme::blocks_in(&read(root, "README.md")?, "yaml");
    if shown.is_empty() || !shown.iter().all(|block| example.contains(block)) {
        faults.push("README.md does not show examples/floatingip-config.yaml as it is".to_owned());
    }
    Ok(())
}

/// The tests that docs/design.md names as proof are there.
fn check_named_tests(root: &Path, files: &[PathBuf], faults: &mut Vec<String>) -> Result<()> {
    let rust = files
        .iter()
        .filter(|path| path.extension().is_some_and(|end| end == "rs"));
    let sources: Vec<String> = rust
        .filter_map(|path| fs::read_to_string(path).ok())
        .collect();
    let design = read(root, "docs/design.md")?;
    let missing = named::tests(&design).filter(|name| !named::is_in(name, &sources));
    faults.extend(
        missing.map(|name| format!("docs/design.md names a test that is not there: {name}")),
    );
    Ok(())
}

/// CONTRIBUTING.md names every stage.
fn check_contributing(root: &Path, faults: &mut Vec<String>) -> Result<()> {
    let contributing = read(root, "CONTRIBUTING.md")?;
    let missing = ci::stage_names().filter(|name| !contributing.contains(&format!("| `{name}` |")));
    faults.extend(missing.map(|name| format!("CONTRIBUTING.md does not list the stage `{name}`")));
    Ok(())
}

/// The toolchain that everything is tested with is the oldest one that is promised to work.
fn check_toolchain(root: &Path, faults: &mut Vec<String>) -> Result<()> {
    let promised = text::value_of(&read(root, "Cargo.toml")?, "rust-version")
        .context("Cargo.toml has no rust-version")?;
    let used = text::value_of(&read(root, "rust-toolchain.toml")?, "channel")
        .context("rust-toolchain.toml has no channel")?;
    if used != promised && !used.starts_with(&format!("{promised}.")) {
        faults.push(format!(
            "rust-version is {promised}, but rust-toolchain.toml uses {used}"
        ));
    }
    if !read(root, "README.md")?.contains(&format!("Rust {promised}")) {
        faults.push(format!(
            "README.md does not say that Rust {promised} is needed"
        ));
    }
    Ok(())
}

/// Without `[lints] workspace = true` a member silently escapes the lints of the workspace.
fn check_lints(workspace: &Workspace, faults: &mut Vec<String>) -> Result<()> {
    for package in &workspace.packages {
        let manifest = fs::read_to_string(&package.manifest)?;
        if !manifest.contains("[lints]\nworkspace = true") {
            faults.push(format!(
                "{} does not take the lints of the workspace",
                package.name
            ));
        }
    }
    Ok(())
}

fn read(root: &Path, name: &str) -> Result<String> {
    let path: PathBuf = root.join(name);
    fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))
}
