//! PROMPT and ONE-SLOT: an engine of its own is given everything, and says what its sweep would repair.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;

use floatingip_core::engine::{Engine, Settings};
use floatingip_core::fact::{Fact, World};
use floatingip_core::owner::{Owner, Pod, SlotRef, Tenant};
use floatingip_core::plan::{Event, Write};
use floatingip_core::record::{Target, Version};
use floatingip_core::store::Snapshot;
use floatingip_core::{Now, Record, ReleasePolicy};

use super::addresses::holder;
use super::{Invariant, Report, Subject, View};

/// How many records are looked at in one go.
const SLICE: usize = 1024;
/// How long after the end of a mark its address may still be as it was: the server sees that in its next
/// survey.
const SURVEY: Duration = Duration::from_secs(120);
const REMEDY: &str = "if the server does not repair it within a minute, see its log; then release the address \
                      by POST /v1/ip, or delete the FloatingIP";

pub(super) fn check(view: View<'_>, report: &mut Report) {
    let mut engine = engine(view);
    let filled = filled(view);
    let mut after = None;
    loop {
        // Its plans are never settled: it is thrown away with them.
        let swept = engine.plan_sweep(after, SLICE, view.index, now(view));
        for write in &swept.plan.batch().writes {
            judge(view, &filled, write, report);
        }
        match swept.next {
            Some(last) => after = Some(last),
            None => return,
        }
    }
}

fn now(view: View<'_>) -> Now {
    Now {
        wall: view.wall,
        elapsed: Duration::ZERO,
    }
}

fn engine(view: View<'_>) -> Engine {
    let mut engine = Engine::new(Settings::default());
    engine.reconfigure(view.topology.clone());
    let addresses = view.records.addresses.iter();
    let pools = view.records.pools.iter();
    let snapshot = Snapshot {
        addresses: addresses
            .map(|(ip, (version, record))| (*ip, *version, record.clone()))
            .collect(),
        pools: pools
            .map(|(name, (version, pool))| (name.clone(), *version, pool.clone()))
            .collect(),
        version: Version::default(),
    };
    engine.load(snapshot, now(view));
    engine
}

/// The slots that have a pod.
fn filled(view: View<'_>) -> BTreeSet<SlotRef> {
    let records = view.records.addresses.values();
    let tenants = records.filter_map(|(_, record)| record.owner.tenant());
    tenants
        .filter(|tenant| tenant.pod.is_some())
        .filter_map(Tenant::slot_ref)
        .collect()
}

fn judge(view: View<'_>, filled: &BTreeSet<SlotRef>, write: &Write, report: &mut Report) {
    // A pod that went on a silent node leaves an address that rests before it is free.
    let ends = |event| matches!(event, Event::Release | Event::Reserve | Event::Rest);
    let (Target::Address(ip), Some(entry)) = (&write.target, &write.entry) else {
        return;
    };
    let Some((version, record)) = view.record(*ip).filter(|_| ends(entry.event)) else {
        return;
    };
    if is_marked(view, record) {
        return;
    }
    let subject = Subject::address(*ip, *version);
    if let Some((tenant, pod)) = record.owner.tenant().zip(record.owner.pod()) {
        outlived(view, (subject, *ip, record), tenant, pod, report);
    } else if !is_pools_surplus(view, record) {
        reserve(view, (subject, *ip, record), filled, report);
    }
}

/// A mark keeps an address as it is, also a little longer than it lasts.
fn is_marked(view: View<'_>, record: &Record) -> bool {
    let mark = record.mark.as_ref();
    mark.is_some_and(|mark| view.wall.since(mark.until) < SURVEY)
}

/// Told of the pool as a whole.
fn is_pools_surplus(view: View<'_>, record: &Record) -> bool {
    let pool = record.owner.pool();
    pool.is_some_and(|pool| view.records.pools.contains_key(pool))
}

/// An address of a pod that does not use it.
fn outlived(
    view: View<'_>,
    (subject, ip, record): (Subject, IpAddr, &Record),
    tenant: &Tenant,
    pod: &Pod,
    report: &mut Report,
) {
    let holder = holder(record);
    let (invariant, found) = match view.index.pod(&tenant.namespace, &pod.name) {
        Some(there) if there.uid != pod.uid && !pod.uid.is_empty() => {
            let found = format!("{ip} belongs to {holder}, and a pod of another UID has that name");
            (Invariant::Prompt, found)
        }
        Some(there) if there.finished => (
            Invariant::Prompt,
            format!("{ip} belongs to {holder}, which has finished"),
        ),
        Some(_) => {
            let found = format!("{ip} belongs to {holder}, which is bound with other addresses");
            (Invariant::OneSlot, found)
        }
        None => (
            Invariant::Prompt,
            format!("{ip} belongs to {holder}, which is gone"),
        ),
    };
    report.violation(invariant, vec![subject], found, REMEDY);
}

/// An address that nothing keeps.
fn reserve(
    view: View<'_>,
    (subject, ip, record): (Subject, IpAddr, &Record),
    filled: &BTreeSet<SlotRef>,
    report: &mut Report,
) {
    let slot = record.owner.tenant().and_then(Tenant::slot_ref);
    let (invariant, why) = match slot.is_some_and(|slot| filled.contains(&slot)) {
        true => (
            Invariant::OneSlot,
            "its pod is bound with another address".to_owned(),
        ),
        false => (Invariant::Prompt, why(view, record)),
    };
    let found = format!("{ip} is kept for {}, but {why}", holder(record));
    report.violation(invariant, vec![subject], found, REMEDY);
}

fn why(view: View<'_>, record: &Record) -> String {
    let app = record.owner.app();
    match (record.policy, app.map(|app| (view.index.app(&app), app))) {
        (ReleasePolicy::PodDelete, _) => "its policy keeps nothing".to_owned(),
        (_, Some((Fact::Gone, app))) => format!("{app} is gone"),
        (_, Some((Fact::Known(state), app))) if is_another(&record.owner, state.uid.as_deref()) => {
            format!("{app} was made anew since")
        }
        (_, Some((_, app))) => format!("{app} has no such slot any more"),
        (_, None) => "nothing keeps it".to_owned(),
    }
}

fn is_another(owner: &Owner, uid: Option<&str>) -> bool {
    let former = owner
        .tenant()
        .and_then(|tenant| tenant.app.as_ref()?.uid.as_deref());
    former.is_some() && uid.is_some() && former != uid
}
