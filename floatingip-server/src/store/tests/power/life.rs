//! What a machine does until its power goes off: many operations at once, in the order that a seed says.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use fastrand::Rng;
use floatingip_core::config::{Config, Strictness};
use floatingip_core::engine::{Ending, Named, Settings};
use floatingip_core::fact::{AppState, Slots};
use floatingip_core::orchestrator::{Limits, Orchestrator, Place};
use floatingip_core::owner::AppRef;
use floatingip_core::request::PodRequest;
use floatingip_core::testing::fixture::{PodFixture, attachment, ip, pod, pool};
use floatingip_core::testing::{VirtualTimer, poll_once};
use floatingip_core::{Name, PoolName, ReleasePolicy, Topology};

use super::Broken;
use super::disk::Disk;
use super::notes::Notes;
use super::witness::Witness;
use crate::store::{AppChange, Apps, EmbeddedStore, Told};

/// So many pods, pools and administrators ask at once, each one thing after the other.
const PODS: u32 = 24;
const POOLS: u32 = 4;
const ADMINISTRATORS: u32 = 3;
const APPS: u32 = 2;
/// With the one who takes addresses away by the configuration and gives them back.
const ACTORS: u32 = PODS + POOLS + ADMINISTRATORS + APPS + 1;

/// Addresses 10.0.0.2 to 10.0.0.99: few enough that they pass from one to the other.
const LAST: u32 = 99;

/// Time between two looks at what the disk has done.
const STEP: Duration = Duration::from_millis(50);

type Core = Orchestrator<Witness, VirtualTimer, Apps>;
type Operation<'a> = Pin<Box<dyn Future<Output = ()> + 'a>>;

/// A machine between two power cuts.
pub(super) struct Life {
    core: Core,
    timer: VirtualTimer,
    people: People,
}

/// Who asks, and what each was told.
#[derive(Clone, Debug, Default)]
pub(super) struct People {
    pods: BTreeMap<u32, PodLife>,
    /// How many pods there were in all.
    born: u32,
}

/// A pod as its node knows it.
#[derive(Clone, Debug, Default)]
struct PodLife {
    uid: String,
    /// What it was told that it has; none while an answer is open, or nothing was said.
    has: Option<Vec<IpAddr>>,
}

impl Life {
    /// Loads what is in the store, which the notes agree with.
    pub(super) async fn begin(
        store: EmbeddedStore,
        notes: Notes,
        people: People,
        incarnation: u64,
    ) -> Result<Self, Broken> {
        let timer = VirtualTimer::new();
        let settings = Settings {
            incarnation,
            binds_at_once: true,
            ..Settings::default()
        };
        let apps = store.apps().map_err(|error| error.to_string())?;
        let core = Orchestrator::start(
            settings,
            topology(2),
            Witness::new(store, notes),
            timer.clone(),
            apps,
            Limits::default(),
        );
        Ok(Self {
            core: core.await.map_err(|error| error.to_string())?,
            timer,
            people,
        })
    }

    /// Goes on until the power is off; gives back what everybody knows then. Whenever people act, the
    /// writer stands in a flush: what a flush covers is the seed's to say, not the machine's.
    pub(super) fn until_cut(self, disk: &Disk, random: &mut Rng) -> (Notes, People) {
        let people = RefCell::new(self.people);
        let core = &self.core;
        disk.shut_gate();
        let mut busy: BTreeMap<u32, Operation<'_>> = BTreeMap::new();
        let mut documents: Vec<Operation<'_>> = vec![Box::pin(core.store().put_document())];
        documents.retain_mut(|put| poll_once(Pin::new(put)).is_none());
        while disk.wait_for_flush() {
            self.timer.advance(STEP);
            // There is always something for the next flush.
            documents.push(Box::pin(core.store().put_document()));
            documents.retain_mut(|put| poll_once(Pin::new(put)).is_none());
            for actor in 0..ACTORS {
                if !busy.contains_key(&actor) && random.bool() {
                    busy.insert(actor, operation(core, &people, actor, random));
                }
            }
            busy.retain(|_, operation| poll_once(Pin::new(operation)).is_none());
            disk.pass_one_flush();
        }
        // What was answered before the cut is heard.
        busy.retain(|_, operation| poll_once(Pin::new(operation)).is_none());
        drop((busy, documents));
        (core.store().notes(), people.into_inner())
    }
}

