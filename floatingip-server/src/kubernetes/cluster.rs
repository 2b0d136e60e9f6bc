//! From the first request to the API server to decisions, and on through gains and losses of the lease.

use std::sync::Arc;
use std::time::Duration;

use floatingip_core::Topology;
use floatingip_core::engine::{self, Seen};
use floatingip_core::orchestrator::{Limits, Orchestrator};
use floatingip_core::record::Target;
use floatingip_core::topology::Difference;
use floatingip_core::watermark::Level;
use floatingip_k8s::causes::Causes;
use floatingip_k8s::crd::{check_crds, install_crds};
use floatingip_k8s::event::{Notice, Severity, reference_of};
use floatingip_k8s::extender;
use floatingip_k8s::index::watch as index_watch;
use floatingip_k8s::lease::Leadership;
use floatingip_k8s::life::Pace;
use floatingip_k8s::pool::PoolKeeper;
use floatingip_k8s::store::{Follower, Following, Gate, News, StoreOptions};
use k8s_openapi::api::core::v1::{ConfigMap, ObjectReference};
use kube::Client;
use tokio::sync::watch;
use tokio::time::sleep;
use tracing::{error, info, warn};

use super::configuration::Standing;
use super::front::{Duty, Front, Parts};
use super::surroundings::{Running, Surroundings};
use super::{Core, Desk, Extender, Life, Waker};
use crate::args::Kubernetes;
use crate::clock::SystemTimer;
use crate::desk::Writes;
use crate::filling;

/// How long the definitions may take to be served.
const DEFINITIONS: Duration = Duration::from_secs(30);
/// The pause before something is tried again that the start needs.
const AGAIN: Duration = Duration::from_secs(1);
/// How long a new leader waits for its watches before it tries again.
const CATCH_UP: Duration = Duration::from_secs(30);

/// Everything that it takes to serve a cluster.
pub(super) struct Cluster {
    pub(super) settings: Kubernetes,
    pub(super) client: Client,
    pub(super) gate: Gate,
    pub(super) options: StoreOptions,
    pub(super) around: Arc<Surroundings>,
    pub(super) front: Arc<Front>,
    pub(super) duty: watch::Sender<Duty>,
    pub(super) definitions: watch::Sender<Option<String>>,
}

impl Cluster {
    /// Serves for ever, unless a watch breaks down: who is blind takes what it does not see for gone, so
    /// that the process has to end then. May be dropped at any point.
    pub(super) async fn run(self) {
        let index = self.around.index.clone();
        let watches = index_watch::run(self.client.clone(), index);
        tokio::select! {
            () = watches => error!("the cluster is not watched any more"),
            () = self.decide() => {}
        }
    }

    async fn decide(&self) {
        self.define().await;
        let topology = self.first_configuration().await;
        self.wait_for_index().await;
        let core = self.start(topology).await;
        let (extender, life, waker) = self.assemble(&core);
        let pools = PoolKeeper::new(Arc::clone(&core), self.gate.clone());
        let from = self.around.store.listed();
        let follower = Follower::new(self.client.clone(), self.options.clone(), from);
        let following = follower.following();
        // The first and only time.
        let _ = self.around.running.set(Running {
            core: Arc::clone(&core),
            extender,
            life: Arc::clone(&life),
            following: following.clone(),
        });
        let sink = |news| take(&core, &life, news);
        tokio::join!(
            follower.run(sink),
            self.follow_configuration(&core),
            self.serve(&core, &life, &waker, &pools, &following),
        );
    }

    /// Sees to it that the custom resources can be used.
    async fn define(&self) {
        loop {
            let defined = match self.settings.install_crds {
                true => install_crds(&self.client, DEFINITIONS).await,
                false => check_crds(&self.client).await,
            };
            let Err(failure) = defined else {
                self.definitions.send_replace(None);
                return;
            };
            let failure = Causes(&failure).to_string();
            self.definitions.send_if_modified(|known| {
                let news = known.as_ref() != Some(&failure);
                if news {
                    error!("the custom resources cannot be used: {failure}");
                    *known = Some(failure);
                }
                news
            });
            sleep(AGAIN).await;
        }
    }

