//! A cluster to measure on: an engine with so many addresses in use, and the moves of its pods.

#![allow(dead_code, reason = "each benchmark uses a part of it")]
#![expect(
    clippy::disallowed_methods,
    reason = "a benchmark measures time and reads its command line"
)]
#![expect(
    clippy::expect_used,
    reason = "a benchmark that cannot set up its cluster has to stop"
)]

pub(crate) mod listing;

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, Instant};

use floatingip_core::config::{Config, Strictness};
use floatingip_core::engine::{Ending, Engine, Named, Settings};
use floatingip_core::fact::UnknownWorld;
use floatingip_core::owner::{App, Owner, Pod, Slot, Tenant};
use floatingip_core::record::Version;
use floatingip_core::request::PodRequest;
use floatingip_core::store::{Outcome, Snapshot};
use floatingip_core::topology::Reach;
use floatingip_core::{Name, Now, Plan, Record, ReleasePolicy, Topology, WallTime};

/// Pod subnets, each a /16 with node subnet of its own.
pub(crate) const SUBNETS: usize = 100;
/// Apps, spread over the namespaces.
pub(crate) const APPS: usize = 1_000;
/// Namespaces.
pub(crate) const NAMESPACES: usize = 100;
/// Pools, shared by a tenth of the apps.
pub(crate) const POOLS: usize = 10;

/// Whether everything is to run once on little: asked for by `--test`, and by `cargo test`, which
/// unlike `cargo bench` does not say `--bench`.
pub(crate) fn is_short() -> bool {
    let has = |wanted: &str| std::env::args().any(|given| given == wanted);
    has("--test") || !has("--bench")
}

/// How many addresses are in use: those to compare, or few of them.
pub(crate) fn sizes() -> [usize; 3] {
    if is_short() {
        [1_000, 2_000, 4_000]
    } else {
        [10_000, 100_000, 1_000_000]
    }
}

/// Does something to so many pods and says how long that took.
pub(crate) type Move = fn(&mut Cluster, usize) -> Duration;

/// What happens to pods, by name.
pub(crate) const MOVES: [(&str, Move); 8] = [
    ("allocate fresh", |c, n| {
        c.replace(Kind::Freed, n).allocating
    }),
    ("allocate from slot", |c, n| {
        c.replace(Kind::Kept, n).allocating
    }),
    ("allocate from pool", |c, n| {
        c.replace(Kind::Pooled, n).allocating
    }),
    ("end and free", |c, n| c.replace(Kind::Freed, n).ending),
    ("end and keep", |c, n| c.replace(Kind::Kept, n).ending),
    ("end into pool", |c, n| c.replace(Kind::Pooled, n).ending),
    ("release", |c, n| c.release_some(n).ending),
    ("filter 16 nodes", Cluster::filter),
];

/// How a pod's address is treated when it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A StatefulSet's, under `never`: kept for its ordinal.
    Kept,
    /// A Deployment's, under the default: freed.
    Freed,
    /// A Deployment's in a pool: kept for any pod of the pool.
    Pooled,
}

/// An engine with pods numbered from 0. Number `n` is of app `n % APPS`; of ten apps in a row, five
/// are StatefulSets, four Deployments, and one is a Deployment in a pool.
#[derive(Debug)]
pub(crate) struct Cluster {
    /// What is measured.
    pub(crate) engine: Engine,
    /// How often each pod was replaced by another.
    incarnations: Vec<u32>,
    version: u64,
    random: Random,
}

impl Cluster {
    /// A cluster in which `size` pods have an address each; every eighth address of the ranges is
    /// free, and the search for a fresh one starts amid them.
    pub(crate) fn of(size: usize) -> Self {
        let mut engine = Engine::new(Settings::default());
        engine.reconfigure(topology());
        engine.load(snapshot(size), Now::default());
        Self {
            engine,
            incarnations: vec![0; size],
            version: size as u64,
            random: Random::default(),
        }
    }

