//! Project tasks: `cargo xtask ci [STAGE…]` runs the checks that every change must pass, `cargo xtask assets` builds the
//! programs of the tests' control plane, `cargo xtask gen-crds` writes the definitions of the custom resources, `cargo xtask dist`
//! builds the static program of the nodes, and `cargo xtask vm-test` runs the tests of the CNI plugins that need a virtual machine.

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
mod fuzzing;
mod papers;
mod process;
mod purity;
mod schemathesis;
mod tally;
mod tools;
mod vm;
mod workspace;

use std::process::ExitCode;

fn main() -> anyhow::Result<ExitCode> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.split_first() {
        Some((task, stages)) if task == "ci" => ci::run(stages),
        Some((task, [])) if task == "assets" => {
            println!("{}", assets::build()?.display());
            Ok(ExitCode::SUCCESS)
        }
        Some((task, [])) if task == "dist" => {
            println!("{}", dist::run(&workspace::Workspace::load()?)?.display());
            Ok(ExitCode::SUCCESS)
        }
        Some((task, flags)) if task == "gen-crds" => crds::run(flags),
        Some((task, names)) if task == "vm-test" => {
            println!("{}", vm::run(&workspace::Workspace::load()?, names)?);
            Ok(ExitCode::SUCCESS)
        }
        _ => {
            println!(
                "usage: cargo xtask assets\n       cargo xtask ci [STAGE…]\n       cargo xtask dist\n       cargo xtask gen-crds [--check]\n       cargo xtask vm-test [TEST…]\n\n{}",
                ci::help()
            );
            Ok(ExitCode::FAILURE)
        }
    }
}
