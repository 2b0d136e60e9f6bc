//! `cargo xtask e2e-node`: the plugins in the hands of those that call them: cnitool, containerd by itself, and real kubelets in a
//! cluster whose addresses our server gives.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use crate::tally::{self, Tally};
use crate::workspace::Workspace;
use crate::{assets, cni_plugins, node_tools, process};

/// A target that is named, so that the flags are not also those of the tests and of all that they need.
const TARGET: &str = "x86_64-unknown-linux-gnu";
/// What the pods run.
const RESIDENT: &str = "resident";

/// Builds what the suite needs, and runs the tests whose names contain one of `names`, or all of them.
///
/// # Errors
/// When parts cannot be had, or a test fails or is skipped.
pub(crate) fn run(workspace: &Workspace, names: &[String]) -> Result<Tally> {
    let settings = [
        ("FLOATINGIP_ASSETS", assets::build()?),
        ("FLOATINGIP_NODE_TOOLS", node_tools::ready()?),
        (cni_plugins::VARIABLE, cni_plugins::folder()?),
        ("FLOATINGIP_PROGRAMS", programs(workspace)?),
        ("FLOATINGIP_E2E", PathBuf::from("require")),
    ];
    let mut arguments = vec!["test", "-p", "floatingip-e2e", "--test", "e2e", "--"];
    arguments.extend(names.iter().map(String::as_str));
    tally::tested(workspace, &arguments, &settings)
}

/// A folder with our own programs, as the tests build them, and with the one that the pods run.
fn programs(workspace: &Workspace) -> Result<PathBuf> {
    let ours = ["floatingip-server", "floatingip-cni"];
    let mut build = process::cargo(&workspace.root, &["build", "--bins"]);
    process::run(build.args(ours.iter().flat_map(|name| ["-p", name])))?;
    let folder = workspace.target.join("e2e");
    fs::create_dir_all(&folder)?;
    for name in ours {
        place(
            &workspace.target.join("debug").join(name),
            &folder.join(name),
        )?;
    }
    place(&resident(workspace)?, &folder.join(RESIDENT))?;
    Ok(folder)
}

/// Linked statically: its image has nothing else.
fn resident(workspace: &Workspace) -> Result<PathBuf> {
    let arguments = [
        "build",
        "-p",
        "floatingip-e2e",
        "--bins",
        "--target",
        TARGET,
    ];
    let mut build = process::cargo(&workspace.root, &arguments);
    process::run(build.env(
        "RUSTFLAGS",
        "-C target-feature=+crt-static -C strip=debuginfo",
    ))?;
    Ok(workspace.target.join(TARGET).join("debug").join(RESIDENT))
}

/// At once, as another run may be using the one that is there.
fn place(program: &Path, place: &Path) -> Result<()> {
    let partial = place.with_extension(format!("partial-{}", std::process::id()));
    fs::copy(program, &partial).with_context(|| format!("cannot copy {}", program.display()))?;
    Ok(fs::rename(partial, place)?)
}
