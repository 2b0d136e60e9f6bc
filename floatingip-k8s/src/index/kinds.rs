use std::collections::{BTreeMap, HashMap};
use std::fmt;

use floatingip_core::Name;
use floatingip_core::owner::AppRef;
use jiff::Timestamp;

/// What a watch lists.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// All pods.
    Pods,
    /// All nodes.
    Nodes,
    /// The apps of a kind.
    Apps(KindRef),
}

impl Kind {
    /// Those that are always watched.
    #[must_use]
    pub fn built_in() -> [Self; 6] {
        let app = |kind| Self::Apps(KindRef::new("apps", kind));
        let [deployment, replica_set, stateful_set, daemon_set] = BUILT_IN.map(app);
        [
            Self::Nodes,
            Self::Pods,
            replica_set,
            deployment,
            stateful_set,
            daemon_set,
        ]
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pods => f.write_str("pods"),
            Self::Nodes => f.write_str("nodes"),
            Self::Apps(KindRef { group, kind }) if group.is_empty() => f.write_str(kind),
            Self::Apps(KindRef { group, kind }) => write!(f, "{kind}.{group}"),
        }
    }
}

/// The kinds of API group `apps` that are always watched.
const BUILT_IN: [&str; 4] = ["deployment", "replicaset", "statefulset", "daemonset"];

/// A kind of workload in an API group, whatever its version.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KindRef {
    /// The API group, `""` for the core group and in old records that do not say.
    pub group: Name,
    /// The kind in lower case.
    pub kind: Name,
}

impl KindRef {
    /// That kind of that group.
    #[must_use]
    pub fn new(group: &str, kind: &str) -> Self {
        Self {
            group: Name::from(group),
            kind: Name::from(kind.to_lowercase()),
        }
    }

    /// The kind of an app.
    #[must_use]
    pub fn of(app: &AppRef) -> Self {
        Self {
            group: app.group.clone(),
            kind: app.kind.clone(),
        }
    }

    /// The app of this kind and that name.
    #[must_use]
    pub fn named(&self, namespace: &Name, name: &Name) -> AppRef {
        AppRef {
            namespace: namespace.clone(),
            group: self.group.clone(),
            kind: self.kind.clone(),
            name: name.clone(),
        }
    }

    /// Whether it has a scale subresource, where that needs no look at the cluster. Pods of nodes are
    /// what kubelets run by themselves.
    pub(super) fn scales_by_nature(&self) -> Option<bool> {
        match (self.group.as_str(), self.kind.as_str()) {
            ("apps", "deployment" | "replicaset" | "statefulset") => Some(true),
            ("apps", "daemonset") | ("batch", "job") | ("", "node") => Some(false),
            _ => None,
        }
    }
}

/// How the watch of a kind fares.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KindStatus {
    /// When it was listed as a whole first; none before.
    pub synced_since: Option<Timestamp>,
    /// What went wrong last, while it has not succeeded since.
    pub failure: Option<String>,
    /// The resourceVersion that it has reached.
    pub version: u64,
    /// How many objects are kept.
    pub objects: usize,
    /// How many objects cannot be read.
    pub unreadable: usize,
}

impl KindStatus {
    /// Whether it was listed as a whole, and the watch works.
    #[must_use]
    pub fn is_current(&self) -> bool {
        self.synced_since.is_some() && self.failure.is_none()
    }
}

/// The most unreadable objects that are told apart; with more, nothing of the kind can be said absent.
const MOST_UNREADABLE: usize = 4096;

pub(super) type Key = (Name, Name);

#[derive(Debug, Default)]
pub(super) struct KindState {
    synced_since: Option<Timestamp>,
    failure: Option<String>,
    version: u64,
    /// There, but nobody knows how.
    unreadable: BTreeMap<Key, u64>,
    /// The last request for a list that a list has answered.
    answered: u64,
    /// Something unreadable has no name, or there is too much of it: everything may be there.
    blind: bool,
}

impl KindState {
    /// Whether an object that is not kept is not there.
    pub(super) fn proves_absence(&self, namespace: &str, name: &str) -> bool {
        let current = self.synced_since.is_some() && self.failure.is_none() && !self.blind;
        current && (self.unreadable.is_empty() || !self.is_unreadable(namespace, name))
    }