    async fn first_configuration(&self) -> Topology {
        let mut configuration = self.around.configuration.clone();
        loop {
            if let Some(good) = &configuration.borrow_and_update().good {
                return good.topology.clone();
            }
            if configuration.changed().await.is_err() {
                // Nobody follows it any more: the process is about to end.
                std::future::pending::<()>().await;
            }
        }
    }

    async fn wait_for_index(&self) {
        while !self.around.index.read().is_synced() {
            sleep(AGAIN / 20).await;
        }
    }

    async fn start(&self, topology: Topology) -> Arc<Core> {
        loop {
            let settings = engine::Settings {
                incarnation: fastrand::u64(..),
                shared_store: true,
                binds_at_once: false,
                pool_headroom: self.settings.pool_headroom,
                ..engine::Settings::default()
            };
            let (timer, limits) = (SystemTimer::start(), Limits::default());
            let (store, index) = (self.around.store.clone(), self.around.index.clone());
            let topology = topology.clone();
            match Orchestrator::start(settings, topology, store, timer, index, limits).await {
                Ok(core) => {
                    let addresses = core.engine().len();
                    info!(addresses, "every record has been read");
                    return Arc::new(core);
                }
                Err(failure) => {
                    error!(
                        "the records cannot be read, trying again: {}",
                        Causes(&failure)
                    );
                }
            }
            sleep(AGAIN).await;
        }
    }

    fn assemble(&self, core: &Arc<Core>) -> (Arc<Extender>, Arc<Life>, Waker) {
        let (reporter, waiting) = (self.around.reporter.clone(), self.around.waiting.clone());
        let extender = Arc::new(Extender::new(
            Arc::clone(core),
            self.client.clone(),
            self.gate.clone(),
            reporter.clone(),
            waiting.clone(),
            extender::Limits::default(),
        ));
        let life = Arc::new(Life::new(
            Arc::clone(core),
            self.client.clone(),
            self.gate.clone(),
            reporter,
            waiting.clone(),
            Pace {
                survey: Duration::from_secs(self.settings.sweep_seconds),
                ..Pace::default()
            },
        ));
        let waker = Waker::new(Arc::clone(core), self.client.clone(), waiting);
        let desk = Arc::new(Desk::new(
            Arc::clone(core),
            Arc::clone(&self.around),
            Writes::default(),
        ));
        self.share_topology(core);
        self.front.open(Parts {
            desk,
            extender: Arc::clone(&extender),
        });
        (extender, life, waker)
    }

    fn share_topology(&self, core: &Core) {
        let topology = Arc::clone(core.engine().topology());
        self.around.index.write().set_topology(topology);
    }

    /// Under one lock of the engine: whoever finds that a node's reach is of former times, and asks for it
    /// anew, gets the new one.
    fn reconfigure(&self, core: &Core, topology: Topology) -> Difference {
        let mut engine = core.engine();
        let difference = engine.reconfigure(topology);
        let topology = Arc::clone(engine.topology());
        self.around.index.write().set_topology(topology);
        difference
    }

    async fn follow_configuration(&self, core: &Core) {
        let mut configuration = self.around.configuration.clone();
        let good = |standing: &Standing| standing.good.clone();
        let mut known = good(&configuration.borrow_and_update()).map(|good| good.json);
        while configuration.changed().await.is_ok() {
            let Some(good) = good(&configuration.borrow_and_update()) else {
                continue;
            };
            if known.as_ref() != Some(&good.json) {
                let difference = self.reconfigure(core, good.topology);
                let draining = core.engine().records_in(&difference.removed).count();
                info!(
                    added = %difference.added,
                    removed = %difference.removed,
                    draining,
                    "another configuration is in force"
                );
                known = Some(good.json);
            }
        }
        std::future::pending().await
    }

