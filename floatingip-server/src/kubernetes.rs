//! The Kubernetes mode: a scheduler extender, the same API, addresses in custom resources, of several
//! processes one that decides.

mod client;
mod cluster;
mod configuration;
mod explain;
mod front;
mod latency;
mod routes;
mod surroundings;
mod verify;

use std::io;
use std::net::IpAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use floatingip_core::orchestrator::Orchestrator;
use floatingip_k8s::event::Reporter;
use floatingip_k8s::extender;
use floatingip_k8s::index::SharedIndex;
use floatingip_k8s::lease::{Elector, Leadership, LeaseSettings};
use floatingip_k8s::life;
use floatingip_k8s::store::{CrdStore, Gate, StoreOptions};
use floatingip_k8s::waiting::{self, Waiting};
use kube::Client;
use thiserror::Error;
use tokio::sync::{oneshot, watch};
use tokio::task::{JoinHandle, JoinSet};
use tracing::{error, info, warn};

use crate::app::{self, Mode, router};
use crate::args::{Kubernetes, Listen};
use crate::clock::SystemTimer;
use crate::desk;
use crate::serve::connection;
use crate::serve::listen::{self, Listener};
use crate::serve::signals::Ending;
use cluster::Cluster;
use configuration::Follower;
use front::Front;
use latency::Latencies;
use surroundings::Surroundings;

pub use client::ClientError;
pub use verify::{VerifyError, run as verify};

/// Where the addresses are.
type Store = CrdStore;
/// What the server decides with.
type Core = Orchestrator<Store, SystemTimer, SharedIndex>;
/// What answers its API.
type Desk = desk::Desk<Store, SharedIndex, Arc<Surroundings>>;
/// What answers the scheduler.
type Extender = extender::Extender<Store, SystemTimer>;
/// What wakes waiting pods.
type Waker = waiting::Waker<Store, SystemTimer>;
/// What follows pods, apps, nodes and pools.
type Life = life::Life<Store, SystemTimer>;

/// How long plans may take to be settled once no request is under way any more.
const SETTLE: Duration = Duration::from_secs(2);
/// How long threads that are still at work are waited for at the very end.
const THREADS: Duration = Duration::from_secs(2);

/// Why the server ended.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ServeError {
    /// The API server cannot be asked at all.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// A port cannot be had.
    #[error("cannot listen at {place}: choose another port, or end what is there")]
    Listen {
        /// Where.
        place: String,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// A task has panicked.
    #[error("a part of the server broke down, see above: start it again, and report it")]
    Broken,
    /// The machine gave out.
    #[error("the server cannot go on")]
    Io(#[from] io::Error),
}

/// Serves until the process is told to end.
///
/// # Errors
/// Why it cannot start, or had to end.
pub fn run(settings: Kubernetes) -> Result<(), ServeError> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    let served = runtime.block_on(serve(settings));
    runtime.shutdown_timeout(THREADS);
    served
}

async fn serve(settings: Kubernetes) -> Result<(), ServeError> {
    let ending = Ending::hear()?;
    let client = client::client(settings.access.kubeconfig.as_deref()).await?;
    let extender_port = bind(settings.bind, settings.port).await?;
    let api_port = bind(settings.bind, settings.api_port).await?;
    let identity = identity();

    let mut tasks = JoinSet::new();
    let (reporter, publisher) = Reporter::new(client.clone(), identity.clone());
    tasks.spawn(publisher.run());
    let follower = Follower::new(&client, &settings, reporter.clone());
    let (duty, definitions) = (watch::Sender::default(), watch::Sender::default());
    let (gate, mut election) = elect(&client, &settings, identity);
    let options = StoreOptions {
        pool_namespace: settings.access.namespace.clone(),
        ..StoreOptions::default()
    };
    let latencies = Arc::<Latencies>::default();
    let around = Arc::new(Surroundings {
        configuration: follower.standing(),
        leadership: election.leadership.clone(),
        duty: duty.subscribe(),
        definitions: definitions.subscribe(),
        index: SharedIndex::default(),
        store: CrdStore::new(client.clone(), options.clone(), gate.clone()),
        reporter,
        waiting: Waiting::default(),
        latencies: Arc::clone(&latencies),
        running: OnceLock::new(),
    });
    definitions.send_replace(Some("not looked at yet".to_owned()));
    tasks.spawn(follower.run());
    let front = Arc::new(Front::new(duty.subscribe(), Arc::clone(&around)));
    let api = router(Arc::clone(&front), api_settings(&settings, &api_port));
    let extender = routes::routes(Arc::clone(&front), latencies);
    info!(
        extender = extender_port.place(),
        api = api_port.place(),
        "listening"
    );
    let cluster = Cluster {
        settings,
        client,
        gate,
        options,
        around: Arc::clone(&around),
        front: Arc::clone(&front),
        duty,
        definitions,
    };
    tasks.spawn(cluster.run());

    let (end, ended) = watch::channel(false);
    let limits = connection::Limits::default();
    let serving = async {
        tokio::join!(
            extender_port.serve(extender, told(ended.clone()), limits),
            api_port.serve(api, told(ended), limits),
        )
    };
    let mut broken = false;
    let watching = async {
        tokio::select! {
            () = ending.told() => {}
            // They have no end but a panic.
            _ = tasks.join_next() => broken = true,
            () = election.died() => broken = true,
        }
        end.send_replace(true);
    };
    tokio::join!(serving, watching);
    // First nothing new is begun, then what is under way is finished.
    tasks.shutdown().await;
    finish(&around, &front, election).await;
    if broken {
        return Err(ServeError::Broken);
    }
    info!("ended");
    Ok(())
}

