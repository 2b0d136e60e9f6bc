//! Tools that are not part of the toolchain, in a folder outside the clone, keyed by version.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};

use crate::process;
use crate::workspace::Workspace;

const CARGO_DENY_VERSION: &str = "0.20.2";

/// How often a download is tried. Tests are never repeated.
const DOWNLOAD_ATTEMPTS: u32 = 3;

/// `cargo-deny`, installed on first use.
pub(crate) fn cargo_deny(workspace: &Workspace) -> Result<Command> {
    let folder = folder()?.join(format!("cargo-deny-{CARGO_DENY_VERSION}"));
    let program = folder.join("bin/cargo-deny");
    if !program.exists() {
        install_cargo_deny(workspace, &folder)?;
    }
    let mut command = Command::new(program);
    command.current_dir(&workspace.root);
    Ok(command)
}

/// `schemathesis` with the versions of `requirements` in a Python environment of its own,
/// installed on first use and again when the file has changed.
pub(crate) fn schemathesis(requirements: &Path) -> Result<PathBuf> {
    let folder = folder()?.join("schemathesis");
    let installed = folder.join("requirements.txt");
    let wanted = std::fs::read(requirements)
        .with_context(|| format!("cannot read {}", requirements.display()))?;
    if std::fs::read(&installed).ok().as_ref() != Some(&wanted) {
        install_schemathesis(&folder, requirements)?;
        std::fs::write(&installed, wanted)?;
    }
    Ok(folder.join("bin/schemathesis"))
}

/// Without the default features it needs no OpenSSL and no git: advisories are not asked for.
fn install_cargo_deny(workspace: &Workspace, folder: &Path) -> Result<()> {
    let mut command = process::cargo(
        &workspace.root,
        &[
            "install",
            "--quiet",
            "--locked",
            "--no-default-features",
            "cargo-deny",
        ],
    );
    command
        .args(["--version", CARGO_DENY_VERSION, "--root"])
        .arg(folder);
    process::run(command.env("CARGO_TARGET_DIR", folder.join("build")))?;
    std::fs::remove_dir_all(folder.join("build"))?;
    Ok(())
}

fn install_schemathesis(folder: &Path, requirements: &Path) -> Result<()> {
    process::run(
        Command::new("python3")
            .args(["-m", "venv", "--clear"])
            .arg(folder),
    )?;
    let mut pip = Command::new(folder.join("bin/pip"));
    pip.args([
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "--requirement",
    ]);
    pip.arg(requirements);
    download(&mut pip)
}

/// Runs a command that downloads, again when it fails.
pub(crate) fn download(command: &mut Command) -> Result<()> {
    for _ in 1..DOWNLOAD_ATTEMPTS {
        match process::run(command) {
            Ok(()) => return Ok(()),
            Err(error) => println!("{error:#}; once more"),
        }
    }
    process::run(command)
}

/// Fills a folder beside `folder`, which then takes its place whole; another run that was faster has done the same.
pub(crate) fn placed_whole(folder: &Path, fill: fn(&Path) -> Result<()>) -> Result<()> {
    let partial = folder.with_extension(format!("partial-{}", std::process::id()));
    std::fs::create_dir_all(&partial)?;
    let filled = fill(&partial).and_then(|()| {
        let placed = std::fs::rename(&partial, folder);
        if folder.is_dir() { Ok(()) } else { Ok(placed?) }
    });
    if partial.is_dir() {
        std::fs::remove_dir_all(&partial)?;
    }
    filled
}

/// `$FLOATINGIP_TOOLS`, or a folder in the user's cache.
pub(crate) fn folder() -> Result<PathBuf> {
    if let Some(folder) = std::env::var_os("FLOATINGIP_TOOLS") {
        return Ok(folder.into());
    }
    let home = std::env::home_dir().context("set FLOATINGIP_TOOLS: there is no home folder")?;
    Ok(home.join(".cache/floatingip-tools"))
}
