//! Compares what a cluster has with what must hold: every invariant that a look from outside can tell of.
//!
//! [`check`] is a plain function over values. [`Looker`] reads them, without locking anything: each kind is
//! as of a moment of its own, and what is in flight looks wrong for a while. So what one look shows is a
//! suspicion; [`Suspicions`] keeps those that later looks show again, at the same versions.
//!
//! PURE-READ and PAGES are about answers, not about states, and are not checked here. Of DURABLE it is seen
//! whether every object can be read.

mod addresses;
mod caps;
mod look;
mod pods;
mod suspicion;
mod sweep;

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;

use floatingip_core::owner::AppRef;
use floatingip_core::record::{PoolRecord, Version};
use floatingip_core::{PoolName, Record, Topology, WallTime};

use crate::index::{Index, PodEntry};

pub use look::{LookError, Looker};
pub use suspicion::{Suspicions, Verified};

/// What must hold, by the names that the design uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Invariant {
    /// An address has at most one owner.
    OneOwner,
    /// A slot has one address for each that it asks for, no more and no less.
    OneSlot,
    /// No address that is not to be handed out has been.
    InRange,
    /// What a live pod uses stays recorded as its own.
    LiveKeeps,
    /// What a slot is to find again is kept for it.
    Sticky,
    /// What is to be freed is freed.
    Prompt,
    /// An app or pool has no more than it may.
    Cap,
    /// What was written can be read.
    Durable,
}

impl fmt::Display for Invariant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::OneOwner => "ONE-OWNER",
            Self::OneSlot => "ONE-SLOT",
            Self::InRange => "IN-RANGE",
            Self::LiveKeeps => "LIVE-KEEPS",
            Self::Sticky => "STICKY",
            Self::Prompt => "PROMPT",
            Self::Cap => "CAP",
            Self::Durable => "DURABLE",
        })
    }
}

/// An object that something is said about, as it was then.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Subject {
    /// Its kind, as kubectl takes it.
    pub kind: String,
    /// Its name, with its namespace before it where it has one.
    pub name: String,
    /// Its resourceVersion; none where it is not known.
    pub version: Option<u64>,
}

impl Subject {
    fn new(kind: impl Into<String>, name: impl fmt::Display, version: Option<u64>) -> Self {
        Self {
            kind: kind.into(),
            name: name.to_string(),
            version,
        }
    }

    fn pod(pod: &PodEntry) -> Self {
        let name = format!("{}/{}", pod.namespace, pod.name);
        Self::new("pod", name, Some(pod.version))
    }

    fn address(ip: IpAddr, version: Version) -> Self {
        Self::new("floatingip", ip, Some(version.0))
    }

    fn pool(pool: &PoolName, version: Version) -> Self {
        Self::new("pool", pool, Some(version.0))
    }

    fn app(app: &AppRef, index: &Index) -> Self {
        let kind = match app.group.is_empty() {
            true => app.kind.to_string(),
            false => format!("{}.{}", app.kind, app.group),
        };
        let version = index.app_entry(app).map(|entry| entry.version);
        Self::new(kind, format!("{}/{}", app.namespace, app.name), version)
    }

    fn is_same_object(&self, other: &Self) -> bool {
        self.kind == other.kind && self.name == other.name
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind, self.name)?;
        match self.version {
            Some(version) => write!(f, " (version {version})"),
            None => Ok(()),
        }
    }
}

/// Something that must not be so.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Violation {
    /// What does not hold.
    pub invariant: Invariant,
    /// The objects that show it.
    pub subjects: Vec<Subject>,
    /// What is wrong with them.
    pub found: String,
    /// What to do about it.
    pub remedy: &'static str,
}

impl fmt::Display for Violation {
    /// On one line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}: {}: {}: {}",
            self.invariant,
            joined(&self.subjects),
            self.found,
            self.remedy
        )
    }
}

fn joined(subjects: &[Subject]) -> String {
    let texts: Vec<String> = subjects.iter().map(ToString::to_string).collect();
    texts.join(", ")
}

/// What one look has shown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// What must not be so, in order.
    pub violations: Vec<Violation>,
    /// What is as it may be, and worth knowing.
    pub notes: Vec<String>,
}

impl Report {
    fn violation(
        &mut self,
        invariant: Invariant,
        subjects: Vec<Subject>,
        found: impl Into<String>,
        remedy: &'static str,
    ) {
        self.violations.push(Violation {
            invariant,
            subjects,
            found: found.into(),
            remedy,
        });
    }
}

/// All records of a cluster.
#[derive(Clone, Debug, Default)]
pub struct Records {
    /// The addresses.
    pub addresses: BTreeMap<IpAddr, (Version, Record)>,
    /// The sized pools.
    pub pools: BTreeMap<PoolName, (Version, PoolRecord)>,
    /// What cannot be read as it stands, and why.
    pub unreadable: Vec<(Subject, String)>,
}

/// What is compared.
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    /// The configuration.
    pub topology: &'a Topology,
    /// The records.
    pub records: &'a Records,
    /// Pods, apps and nodes.
    pub index: &'a Index,
    /// The calendar's time, for the ends of marks.
    pub wall: WallTime,
}

impl<'a> View<'a> {
    fn record(&self, ip: IpAddr) -> Option<&'a (Version, Record)> {
        self.records.addresses.get(&ip)
    }

    /// Pods that use addresses, by name.
    fn live(&self) -> Vec<&'a PodEntry> {
        let pods = self.index.pods().map(AsRef::as_ref);
        let mut live: Vec<&PodEntry> = pods
            .filter(|pod| pod.node.is_some() && !pod.finished)
            .collect();
        live.sort_by(|a, b| (&a.namespace, &a.name).cmp(&(&b.namespace, &b.name)));
        live
    }
}

/// Compares everything with everything. O(n log n) in records and pods.
#[must_use]
pub fn check(view: View<'_>) -> Report {
    let mut report = Report::default();
    addresses::check(view, &mut report);
    pods::check(view, &mut report);
    caps::check(view, &mut report);
    sweep::check(view, &mut report);
    blind_spots(view.index, &mut report);
    report.violations.sort();
    report.violations.dedup();
    report
}

/// What nobody can tell.
fn blind_spots(index: &Index, report: &mut Report) {
    for (kind, status) in index.synced() {
        if let Some(failure) = status.failure {
            let note = format!(
                "not checked: whether {kind} are there, for they cannot be listed: {failure}"
            );
            report.notes.push(note);
        }
        if status.unreadable > 0 {
            let note = format!(
                "not checked: {} {kind} that cannot be read",
                status.unreadable
            );
            report.notes.push(note);
        }
    }
}

#[cfg(test)]
mod tests;
