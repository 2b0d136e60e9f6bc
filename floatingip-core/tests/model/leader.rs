//! A process that may lead: an engine, the plans it has open, and how far its watch is.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;

use floatingip_core::engine::{Engine, Observed};
use floatingip_core::memory::{Change, MemoryStore};
use floatingip_core::plan::{Batch, Plan};
use floatingip_core::record::{Record, Target, Value, Version};
use floatingip_core::store::{Answer, Outcome};
use floatingip_core::{Name, Now};

/// What is to happen once a plan is durable.
#[derive(Clone, Debug)]
pub(crate) enum Purpose {
    Bind(Ready),
    Other,
}

/// A pod whose addresses are durable: to be bound, as long as the scheduler's request lives.
#[derive(Clone, Debug)]
pub(crate) struct Ready {
    pub(crate) uid: Name,
    pub(crate) node: usize,
    pub(crate) addresses: Vec<IpAddr>,
    pub(crate) until: Duration,
}

#[derive(Debug)]
pub(crate) struct Open {
    pub(crate) plan: Plan,
    pub(crate) purpose: Purpose,
    /// What is certain already, write by write.
    pub(crate) outcomes: Vec<Option<Outcome>>,
}

impl Open {
    pub(crate) fn new(plan: Plan, purpose: Purpose) -> Self {
        Self {
            outcomes: vec![None; plan.batch().writes.len()],
            plan,
            purpose,
        }
    }

    /// The writes whose answer is still open.
    pub(crate) fn left(&self) -> Batch {
        let batch = self.plan.batch();
        let writes = batch.writes.iter().zip(&self.outcomes);
        Batch {
            writes: writes
                .filter(|(_, known)| known.is_none())
                .map(|(write, _)| write.clone())
                .collect(),
            ..*batch
        }
    }

    pub(crate) fn hear(&mut self, answers: Vec<Answer>) {
        let unknown = self.outcomes.iter_mut().filter(|known| known.is_none());
        for (place, answer) in unknown.zip(answers) {
            if let Answer::Definite(outcome) = answer {
                *place = Some(outcome);
            }
        }
    }

    pub(crate) fn is_certain(&self) -> bool {
        self.outcomes.iter().all(Option::is_some)
    }
}

#[derive(Debug)]
pub(crate) struct Leader {
    pub(crate) engine: Engine,
    pub(crate) config: usize,
    pub(crate) open: Vec<Open>,
    /// Targets whose last write may or may not have been made, or may still be.
    pub(crate) uncertain: BTreeSet<Target>,
    pub(crate) ready: Vec<Ready>,
    /// Changes of the store that its watch has not brought yet.
    pub(crate) pending: Vec<Change>,
    pub(crate) delivered: Vec<Change>,
    pub(crate) seen: Version,
}

impl Leader {
    /// The echoes that it has not had yet.
    pub(crate) fn listen(&mut self, store: &MemoryStore) {
        let changes = store.changes_since(self.seen);
        self.pending
            .extend(changes.expect("the store remembers everything"));
        self.seen = store.version();
    }

    pub(crate) fn echo(&mut self, change: &Change, now: Now) {
        let observed = Observed {
            target: change.target.clone(),
            version: change.version,
            value: change.value.clone(),
        };
        self.engine.observe(observed, now);
    }

    /// Everything that has happened reaches it.
    pub(crate) fn catch_up(&mut self, store: &MemoryStore, now: Now) {
        self.listen(store);
        for change in std::mem::take(&mut self.pending) {
            self.echo(&change, now);
        }
        self.delivered.clear();
        self.engine.caught_up(self.seen);
    }

    /// The addresses that its open plans hold.
    pub(crate) fn held(&self) -> BTreeSet<IpAddr> {
        let writes = self.open.iter().flat_map(|open| &open.plan.batch().writes);
        writes
            .filter_map(|write| address_of(&write.target))
            .collect()
    }

    /// The addresses that its open plans give to pods.
    pub(crate) fn taken_over(&self) -> BTreeSet<IpAddr> {
        let writes = self.open.iter().flat_map(|open| &open.plan.batch().writes);
        let to_pod = writes
            .filter(|write| matches!(&write.put, Some(Value::Address(record)) if record.is_live()));
        to_pod
            .filter_map(|write| address_of(&write.target))
            .collect()
    }

    /// The pods that its open plans give addresses to.
    pub(crate) fn on_their_way(&self) -> impl Iterator<Item = &Record> {
        let writes = self.open.iter().flat_map(|open| &open.plan.batch().writes);
        writes.filter_map(|write| match &write.put {
            Some(Value::Address(record)) => Some(record),
            _ => None,
        })
    }
}

pub(crate) fn address_of(target: &Target) -> Option<IpAddr> {
    match target {
        Target::Address(ip) => Some(*ip),
        Target::Pool(_) => None,
    }
}
