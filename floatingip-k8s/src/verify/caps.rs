//! CAP: what apps and pools have, beside what they may have.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use floatingip_core::fact::{AppState, Fact, World};
use floatingip_core::owner::{AppRef, Slot};
use floatingip_core::record::{PoolRecord, Version};
use floatingip_core::{Name, PoolName, Record};

use super::{Invariant, Report, Subject, View};
use crate::index::PodEntry;

pub(super) fn check(view: View<'_>, report: &mut Report) {
    pools(view, report);
    apps(view, report);
}

fn pools(view: View<'_>, report: &mut Report) {
    let mut members: BTreeMap<&PoolName, Vec<(IpAddr, Version, &Record)>> = BTreeMap::new();
    for (ip, (version, record)) in &view.records.addresses {
        if let Some(pool) = record.owner.pool() {
            members
                .entry(pool)
                .or_default()
                .push((*ip, *version, record));
        }
    }
    for (name, (version, pool)) in &view.records.pools {
        let members = members.get(name).map_or(&[][..], Vec::as_slice);
        pool_size(Subject::pool(name, *version), pool, members, report);
    }
}

/// Above its size a pool keeps what pods use, for it may have shrunk, and nothing else.
fn pool_size(
    pool: Subject,
    record: &PoolRecord,
    members: &[(IpAddr, Version, &Record)],
    report: &mut Report,
) {
    let size = usize::try_from(record.size).unwrap_or(usize::MAX);
    let excess = members.len().saturating_sub(size);
    if excess == 0 {
        return;
    }
    let unused = members
        .iter()
        .rev()
        .filter(|(_, _, record)| record.is_reserve());
    let unused: Vec<Subject> = unused
        .take(excess)
        .map(|(ip, version, _)| Subject::address(*ip, *version))
        .collect();
    let found = format!(
        "the pool has {} addresses and a size of {size}",
        members.len()
    );
    if unused.is_empty() {
        report.notes.push(format!(
            "{pool}: {found}; pods use all of them, and what they free goes"
        ));
        return;
    }
    report.violation(
        Invariant::Cap,
        [pool].into_iter().chain(unused).collect(),
        format!("{found}, and these are used by no pod"),
        "if they are not freed within a minute, release them by POST /v1/ip, or raise the size",
    );
}

/// Apps whose pods share addresses. Where ordinals name the slots, the slots themselves are the limit, and
/// pods above it are on their way out one by one.
fn apps(view: View<'_>, report: &mut Report) {
    let mut pods: BTreeMap<AppRef, BTreeSet<&Name>> = BTreeMap::new();
    for (_, record) in view.records.addresses.values() {
        if let (Some(app), Some(pod)) = (counted(view, record), record.owner.pod()) {
            pods.entry(app).or_default().insert(&pod.uid);
        }
    }
    for (app, uids) in pods {
        let staying = |uid: &&Name| staying(view.index.pod_of_uid(uid)?);
        let pods: Vec<&PodEntry> = uids.iter().filter_map(staying).collect();
        if let Fact::Known(state) = view.index.app(&app) {
            app_slots(view, &app, &state, &pods, report);
        }
    }
}

/// The app, if the record counts against its slots.
fn counted(view: View<'_>, record: &Record) -> Option<AppRef> {
    let tenant = record.owner.tenant()?;
    let pool = tenant.pool.as_ref();
    let sized = pool.is_some_and(|pool| view.records.pools.contains_key(pool));
    let counts = record.policy.is_sticky() && tenant.slot == Slot::Any && !sized;
    counts.then(|| tenant.app_ref())?
}

/// A pod that runs and is not on its way out.
fn staying(pod: &PodEntry) -> Option<&PodEntry> {
    (pod.node.is_some() && !pod.finished && !pod.deleting).then_some(pod)
}

fn app_slots(
    view: View<'_>,
    app: &AppRef,
    state: &AppState,
    pods: &[&PodEntry],
    report: &mut Report,
) {
    let limit = state
        .slots
        .count()
        .map(|count| count + u64::from(state.surge));
    let has = u64::try_from(pods.len()).unwrap_or(u64::MAX);
    let Some(limit) = limit.filter(|limit| has > *limit) else {
        return;
    };
    let pods = pods.iter().map(|pod| Subject::pod(pod));
    report.violation(
        Invariant::Cap,
        [Subject::app(app, view.index)]
            .into_iter()
            .chain(pods)
            .collect(),
        format!("{has} pods of the app have addresses, and it may have {limit}"),
        "see that the app's controller runs, which deletes what is too many, or raise the replicas",
    );
}
