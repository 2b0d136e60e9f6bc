//! `cargo xtask dist`: the one program of the nodes, static, so that it runs on a node with any C library, or with none.

mod elf;

use std::fs;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use crate::process;
use crate::workspace::Workspace;

const PACKAGE: &str = "floatingip-cni";

/// A plugin's name, by which it is asked whether it works.
const PLUGIN: &str = "galaxy-k8s-vlan";

/// Builds the program for this machine's processor, and shows that it is static and answers. Returns its path.
///
/// # Errors
/// It cannot be built, needs a library, or does not answer.
pub(crate) fn run(workspace: &Workspace) -> Result<PathBuf> {
    let built = build(workspace, &target()?)?;
    let folder = workspace.target.join("dist");
    fs::create_dir_all(&folder)?;
    let program = folder.join(PACKAGE);
    // Under its name at once: it may be running.
    let fresh = folder.join(format!("{PACKAGE}.new"));
    fs::copy(&built, &fresh)?;
    fs::rename(&fresh, &program)?;
    elf::check_static(&fs::read(&program)?)
        .with_context(|| format!("{} is not static", program.display()))?;
    check_version(&program)?;
    Ok(program)
}

/// musl where the toolchain has it, else this machine's C library, put into the program.
fn target() -> Result<String> {
    let told = process::output(Command::new("rustc").arg("-vV"))?;
    let host = host_of(&told).context("rustc -vV names no host")?;
    let musl = host.replace("-gnu", "-musl");
    let mut folder = Command::new("rustc");
    folder.args(["--print", "target-libdir", "--target", &musl]);
    // A target that this rustc has never heard of is none that is installed.
    let folder = process::output(folder.stderr(Stdio::null())).unwrap_or_default();
    let has_musl = Path::new(folder.trim()).is_dir();
    Ok(if has_musl { musl } else { host.to_owned() })
}

fn host_of(told: &str) -> Option<&str> {
    told.lines().find_map(|line| line.strip_prefix("host: "))
}

/// For a named target, so that the flags are not also those of build scripts and macros.
fn build(workspace: &Workspace, target: &str) -> Result<PathBuf> {
    let arguments = [
        "build",
        "--release",
        "--package",
        PACKAGE,
        "--bin",
        PACKAGE,
        "--target",
        target,
        "--message-format",
        "json-render-diagnostics",
    ];
    let mut cargo = process::cargo(&workspace.root, &arguments);
    cargo.env(
        "RUSTFLAGS",
        "-C target-feature=+crt-static -C strip=symbols",
    );
    executable(&process::output(&mut cargo)?, PACKAGE)
}

/// The file that cargo made of a target, by its messages.
pub(crate) fn executable(messages: &str, target: &str) -> Result<PathBuf> {
    let made = messages.lines().find_map(|line| {
        let message: Value = serde_json::from_str(line).ok()?;
        let named = message["target"]["name"] == target;
        named.then(|| message["executable"].as_str().map(PathBuf::from))?
    });
    made.with_context(|| format!("cargo built no program {target}"))
}

/// As a runtime asks it.
fn check_version(program: &Path) -> Result<()> {
    let mut command = Command::new(program);
    command
        .arg0(PLUGIN)
        .env_clear()
        .env("CNI_COMMAND", "VERSION");
    let told = process::output(command.stdin(Stdio::null()))?;
    let versions: Value = serde_json::from_str(&told)
        .with_context(|| format!("{PLUGIN} answers no JSON to VERSION: {told:?}"))?;
    if versions["supportedVersions"]
        .as_array()
        .is_none_or(Vec::is_empty)
    {
        bail!("{PLUGIN} names no version: {told}");
    }
    Ok(())
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

    #[test]
    fn the_host_is_that_of_the_compiler() {
        let told = "rustc 1.95.0\nbinary: rustc\nhost: x86_64-unknown-linux-gnu\n";
        assert_eq!(host_of(told), Some("x86_64-unknown-linux-gnu"));
        assert_eq!(host_of("rustc 1.95.0"), None);
    }
}