    /// Any pod of this kind.
    fn any(&mut self, kind: Kind) -> usize {
        let ten = self.random.number() % (self.incarnations.len() / 10);
        ten * 10
            + match kind {
                Kind::Kept => ten % 5,
                Kind::Freed => 5 + ten % 4,
                Kind::Pooled => 9,
            }
    }

    /// The pod that has this number now.
    pub(crate) fn pod(&self, number: usize) -> Pod {
        pod(number, self.incarnations.get(number).copied().unwrap_or(0))
    }

    /// The request of the pod with this number, and the one place where it can be served.
    pub(crate) fn request(&self, number: usize) -> PodRequest {
        request(number, self.pod(number))
    }

    /// What the node of this number may use: one subnet.
    pub(crate) fn reach(&self, node: usize) -> Reach {
        let nodes = Ipv4Addr::new(192, 168, subnet_octet(node), 1);
        self.engine.topology().reach(&[nodes.into()])
    }

    /// What the node that can use this address may use.
    pub(crate) fn reach_of(&self, ip: IpAddr) -> Reach {
        let subnet = self.engine.topology().subnet_of(ip);
        self.reach(subnet.map_or(0, |subnet| subnet.id().index()))
    }

    /// The address of the pod with this number.
    pub(crate) fn address(&self, number: usize) -> IpAddr {
        let addresses = self.engine.addresses_of(&self.pod(number).uid);
        addresses
            .first()
            .copied()
            .expect("every pod has an address")
    }

    /// Gives a pod an address, durably, and says how long deciding and settling took.
    pub(crate) fn allocate(&mut self, request: &PodRequest, reach: &Reach) -> Duration {
        let start = Instant::now();
        let allocation = self
            .engine
            .plan_allocate(request, reach, &UnknownWorld, Now::default())
            .expect("there is room for every pod");
        self.settle(allocation.plan);
        start.elapsed()
    }

    /// Ends a pod, durably, and says how long that took.
    pub(crate) fn end(&mut self, uid: &Name) -> Duration {
        let start = Instant::now();
        let plan = self
            .engine
            .plan_ended(uid, &Ending::Certain, &UnknownWorld, Now::default());
        self.settle(plan);
        start.elapsed()
    }

    /// Releases an address as the API does, durably, and says how long that took.
    pub(crate) fn release(&mut self, named: &Named) -> Duration {
        let start = Instant::now();
        let releasing = self
            .engine
            .plan_release(std::slice::from_ref(named), Now::default())
            .expect("its pod has ended");
        assert!(releasing.unreleased.is_empty(), "{named:?}");
        self.settle(releasing.plan);
        start.elapsed()
    }

    fn settle(&mut self, plan: Plan) {
        let outcomes = plan.batch().writes.iter().map(|_| {
            self.version += 1;
            Outcome::Applied(Version(self.version))
        });
        let outcomes = outcomes.collect();
        self.engine.settle(plan, outcomes, Now::default());
    }

    /// Ends pods of a kind and puts others in their place: how long the endings and the allocations
    /// took. Pods are picked at random, and all of them end before the first successor comes, so that
    /// caches are as cold as in life.
    pub(crate) fn replace(&mut self, kind: Kind, count: usize) -> Replaced {
        self.in_chunks(count, |cluster, count| {
            let picked = cluster.pick(kind, count);
            let ending = picked
                .iter()
                .map(|picked| cluster.end(&picked.pod.uid))
                .sum();
            let allocating = cluster.succeed(&picked);
            Replaced { ending, allocating }
        })
    }

    /// Releases addresses that ended StatefulSet pods left behind, and gives new pods others: how long
    /// the releases took, and the allocations.
    pub(crate) fn release_some(&mut self, count: usize) -> Replaced {
        self.in_chunks(count, |cluster, count| {
            let picked = cluster.pick(Kind::Kept, count);
            for picked in &picked {
                cluster.end(&picked.pod.uid);
            }
            let named: Vec<Named> = picked.iter().map(Picked::named).collect();
            let ending = named.iter().map(|named| cluster.release(named)).sum();
            let allocating = cluster.succeed(&picked);
            Replaced { ending, allocating }
        })
    }