impl People {
    /// What pods were told is what the store says of them.
    pub(super) fn compare(&self, notes: &Notes) -> Result<(), Broken> {
        for pod in self.pods.values() {
            let Some(has) = &pod.has else { continue };
            let found = notes.addresses_of(&pod.uid);
            if found != *has {
                let uid = &pod.uid;
                return Err(format!(
                    "pod {uid} was told {has:?}, and the store has {found:?}"
                ));
            }
        }
        Ok(())
    }
}

fn topology(first: u32) -> Topology {
    let document = format!(
        r#"[{{"nodeSubnets":["10.1.0.0/16"],"ips":["{}~{}"],"subnet":"10.0.0.0/16","gateway":"10.0.0.1"}}]"#,
        ip(first),
        ip(LAST)
    );
    let config = Config::parse(&document, Strictness::Strict);
    config.unwrap().into_topology()
}

/// What somebody asks next. Each asks about things of its own, except administrators.
fn operation<'a>(
    core: &'a Core,
    people: &'a RefCell<People>,
    actor: u32,
    random: &mut Rng,
) -> Operation<'a> {
    let number = random.u32(..);
    let (pools, administrators) = (PODS + POOLS, PODS + POOLS + ADMINISTRATORS);
    match actor {
        _ if actor < PODS => Box::pin(live(core, people, actor, number)),
        _ if actor < pools => Box::pin(keep_pool(core, actor - PODS, number)),
        _ if actor < administrators => Box::pin(administer(core, number)),
        _ if actor < ACTORS - 1 => Box::pin(scale(core, actor - administrators, number)),
        _ => Box::pin(configure(core, number)),
    }
}

/// A pod begins, is attached again, or ends.
async fn live(core: &Core, people: &RefCell<People>, actor: u32, number: u32) {
    let pod = people.borrow().pods.get(&actor).cloned();
    match pod {
        Some(pod) if number.is_multiple_of(2) => end(core, people, actor, pod, number / 2).await,
        pod => begin(core, people, actor, pod, number / 2).await,
    }
}

async fn begin(
    core: &Core,
    people: &RefCell<People>,
    actor: u32,
    pod: Option<PodLife>,
    number: u32,
) {
    let same = pod.filter(|pod| pod.has != Some(Vec::new()));
    let uid = same.map_or_else(|| people.borrow_mut().name_pod(actor), |pod| pod.uid);
    let unheard = PodLife {
        uid: uid.clone(),
        has: None,
    };
    people.borrow_mut().pods.insert(actor, unheard);
    let container = format!("{uid}-{}", number % 3);
    let request = request(actor, &uid).with_attachment(attachment("node-1", &container));
    if let Ok(mut has) = core.allocate(&request, &Place::Anywhere).await {
        has.sort_unstable();
        let told = PodLife {
            uid,
            has: Some(has),
        };
        people.borrow_mut().pods.insert(actor, told);
    }
}

async fn end(core: &Core, people: &RefCell<People>, actor: u32, pod: PodLife, number: u32) {
    let unheard = PodLife {
        has: None,
        ..pod.clone()
    };
    people.borrow_mut().pods.insert(actor, unheard);
    let uid = Name::from(pod.uid.clone());
    let ending = match number % 4 {
        0 => Ending::Unreachable {
            rest: Duration::from_secs(3),
        },
        _ => Ending::Certain,
    };
    if core.ended(&uid, &ending).await.is_ok() {
        // That it has nothing any more is told as well; the next pod has another UID.
        let ended = PodLife {
            uid: pod.uid,
            has: Some(Vec::new()),
        };
        people.borrow_mut().pods.insert(actor, ended);
    }
}

