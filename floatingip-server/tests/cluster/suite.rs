//! The list of all tests, and the order of the suite.

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Result;
use floatingip_testkit::{Assets, Part};

use crate::cluster::Cluster;
use crate::lot::Lot;
use crate::runner::{Arguments, Case, Outcome, Runner};
use crate::{policy, seed};

/// All tests that have a lot. Their numbers, and with them their addresses, are their places here.
const TESTS: &[Test] = &[
    Test::new(
        "a_stateful_set_without_policy_frees_addresses_with_its_pods",
        |lot| Box::pin(policy::none(lot)),
    ),
    Test::new("a_stateful_set_under_immutable_keeps_addresses", |lot| {
        Box::pin(policy::immutable(lot))
    }),
    Test::new("a_stateful_set_under_never_keeps_addresses", |lot| {
        Box::pin(policy::never(lot))
    }),
];

/// The clean end of the server, which is a test too.
const LAST: usize = 1;

/// A test, and the land that it needs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Test {
    pub(crate) name: &'static str,
    /// Pairs of a node subnet and a pod subnet.
    pub(crate) racks: u8,
    /// Nodes in each rack.
    pub(crate) nodes: u8,
    /// Addresses for pods in each rack.
    pub(crate) addresses: u8,
    pub(crate) run: Body,
}

/// What a test does with its lot.
pub(crate) type Body = fn(Lot) -> Outcome;

impl Test {
    /// With one rack of three nodes and 100 addresses.
    const fn new(name: &'static str, run: Body) -> Self {
        Self {
            name,
            racks: 1,
            nodes: 3,
            addresses: 100,
            run,
        }
    }
}

pub(crate) fn main() -> ExitCode {
    let arguments = Arguments::parse(std::env::args().skip(1));
    let runtime = tokio::runtime::Runtime::new().unwrap();
    match runtime.block_on(run(&arguments)) {
        Ok(passed) if passed => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("the suite could not run: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// First the seed's own document, whose configuration stands alone; then, with all others added, the rest.
async fn run(arguments: &Arguments) -> Result<bool> {
    let seed_cases = arguments.chosen(seed::TESTS, |(name, _)| name);
    let tests: Vec<(usize, &Test)> = TESTS.iter().enumerate().collect();
    let tests = arguments.chosen(&tests, |(_, test)| test.name);
    let all = seed::TESTS.len() + TESTS.len() + LAST;
    let chosen = match seed_cases.len() + tests.len() {
        0 => 0,
        some => some + LAST,
    };
    let mut runner = Runner::new(all, chosen, arguments.at_a_time);
    if arguments.list_only || chosen == 0 {
        let names = seed_cases
            .iter()
            .map(|(name, _)| *name)
            .chain(tests.iter().map(|(_, test)| test.name));
        names.for_each(|name| println!("{name}: test"));
        return Ok(arguments.list_only || runner.finish());
    }
    let Some(assets) = Assets::find_or_skip("the server on a control plane", Part::ALL)? else {
        runner.skip(chosen);
        return Ok(runner.finish());
    };
    let cluster = Arc::new(Cluster::start(assets, seed::CONFIG_MAP).await?);

    for (name, body) in seed_cases {
        runner
            .run(vec![Case::new(name, body(Arc::clone(&cluster)))])
            .await;
    }
    if !tests.is_empty() {
        let lots = Lot::lay_out(&cluster, TESTS, &tests).await?;
        let cases = tests
            .iter()
            .zip(lots)
            .map(|((_, test), lot)| Case::new(test.name, (test.run)(lot)));
        runner.run(cases.collect()).await;
    }
    let end = Case::new(
        "the_server_ends_cleanly",
        Box::pin(async move { cluster.end().await }),
    );
    runner.run(vec![end]).await;
    Ok(runner.finish())
}