    /// Decides while this process leads.
    async fn serve(
        &self,
        core: &Core,
        life: &Life,
        waker: &Waker,
        pools: &PoolKeeper<SystemTimer>,
        following: &Following,
    ) {
        let mut leadership = self.around.leadership.clone();
        loop {
            self.duty.send_replace(Duty::Standby);
            if leadership.wait_for(Leadership::is_own).await.is_err() {
                return std::future::pending().await;
            }
            let lost = async {
                // Whoever sends it has gone: nobody renews the lease any more.
                let _ = leadership.wait_for(|state| !state.is_own()).await;
            };
            tokio::select! {
                () = lost => warn!("no longer leading: nothing is decided until it leads again"),
                () = self.lead(core, life, waker, pools, following) => {}
            }
        }
    }

    async fn lead(
        &self,
        core: &Core,
        life: &Life,
        waker: &Waker,
        pools: &PoolKeeper<SystemTimer>,
        following: &Following,
    ) {
        self.duty.send_replace(Duty::Preparing);
        self.catch_up(following).await;
        life.begin().await;
        self.duty.send_replace(Duty::Deciding);
        info!("deciding");
        let filling = filling::watch(core, |level| self.tell_of_filling(level));
        tokio::join!(life.run(), waker.run(), pools.run(), filling);
    }

    /// Whoever mends it mends the configuration.
    fn tell_of_filling(&self, level: &Level) {
        let access = &self.settings.access;
        let uid = self.around.configuration.borrow().uid.clone();
        let namespace = Some(access.config_namespace.as_str());
        let map = reference_of::<ConfigMap>(namespace, &access.config_name, uid.as_deref());
        // Its entry, so that another one that fills up at the same time is told of too.
        let entry = format!("data.{}[{}]", access.config_key, level.first);
        self.around.reporter.tell(Notice {
            regarding: ObjectReference {
                field_path: Some(entry),
                ..map
            },
            severity: Severity::Warning,
            reason: "SubnetNearlyFull",
            note: filling::note(level),
        });
    }

    /// Waits until everything has been seen that a former leader may have done.
    async fn catch_up(&self, following: &Following) {
        loop {
            let (records, index) = tokio::join!(
                following.catch_up(CATCH_UP),
                self.around.index.catch_up(CATCH_UP),
            );
            if records && index.is_ok() {
                return;
            }
            warn!("the watches are not current yet, trying again");
            sleep(AGAIN).await;
        }
    }
}

/// Takes in what others wrote.
fn take(core: &Core, life: &Life, news: News) {
    match news {
        News::List(list, _) => {
            let relisted = core.observe_all(list);
            for target in relisted.deleted {
                gone(life, target);
            }
            for target in relisted.taken {
                pool_changed(life, target);
            }
        }
        News::Changed(change) => {
            let (target, deleted) = (
                change.observed.target.clone(),
                change.observed.value.is_none(),
            );
            let now = core.now();
            let seen = core.engine().observe(change.observed, now);
            match (seen, deleted) {
                (Seen::Old, _) => {}
                (_, true) => gone(life, target),
                (_, false) => pool_changed(life, target),
            }
        }
        News::Unreadable(kind, unreadable) => {
            warn!("an object of {kind:?} cannot be read and is passed over: {unreadable}");
        }
        News::CaughtUp(version) => core.engine().caught_up(version),
    }
}

fn gone(life: &Life, target: Target) {
    match target {
        Target::Address(ip) => life.record_deleted(ip),
        Target::Pool(pool) => life.pool_deleted(pool),
    }
}

fn pool_changed(life: &Life, target: Target) {
    if let Target::Pool(pool) = target {
        life.pool_changed(pool);
    }
}
