//! The standalone mode: one process, an embedded store, the same API, nothing else around.

mod attempts;
mod backups;
mod configuration;
mod explain;
mod refused;
mod revival;
mod surroundings;
mod workloads;

use std::io;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use floatingip_core::Topology;
use floatingip_core::engine;
use floatingip_core::orchestrator::{Limits, Orchestrator};
use floatingip_core::store::LoadError;
use thiserror::Error;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;
use tracing::{error, info, warn};

use crate::app::{self, Mode, TokenFileError, router};
use crate::args::{Listen, Standalone};
use crate::clock::SystemTimer;
use crate::desk::{self, Writes};
use crate::filling;
use crate::serve::connection;
use crate::serve::listen::{self, Listener};
use crate::serve::signals::{Ending, Hangups};
use crate::serve::writers;
use crate::store::{Apps, EmbeddedStore, OpenError};
use backups::{Backups, Tally};
use configuration::{ConfigurationError, Follow, Source, Status};
use surroundings::Surroundings;
use workloads::Workloads;

/// What the standalone server decides with.
type Core = Orchestrator<EmbeddedStore, SystemTimer, Apps>;
/// What answers its API.
type Desk = desk::Desk<EmbeddedStore, Apps, Surroundings>;

/// How often the configuration file is looked at: reload within a second.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// How often plans without a certain outcome are tried again.
const TEND_EVERY: Duration = Duration::from_secs(1);
/// How often all records are compared with the facts.
const SWEEP_EVERY: Duration = Duration::from_secs(60);
/// How long plans may take to be settled once no request is under way any more.
const SETTLE: Duration = Duration::from_secs(2);
/// How long the last commit may take.
const CLOSE: Duration = Duration::from_secs(5);
/// How long threads that wait for a disk are waited for at the very end.
const THREADS: Duration = Duration::from_secs(2);

