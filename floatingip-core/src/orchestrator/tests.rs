use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use super::*;
use crate::config::{Config, Strictness};
use crate::engine::Ending;
use crate::fact::{AppState, Fact, NodeState, PodState, Slots};
use crate::memory::MemoryStore;
use crate::name::Name;
use crate::owner::AppRef;
use crate::plan::Batch;
use crate::policy::ReleasePolicy;
use crate::record::{Record, Value, Version};
use crate::request::PodRequest;
use crate::store::{Answer, Snapshot};
use crate::testing::fixture::{PodFixture, at, ip, pod};
use crate::testing::{Fault, FaultyStore, VirtualTimer, block_on, poll_once, together};

mod allocate;
mod leaders;
mod pools;
mod release;
mod uncertain;
mod upkeep;

/// What is to be tested, over a store in memory with faults and delays at will.
type Lab = Orchestrator<Net, VirtualTimer, Roster>;

/// Addresses 10.0.0.2 to 10.0.0.`last` for nodes in 10.1.0.0/16.
fn addresses_to(last: u32) -> Topology {
    topology(&format!(
        r#"[{{"nodeSubnets":["10.1.0.0/16"],"ips":["10.0.0.2~{}"],"subnet":"10.0.0.0/16","gateway":"10.0.0.1"}}]"#,
        ip(last)
    ))
}

fn topology(document: &str) -> Topology {
    let config = Config::parse(document, Strictness::Strict);
    config.expect("a configuration in a test").into_topology()
}

fn lab(store: MemoryStore, topology: Topology) -> Lab {
    lab_with(Net::to(store), topology, Limits::default())
}

/// In automatic time.
fn lab_with(net: Net, topology: Topology, limits: Limits) -> Lab {
    lab_in(VirtualTimer::automatic(), net, topology, limits)
}

fn lab_in(timer: VirtualTimer, net: Net, topology: Topology, limits: Limits) -> Lab {
    let settings = Settings {
        incarnation: net.incarnation,
        shared_store: true,
        binds_at_once: true,
        ..Settings::default()
    };
    let roster = Roster::default();
    let start = Orchestrator::start(settings, topology, net, timer, roster, limits);
    block_on(start).expect("a store in memory can be read")
}

/// Both kinds of stores.
fn each_kind() -> [MemoryStore; 2] {
    [MemoryStore::atomic(), MemoryStore::per_record()].map(|store| store.with_history(usize::MAX))
}

/// A bare pod's request, for an address that is freed with the pod.
fn request(name: &str) -> PodRequest {
    request_of(&pod(name), ReleasePolicy::PodDelete)
}

fn request_of(pod: &PodFixture, policy: ReleasePolicy) -> PodRequest {
    let owner = pod.owner();
    let tenant = owner.tenant().expect("a pod is a tenant").clone();
    PodRequest::new(tenant, pod.pod(), policy).expect("a request in a test")
}

type Allocated = Result<Vec<IpAddr>, AllocateError>;

impl Lab {
    async fn give(&self, name: &str) -> Allocated {
        self.allocate(&request(name), &Place::Anywhere).await
    }

    fn is_exhausted_for(&self, name: &str) -> bool {
        let allocated = block_on(self.give(name));
        matches!(
            allocated,
            Err(AllocateError::Refused(crate::refusal::Refusal::Exhausted(
                _
            )))
        )
    }

    /// Who has the address, as the engine knows it.
    fn holder(&self, n: u32) -> Option<String> {
        self.engine()
            .record(ip(n))
            .and_then(|record| holder(record))
    }

    fn open_plans(&self) -> usize {
        self.engine().open_plans()
    }
}

fn holder(record: &Record) -> Option<String> {
    record.owner.pod().map(|pod| pod.name.to_string())
}

const UNAVAILABLE: Allocated = Err(AllocateError::Stuck(Stuck::Unavailable));
const UNCERTAIN: Allocated = Err(AllocateError::Stuck(Stuck::Uncertain));
const CONTENDED: Allocated = Err(AllocateError::Stuck(Stuck::Contended));

/// The way to a store: every write takes some polls, may hang, and may fail.
struct Net {
    store: FaultyStore<MemoryStore>,
    plain: MemoryStore,
    faults: Faults,
    hang: AtomicU8,
    incarnation: u64,
}

/// The faults of the next writes.
#[derive(Clone, Default)]
struct Faults(Arc<Mutex<FaultScript>>);

#[derive(Default)]
struct FaultScript {
    next: VecDeque<Option<Fault>>,
    always: Option<Fault>,
}

