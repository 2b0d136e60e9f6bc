//! The world outside: apps, pods and nodes, as their source of truth has them.

use std::collections::BTreeSet;
use std::net::IpAddr;

use floatingip_core::fact::{AppState, Fact, NodeState, PodState, Slots, World};
use floatingip_core::owner::{self, AppRef, Slot, Tenant};
use floatingip_core::range::{Family, IpRange};
use floatingip_core::request::{PodRequest, Want};
use floatingip_core::{Name, PoolName, ReleasePolicy};

use super::network::{self, NODES};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Deployment,
    StatefulSet,
    DaemonSet,
    Bare,
    Job,
}

/// What pods of an app ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asks {
    One,
    Two,
    Dual,
    /// `[[10.0.0.6~10.0.0.9],[10.0.0.6]]`: a matching problem.
    Ranges,
}

#[derive(Clone, Debug)]
pub(crate) struct App {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    pub(crate) policy: ReleasePolicy,
    pub(crate) pool: Option<PoolName>,
    pub(crate) asks: Asks,
    pub(crate) exists: bool,
    pub(crate) uid: u32,
    pub(crate) start: u64,
    pub(crate) replicas: u32,
    pub(crate) surge: u32,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Binding {
    pub(crate) node: usize,
    pub(crate) addresses: Vec<IpAddr>,
}

#[derive(Clone, Debug)]
pub(crate) struct Pod {
    pub(crate) app: usize,
    pub(crate) name: Name,
    pub(crate) uid: Name,
    pub(crate) tenant: Tenant,
    pub(crate) policy: ReleasePolicy,
    pub(crate) asks: Asks,
    /// The only node it may run on.
    pub(crate) pinned: Option<usize>,
    pub(crate) bound: Option<Binding>,
    pub(crate) finished: bool,
    pub(crate) deleted: bool,
}

impl Pod {
    pub(crate) fn is_live(&self) -> bool {
        !self.finished && !self.deleted
    }

    /// The addresses it sends packets from.
    pub(crate) fn uses(&self) -> &[IpAddr] {
        match &self.bound {
            Some(binding) if self.is_live() => &binding.addresses,
            _ => &[],
        }
    }

    pub(crate) fn request(&self, node: usize) -> PodRequest {
        let pod = owner::Pod {
            name: self.name.clone(),
            uid: self.uid.clone(),
            node: NODES[node].0.into(),
        };
        PodRequest::new(self.tenant.clone(), pod, self.policy)
            .and_then(|request| request.with_wants(self.wants()))
            .expect("no app of the model asks for what cannot be meant")
    }