/// Why the server ended.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ServeError {
    /// There is no configuration to start with.
    #[error(transparent)]
    Configuration(#[from] ConfigurationError),
    /// The folder with the addresses cannot be used.
    #[error(transparent)]
    Store(#[from] OpenError),
    /// Nobody could change anything.
    #[error(transparent)]
    Tokens(#[from] TokenFileError),
    /// What is in it cannot be read.
    #[error("the addresses cannot be read")]
    Load(#[from] LoadError),
    /// The API cannot be served there.
    #[error("cannot listen at {place}: choose another place with --listen, or end what is there")]
    Listen {
        /// Where.
        place: String,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// A task that keeps the addresses or follows the configuration has panicked.
    #[error("a part of the server broke down, see above: start it again, and report it")]
    Broken,
    /// The machine gave out.
    #[error("the server cannot go on")]
    Io(#[from] io::Error),
}

impl ServeError {
    /// The exit code of the process: 2 where somebody has to mend the configuration.
    pub fn exit_code(&self) -> ExitCode {
        match self {
            Self::Configuration(ConfigurationError::None { .. }) => ExitCode::from(2),
            _ => ExitCode::FAILURE,
        }
    }
}

/// Serves until the process is told to end.
///
/// # Errors
/// Why it cannot start, or had to end.
pub fn run(settings: Standalone) -> Result<(), ServeError> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    let served = runtime.block_on(serve(settings));
    // Dropped, it would wait for ever for a read that does not come back.
    runtime.shutdown_timeout(THREADS);
    served
}

async fn serve(settings: Standalone) -> Result<(), ServeError> {
    let hangups = Hangups::hear()?;
    let store = EmbeddedStore::open_with(&settings.data_dir, settings.journal.options())?;
    let source = Source::new(settings.config.clone(), settings.galaxy_compat);
    let first = configuration::first(&source, &store).await?;
    let core = Arc::new(start(settings.pool_headroom, first.topology, store).await?);
    let (status, seen) = watch::channel(first.status);
    let listener = bind(&settings.listen).await?;
    let tally = Tally::default();
    let desk = Arc::new(desk_of(&core, seen, tally.clone()));
    let app = router(Arc::clone(&desk), api_settings(&settings, &listener).await?);
    let ending = Ending::hear()?;
    let backups = Backups::open(&settings.data_dir, core.store().copier(), tally);
    info!(
        addresses = core.engine().len(),
        data_dir = %settings.data_dir.display(),
        "serving at {}", listener.place()
    );

    let mut tasks = JoinSet::new();
    tasks.spawn(keep(Arc::clone(&core)));
    tasks.spawn(warn_of_filling(Arc::clone(&core)));
    if let Some(backups) = backups {
        tasks.spawn(backups.serve());
    }
    let follow = Follow {
        source,
        seen: first.text,
        core: Arc::clone(&core),
        status,
        hangups,
        look_every: LOOK_EVERY,
    };
    tasks.spawn(follow.run());
    let limits = connection::Limits::default();
    let mut broken = false;
    let ended = async {
        tokio::select! {
            () = ending.told() => {}
            // They have no end but a panic.
            _ = tasks.join_next() => broken = true,
        }
    };
    listener.serve(app, ended, limits).await;
    tasks.shutdown().await;
    settle(&core, &desk).await;
    close(core).await;
    if broken {
        return Err(ServeError::Broken);
    }
    info!("ended");
    Ok(())
}

/// The same API over a store that nobody else sees and that ends with the answer: for fuzzing, and for
/// tests of clients. Nothing goes on in the background.
///
/// # Errors
/// The machine gave out.
///
/// ```
/// use floatingip_core::config::{Config, Strictness};
/// use floatingip_server::app::Settings;
/// use floatingip_server::standalone::in_memory;
///
/// let text = r#"[{"routableSubnet":"10.0.0.0/16","ips":["10.0.70.2"],"subnet":"10.0.70.0/24","gateway":"10.0.70.1"}]"#;
/// let config = Config::parse(text, Strictness::Strict)?;
/// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
/// let router: axum::Router = in_memory(config.topology().clone(), Settings::default()).await?;
/// # let _ = router;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub async fn in_memory(
    topology: Topology,
    settings: app::Settings,
) -> Result<axum::Router, ServeError> {
    let core = Arc::new(start(0, topology, EmbeddedStore::in_memory()?).await?);
    let (_, status) = watch::channel(Status::default());
    let desk = desk_of(&core, status, Tally::default());
    Ok(router(Arc::new(desk), settings))
}

fn desk_of(core: &Arc<Core>, status: watch::Receiver<Status>, backups: Tally) -> Desk {
    let writes = Writes::default();
    let workloads = Workloads::new(Arc::clone(core), writes.clone());
    let around = Surroundings::new(Arc::clone(core), status, workloads, backups);
    Desk::new(Arc::clone(core), around, writes)
}

async fn start(
    pool_headroom: u32,
    topology: Topology,
    store: EmbeddedStore,
) -> Result<Core, LoadError> {
    let engine = engine::Settings {
        incarnation: incarnation(),
        binds_at_once: true,
        pool_headroom,
        ..engine::Settings::default()
    };
    let (timer, limits) = (SystemTimer::start(), Limits::default());
    let apps = store.apps()?;
    Orchestrator::start(engine, topology, store, timer, apps, limits).await
}

/// A number that no other process of this store has: from the hasher keys that the standard library
/// draws at random for each process.
fn incarnation() -> u64 {
    use std::hash::{BuildHasher, RandomState};
    RandomState::new().hash_one(std::process::id())
}

async fn bind(place: &Listen) -> Result<Listener, ServeError> {
    let bound = Listener::bind(place).await;
    bound.map_err(|source| ServeError::Listen {
        place: listen::text(place),
        source,
    })
}

async fn api_settings(
    settings: &Standalone,
    listener: &Listener,
) -> Result<app::Settings, TokenFileError> {
    let mode = if settings.galaxy_compat {
        Mode::Galaxy
    } else {
        Mode::Standard
    };
    Ok(app::Settings {
        mode,
        listen: listener.host(),
        token: writers::tokens(settings.api_token_file.as_deref(), listener).await?,
        ..app::Settings::default()
    })
}

/// Looks after what no request looks after.
async fn keep(core: Arc<Core>) {
    let mut tend = tokio::time::interval(TEND_EVERY);
    let mut sweep = tokio::time::interval(SWEEP_EVERY);
    tend.set_missed_tick_behavior(MissedTickBehavior::Delay);
    sweep.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = tend.tick() => core.tend().await,
            _ = sweep.tick() => {
                match core.sweep().await {
                    Ok(0) => {}
                    Ok(repairs) => info!(repairs, "the sweep repaired records"),
                    Err(stuck) => error!("the sweep did not come to its end: {stuck}"),
                }
                workloads::forget_all_gone(&core).await;
                configuration::note_drains(&core).await;
            }
        }
    }
}

/// There is nobody to tell but whoever reads the log and the metrics.
async fn warn_of_filling(core: Arc<Core>) {
    filling::watch(&core, |_| {}).await;
}

/// Waits for the writes of clients that have gone, and gives plans without a certain outcome a last
/// chance; the store decides about the rest at the next start.
async fn settle(core: &Core, desk: &Desk) {
    let all = async {
        let _none_begins = desk.last_write().await;
        while core.engine().open_plans() > 0 {
            core.tend().await;
            tokio::time::sleep(SETTLE / 100).await;
        }
    };
    if tokio::time::timeout(SETTLE, all).await.is_err() {
        let plans = core.engine().open_plans();
        warn!(
            plans,
            "the store did not confirm every change before the end"
        );
    }
}

async fn close(core: Arc<Core>) {
    // Closing waits for the last commit, which blocks.
    let closing = tokio::task::spawn_blocking(move || core.store().close());
    match tokio::time::timeout(CLOSE, closing).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => error!("the store was not closed: {error}"),
        Err(_) => error!("the disk does not answer: the store repairs itself at the next start"),
    }
}
