//! All tests, and the order in which they run.

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Result;
use floatingip_testkit::runner::{Arguments, Case, Outcome, Runner};

use crate::kit::{self, Kit};
use crate::{cnitool, isolation, sandbox};

/// A test with its name.
pub(crate) type Test = (&'static str, fn(Arc<Kit>) -> Outcome);

/// On nodes of their own.
const ALONE: &[&[Test]] = &[cnitool::TESTS, sandbox::TESTS];
/// How many nodes there are at a time: they share the processors.
const AT_A_TIME: usize = 3;

pub(crate) fn main() -> ExitCode {
    let arguments = Arguments::parse(std::env::args().skip(1));
    let all = ALONE.concat();
    let chosen = arguments.chosen(&all, |(name, _)| *name);
    if arguments.list_only {
        for (name, _) in &chosen {
            println!("{name}: test");
        }
        return ExitCode::SUCCESS;
    }
    let mut runner = Runner::new(all.len(), chosen.len(), AT_A_TIME);
    match ready() {
        Ok(kit) => run(&Arc::new(kit), &chosen, &mut runner),
        Err(error) if !kit::is_required() => {
            eprintln!("\nSKIPPED: the tests on real nodes: {error:#}\n");
            runner.skip(chosen.len());
        }
        Err(error) => {
            eprintln!("the tests on real nodes cannot run: {error:#}");
            return ExitCode::FAILURE;
        }
    }
    if runner.finish() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// Before there is a second thread.
fn ready() -> Result<Kit> {
    let kit = Kit::find()?;
    isolation::enter()?;
    Ok(kit)
}

fn run(kit: &Arc<Kit>, chosen: &[Test], runner: &mut Runner) {
    let case = |(name, test): &Test| Case::new(*name, test(Arc::clone(kit)));
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(runner.run(chosen.iter().map(case).collect()));
}