    pub(crate) fn wants(&self) -> Vec<Want> {
        let family = |family| Want {
            family: Some(family),
            within: None,
        };
        match self.asks {
            Asks::One => vec![Want::default()],
            Asks::Two => vec![Want::default(), Want::default()],
            Asks::Dual => vec![family(Family::V4), family(Family::V6)],
            Asks::Ranges => [(6, 9), (6, 6)].map(|(from, to)| within(from, to)).to_vec(),
        }
    }
}

fn within(from: u8, to: u8) -> Want {
    let end = |n| IpAddr::from([10, 0, 0, n]);
    let range = IpRange::new(end(from), end(to)).expect("a range of one family in order");
    Want {
        family: None,
        within: Some([range].into_iter().collect()),
    }
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Node {
    pub(crate) exists: bool,
    pub(crate) ready: bool,
}

#[derive(Debug)]
pub(crate) struct Truth {
    pub(crate) apps: Vec<App>,
    pub(crate) pods: Vec<Pod>,
    pub(crate) nodes: Vec<Node>,
    serial: u32,
}

impl Truth {
    pub(crate) fn new(first: u8) -> Self {
        let mut apps = apps();
        let all = apps.len();
        apps.rotate_left(usize::from(first) % all);
        apps.truncate(5);
        Self {
            apps,
            pods: Vec::new(),
            nodes: vec![
                Node {
                    exists: true,
                    ready: true
                };
                NODES.len()
            ],
            serial: 0,
        }
    }

    fn next(&mut self) -> u32 {
        self.serial += 1;
        self.serial
    }

    pub(crate) fn recreate(&mut self, app: usize) {
        let uid = self.next();
        let app = &mut self.apps[app];
        app.uid = uid;
        app.exists = true;
    }

    /// What its controller would create next, if anything.
    pub(crate) fn create_pod(&mut self, app: usize, pick: u8) -> bool {
        let spec = self.apps[app].clone();
        let serial = self.next();
        let random = Name::from(format!("{}-r{serial}", spec.name));
        if !spec.exists {
            return false;
        }
        let mut pinned = None;
        let (name, slot) = match spec.kind {
            Kind::Deployment => (random, Slot::Any),
            Kind::Job => (random.clone(), Slot::Once(random)),
            Kind::StatefulSet if spec.replicas == 0 => return false,
            Kind::StatefulSet => {
                let ordinal = spec.start + u64::from(pick) % u64::from(spec.replicas);
                let name = Name::from(format!("{}-{ordinal}", spec.name));
                (name, Slot::Ordinal(ordinal))
            }
            Kind::DaemonSet => {
                let node = usize::from(pick) % NODES.len();
                pinned = Some(node);
                (random, Slot::Node(NODES[node].0.into()))
            }
            Kind::Bare => {
                let name = Name::from(format!("bare-{}", pick % 3));
                (name.clone(), Slot::Pod(name))
            }
        };
        let same_slot = |pod: &Pod| pod.app == app && pod.tenant.slot == slot && pod.is_live();
        let shared = slot == Slot::Any;
        if self.current(&name).is_some() || !shared && self.pods.iter().any(same_slot) {
            return false;
        }
        let tenant = Tenant {
            namespace: "default".into(),
            app: owner_app(&spec),
            slot,
            pool: spec.pool.clone(),
            pod: None,
        };
        self.pods.push(Pod {
            app,
            name,
            uid: format!("u{serial}").into(),
            tenant,
            policy: spec.policy,
            asks: spec.asks,
            pinned,
            bound: None,
            finished: false,
            deleted: false,
        });
        true
    }

    /// The pod of that name that is there now.
    pub(crate) fn current(&self, name: &str) -> Option<&Pod> {
        self.pods
            .iter()
            .find(|pod| pod.name.as_str() == name && !pod.deleted)
    }

    pub(crate) fn pod(&self, uid: &Name) -> Option<&Pod> {
        self.pods.iter().find(|pod| pod.uid == *uid)
    }

    pub(crate) fn pod_mut(&mut self, uid: &Name) -> Option<&mut Pod> {
        self.pods.iter_mut().find(|pod| pod.uid == *uid)
    }

    /// The app by its name.
    pub(crate) fn app_of(&self, app: &AppRef) -> Option<&App> {
        self.apps.iter().find(|known| *app.name == *known.name)
    }

    pub(crate) fn state_of(&self, app: &App) -> AppState {
        let slots = match app.kind {
            Kind::StatefulSet => Slots::Ordinals {
                start: app.start,
                count: app.replicas,
            },
            Kind::DaemonSet => Slots::Nodes(self.node_names()),
            Kind::Deployment | Kind::Bare | Kind::Job => Slots::Count(app.replicas),
        };
        AppState::new(slots)
            .with_uid(uid_of(app))
            .with_surge(app.surge)
    }

    fn node_names(&self) -> BTreeSet<Name> {
        let there = NODES
            .iter()
            .zip(&self.nodes)
            .filter(|(_, node)| node.exists);
        there.map(|((name, _), _)| Name::from(*name)).collect()
    }
}

pub(crate) fn uid_of(app: &App) -> Name {
    format!("{}-u{}", app.name, app.uid).into()
}

fn owner_app(app: &App) -> Option<owner::App> {
    let (group, kind) = match app.kind {
        Kind::Deployment => ("apps", "deployment"),
        Kind::StatefulSet => ("apps", "statefulset"),
        Kind::DaemonSet => ("apps", "daemonset"),
        Kind::Job => ("batch", "job"),
        Kind::Bare => return None,
    };
    Some(owner::App {
        group: group.into(),
        kind: kind.into(),
        name: app.name.into(),
        uid: Some(uid_of(app)),
    })
}

/// The world as a process sees it whose caches lag: some facts are not known, which ones `lag` says.
pub(crate) struct Lagging<'a> {
    pub(crate) truth: &'a Truth,
    /// 0: everything is known.
    pub(crate) lag: u8,
}

impl Lagging<'_> {
    fn tells<T>(&self, name: &str, fact: Fact<T>) -> Fact<T> {
        let sum: u32 = name.bytes().map(u32::from).sum();
        let knows = self.lag == 0 || !(sum + u32::from(self.lag)).is_multiple_of(3);
        if knows { fact } else { Fact::Unknown }
    }
}