async fn bind(address: IpAddr, port: u16) -> Result<Listener, ServeError> {
    let place = Listen::Tcp(std::net::SocketAddr::new(address, port).to_string());
    let bound = Listener::bind(&place).await;
    bound.map_err(|source| ServeError::Listen {
        place: listen::text(&place),
        source,
    })
}

async fn told(mut ended: watch::Receiver<bool>) {
    // A sender that is gone has nothing else to say.
    let _ = ended.wait_for(|ended| *ended).await;
}

fn api_settings(settings: &Kubernetes, listener: &Listener) -> app::Settings {
    if listener.is_open_to_others() {
        warn!(
            "the API is open to every host that reaches {}: whoever does can release addresses; let only \
             trusted hosts through",
            listener.place()
        );
    }
    app::Settings {
        mode: match settings.galaxy_compat {
            true => Mode::Galaxy,
            false => Mode::Standard,
        },
        listen: listener.host(),
        ..app::Settings::default()
    }
}

/// The competition for the lease.
struct Election {
    leadership: watch::Receiver<Leadership>,
    /// None where nobody competes.
    competing: Option<(oneshot::Sender<()>, JoinHandle<Elector>)>,
    /// Keeps the leadership of who competes with nobody.
    _alone: Option<watch::Sender<Leadership>>,
}

impl Election {
    /// Ready when nobody competes any more who should.
    async fn died(&mut self) {
        match &mut self.competing {
            Some((_, task)) => {
                if let Err(error) = task.await {
                    error!("nobody renews the lease any more: {error}");
                }
                self.competing = None;
            }
            None => std::future::pending().await,
        }
    }
}

fn elect(client: &Client, settings: &Kubernetes, identity: String) -> (Gate, Election) {
    if !settings.leader_elect {
        let (alone, leadership) = watch::channel(Leadership::Own);
        let election = Election {
            leadership,
            competing: None,
            _alone: Some(alone),
        };
        return (Gate::open(), election);
    }
    let gate = Gate::closed();
    let lease = LeaseSettings::new(&settings.access.namespace, &settings.lease, identity);
    let mut elector = Elector::new(client.clone(), lease, gate.clone());
    let leadership = elector.leadership();
    let (stop, stopped) = oneshot::channel();
    let task = tokio::spawn(async move {
        let stopped = async {
            // Dropped without a word means the same.
            let _ = stopped.await;
        };
        elector.run(stopped).await;
        elector
    });
    let election = Election {
        leadership,
        competing: Some((stop, task)),
        _alone: None,
    };
    (gate, election)
}

/// A name that no other process has or had: of the machine, or pod, and a random number.
fn identity() -> String {
    let host = std::env::var("HOSTNAME").unwrap_or_else(|_| "floatingip-server".to_owned());
    format!("{host}_{:016x}", fastrand::u64(..))
}

/// Waits for writes under way and gives the lease back, if nothing of ours can still land.
async fn finish(around: &Surroundings, front: &Front, election: Election) {
    let settled = settle(around, front).await;
    let Some((stop, task)) = election.competing else {
        return;
    };
    // It is told so by being dropped, if it has ended already.
    let _ = stop.send(());
    match task.await {
        Ok(mut elector) if settled => elector.give_up().await,
        Ok(_) => {
            warn!("the lease is not given back: changes without a certain outcome may still land")
        }
        Err(error) => warn!("the lease is not given back: {error}"),
    }
}

/// Whether every change has a certain outcome.
async fn settle(around: &Surroundings, front: &Front) -> bool {
    let (Some(running), Some(desk)) = (around.running.get(), front.desk()) else {
        return true;
    };
    let core = &running.core;
    let all = async {
        let _none_begins = desk.last_write().await;
        while core.engine().open_plans() > 0 {
            core.tend().await;
            tokio::time::sleep(SETTLE / 100).await;
        }
    };
    if tokio::time::timeout(SETTLE, all).await.is_ok() {
        return true;
    }
    let plans = core.engine().open_plans();
    warn!(
        plans,
        "the API server did not confirm every change before the end"
    );
    false
}
