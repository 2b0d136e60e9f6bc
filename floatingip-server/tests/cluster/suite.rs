//! The list of all tests, and the order of the suite.

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Result;
use floatingip_testkit::{Assets, Part};

use crate::cluster::Cluster;
use crate::lot::{Land, Lot};
use crate::runner::{Arguments, Case, Outcome, Runner};
use crate::table::{self, Cell, Lanes};
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
    Test::new(
        "what_a_daemon_set_keeps_for_a_node_is_freed_with_the_node",
        |lot| Box::pin(policy::node_of_a_daemon_set(lot)),
    ),
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
    const fn new(name: &'static str, run: Body) -> Self {
        Self {
            name,
            racks: 1,
            nodes: 3,
            addresses: 100,
            run,
        }
    }

    fn land(&self) -> Land {
        Land {
            racks: self.racks,
            nodes: self.nodes,
            addresses: self.addresses,
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

/// What the command line picks.
struct Chosen {
    seed: Vec<(&'static str, seed::Body)>,
    tests: Vec<(usize, &'static Test)>,
    cells: Vec<Cell>,
    page: bool,
}

const PAGE: &str = "the_table_of_policies_in_the_docs_is_current";

impl Chosen {
    fn of(arguments: &Arguments, cells: &[Cell]) -> Self {
        let tests: Vec<(usize, &Test)> = TESTS.iter().enumerate().collect();
        Self {
            seed: arguments.chosen(seed::TESTS, |(name, _)| *name),
            tests: arguments.chosen(&tests, |(_, test)| test.name),
            cells: arguments.chosen(cells, Cell::name),
            page: !arguments.chosen(&[PAGE], |name| *name).is_empty(),
        }
    }

    /// Those that need a cluster.
    fn on_a_cluster(&self) -> usize {
        match self.seed.len() + self.tests.len() + self.cells.len() {
            0 => 0,
            some => some + LAST,
        }
    }

    fn count(&self) -> usize {
        self.on_a_cluster() + usize::from(self.page)
    }

    fn names(&self) -> Vec<String> {
        let seed = self.seed.iter().map(|(name, _)| (*name).to_owned());
        let tests = self.tests.iter().map(|(_, test)| test.name.to_owned());
        let cells = self.cells.iter().map(Cell::name);
        let page = self.page.then(|| PAGE.to_owned());
        seed.chain(tests).chain(cells).chain(page).collect()
    }
}

/// First the seed's own document, whose configuration stands alone; then, with all others added, the rest.
async fn run(arguments: &Arguments) -> Result<bool> {
    let all_cells = Cell::all();
    let cells: Vec<Cell> = all_cells
        .iter()
        .copied()
        .filter(Cell::is_applicable)
        .collect();
    let chosen = Chosen::of(arguments, &cells);
    let all = seed::TESTS.len() + TESTS.len() + cells.len() + LAST + 1;
    let mut runner = Runner::new(all, chosen.count(), arguments.at_a_time);
    if arguments.list_only || chosen.count() == 0 {
        chosen
            .names()
            .iter()
            .for_each(|name| println!("{name}: test"));
        return Ok(arguments.list_only || runner.finish());
    }
    if chosen.page {
        let page = Case::new(PAGE, Box::pin(async { table::is_current() }));
        runner.run(vec![page]).await;
    }
    if chosen.on_a_cluster() > 0 {
        run_on_a_cluster(&chosen, &mut runner).await?;
    }
    if !chosen.cells.is_empty() {
        print_table(&chosen.cells, all_cells.len() - cells.len(), &runner);
    }
    Ok(runner.finish())
}

async fn run_on_a_cluster(chosen: &Chosen, runner: &mut Runner) -> Result<()> {
    let Some(assets) = Assets::find_or_skip("the server on a control plane", Part::ALL)? else {
        runner.skip(chosen.on_a_cluster());
        return Ok(());
    };
    let cluster = Arc::new(Cluster::start(assets, seed::CONFIG_MAP).await?);
    for (name, body) in &chosen.seed {
        runner
            .run(vec![Case::new(*name, body(Arc::clone(&cluster)))])
            .await;
    }
    run_on_lots(&cluster, chosen, runner).await?;
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
    Ok(())
}

/// The tests with a lot each, then the cells of the table, which share lanes.
async fn run_on_lots(cluster: &Arc<Cluster>, chosen: &Chosen, runner: &mut Runner) -> Result<()> {
    let lands = TESTS.iter().map(Test::land);
    let lands: Vec<Land> = lands.chain([table::LANE; table::LANES]).collect();
    let lanes = match chosen.cells.len() {
        0 => 0,
        _ => table::LANES,
    };
    let places = chosen.tests.iter().map(|(place, _)| *place);
    let places: Vec<usize> = places.chain(TESTS.len()..TESTS.len() + lanes).collect();
    if places.is_empty() {
        return Ok(());
    }
    let mut lots = Lot::lay_out(cluster, &lands, &places).await?;
    let lanes = Arc::new(Lanes::new(lots.split_off(chosen.tests.len())));

    let tests = chosen.tests.iter().zip(lots);
    let tests = tests.map(|((_, test), lot)| Case::new(test.name, (test.run)(lot)));
    runner.run(tests.collect()).await;
    let cells = chosen.cells.iter();
    let cells = cells.map(|cell| Case::new(cell.name(), Box::pin(cell.run(Arc::clone(&lanes)))));
    runner.run_at_a_time(cells.collect(), table::LANES).await;
    Ok(())
}

fn print_table(chosen: &[Cell], not_applicable: usize, runner: &Runner) {
    let ran = |cell: &Cell| chosen.iter().any(|one| one.name() == cell.name());
    let remark = |cell: &Cell| match cell.is_applicable() {
        true if !ran(cell) => "not run: ",
        true if runner.has_failed(&cell.name()) => "FAILED: ",
        _ => "",
    };
    println!("\n{}", table::page(remark));
    let failed = chosen
        .iter()
        .filter(|cell| runner.has_failed(&cell.name()))
        .count();
    println!(
        "{} cells passed, {failed} failed, {not_applicable} n/a",
        chosen.len() - failed
    );
}
