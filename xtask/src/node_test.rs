//! `cargo xtask node-test`: the plugins of `floatingip-cni` on real interfaces, in network namespaces.

use std::path::PathBuf;

use anyhow::Result;

use crate::tally::{self, Tally};
use crate::workspace::Workspace;
use crate::{cni_plugins, process};

/// Runs the tests whose names contain one of `names`, or all of them. None may skip: who may not make namespaces does not know
/// whether the plugins work.
///
/// # Errors
/// When Debian's plugins cannot be had, or a test fails or is skipped.
pub(crate) fn run(workspace: &Workspace, names: &[String]) -> Result<Tally> {
    let settings = [
        ("FLOATINGIP_NODE", PathBuf::from("require")),
        (cni_plugins::VARIABLE, cni_plugins::folder()?),
        ("FLOATINGIP_SERVER_PROGRAM", server_program(workspace)?),
    ];
    let mut arguments = vec!["test", "-p", "floatingip-cni", "--test", "node", "--"];
    arguments.extend(names.iter().map(String::as_str));
    tally::tested(workspace, &arguments, &settings)
}

/// The server that the node's IPAM plugin asks, built as its own tests have it.
fn server_program(workspace: &Workspace) -> Result<PathBuf> {
    let arguments = ["build", "--quiet", "-p", "floatingip-server"];
    process::run(&mut process::cargo(&workspace.root, &arguments))?;
    Ok(workspace.target.join("debug/floatingip-server"))
}