impl People {
    fn name_pod(&mut self, actor: u32) -> String {
        self.born += 1;
        format!("uid-{actor}-{}", self.born)
    }
}

/// Who a pod is: of each kind of slot and each policy some.
fn request(actor: u32, uid: &str) -> PodRequest {
    let name = format!("web-{actor}");
    let (app, kept) = (
        format!("app-{}", actor % APPS),
        format!("pool-{}", actor % POOLS),
    );
    let fixture = pod(&name).with_uid(uid);
    let (fixture, policy) = match actor % 6 {
        0 => (fixture, ReleasePolicy::PodDelete),
        1 => (fixture, ReleasePolicy::Never),
        2 => (fixture.of_statefulset("web"), ReleasePolicy::Immutable),
        3 => (fixture.of_deployment(&app), ReleasePolicy::Immutable),
        4 => (
            fixture.of_deployment(&app).in_pool(&kept),
            ReleasePolicy::Never,
        ),
        _ => (fixture.of_job("once"), ReleasePolicy::PodDelete),
    };
    requested(&fixture, policy)
}

fn requested(fixture: &PodFixture, policy: ReleasePolicy) -> PodRequest {
    let owner = fixture.owner();
    PodRequest::new(owner.tenant().unwrap().clone(), fixture.pod(), policy).unwrap()
}

async fn keep_pool(core: &Core, actor: u32, number: u32) {
    let name = pool(&format!("pool-{actor}"));
    // What cannot be done now is no matter here; what is done is in the notes.
    match number % 8 {
        0 => drop(core.delete_pool(&name).await),
        1..4 => drop(core.release(&kept_by(&name)).await),
        _ => drop(
            core.put_pool(&name, number % 13, number.is_multiple_of(2))
                .await,
        ),
    }
}

/// Some of all addresses, named as the pool's.
fn kept_by(name: &PoolName) -> Vec<Named> {
    let named = |n| Named {
        ip: ip(n),
        pool: Some(Name::from(name.as_str())),
        namespace: None,
        app: None,
        kind: None,
        pod: None,
    };
    (2..=LAST).step_by(7).map(named).collect()
}

async fn administer(core: &Core, number: u32) {
    let address = ip(2 + number % LAST);
    let lasts = Duration::from_secs(u64::from(number % 10));
    match number % 7 {
        0 | 1 => {
            let mac = Some("02:00:00:00:00:01".to_owned());
            let reason = "seen twice".to_owned();
            drop(core.quarantine(address, reason, mac, lasts).await);
        }
        2 => drop(core.lift(address).await),
        3 => drop(core.reserve(address, Name::from("printer")).await),
        4 => drop(core.unreserve(address).await),
        5 => drop(core.sweep().await),
        _ => core.tend().await,
    }
}

async fn scale(core: &Core, app: u32, number: u32) {
    let app = AppRef {
        namespace: Name::from("default"),
        group: Name::from("apps"),
        kind: Name::from("deployment"),
        name: Name::from(format!("app-{app}")),
    };
    let change = match number % 13 {
        0..=8 => AppChange::Tell(app.clone(), told(number % 9)),
        9 => AppChange::Revive(app.clone()),
        10 => AppChange::End(app.clone()),
        _ => match core.world().told(&app) {
            Some(row) => AppChange::Forget(app.clone(), row.version),
            None => return,
        },
    };
    if core.store().change_app(change).await {
        let _ = core.app_changed(&app).await;
    }
}

fn told(size: u32) -> Told {
    match size {
        0 => Told::Gone,
        size => Told::There(AppState::new(Slots::Count(size))),
    }
}

/// Puts a configuration in force with more or fewer addresses, and tells the journal what drains.
async fn configure(core: &Core, number: u32) {
    core.reconfigure(topology(2 + number % 3 * 20));
    let topology = Arc::clone(core.engine().topology());
    core.store().note_drains(&topology, core.now().wall).await;
}
