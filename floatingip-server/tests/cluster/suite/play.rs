//! The order of the suite: what the command line picks, on one control plane, side by side as far as it can.

use std::sync::Arc;

use anyhow::Result;
use floatingip_testkit::runner::{Arguments, Case, Runner};
use floatingip_testkit::{Assets, Part};

use super::{ALONE, Alone, LOTS, Test};
use crate::cluster::Cluster;
use crate::lot::{Land, Lot};
use crate::seed;
use crate::table::{self, Cell, Lanes};

/// `floatingip-server verify` and the clean end of the server, which are tests too.
const LAST: usize = 2;

/// What the command line picks.
struct Chosen {
    seed: Vec<(&'static str, seed::Body)>,
    alone: Vec<Alone>,
    tests: Vec<(usize, Test)>,
    cells: Vec<Cell>,
    page: bool,
}

const PAGE: &str = "the_table_of_policies_in_the_docs_is_current";

impl Chosen {
    fn of(arguments: &Arguments, cells: &[Cell]) -> Self {
        let tests: Vec<(usize, Test)> = LOTS.concat().into_iter().enumerate().collect();
        Self {
            seed: arguments.chosen(seed::TESTS, |(name, _)| *name),
            alone: arguments.chosen(&ALONE.concat(), |(name, _)| *name),
            tests: arguments.chosen(&tests, |(_, test)| test.name),
            cells: arguments.chosen(cells, Cell::name),
            page: !arguments.chosen(&[PAGE], |name| *name).is_empty(),
        }
    }

    /// Those that share a cluster.
    fn on_a_cluster(&self) -> usize {
        match self.seed.len() + self.tests.len() + self.cells.len() {
            0 => 0,
            some => some + LAST,
        }
    }

    /// Those that need a control plane.
    fn on_planes(&self) -> usize {
        self.on_a_cluster() + self.alone.len()
    }

    fn count(&self) -> usize {
        self.on_planes() + usize::from(self.page)
    }

    fn names(&self) -> Vec<String> {
        let seed = self.seed.iter().map(|(name, _)| (*name).to_owned());
        let alone = self.alone.iter().map(|(name, _)| (*name).to_owned());
        let tests = self.tests.iter().map(|(_, test)| test.name.to_owned());
        let cells = self.cells.iter().map(Cell::name);
        let page = self.page.then(|| PAGE.to_owned());
        seed.chain(alone)
            .chain(tests)
            .chain(cells)
            .chain(page)
            .collect()
    }
}

/// First the seed's own document, whose configuration stands alone; then, with all others added, the rest.
pub(super) async fn run(arguments: &Arguments) -> Result<bool> {
    let all_cells = Cell::all();
    let cells: Vec<Cell> = all_cells
        .iter()
        .copied()
        .filter(Cell::is_applicable)
        .collect();
    let chosen = Chosen::of(arguments, &cells);
    let with_lots = LOTS.concat().len() + ALONE.concat().len();
    let all = seed::TESTS.len() + with_lots + cells.len() + LAST + 1;
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
    if chosen.on_planes() > 0 {
        run_on_planes(&chosen, &mut runner).await?;
    }
    if !chosen.cells.is_empty() {
        print_table(&chosen.cells, all_cells.len() - cells.len(), &runner);
    }
    Ok(runner.finish())
}

async fn run_on_planes(chosen: &Chosen, runner: &mut Runner) -> Result<()> {
    let Some(assets) = Assets::find_or_skip("the server on a control plane", Part::ALL)? else {
        runner.skip(chosen.on_planes());
        return Ok(());
    };
    let alone = chosen.alone.iter();
    let alone = alone.map(|(name, body)| Case::new(*name, body(assets.clone())));
    let alone: Vec<Case> = alone.collect();
    match chosen.on_a_cluster() {
        0 => runner.run(alone).await,
        _ => run_on_a_cluster(chosen, assets, alone, runner).await?,
    }
    Ok(())
}

async fn run_on_a_cluster(
    chosen: &Chosen,
    assets: Assets,
    alone: Vec<Case>,
    runner: &mut Runner,
) -> Result<()> {
    let cluster = Arc::new(Cluster::start(assets, seed::CONFIG_MAP).await?);
    for (name, body) in &chosen.seed {
        runner
            .run(vec![Case::new(*name, body(Arc::clone(&cluster)))])
            .await;
    }
    run_on_lots(&cluster, chosen, alone, runner).await?;
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

/// The tests with a lot each beside those with a plane of their own, then the cells of the table, which share
/// lanes.
async fn run_on_lots(
    cluster: &Arc<Cluster>,
    chosen: &Chosen,
    alone: Vec<Case>,
    runner: &mut Runner,
) -> Result<()> {
    let all = LOTS.concat();
    let lands = all.iter().map(Test::land);
    let lands: Vec<Land> = lands.chain([table::LANE; table::LANES]).collect();
    let lanes = match chosen.cells.len() {
        0 => 0,
        _ => table::LANES,
    };
    let places = chosen.tests.iter().map(|(place, _)| *place);
    let places: Vec<usize> = places.chain(all.len()..all.len() + lanes).collect();
    let mut lots = match places.is_empty() {
        true => Vec::new(),
        false => Lot::lay_out(cluster, &lands, &places).await?,
    };
    let lanes = Arc::new(Lanes::new(lots.split_off(chosen.tests.len())));

    let tests = chosen.tests.iter().zip(lots);
    let tests = tests.map(|((_, test), lot)| Case::new(test.name, (test.run)(lot)));
    runner.run(alone.into_iter().chain(tests).collect()).await;
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