impl World for Lagging<'_> {
    fn app(&self, app: &AppRef) -> Fact<AppState> {
        let fact = match self.truth.app_of(app) {
            Some(found) if found.exists => Fact::Known(self.truth.state_of(found)),
            _ => Fact::Gone,
        };
        self.tells(&app.name, fact)
    }

    fn pod(&self, _: &str, name: &str) -> Fact<PodState> {
        let state = |pod: &Pod| {
            let binding = pod.bound.iter();
            PodState::new(pod.uid.clone())
                .with_bound(pod.bound.is_some())
                .with_finished(pod.finished)
                .with_addresses(binding.flat_map(|binding| binding.addresses.iter().copied()))
        };
        let fact = self.truth.current(name).map(state);
        self.tells(name, fact.map_or(Fact::Gone, Fact::Known))
    }

    fn node(&self, name: &str) -> Fact<NodeState> {
        let node = network::node_named(name).map(|n| self.truth.nodes[n]);
        let fact = match node {
            Some(node) if node.exists => Fact::Known(NodeState::new(node.ready)),
            _ => Fact::Gone,
        };
        self.tells(name, fact)
    }
}

fn apps() -> Vec<App> {
    use ReleasePolicy::{Immutable, Never, PodDelete};
    let app = |name, kind, policy, pool: Option<&str>, asks| App {
        name,
        kind,
        policy,
        pool: pool.map(|pool| pool.parse().expect("a pool's name")),
        asks,
        exists: true,
        uid: 0,
        start: 0,
        replicas: 2,
        surge: 0,
    };
    vec![
        app("web", Kind::Deployment, PodDelete, None, Asks::One),
        app("api", Kind::Deployment, Immutable, None, Asks::One),
        app("keep", Kind::Deployment, Never, None, Asks::One),
        app("two", Kind::Deployment, Immutable, None, Asks::Two),
        app("cache", Kind::StatefulSet, PodDelete, None, Asks::One),
        app("db", Kind::StatefulSet, Immutable, None, Asks::One),
        app("kv", Kind::StatefulSet, Never, None, Asks::One),
        app("dual", Kind::StatefulSet, Immutable, None, Asks::Dual),
        app("ranged", Kind::StatefulSet, Never, None, Asks::Ranges),
        app("agent", Kind::DaemonSet, Immutable, None, Asks::One),
        app("log", Kind::DaemonSet, PodDelete, None, Asks::One),
        app("bare", Kind::Bare, Immutable, None, Asks::One),
        app("job", Kind::Job, PodDelete, None, Asks::One),
        app(
            "blues",
            Kind::Deployment,
            PodDelete,
            Some("blue"),
            Asks::One,
        ),
        app("reds", Kind::Deployment, Never, Some("blue"), Asks::One),
        app("bluedb", Kind::StatefulSet, Never, Some("blue"), Asks::One),
        app("bluejob", Kind::Job, PodDelete, Some("blue"), Asks::One),
        app("greens", Kind::Deployment, Never, Some("a_b"), Asks::One),
    ]
}
