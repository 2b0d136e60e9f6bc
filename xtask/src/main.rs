//! Project tasks: `cargo xtask ci [STAGE…]` runs the checks that every change must pass, `cargo xtask assets` builds the
//! programs of the tests' control plane, `cargo xtask gen-crds` writes the definitions of the custom resources, and `cargo xtask dist`
//! builds the static program of the nodes.
//!
//! The tests of the CNI plugins are run by `cargo xtask node-test` on real interfaces, by `cargo xtask vm-test` in a virtual machine,
//! and by `cargo xtask e2e-node` in the hands of their real clients.

#![forbid(unsafe_code)]
#![expect(
    clippy::print_stdout,
    reason = "the terminal is this program's user interface"
)]

mod assets;
mod ci;
mod cni_plugins;
mod crds;
mod debian;
mod dist;
mod e2e;
mod fuzzing;
mod go;
mod node_test;
mod node_tools;
mod papers;
mod process;
mod purity;
mod schemathesis;
mod tally;
mod tools;
mod vm;
mod workspace;

use std::process::ExitCode;

use crate::tally::Tally;
use crate::workspace::Workspace;

const USAGE: &str = "\
usage: cargo xtask assets
       cargo xtask ci [STAGE…]
       cargo xtask dist
       cargo xtask e2e-node [TEST…]
       cargo xtask gen-crds [--check]
       cargo xtask node-test [TEST…]
       cargo xtask vm-test [TEST…]";

fn main() -> anyhow::Result<ExitCode> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.split_first() {
        Some((task, stages)) if task == "ci" => ci::run(stages),
        Some((task, [])) if task == "assets" => {
            println!("{}", assets::build()?.display());
            Ok(ExitCode::SUCCESS)
        }
        Some((task, [])) if task == "dist" => {
            println!("{}", dist::run(&Workspace::load()?)?.display());
            Ok(ExitCode::SUCCESS)
        }
        Some((task, flags)) if task == "gen-crds" => crds::run(flags),
        Some((task, names)) if task == "node-test" => tests(node_test::run, names),
        Some((task, names)) if task == "e2e-node" => tests(e2e::run, names),
        Some((task, names)) if task == "vm-test" => tests(vm::run, names),
        _ => {
            println!("{USAGE}\n\n{}", ci::help());
            Ok(ExitCode::FAILURE)
        }
    }
}

/// Runs tests, those with one of these words in their names or all of them, and prints how many passed.
fn tests(
    run: fn(&Workspace, &[String]) -> anyhow::Result<Tally>,
    names: &[String],
) -> anyhow::Result<ExitCode> {
    println!("{}", run(&Workspace::load()?, names)?);
    Ok(ExitCode::SUCCESS)
}