    pub(super) fn is_unreadable(&self, namespace: &str, name: &str) -> bool {
        !self.unreadable.is_empty()
            && self
                .unreadable
                .contains_key(&(Name::from(namespace), Name::from(name)))
    }

    /// Whether the watch has seen everything up to that version.
    pub(super) fn has_reached(&self, version: u64) -> bool {
        self.synced_since.is_some() && version <= self.version
    }

    pub(super) fn status(&self, objects: usize) -> KindStatus {
        KindStatus {
            synced_since: self.synced_since,
            failure: self.failure.clone(),
            version: self.version,
            objects,
            unreadable: self.unreadable.len(),
        }
    }
}

/// The state of every kind that is or was watched.
#[derive(Debug, Default)]
pub(super) struct Kinds(HashMap<Kind, KindState>);

impl Kinds {
    pub(super) fn of(&self, kind: &Kind) -> Option<&KindState> {
        self.0.get(kind)
    }

    pub(super) fn all(&self) -> impl Iterator<Item = (&Kind, &KindState)> {
        self.0.iter()
    }

    pub(super) fn proves_absence(&self, kind: &Kind, namespace: &str, name: &str) -> bool {
        let state = self.0.get(kind);
        state.is_some_and(|state| state.proves_absence(namespace, name))
    }

    pub(super) fn are_listed(&self, kinds: &[Kind]) -> bool {
        let listed = |kind| {
            self.0
                .get(kind)
                .is_some_and(|state| state.synced_since.is_some())
        };
        kinds.iter().all(listed)
    }

    pub(super) fn reach(&mut self, kind: &Kind, version: u64) {
        let state = self.state(kind);
        state.version = state.version.max(version);
    }

    /// A whole list was taken in, as of this version.
    pub(super) fn listed(&mut self, kind: &Kind, version: u64, nameless: bool, now: Timestamp) {
        let state = self.state(kind);
        state.synced_since.get_or_insert(now);
        state.version = state.version.max(version);
        state.failure = None;
        state.blind = nameless || state.unreadable.len() >= MOST_UNREADABLE;
    }

    pub(super) fn answered(&mut self, kind: &Kind, request: u64) {
        self.state(kind).answered = request;
    }

    /// Whether every kind that is watched, and works, was listed since that request; kinds that do not work
    /// are waited for only if they are `needed`.
    pub(super) fn all_answered(&self, request: u64, needed: &[Kind]) -> bool {
        let answered = |state: &KindState| state.answered >= request;
        let mut needed = needed.iter();
        let works = |state: &&KindState| state.synced_since.is_some() && state.failure.is_none();
        needed.all(|kind| self.0.get(kind).is_some_and(answered))
            && self.0.values().filter(works).all(answered)
    }

    pub(super) fn failed(&mut self, kind: &Kind, failure: String) {
        self.state(kind).failure = Some(failure);
    }

    pub(super) fn recovered(&mut self, kind: &Kind) {
        self.state(kind).failure = None;
    }

    /// The object is there and cannot be read; without a name, nobody knows which it is.
    pub(super) fn unreadable(&mut self, kind: &Kind, key: Option<Key>, version: u64) {
        let state = self.state(kind);
        match key {
            Some(key) if state.unreadable.len() < MOST_UNREADABLE => {
                state.unreadable.insert(key, version);
            }
            _ => state.blind = true,
        }
    }

    /// The object was read, or is gone.
    pub(super) fn readable(&mut self, kind: &Kind, namespace: &Name, name: &Name) {
        if let Some(state) = self
            .0
            .get_mut(kind)
            .filter(|state| !state.unreadable.is_empty())
        {
            state.unreadable.remove(&(namespace.clone(), name.clone()));
        }
    }

    /// Forgets unreadable objects that a list as of `version` no longer has.
    pub(super) fn retain(&mut self, kind: &Kind, version: u64, listed: impl Fn(&Key) -> bool) {
        let state = self.state(kind);
        state
            .unreadable
            .retain(|key, seen| listed(key) || *seen > version);
    }

    fn state(&mut self, kind: &Kind) -> &mut KindState {
        self.0.entry(kind.clone()).or_default()
    }
}
