//! Compare-and-swap: a write happens only if its expectation holds.

use super::Checked;
use super::probe::{
    applied, applied_all, applied_one, apply_one, current, ensure, expect_eq, expect_later, load,
};
use crate::plan::Write;
use crate::record::{Target, Value, Version};
use crate::store::{Outcome, Store};
use crate::testing::fixture::{
    at, batch, create, delete, delete_pool, ip, pod, pool, pool_record, put_pool, record, update,
};

pub(super) async fn a_created_record_is_there<S: Store>(store: &S) -> Checked {
    let write = create(ip(1), record(pod("web-0").of_statefulset("web").owner()));
    let version = applied_one(store, 1, write.clone()).await?;
    let there = current(store, &at(ip(1))).await?;
    expect_eq(
        "the record that was written",
        &there,
        &stamped(version, 1, write),
    )
}

pub(super) async fn an_update_replaces_the_record<S: Store>(store: &S) -> Checked {
    let web = pod("web-0").of_statefulset("web");
    let first = applied_one(store, 1, create(ip(1), record(web.owner()))).await?;
    let write = update(ip(1), first, record(web.reserve()));
    let second = applied_one(store, 2, write.clone()).await?;
    let there = current(store, &at(ip(1))).await?;
    expect_eq(
        "the record of the update",
        &there,
        &stamped(second, 2, write),
    )
}

pub(super) async fn a_deleted_record_is_gone<S: Store>(store: &S) -> Checked {
    let writes = [1, 2].map(|n| create(ip(n), record(pod("web").owner())));
    let versions = applied_all(store, &batch(1, writes)).await?;
    let first = versions.first().copied().unwrap_or_default();
    applied_one(store, 2, delete(ip(1), first)).await?;
    let left: Vec<_> = load(store)
        .await?
        .addresses
        .iter()
        .map(|(ip, ..)| *ip)
        .collect();
    expect_eq("only the other record", &left, &vec![ip(2)])
}

pub(super) async fn a_create_over_a_record_is_refused_and_tells_who_is_there<S: Store>(
    store: &S,
) -> Checked {
    let first = create(ip(1), record(pod("first").owner()));
    let version = applied_one(store, 1, first.clone()).await?;
    let second = create(ip(1), record(pod("second").owner()));
    expect_refused(store, second, stamped(version, 1, first)).await
}

pub(super) async fn a_write_at_another_version_is_refused_and_tells_who_is_there<S: Store>(
    store: &S,
) -> Checked {
    let web = pod("web-0").of_statefulset("web");
    let old = applied_one(store, 1, create(ip(1), record(web.owner()))).await?;
    let reserve = update(ip(1), old, record(web.reserve()));
    let new = applied_one(store, 2, reserve.clone()).await?;
    let there = stamped(new, 2, reserve);

    let other = record(pod("other").owner());
    let ahead = Version(new.0.saturating_add(1));
    for wrong in [old, ahead] {
        expect_refused(store, update(ip(1), wrong, other.clone()), there.clone()).await?;
        expect_refused(store, delete(ip(1), wrong), there.clone()).await?;
    }
    Ok(())
}

pub(super) async fn an_update_of_nothing_is_refused<S: Store>(store: &S) -> Checked {
    let version = applied_one(store, 1, create(ip(1), record(pod("web").owner()))).await?;
    applied_one(store, 2, delete(ip(1), version)).await?;
    let write = update(ip(1), version, record(pod("other").owner()));
    expect_refused(store, write, None).await
}

pub(super) async fn pools_obey_the_same_rules<S: Store>(store: &S) -> Checked {
    let blue = Target::Pool(pool("blue"));
    let first = applied_one(store, 1, put_pool("blue", None, pool_record(3))).await?;
    let write = put_pool("blue", Some(first), pool_record(5));
    let second = applied_one(store, 2, write.clone()).await?;
    let there = stamped(second, 2, write);
    expect_eq("the pool's record", &current(store, &blue).await?, &there)?;

    expect_refused(store, put_pool("blue", None, pool_record(7)), there.clone()).await?;
    expect_refused(
        store,
        put_pool("blue", Some(first), pool_record(7)),
        there.clone(),
    )
    .await?;
    expect_refused(store, delete_pool("blue", first), there).await?;

    applied_one(store, 3, delete_pool("blue", second)).await?;
    expect_eq(
        "no pool after its deletion",
        &current(store, &blue).await?,
        &None,
    )
}

pub(super) async fn versions_grow_with_every_write<S: Store>(store: &S) -> Checked {
    let mut last = Version::default();
    for n in 1..=20 {
        let write = match n % 2 {
            0 => create(ip(n), record(pod("web").owner())),
            _ => put_pool(&format!("pool-{n}"), None, pool_record(n)),
        };
        let next = applied_one(store, n.into(), write).await?;
        expect_later("versions that grow across all records", next, last)?;
        last = next;
    }
    let snapshot = load(store).await?;
    let newest = snapshot.addresses.iter().map(|(_, version, _)| *version);
    let newest = newest
        .chain(snapshot.pools.iter().map(|(_, version, _)| *version))
        .max();
    expect_eq(
        "the newest record to be the last one written",
        &newest,
        &Some(last),
    )
}

pub(super) async fn versions_grow_across_deletion_and_recreation<S: Store>(store: &S) -> Checked {
    let mut last = Version::default();
    for round in 0..3 {
        let write = create(ip(1), record(pod("web").owner()));
        let created = applied_one(store, 10 + round, write).await?;
        expect_later(
            "a recreated record to be newer than all before",
            created,
            last,
        )?;
        let outcome = apply_one(store, 20 + round, delete(ip(1), created)).await?;
        let deleted = applied("the deletion to be applied", &outcome)?;
        ensure(
            deleted >= created,
            "a deletion no older than what it deletes",
            &deleted,
        )?;
        last = deleted;
    }
    Ok(())
}

/// A write that has to be refused because `there` is there, and must leave it there.
async fn expect_refused<S: Store>(
    store: &S,
    write: Write,
    there: Option<(Version, Value)>,
) -> Checked {
    let target = write.target.clone();
    let outcome = apply_one(store, 99, write).await?;
    expect_eq(
        "a refusal that tells what is there",
        &outcome,
        &Outcome::Refused(there.clone()),
    )?;
    expect_eq(
        "the record untouched",
        &current(store, &target).await?,
        &there,
    )
}

/// The record that a write of this plan leaves.
pub(super) fn stamped(version: Version, serial: u64, write: Write) -> Option<(Version, Value)> {
    let mut batch = batch(serial, [write]);
    let put = batch.writes.pop().and_then(|write| write.put);
    put.map(|value| (version, value))
}
