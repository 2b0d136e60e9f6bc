//! The list of all tests, and the order of the suite.

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Result;
use floatingip_testkit::{Assets, Part};

use crate::cluster::Cluster;
use crate::lot::Lot;
use crate::policy;
use crate::runner::{Arguments, Case, Outcome, Runner};
use crate::{
    configuration, ending, pool, preempt, reason, record, request, seed, standby, start, wake,
};

/// All tests that have a lot. Their numbers, and with them their addresses, are their places in the whole.
const LOTS: &[&[Test]] = &[
    POLICIES,
    pool::TESTS,
    wake::TESTS,
    record::TESTS,
    configuration::TESTS,
    reason::TESTS,
    ending::TESTS,
    request::TESTS,
    preempt::TESTS,
    wake::LAST,
];

/// All tests that have a control plane to themselves: what they do concerns a whole cluster.
const ALONE: &[&[Alone]] = &[pool::ALONE, start::ALONE, standby::ALONE];

const POLICIES: &[Test] = &[
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

/// `floatingip-server verify` and the clean end of the server, which are tests too.
const LAST: usize = 2;

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
    pub(crate) const fn new(name: &'static str, run: Body) -> Self {
        Self {
            name,
            racks: 1,
            nodes: 3,
            addresses: 100,
            run,
        }
    }

    /// With so many nodes in each rack.
    pub(crate) const fn nodes(mut self, nodes: u8) -> Self {
        self.nodes = nodes;
        self
    }

    /// With so many addresses in each rack.
    pub(crate) const fn addresses(mut self, addresses: u8) -> Self {
        self.addresses = addresses;
        self
    }

    /// With so many racks.
    pub(crate) const fn racks(mut self, racks: u8) -> Self {
        self.racks = racks;
        self
    }
}

/// A test with a control plane of its own, which it starts from these programs.
pub(crate) type Alone = (&'static str, fn(Assets) -> Outcome);

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
    let with_lots = LOTS.concat();
    let tests: Vec<(usize, &Test)> = with_lots.iter().enumerate().collect();
    let tests = arguments.chosen(&tests, |(_, test)| test.name);
    let with_planes = ALONE.concat();
    let alone = arguments.chosen(&with_planes, |(name, _)| name);
    let all = seed::TESTS.len() + with_lots.len() + with_planes.len() + LAST;
    let chosen = alone.len()
        + match seed_cases.len() + tests.len() {
            0 => 0,
            some => some + LAST,
        };
    let mut runner = Runner::new(all, chosen, arguments.at_a_time);
    if arguments.list_only || chosen == 0 {
        let shared = seed_cases.iter().map(|(name, _)| *name);
        let names = shared.chain(tests.iter().map(|(_, test)| test.name));
        let names = names.chain(alone.iter().map(|(name, _)| *name));
        names.for_each(|name| println!("{name}: test"));
        return Ok(arguments.list_only || runner.finish());
    }
    let Some(assets) = Assets::find_or_skip("the server on a control plane", Part::ALL)? else {
        runner.skip(chosen);
        return Ok(runner.finish());
    };
    let with_planes = alone
        .iter()
        .map(|(name, body)| Case::new(name, body(assets.clone())));
    let mut cases: Vec<Case> = with_planes.collect();
    if seed_cases.is_empty() && tests.is_empty() {
        runner.run(cases).await;
        return Ok(runner.finish());
    }
    let cluster = Arc::new(Cluster::start(assets.clone(), seed::CONFIG_MAP).await?);

    for (name, body) in seed_cases {
        runner
            .run(vec![Case::new(name, body(Arc::clone(&cluster)))])
            .await;
    }
    if !tests.is_empty() {
        let lots = Lot::lay_out(&cluster, &with_lots, &tests).await?;
        let with_lots = tests
            .iter()
            .zip(lots)
            .map(|((_, test), lot)| Case::new(test.name, (test.run)(lot)));
        cases.extend(with_lots);
    }
    runner.run(cases).await;
    let verified = Arc::clone(&cluster);
    let verify = Case::new(
        "verify_finds_every_invariant_held",
        Box::pin(async move { verified.server.verify(&verified.plane).await }),
    );
    runner.run(vec![verify]).await;
    let end = Case::new(
        "the_server_ends_cleanly",
        Box::pin(async move { cluster.end().await }),
    );
    runner.run(vec![end]).await;
    Ok(runner.finish())
}