    /// Few at a time, so that even a small cluster has enough pods of each kind.
    fn in_chunks(
        &mut self,
        count: usize,
        mut run: impl FnMut(&mut Self, usize) -> Replaced,
    ) -> Replaced {
        const CHUNK: usize = 50;
        let mut took = Replaced::default();
        let mut left = count;
        while left > 0 {
            let chunk = run(self, left.min(CHUNK));
            took.ending += chunk.ending;
            took.allocating += chunk.allocating;
            left -= left.min(CHUNK);
        }
        took
    }

    /// Different pods of a kind.
    fn pick(&mut self, kind: Kind, count: usize) -> Vec<Picked> {
        let mut numbers = BTreeSet::new();
        while numbers.len() < count {
            numbers.insert(self.any(kind));
        }
        let picked = |number| Picked {
            number,
            pod: self.pod(number),
            ip: self.address(number),
        };
        numbers.into_iter().map(picked).collect()
    }

    /// Other pods take the place of these: how long their allocations took.
    fn succeed(&mut self, picked: &[Picked]) -> Duration {
        let mut asked = Vec::new();
        for Picked { number, ip, .. } in picked {
            if let Some(incarnation) = self.incarnations.get_mut(*number) {
                *incarnation += 1;
            }
            asked.push((self.request(*number), self.reach_of(*ip)));
        }
        asked
            .iter()
            .map(|(request, reach)| self.allocate(request, reach))
            .sum()
    }

    /// Asks for `count` pods whether they could run on each of 16 nodes.
    pub(crate) fn filter(&mut self, count: usize) -> Duration {
        let reaches: Vec<Reach> = (0..16).map(|node| self.reach(node)).collect();
        let fresh = |cluster: &mut Self| {
            let number = cluster.any(Kind::Freed);
            request(number, pod(number, u32::MAX))
        };
        let requests: Vec<PodRequest> = (0..count).map(|_| fresh(self)).collect();
        let start = Instant::now();
        for request in &requests {
            let answers = self
                .engine
                .feasible(request, &reaches, &UnknownWorld, Now::default());
            assert!(answers.iter().all(Result::is_ok), "every node has room");
        }
        start.elapsed()
    }
}

/// Splitmix64: numbers without a pattern, the same in every run.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let bits = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    }

    pub(crate) fn number(&mut self) -> usize {
        usize::try_from(self.bits() >> 1).unwrap_or(0)
    }
}

/// A pod with its address, before it ends.
struct Picked {
    number: usize,
    pod: Pod,
    ip: IpAddr,
}

impl Picked {
    /// What the API is told to release.
    fn named(&self) -> Named {
        Named {
            ip: self.ip,
            pool: None,
            namespace: Some(namespace(self.number)),
            app: Some(app(self.number)),
            kind: None,
            pod: Some(self.pod.name.clone()),
        }
    }
}

/// Time of two halves of a move.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Replaced {
    /// Of taking the address away.
    pub(crate) ending: Duration,
    /// Of giving one.
    pub(crate) allocating: Duration,
}

/// 100 pod subnets 10.N.0.0/16 for nodes in 192.168.N.0/24.
pub(crate) fn topology() -> Topology {
    let entry = |n: usize| {
        format!(
            r#"{{"nodeSubnets":["192.168.{n}.0/24"],"ips":["10.{n}.0.2~10.{n}.255.254"],
                "subnet":"10.{n}.0.0/16","gateway":"10.{n}.0.1","vlan":{}}}"#,
            n + 1
        )
    };
    let entries: Vec<String> = (0..SUBNETS).map(entry).collect();
    configured(&format!("[{}]", entries.join(",")))
}

