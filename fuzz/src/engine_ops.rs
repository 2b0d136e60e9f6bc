//! The engine with a store: bytes are operations, among them crashes, lost answers and missed events.
//! After each of them no address has two owners, nothing outside the ranges is given, and everything
//! that an open plan changes is held; in the end engine and store agree.

mod cluster;
mod invariants;
mod operation;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::IpAddr;
use std::time::Duration;

use floatingip_core::engine::{Ending, Engine, Settings};
use floatingip_core::memory::MemoryStore;
use floatingip_core::store::{Answer, Outcome, Snapshot, Store};
use floatingip_core::testing::block_on;
use floatingip_core::topology::Reach;
use floatingip_core::{Name, Now, Plan, Topology};

use cluster::Cluster;
use operation::Operation;

/// Takes operations of three bytes each; the first bit says whether the store is atomic.
pub fn check(data: &[u8]) {
    let Some((first, rest)) = data.split_first() else {
        return;
    };
    let mut world = World::new(first & 1 == 0);
    for bytes in rest.as_chunks().0.iter().take(200) {
        world.run(Operation::of(*bytes));
        world.check();
    }
    while world.settle_next(Fate::Applied) {
        world.check();
    }
    world.check_settled();
}

/// Everything there is: the engine, its store, the cluster they serve, and what was promised.
struct World {
    engine: Engine,
    store: MemoryStore,
    topology: Topology,
    cluster: Cluster,
    open: VecDeque<Open>,
    /// Addresses that a pod was offered and may be bound with, by UID.
    offered: BTreeMap<Name, Vec<IpAddr>>,
    /// Addresses that running pods use, by UID: they must stay theirs.
    bound: BTreeMap<Name, Vec<IpAddr>>,
    now: Now,
    swept: Option<IpAddr>,
}

/// A plan on its way.
struct Open {
    plan: Plan,
    /// The pod that waits for it, with the addresses it will be told.
    offer: Option<(Name, Vec<IpAddr>)>,
}

/// What becomes of a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Applied,
    /// Applied, but the answer got lost: the same writes are made again.
    Repeated,
    Unavailable,
}

impl World {
    fn new(atomic: bool) -> Self {
        let store = match atomic {
            true => MemoryStore::atomic(),
            false => MemoryStore::per_record(),
        };
        let topology = cluster::topology(0);
        Self {
            engine: loaded(topology.clone(), Snapshot::default(), Now::default()),
            store,
            topology,
            cluster: Cluster::new(),
            open: VecDeque::new(),
            offered: BTreeMap::new(),
            bound: BTreeMap::new(),
            now: Now::default(),
            swept: None,
        }
    }

    fn allocate(&mut self, number: usize, node: u8) {
        let request = self.cluster.request(number);
        let uid = request.pod().uid.clone();
        if self.bound.contains_key(&uid) {
            return;
        }
        let reach = self.reach(node);
        let decided = self
            .engine
            .plan_allocate(&request, &reach, &self.cluster, self.now);
        if let Ok(allocation) = decided {
            self.check_given(&allocation.addresses, &reach);
            let offer = Some((uid, allocation.addresses));
            self.push(allocation.plan, offer);
        }
    }

    fn filter(&mut self, number: usize) {
        let request = self.cluster.request(number);
        let reaches = [self.reach(0), self.reach(1)];
        let claimed = self
            .engine
            .claim(&request, &reaches, &self.cluster, self.now);
        let feasible = self
            .engine
            .feasible(&request, &reaches, &self.cluster, self.now);
        assert_eq!(feasible, claimed, "its own claim is not in its way");
    }

    /// The pod's binding: it takes what it was offered, if that is still there. A bind that comes when
    /// a sweep is already freeing the addresses comes too late, and would be refused.
    fn bind(&mut self, number: usize) {
        let uid = self.cluster.uid(number);
        let Some(offered) = self.offered.get(&uid).cloned() else {
            return;
        };
        let owned = self.engine.addresses_of(&uid);
        let held = self.held();
        let there = |ip| owned.contains(ip) && !held.contains(ip);
        if self.cluster.is_running(number) && offered.iter().all(there) {
            self.cluster.bind(number);
            let plan = self.engine.plan_bound(&uid, &offered, self.now);
            self.bound.insert(uid, offered);
            self.push(plan, None);
        }
    }

    /// The pod ends, and the engine is told.
    fn end(&mut self, number: usize, ending: &Ending) {
        let uid = self.cluster.uid(number);
        self.vanish(number);
        self.plan_end(&uid, ending);
    }

    /// The pod ends, and nobody says so.
    fn vanish(&mut self, number: usize) {
        self.bound.remove(&self.cluster.uid(number));
        self.cluster.end(number);
    }

    fn plan_end(&mut self, uid: &Name, ending: &Ending) {
        let plan = self.engine.plan_ended(uid, ending, &self.cluster, self.now);
        self.push(plan, None);
    }

    fn reconfigure(&mut self, variant: u8) {
        self.topology = cluster::topology(variant);
        self.engine.reconfigure(self.topology.clone());
    }

    /// The process ends. Open plans reached the store, or did not.
    fn crash(&mut self, reached: bool) {
        for open in std::mem::take(&mut self.open) {
            if reached {
                self.apply(&open.plan);
            }
        }
        self.offered.clear();
        self.engine = loaded(self.topology.clone(), self.snapshot(), self.now);
    }

    fn push(&mut self, plan: Plan, offer: Option<(Name, Vec<IpAddr>)>) {
        self.open.push_back(Open { plan, offer });
    }

    /// Settles the oldest open plan; says whether there was one.
    fn settle_next(&mut self, fate: Fate) -> bool {
        let Some(Open { plan, offer }) = self.open.pop_front() else {
            return false;
        };
        let outcomes = match fate {
            Fate::Unavailable => vec![Outcome::Unavailable; plan.batch().writes.len()],
            Fate::Applied => self.apply(&plan),
            Fate::Repeated => {
                let _lost = self.apply(&plan);
                self.apply(&plan)
            }
        };
        let settled = self.engine.settle(plan, outcomes, self.now);
        if settled.is_complete() {
            self.offered.extend(offer);
        }
        for end in self.engine.due_ends() {
            let plan = self.engine.plan_due(&end, &self.cluster, self.now);
            self.push(plan, None);
        }
        true
    }

    fn apply(&self, plan: &Plan) -> Vec<Outcome> {
        let answers = block_on(self.store.apply(plan.batch()));
        let definite = |answer| match answer {
            Answer::Definite(outcome) => Some(outcome),
            Answer::Unknown => None,
        };
        answers.into_iter().filter_map(definite).collect()
    }

    fn snapshot(&self) -> Snapshot {
        block_on(self.store.load()).unwrap_or_default()
    }

    fn reach(&self, node: u8) -> Reach {
        self.engine.topology().reach(&[cluster::node(node)])
    }

    /// The addresses that open plans change.
    fn held(&self) -> BTreeSet<IpAddr> {
        let plans = self.open.iter().map(|open| &open.plan);
        plans.flat_map(invariants::addresses).collect()
    }

    fn wait(&mut self, seconds: u8) {
        let waited = Duration::from_secs(seconds.into());
        self.now.elapsed += waited;
        self.now.wall = self.now.wall.plus(waited);
    }
}

fn loaded(topology: Topology, snapshot: Snapshot, now: Now) -> Engine {
    let mut engine = Engine::new(Settings::default());
    engine.reconfigure(topology);
    engine.load(snapshot, now);
    engine
}
