//! The list of all tests.

mod play;

use std::process::ExitCode;

use floatingip_testkit::Assets;
use floatingip_testkit::runner::{Arguments, Outcome};

use crate::lot::{Land, Lot};
use crate::{configuration, ending, policy, pool, preempt, reason, record, request, start, wake};

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
const ALONE: &[&[Alone]] = &[pool::ALONE, start::ALONE];

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
    Test::new(
        "what_a_daemon_set_keeps_for_a_node_is_freed_with_the_node",
        |lot| Box::pin(policy::node_of_a_daemon_set(lot)),
    ),
];

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

    pub(crate) const fn land(&self) -> Land {
        Land {
            racks: self.racks,
            nodes: self.nodes,
            addresses: self.addresses,
        }
    }
}

/// A test with a control plane of its own, which it starts from these programs.
pub(crate) type Alone = (&'static str, fn(Assets) -> Outcome);

pub(crate) fn main() -> ExitCode {
    let arguments = Arguments::parse(std::env::args().skip(1));
    let runtime = tokio::runtime::Runtime::new().unwrap();
    match runtime.block_on(play::run(&arguments)) {
        Ok(passed) if passed => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("the suite could not run: {error:#}");
            ExitCode::FAILURE
        }
    }
}