/// The subnets of a document.
pub(crate) fn configured(document: &str) -> Topology {
    Config::parse(document, Strictness::Strict)
        .expect("the document has no fault")
        .into_topology()
}

fn snapshot(size: usize) -> Snapshot {
    let record = |number: usize| {
        let request = request(number, pod(number, 0));
        let record = Record {
            owner: Owner::Slot(request.tenant().clone()),
            policy: request.policy(),
            updated_at: WallTime::from_nanos(seniority(number, size)),
            mark: None,
            attachment: None,
            plan: None,
        };
        (initial_address(number), Version(number as u64), record)
    };
    Snapshot {
        addresses: (0..size).map(record).collect(),
        pools: Vec::new(),
        version: Version(size as u64),
    }
}

/// Greatest in the middle of each subnet, where the search for fresh addresses goes on therefore.
fn seniority(number: usize, size: usize) -> u64 {
    let distance = (number / SUBNETS).abs_diff(size / SUBNETS / 2);
    (size - distance) as u64
}

/// Spreads the pods of each app over all subnets, seven addresses taken and one free.
fn initial_address(number: usize) -> IpAddr {
    let place = number / SUBNETS;
    let offset = u32::try_from(2 + place + place / 7).unwrap_or(0);
    let first = u32::from(Ipv4Addr::new(10, subnet_octet(number + place), 0, 0));
    Ipv4Addr::from(first + offset).into()
}

fn subnet_octet(number: usize) -> u8 {
    u8::try_from(number % SUBNETS).unwrap_or(0)
}

fn kind(number: usize) -> Kind {
    match number % 10 {
        0..5 => Kind::Kept,
        5..9 => Kind::Freed,
        _ => Kind::Pooled,
    }
}

/// A pod with a name of about 30 characters and a UUID.
fn pod(number: usize, incarnation: u32) -> Pod {
    let ordinal = number / APPS;
    let name = match kind(number) {
        Kind::Kept => format!("{}-{ordinal}", app(number)),
        Kind::Freed | Kind::Pooled => {
            format!("{}-{ordinal:05x}-{incarnation:05x}", app(number))
        }
    };
    let uid = format!(
        "{:08x}-{incarnation:04x}-4c31-9d5e-{number:012x}",
        number.wrapping_mul(0x9e37_79b1) & 0xffff_ffff
    );
    Pod {
        name: Name::from(name),
        uid: Name::from(uid),
        node: Name::from("node"),
    }
}

fn request(number: usize, pod: Pod) -> PodRequest {
    let kind = kind(number);
    let (resource, slot, policy) = match kind {
        Kind::Kept => (
            "statefulset",
            Slot::Ordinal((number / APPS) as u64),
            ReleasePolicy::Never,
        ),
        Kind::Freed | Kind::Pooled => ("deployment", Slot::Any, ReleasePolicy::PodDelete),
    };
    let tenant = Tenant {
        namespace: namespace(number),
        app: Some(App {
            group: Name::from("apps"),
            kind: Name::from(resource),
            name: app(number),
            uid: None,
        }),
        slot,
        pool: (kind == Kind::Pooled)
            .then(|| pool(number).parse().expect("a pool's name is well-formed")),
        pod: None,
    };
    PodRequest::new(tenant, pod, policy).expect("its pods are recognised by their slots")
}

/// The namespace of the pod with this number.
pub(crate) fn namespace(number: usize) -> Name {
    Name::from(format!("namespace-{:02}", number % NAMESPACES))
}

/// The app of the pod with this number.
pub(crate) fn app(number: usize) -> Name {
    let stem = match kind(number) {
        Kind::Kept => "stateful-application-no",
        Kind::Freed | Kind::Pooled => "deployed-app-no",
    };
    Name::from(format!("{stem}-{:03}", number % APPS))
}

/// The pool of the pod with this number, if it is in one.
pub(crate) fn pool(number: usize) -> String {
    format!("pool-{}", number / 10 % POOLS)
}