impl Faults {
    fn script(&self) -> MutexGuard<'_, FaultScript> {
        self.0.lock().expect("no test panics here")
    }

    fn next(&self, faults: impl IntoIterator<Item = Option<Fault>>) {
        self.script().next.extend(faults);
    }

    fn always(&self, fault: Option<Fault>) {
        self.script().always = fault;
    }
}

impl Net {
    fn to(plain: MemoryStore) -> Self {
        let faults = Faults::default();
        let script = faults.clone();
        let store = FaultyStore::new(plain.clone(), move |_, _| {
            let mut script = script.script();
            script.next.pop_front().unwrap_or(script.always)
        });
        Self {
            store,
            plain,
            faults,
            hang: AtomicU8::new(0),
            incarnation: 1,
        }
    }

    /// The way of another process to the same store.
    fn of_another(plain: MemoryStore) -> Self {
        Self {
            incarnation: 2,
            ..Self::to(plain)
        }
    }

    /// From now on writes hang before (1) or after (2) they are made, or not (0).
    fn hang(&self, when: u8) {
        self.hang.store(when, Ordering::Relaxed);
    }

    async fn pass(&self, when: u8) {
        let mut polled = false;
        poll_fn(|context| {
            let goes_on = polled && self.hang.load(Ordering::Relaxed) != when;
            polled = true;
            context.waker().wake_by_ref();
            if goes_on {
                Poll::Ready(())
            } else {
                Poll::Pending
            }
        })
        .await;
    }

    /// How many changes the store has seen.
    fn changes(&self) -> usize {
        self.plain
            .changes_since(Version(0))
            .map_or(0, |all| all.len())
    }

    /// Who has the address in the store.
    fn holder(&self, n: u32) -> Option<String> {
        match self.plain.current(&at(ip(n)))?.1 {
            Value::Address(record) => holder(&record),
            Value::Pool(_) => None,
        }
    }
}

impl Store for Net {
    fn atomic(&self) -> bool {
        self.store.atomic()
    }

    async fn load(&self) -> Result<Snapshot, LoadError> {
        self.store.load().await
    }

    async fn apply(&self, batch: &Batch) -> Vec<Answer> {
        self.pass(1).await;
        let answers = self.store.apply(batch).await;
        self.pass(2).await;
        answers
    }
}

/// A world that knows of pods what the test tells it.
#[derive(Default)]
struct Roster {
    pods: Mutex<BTreeMap<String, Fact<PodState>>>,
    /// Of every app.
    app: Mutex<Option<Fact<AppState>>>,
    ready: Mutex<Vec<Name>>,
}

impl Roster {
    fn pods(&self) -> MutexGuard<'_, BTreeMap<String, Fact<PodState>>> {
        self.pods.lock().expect("no test panics here")
    }

    fn gone(&self, name: &str) {
        self.pods().insert(name.to_owned(), Fact::Gone);
    }

    fn runs(&self, name: &str, uid: &Name) {
        let state = PodState::new(uid.clone()).with_bound(true);
        self.pods().insert(name.to_owned(), Fact::Known(state));
    }

    fn app_is(&self, app: Fact<AppState>) {
        *self.app.lock().expect("no test panics here") = Some(app);
    }

    fn ready(&self, node: &Name) {
        let mut ready = self.ready.lock().expect("no test panics here");
        ready.push(node.clone());
    }
}

impl World for Roster {
    fn app(&self, _: &AppRef) -> Fact<AppState> {
        let app = self.app.lock().expect("no test panics here");
        app.clone().unwrap_or(Fact::Unknown)
    }

    fn pod(&self, _: &str, name: &str) -> Fact<PodState> {
        self.pods().get(name).cloned().unwrap_or(Fact::Unknown)
    }

    fn node(&self, name: &str) -> Fact<NodeState> {
        let ready = self.ready.lock().expect("no test panics here");
        match ready.iter().any(|node| node.as_str() == name) {
            true => Fact::Known(NodeState::new(true)),
            false => Fact::Unknown,
        }
    }
}

#[test]
fn every_operation_can_be_sent_to_another_thread() {
    fn sent<F: Send>(_: F) {}
    let lab = lab(MemoryStore::atomic(), addresses_to(9));
    let pool = crate::testing::fixture::pool("blue");
    sent(lab.give("web"));
    sent(lab.put_pool(&pool, 1, true));
    sent(lab.delete_pool(&pool));
    sent(lab.release(&[]));
    sent(lab.sweep());
    sent(lab.tend());
    sent(lab.restore(ip(2)));
    sent(lab.repair_pool(&pool));
    sent(lab.node_ready(&"node-1".into()));
}
