//! Release by the API: somebody names addresses and who has them.

use std::collections::BTreeSet;
use std::net::IpAddr;

use thiserror::Error;

use super::Engine;
use crate::name::Name;
use crate::owner::Owner;
use crate::plan::Plan;
use crate::record::Record;
use crate::time::Now;

/// An address to release, with who is supposed to have it. What is given has to match.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    /// The address.
    pub ip: IpAddr,
    /// The pool it is counted in.
    pub pool: Option<Name>,
    /// The namespace.
    pub namespace: Option<Name>,
    /// The app's name.
    pub app: Option<Name>,
    /// The app's kind in lower case.
    pub kind: Option<Name>,
    /// The pod's name, or of the pod the slot is kept for.
    pub pod: Option<Name>,
}

/// What a release request comes to.
#[derive(Debug)]
#[must_use = "the plan holds the addresses until it is settled"]
pub struct Releasing {
    /// Frees the addresses whose owner was named and has no pod.
    pub plan: Plan,
    /// The other addresses of the request, in its order, and why they are not released.
    pub unreleased: Vec<(IpAddr, NotReleased)>,
}

/// Why an address is not released.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum NotReleased {
    /// The request does not say who has it.
    #[error("owner not named: give poolName, or namespace with appName or podName")]
    OwnerNotNamed,
    /// Nobody has it.
    #[error("already free")]
    AlreadyFree,
    /// The configuration does not have it.
    #[error("not within any configured range")]
    OutOfRange,
    /// Somebody else has it.
    #[error("belongs to {}", Described(.0))]
    OthersOwn(Box<Owner>),
    /// A change of it is under way.
    #[error("a change of it is under way: try again")]
    Busy,
    /// Somebody else changed it at the same moment.
    #[error("it has just been changed by somebody else: list it again")]
    Changed,
    /// The store did not do it.
    #[error("the store is not available: try again")]
    Unavailable,
}

/// Addresses whose named owner is live: nothing of the request is released.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{} is not releasable", Joined(.0))]
pub struct Live(pub Vec<IpAddr>);

impl Engine {
    /// Decides a whole release request in one step and holds what will be freed.
    ///
    /// # Errors
    /// The addresses whose named owner is live: a pod has them, or an open plan is about to change
    /// them. Nothing is held then.
    pub fn plan_release(&mut self, request: &[Named], now: Now) -> Result<Releasing, Live> {
        let mut free = BTreeSet::new();
        let mut unreleased = Vec::new();
        let mut live = BTreeSet::new();
        for named in request {
            match self.releasable(named) {
                Ok(()) => _ = free.insert(named.ip),
                Err(Some(reason)) => unreleased.push((named.ip, reason)),
                Err(None) => _ = live.insert(named.ip),
            }
        }
        if !live.is_empty() {
            return Err(Live(live.into_iter().collect()));
        }
        let mut draft = self.draft(now);
        for ip in free {
            self.stage_release(&mut draft, ip, now);
        }
        Ok(Releasing {
            plan: self.finish(draft),
            unreleased,
        })
    }

    /// Whether the address may be released as named; else why not, nothing meaning that it is live.
    fn releasable(&self, named: &Named) -> Result<(), Option<NotReleased>> {
        let Some(record) = self.ledger.record(named.ip) else {
            return Err(Some(self.why_not_there(named.ip)));
        };
        if !named.names_an_owner() {
            return Err(Some(NotReleased::OwnerNotNamed));
        }
        if !named.matches(record) {
            return Err(Some(match record.owner {
                Owner::Nobody => NotReleased::AlreadyFree,
                _ => NotReleased::OthersOwn(Box::new(record.owner.clone())),
            }));
        }
        if record.is_live() || self.is_held(named.ip) {
            return Err(None);
        }
        Ok(())
    }

    fn why_not_there(&self, ip: IpAddr) -> NotReleased {
        match self.topology.subnet_of(ip) {
            // Its record is to be written again.
            _ if self.missing.contains_key(&ip) => NotReleased::Busy,
            Some(_) if self.is_held(ip) => NotReleased::Busy,
            Some(_) => NotReleased::AlreadyFree,
            None => NotReleased::OutOfRange,
        }
    }
}

impl Named {
    /// Whether it says enough to tell one owner from another.
    fn names_an_owner(&self) -> bool {
        let by_workload = self.namespace.is_some() && (self.app.is_some() || self.pod.is_some());
        self.pool.is_some() || by_workload
    }

    /// Whether everything that is given is so.
    fn matches(&self, record: &Record) -> bool {
        let owner = &record.owner;
        let app = owner.tenant().and_then(|tenant| tenant.app.as_ref());
        same(&self.pool, owner.pool().map(|pool| pool.name()))
            && same(&self.namespace, owner.namespace())
            && same(&self.app, app.map(|app| &app.name))
            && same(&self.kind, app.map(|app| &app.kind))
            && same(&self.pod, Some(&owner.pod_name()))
    }
}

fn same(given: &Option<Name>, is: Option<&Name>) -> bool {
    given.as_ref().is_none_or(|given| is == Some(given))
}

struct Joined<'a>(&'a [IpAddr]);

impl std::fmt::Display for Joined<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (n, ip) in self.0.iter().enumerate() {
            write!(f, "{}{ip}", if n > 0 { ", " } else { "" })?;
        }
        Ok(())
    }
}

/// An owner in words.
pub(super) struct Described<'a>(pub(super) &'a Owner);

impl std::fmt::Display for Described<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            Owner::Slot(tenant) => {
                let pod = self.0.pod_name();
                match (tenant.app_ref(), pod.is_empty()) {
                    (Some(app), true) => write!(f, "{app}"),
                    (Some(app), false) => write!(f, "pod {pod} of {app}"),
                    (None, _) => write!(f, "pod {}/{pod}", tenant.namespace),
                }
            }
            Owner::Pool(pool) => write!(f, "pool {pool}"),
            Owner::Administrator(key) => write!(f, "an administrator's reservation ({key})"),
            Owner::Nobody => f.write_str("nobody"),
        }
    }
}
