//! What is loaded is what was written.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use super::Checked;
use super::probe::{applied_all, contents, expect_eq, load};
use crate::name::Name;
use crate::owner::{Owner, Slot};
use crate::plan::Batch;
use crate::policy::ReleasePolicy;
use crate::record::{Mark, MarkKind, PoolRecord, Record};
use crate::store::Store;
use crate::testing::fixture::{
    attachment, batch, create, ip, ip6, mark, pod, pool, pool_record, put_pool, record,
};
use crate::time::WallTime;

pub(super) async fn every_field_of_a_record_survives<S: Store>(store: &S) -> Checked {
    let records = owners()
        .into_iter()
        .map(record)
        .chain(marked())
        .chain(plain());
    let writes = (1..).zip(records).map(|(n, record)| create(ip(n), record));
    expect_survives(store, &batch(1, writes)).await
}

pub(super) async fn both_address_families_survive_to_their_ends<S: Store>(store: &S) -> Checked {
    let ends: [IpAddr; 8] = [
        Ipv4Addr::UNSPECIFIED.into(),
        Ipv4Addr::BROADCAST.into(),
        ip(1),
        ip6(1),
        Ipv6Addr::UNSPECIFIED.into(),
        Ipv6Addr::from(u128::MAX).into(),
        // Three spellings of much the same bits, and three different addresses.
        Ipv4Addr::new(10, 0, 0, 7).to_ipv6_mapped().into(),
        Ipv6Addr::from(u128::from(u32::from(Ipv4Addr::new(10, 0, 0, 7)))).into(),
    ];
    let writes = ends.map(|ip| create(ip, record(pod("web").owner())));
    expect_survives(store, &batch(1, writes)).await
}

pub(super) async fn every_field_of_a_pool_survives<S: Store>(store: &S) -> Checked {
    let sizes = [0, 1, PoolRecord::MAX_SIZE];
    let flags = [(false, false), (true, false), (false, true), (true, true)];
    let records = sizes.into_iter().flat_map(|size| {
        flags.map(|(pre_allocate, owed)| PoolRecord {
            pre_allocate,
            owed,
            ..pool_record(size)
        })
    });
    let writes = (1..)
        .zip(records)
        .map(|(n, record): (u32, _)| put_pool(&format!("pool-{n}"), None, record));
    expect_survives(store, &batch(1, writes)).await
}

pub(super) async fn load_tells_everything_once<S: Store>(store: &S) -> Checked {
    let empty = load(store).await?;
    expect_eq("nothing in a new store", &contents(empty), &Vec::new())?;
    let addresses = (1..=300).map(|n| create(ip(n), record(pod("web").owner())));
    let pools = (1..=20).map(|n| put_pool(&format!("pool-{n}"), None, pool_record(n)));
    expect_survives(store, &batch(1, addresses.chain(pools))).await
}

/// Writes a batch of new records; the store must contain exactly them, at the versions it told.
pub(super) async fn expect_survives<S: Store>(store: &S, batch: &Batch) -> Checked {
    let versions = applied_all(store, batch).await?;
    let written = batch.writes.iter().zip(versions);
    let mut written: Vec<_> = written
        .filter_map(|(write, version)| Some((write.target.clone(), version, write.put.clone()?)))
        .collect();
    written.sort_by(|(left, ..), (right, ..)| left.cmp(right));
    let mut found = contents(load(store).await?);
    found.sort_by(|(left, ..), (right, ..)| left.cmp(right));

    expect_eq(
        "as many records as were written",
        &found.len(),
        &written.len(),
    )?;
    for (found, written) in found.iter().zip(&written) {
        expect_eq("the record as it was written", found, written)?;
    }
    Ok(())
}

/// One owner of every shape, with the names that trip parsers.
fn owners() -> Vec<Owner> {
    let bare = pod("bare");
    let web = pod("web-0").of_statefulset("web");
    let node = pod("agent-x")
        .on_node("node-7.example.org")
        .of_daemonset("agent");
    vec![
        bare.owner(),
        bare.clone().in_pool("蓝绿").owner(),
        bare.reserve(),
        web.owner(),
        web.in_namespace("kube-system")
            .in_pool("_odd.Pool/1~2")
            .reserve(),
        pod("x")
            .of("", "tapp", "old_app_", Slot::Ordinal(u64::MAX))
            .reserve(),
        pod("web-5d-x1").of_deployment("web").owner(),
        pod("web-5d-x1").of_deployment("web").reserve(),
        node.owner(),
        node.reserve(),
        pod("once").of_job("sum").with_uid("").on_node("").owner(),
        Owner::Pool(pool(&"x".repeat(63))),
        Owner::Pool(pool("\"quoted\\")),
        Owner::Administrator(Name::from("keep: router, 不要动 \"x\"\n")),
        Owner::Administrator(Name::default()),
        Owner::Nobody,
    ]
}

/// Records with marks and attachments, alone and together.
fn marked() -> Vec<Record> {
    let shapes = [
        mark(MarkKind::Quarantine),
        mark(MarkKind::Rest),
        Mark {
            reason: String::new(),
            mac: None,
            until: WallTime::from_nanos(u64::MAX),
            lasts: Duration::new(0, 1),
            ..mark(MarkKind::Rest)
        },
    ];
    let with = |mark: Mark, owner: Owner| Record {
        attachment: owner.pod().map(|pod| attachment(&pod.node, "c0ffee")),
        mark: Some(mark),
        ..record(owner)
    };
    let owners = [pod("web").owner(), Owner::Nobody];
    let pairs = owners
        .into_iter()
        .flat_map(|owner| shapes.clone().map(|mark| (mark, owner.clone())));
    let both = pairs.map(|(mark, owner)| with(mark, owner));
    let attached = Record {
        attachment: Some(attachment("node-1", "c0ffee")),
        ..record(pod("web").owner())
    };
    both.chain([attached]).collect()
}

/// Records of every policy and at both ends of time.
fn plain() -> Vec<Record> {
    let times = [0, 1, u64::MAX].map(WallTime::from_nanos);
    let policies = ReleasePolicy::ALL.into_iter();
    policies
        .flat_map(|policy| {
            times.map(|updated_at| Record {
                policy,
                updated_at,
                ..record(pod("web").owner())
            })
        })
        .collect()
}
