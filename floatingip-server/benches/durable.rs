//! What durability costs: allocations by many clients at once, with every commit flushed and with none.
//!
//! Prints, for the file of this machine and for the same with a longer flush, the median rate of
//! durable allocations, its share of the rate without flushes, and how many flushes an allocation
//! needs. Both kinds of a pair take turns, on files of the same folder: the one that
//! `FLOATINGIP_BENCH_DIR` names, or the target folder.

#![expect(clippy::print_stdout, reason = "the table is what it is run for")]

use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};
use std::{env, io};

use anyhow::{Context as _, Result};
use floatingip_core::config::{Config, Strictness};
use floatingip_core::engine::Settings;
use floatingip_core::fact::UnknownWorld;
use floatingip_core::orchestrator::{Limits, Orchestrator, Place};
use floatingip_core::request::PodRequest;
use floatingip_core::testing::fixture::pod;
use floatingip_core::{ReleasePolicy, Topology};
use floatingip_server::clock::SystemTimer;
use floatingip_server::store::EmbeddedStore;
use redb::StorageBackend;
use redb::backends::FileBackend;
use tempfile::TempDir;
use tokio::task::JoinSet;

const CLIENTS: u32 = 64;

/// One more address for each allocation than anybody asks for.
const CONFIGURATION: &str = r#"[{"nodeSubnets":["192.168.0.0/16"],"ips":["10.0.0.0/8"],
    "subnet":"10.0.0.0/8","gateway":"10.0.0.1"}]"#;

type Core = Orchestrator<EmbeddedStore, SystemTimer, UnknownWorld>;

/// How a commit is flushed.
#[derive(Clone, Copy, Debug)]
enum Flush {
    Never,
    /// By the operating system, and then so much later.
    Later(Duration),
}

/// A file that counts what it is asked to flush.
#[derive(Debug)]
struct Disk {
    file: FileBackend,
    flush: Flush,
    flushes: Arc<AtomicU64>,
}

/// What one run came to.
#[derive(Clone, Copy, Debug)]
struct Run {
    /// Allocations a second.
    rate: f64,
    /// Flushes for each of them.
    flushes: f64,
    /// How long a flush would take that is made alone.
    took: Duration,
}

fn main() -> Result<()> {
    let short = is_short();
    let (pairs, each) = if short { (1, 2) } else { (11, 150) };
    let topology = Config::parse(CONFIGURATION, Strictness::Strict)?.into_topology();
    println!(
        "{:<12}{:>14}{:>14}{:>8}{:>22}",
        "flush", "without, 1/s", "durable, 1/s", "share", "flushes/allocation"
    );
    for later in [0, 1, 5].map(Duration::from_millis) {
        let mut runs = Vec::new();
        for _ in 0..pairs {
            let without = run(&topology, Flush::Never, each)?;
            runs.push((without, run(&topology, Flush::Later(later), each)?));
        }
        print(&runs);
    }
    Ok(())
}

fn print(runs: &[(Run, Run)]) {
    let of = |value: fn(&(Run, Run)) -> f64| median(runs.iter().map(value).collect());
    let took = of(|(_, durable)| durable.took.as_secs_f64() * 1e3);
    println!(
        "{:<12}{:>14.0}{:>14.0}{:>8.2}{:>22.3}",
        format!("{took:.2} ms"),
        of(|(without, _)| without.rate),
        of(|(_, durable)| durable.rate),
        of(|(without, durable)| durable.rate / without.rate),
        of(|(_, durable)| durable.flushes),
    );
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// Cargo runs a benchmark with `--bench`; with `--test` only to see that it works.
fn is_short() -> bool {
    let has = |wanted: &str| env::args().any(|given| given == wanted);
    has("--test") || !has("--bench")
}

/// Each client allocates so many addresses, one after the other.
fn run(topology: &Topology, flush: Flush, each: u32) -> Result<Run> {
    let folder = folder()?;
    let path = folder.path().join("store");
    let flushes = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&flushes);
    let store = EmbeddedStore::on_disk(move || Disk::open(&path, flush, &counted))?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let core = start(topology, store).await?;
        let before = flushes.load(Ordering::Relaxed);
        let begun = Instant::now();
        all(&core, each).await?;
        let seconds = begun.elapsed().as_secs_f64();
        let flushes = flushes.load(Ordering::Relaxed) - before;
        let allocations = f64::from(CLIENTS * each);
        Ok(Run {
            rate: allocations / seconds,
            flushes: flushes as f64 / allocations,
            took: alone(flush)?,
        })
    })
}

async fn start(topology: &Topology, store: EmbeddedStore) -> Result<Arc<Core>> {
    let settings = Settings {
        binds_at_once: true,
        ..Settings::default()
    };
    let (timer, limits) = (SystemTimer::start(), Limits::default());
    let topology = topology.clone();
    let core = Orchestrator::start(settings, topology, store, timer, UnknownWorld, limits);
    Ok(Arc::new(core.await?))
}

async fn all(core: &Arc<Core>, each: u32) -> Result<()> {
    let mut clients = JoinSet::new();
    for client in 0..CLIENTS {
        let core = Arc::clone(core);
        clients.spawn(async move {
            for number in 0..each {
                let request = request(&format!("pod-{client}-{number}"))?;
                core.allocate(&request, &Place::Anywhere).await?;
            }
            anyhow::Ok(())
        });
    }
    while let Some(ended) = clients.join_next().await {
        ended??;
    }
    Ok(())
}

fn request(name: &str) -> Result<PodRequest> {
    let pod = pod(name);
    let owner = pod.owner();
    let tenant = owner.tenant().context("a pod is of a slot")?.clone();
    Ok(PodRequest::new(
        tenant,
        pod.pod(),
        ReleasePolicy::PodDelete,
    )?)
}

/// What a flush takes on this machine, after a write of one page.
fn alone(flush: Flush) -> Result<Duration> {
    const TIMES: u64 = 9;
    let folder = folder()?;
    let disk = Disk::open(&folder.path().join("page"), flush, &Arc::default())?;
    disk.set_len(4096 * TIMES)?;
    let mut took = Vec::new();
    for number in 0..TIMES {
        disk.write(4096 * number, &[1; 4096])?;
        let begun = Instant::now();
        disk.sync_data()?;
        took.push(begun.elapsed().as_secs_f64());
    }
    Ok(Duration::from_secs_f64(median(took)))
}

/// Not in the folder for temporary files, which may be memory.
fn folder() -> Result<TempDir> {
    let given = env::var_os("FLOATINGIP_BENCH_DIR").map(PathBuf::from);
    let parent = given.unwrap_or_else(|| PathBuf::from(env!("CARGO_TARGET_TMPDIR")));
    Ok(tempfile::tempdir_in(parent)?)
}

impl Disk {
    fn open(path: &std::path::Path, flush: Flush, flushes: &Arc<AtomicU64>) -> io::Result<Self> {
        let mut options = File::options();
        options.read(true).write(true).create(true).truncate(false);
        let file = FileBackend::new(options.open(path)?).map_err(io::Error::other)?;
        Ok(Self {
            file,
            flush,
            flushes: Arc::clone(flushes),
        })
    }
}

impl StorageBackend for Disk {
    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.file.read(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.file.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.flushes.fetch_add(1, Ordering::Relaxed);
        let Flush::Later(later) = self.flush else {
            return Ok(());
        };
        self.file.sync_data()?;
        thread::sleep(later);
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.file.write(offset, data)
    }
}
