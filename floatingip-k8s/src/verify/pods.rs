//! ONE-OWNER, LIVE-KEEPS, ONE-SLOT and STICKY: what live pods use, beside the records.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use floatingip_core::owner::{AppRef, SlotRef};
use floatingip_core::record::Version;
use floatingip_core::request::PodRequest;
use floatingip_core::{Family, Record};

use super::addresses::holder;
use super::{Invariant, Report, Subject, View};
use crate::index::PodEntry;
use crate::request::request_of;

pub(super) fn check(view: View<'_>, report: &mut Report) {
    let live = view.live();
    shared(view, &live, report);
    let mut asked = BTreeMap::new();
    for pod in live {
        for ip in used(view, pod) {
            owned(view, pod, ip, report);
        }
        match request_of(pod, pod.node.as_deref(), view.index) {
            Ok(request) => {
                served(pod, &request, report);
                kept(view, pod, &request, report);
                note_wants(&mut asked, &request);
            }
            Err(fault) if pod.wanted.is_some() => {
                let pod = Subject::pod(pod);
                report
                    .notes
                    .push(format!("not checked: what {pod} asks for: {fault}"));
            }
            Err(_) => {}
        }
    }
    vacant(view, &asked, report);
}

/// What the pod's binding names, and what of ours its node reports.
fn used(view: View<'_>, pod: &PodEntry) -> BTreeSet<IpAddr> {
    let configured = |ip: &&IpAddr| view.topology.subnet_of(**ip).is_some();
    let of_node = pod
        .node
        .as_ref()
        .and_then(|node| view.index.node_addresses(node));
    // A pod in the network of its node has the node's address.
    let of_node = |ip: &&IpAddr| of_node.is_some_and(|addresses| addresses.contains(ip));
    let reported = pod
        .pod_ips
        .iter()
        .filter(configured)
        .filter(|ip| !of_node(ip));
    pod.bound_addresses
        .iter()
        .chain(reported)
        .copied()
        .collect()
}

fn shared(view: View<'_>, live: &[&PodEntry], report: &mut Report) {
    let mut users: BTreeMap<IpAddr, Vec<&PodEntry>> = BTreeMap::new();
    for pod in live {
        for ip in used(view, pod) {
            users.entry(ip).or_default().push(pod);
        }
    }
    for (ip, pods) in users.into_iter().filter(|(_, pods)| pods.len() > 1) {
        let record = view
            .record(ip)
            .map(|(version, _)| Subject::address(ip, *version));
        let pods = pods.into_iter().map(Subject::pod);
        report.violation(
            Invariant::OneOwner,
            pods.chain(record).collect(),
            format!("{ip} is used by all of these pods"),
            "delete all of them but the one that the FloatingIP names",
        );
    }
}

/// Whether the record of an address is the pod's. A UID that a record lacks proves nothing.
fn is_of(record: &Record, pod: &PodEntry) -> bool {
    record
        .owner
        .pod()
        .is_some_and(|owner| match owner.uid.is_empty() {
            true => owner.name == pod.name && record.owner.namespace() == Some(&pod.namespace),
            false => owner.uid == pod.uid,
        })
}

fn owned(view: View<'_>, pod: &PodEntry, ip: IpAddr, report: &mut Report) {
    match view.record(ip) {
        Some((_, record)) if is_of(record, pod) => {}
        Some((version, record)) => report.violation(
            Invariant::OneOwner,
            vec![Subject::pod(pod), Subject::address(ip, *version)],
            format!("the pod uses {ip}, which belongs to {}", holder(record)),
            "delete the pod, so that it gets an address of its own",
        ),
        None if view.topology.subnet_of(ip).is_some() => report.violation(
            Invariant::LiveKeeps,
            vec![Subject::pod(pod)],
            format!("the pod uses {ip}, and no FloatingIP says so"),
            "if the server does not write the FloatingIP within a minute, delete the pod",
        ),
        None => report.violation(
            Invariant::InRange,
            vec![Subject::pod(pod)],
            format!("the pod uses {ip}, which is neither configured nor recorded"),
            "put the address into the configuration, or delete the pod",
        ),
    }
}

/// As many addresses as it asks for.
fn served(pod: &PodEntry, request: &PodRequest, report: &mut Report) {
    let (wants, has) = (request.wants().len(), pod.bound_addresses.len());
    if wants == has {
        return;
    }
    let remedy = match has {
        0 => {
            "set `ignorable: false` for the scheduler's extender, and delete the pod so that it is scheduled again"
        }
        _ => "delete the pod, so that it is scheduled again with what it asks for",
    };
    report.violation(
        Invariant::OneSlot,
        vec![Subject::pod(pod)],
        format!("the pod is bound with {has} addresses and asks for {wants}"),
        remedy,
    );
}

/// What the pod asks to be kept for its slot is kept for it.
fn kept(view: View<'_>, pod: &PodEntry, request: &PodRequest, report: &mut Report) {
    if !request.policy().is_sticky() {
        return;
    }
    let own = |ip: &IpAddr| {
        Some((
            *ip,
            view.record(*ip).filter(|(_, record)| is_of(record, pod))?,
        ))
    };
    for (ip, (version, record)) in pod.bound_addresses.iter().filter_map(own) {
        if let Some(lacks) = lacks(record, request) {
            report.violation(
                Invariant::Sticky,
                vec![Subject::pod(pod), Subject::address(ip, *version)],
                format!("the slot of the pod does not find {ip} again: {lacks}"),
                "if annotations of the running pod were changed, set them back; else delete the pod, so that its \
                 successor's FloatingIP is written anew",
            );
        }
    }
}

fn lacks(record: &Record, request: &PodRequest) -> Option<String> {
    if !record.policy.is_sticky() {
        let (has, asked) = (record.policy.code(), request.policy().code());
        return Some(format!(
            "the FloatingIP has policy {has}, the pod asks for {asked}"
        ));
    }
    // What others wrote names slots as well as it could.
    let tenant = record.owner.tenant().filter(|_| record.plan.is_some())?;
    let other = tenant.slot != request.tenant().slot;
    other.then(|| format!("the FloatingIP is for slot {:?}", tenant.slot))
}

/// The most addresses of a family that a pod of the app asks for.
type Asked = BTreeMap<AppRef, usize>;

fn note_wants(asked: &mut Asked, request: &PodRequest) {
    if let Some(app) = request.tenant().app_ref() {
        let most = asked.entry(app).or_default();
        *most = (*most).max(request.wants().len());
    }
}

/// Slots without a pod keep no more than their siblings ask for.
fn vacant(view: View<'_>, asked: &Asked, report: &mut Report) {
    let mut slots: BTreeMap<(SlotRef, Family), Vec<(IpAddr, Version)>> = BTreeMap::new();
    for (ip, (version, record)) in &view.records.addresses {
        let tenant = record.owner.tenant().filter(|tenant| tenant.pod.is_none());
        if let Some(slot) = tenant.and_then(|tenant| tenant.slot_ref()) {
            let kept = slots.entry((slot, Family::of(*ip))).or_default();
            kept.push((*ip, *version));
        }
    }
    for ((slot, _), kept) in slots {
        let most = slot.app.as_ref().and_then(|app| asked.get(app));
        let Some(most) = most.filter(|most| kept.len() > **most) else {
            continue;
        };
        report.violation(
            Invariant::OneSlot,
            kept.iter()
                .map(|(ip, version)| Subject::address(*ip, *version))
                .collect(),
            format!(
                "{} addresses are kept for one slot whose siblings ask for {most}",
                kept.len()
            ),
            "release those that the slot does not need by POST /v1/ip",
        );
    }
}
