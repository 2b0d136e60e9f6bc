//! The Kubernetes mode: a scheduler extender, the same API, addresses in custom resources, of several
//! processes one that decides.

mod client;
mod cluster;
mod configuration;
mod election;
mod explain;
mod front;
mod latency;
mod relay;
mod routes;
mod surroundings;
mod verify;

use std::io;
use std::net::IpAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use axum::middleware::from_fn_with_state;
use floatingip_core::orchestrator::Orchestrator;
use floatingip_k8s::event::Reporter;
use floatingip_k8s::extender;
use floatingip_k8s::index::SharedIndex;
use floatingip_k8s::lease::Places;
use floatingip_k8s::life;
use floatingip_k8s::store::{CrdStore, StoreOptions};
use floatingip_k8s::waiting::{self, Waiting};
use kube::Client;
use thiserror::Error;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tracing::{info, warn};

use crate::api::extract::BODY_LIMIT;
use crate::app::{self, Mode, TokenFileError, router};
use crate::args::{Kubernetes, Listen};
use crate::clock::SystemTimer;
use crate::desk;
use crate::serve::connection;
use crate::serve::listen::{self, Listener};
use crate::serve::signals::Ending;
use crate::serve::writers;
use cluster::Cluster;
use configuration::Follower;
use election::Election;
use front::Front;
use relay::{Port, Relay, Relayed};
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
    /// Nobody could change anything through the API.
    #[error(transparent)]
    Tokens(#[from] TokenFileError),
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

/// The two ports.
struct Ports {
    extender: Listener,
    api: Listener,
}

impl Ports {
    /// Where other processes reach them: at an address that was told, else at the one that they are bound to.
    fn places(&self, told: Option<IpAddr>) -> Places {
        Places {
            extender: self.extender.reached_at(told),
            api: self.api.reached_at(told),
        }
    }
}

/// Everything that runs, and what answers at the ports.
struct Process {
    /// They have no end but a panic.
    tasks: JoinSet<()>,
    election: Election,
    around: Arc<Surroundings>,
    front: Arc<Front>,
}

async fn serve(settings: Kubernetes) -> Result<(), ServeError> {
    let ending = Ending::hear()?;
    let client = client::client(settings.access.kubeconfig.as_deref()).await?;
    let ports = Ports {
        extender: bind(settings.bind, settings.port).await?,
        api: bind(settings.bind, settings.api_port).await?,
    };
    let api_settings = api_settings(&settings, &ports.api).await?;
    let identity = identity();
    let places = ports.places(settings.advertise);
    let mut process = Process::begin(settings, client, &identity, places);
    info!(
        extender = ports.extender.place(),
        api = ports.api.place(),
        "listening"
    );
    let broken = process.attend(ports, api_settings, &identity, ending).await;
    process.finish().await;
    if broken {
        return Err(ServeError::Broken);
    }
    info!("ended");
    Ok(())
}

impl Process {
    fn begin(settings: Kubernetes, client: Client, identity: &str, places: Places) -> Self {
        let mut tasks = JoinSet::new();
        let (reporter, publisher) = Reporter::new(client.clone(), identity.to_owned());
        tasks.spawn(publisher.run());
        let follower = Follower::new(&client, &settings, reporter.clone());
        let duty = watch::Sender::default();
        let definitions = watch::Sender::new(Some("not looked at yet".to_owned()));
        let (gate, election) = Election::begin(&client, &settings, identity, places);
        let options = StoreOptions {
            pool_namespace: settings.access.namespace.clone(),
            ..StoreOptions::default()
        };
        let around = Arc::new(Surroundings {
            configuration: follower.standing(),
            leadership: election.leadership.clone(),
            duty: duty.subscribe(),
            definitions: definitions.subscribe(),
            index: SharedIndex::default(),
            store: CrdStore::new(client.clone(), options.clone(), gate.clone()),
            reporter,
            waiting: Waiting::default(),
            latencies: Arc::default(),
            relayed: Relayed::default(),
            running: OnceLock::new(),
        });
        tasks.spawn(follower.run());
        let front = Arc::new(Front::new(duty.subscribe(), Arc::clone(&around)));
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
        Self {
            tasks,
            election,
            around,
            front,
        }
    }

    /// Serves both ports until the process is told to end, or a part of it broke down: then true.
    async fn attend(
        &mut self,
        ports: Ports,
        settings: app::Settings,
        identity: &str,
        ending: Ending,
    ) -> bool {
        let relay = |port| Relay::new(Arc::clone(&self.around), port, identity);
        let pass_on = from_fn_with_state(relay(Port::Api), relay::pass_on::<BODY_LIMIT>);
        let api = router(Arc::clone(&self.front), settings).layer(pass_on);
        let latencies = Arc::clone(&self.around.latencies);
        let extender = routes::routes(Arc::clone(&self.front), latencies, &relay(Port::Extender));
        let (end, ended) = watch::channel(false);
        let limits = connection::Limits::default();
        let serving = async {
            tokio::join!(
                ports.extender.serve(extender, told(ended.clone()), limits),
                ports.api.serve(api, told(ended), limits),
            )
        };
        let watching = async {
            let broken = tokio::select! {
                () = ending.told() => false,
                _ = self.tasks.join_next() => true,
                () = self.election.died() => true,
            };
            end.send_replace(true);
            broken
        };
        let (_, broken) = tokio::join!(serving, watching);
        broken
    }

    /// First nothing new is begun, then what is under way is finished.
    async fn finish(mut self) {
        self.tasks.shutdown().await;
        let settled = settle(&self.around, &self.front).await;
        self.election.end(settled).await;
    }
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

async fn api_settings(
    settings: &Kubernetes,
    listener: &Listener,
) -> Result<app::Settings, TokenFileError> {
    Ok(app::Settings {
        mode: match settings.galaxy_compat {
            true => Mode::Galaxy,
            false => Mode::Standard,
        },
        listen: listener.host(),
        token: writers::tokens(settings.api_token_file.as_deref(), listener).await?,
        ..app::Settings::default()
    })
}

/// A name that no other process has or had: of the machine, or pod, and a random number.
fn identity() -> String {
    let host = std::env::var("HOSTNAME").unwrap_or_else(|_| "floatingip-server".to_owned());
    format!("{host}_{:016x}", fastrand::u64(..))
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
