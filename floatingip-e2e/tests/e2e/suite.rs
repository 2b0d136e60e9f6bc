//! All tests, and the order in which they run.

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Result;
use floatingip_testkit::runner::{Arguments, Case, Outcome, Runner};

use crate::cluster::Cluster;
use crate::kit::{self, Kit};
use crate::{cnitool, isolation, product, sandbox};

/// A test with its name.
pub(crate) type Test = (&'static str, fn(Arc<Kit>) -> Outcome);

/// On nodes of their own.
const ALONE: &[&[Test]] = &[cnitool::TESTS, sandbox::TESTS];
/// How many nodes there are at a time: they share the processors.
const AT_A_TIME: usize = 3;

/// What the command line picks.
struct Chosen {
    alone: Vec<Test>,
    side_by_side: Vec<product::Test>,
    last: Vec<product::Test>,
}

impl Chosen {
    fn of(arguments: &Arguments) -> Self {
        Self {
            alone: arguments.chosen(&ALONE.concat(), |(name, _)| *name),
            side_by_side: arguments.chosen(product::TESTS, |(name, _)| *name),
            last: arguments.chosen(product::LAST, |(name, _)| *name),
        }
    }

    fn all() -> usize {
        ALONE.concat().len() + product::TESTS.len() + product::LAST.len()
    }

    fn names(&self) -> Vec<&'static str> {
        let alone = self.alone.iter().map(|(name, _)| *name);
        let on_the_cluster = self.side_by_side.iter().chain(&self.last);
        alone.chain(on_the_cluster.map(|(name, _)| *name)).collect()
    }
}

pub(crate) fn main() -> ExitCode {
    let arguments = Arguments::parse(std::env::args().skip(1));
    let chosen = Chosen::of(&arguments);
    let names = chosen.names();
    if arguments.list_only {
        for name in names {
            println!("{name}: test");
        }
        return ExitCode::SUCCESS;
    }
    let mut runner = Runner::new(Chosen::all(), names.len(), AT_A_TIME);
    let ran = match ready() {
        Ok(kit) => run(&Arc::new(kit), &chosen, &mut runner),
        Err(error) if !kit::is_required() => {
            eprintln!("\nSKIPPED: the tests on real nodes: {error:#}\n");
            runner.skip(names.len());
            Ok(())
        }
        Err(error) => Err(error),
    };
    if let Err(error) = &ran {
        eprintln!("the tests on real nodes cannot run: {error:#}");
    }
    if runner.finish() && ran.is_ok() {
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

fn run(kit: &Arc<Kit>, chosen: &Chosen, runner: &mut Runner) -> Result<()> {
    tokio::runtime::Runtime::new()?.block_on(async {
        let case = |(name, test): &Test| Case::new(*name, test(Arc::clone(kit)));
        runner.run(chosen.alone.iter().map(case).collect()).await;
        if chosen.side_by_side.len() + chosen.last.len() > 0 {
            run_on_a_cluster(kit, chosen, runner).await?;
        }
        Ok(())
    })
}

async fn run_on_a_cluster(kit: &Arc<Kit>, chosen: &Chosen, runner: &mut Runner) -> Result<()> {
    let cluster = Arc::new(Cluster::start(kit).await?);
    for (tests, at_a_time) in [
        (&chosen.side_by_side, product::TESTS.len()),
        (&chosen.last, 1),
    ] {
        let case = |(name, test): &product::Test| Case::new(*name, test(Arc::clone(&cluster)));
        let cases = tests.iter().map(case).collect();
        runner.run_at_a_time(cases, at_a_time).await;
    }
    Ok(())
}
