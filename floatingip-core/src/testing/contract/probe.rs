//! How checks talk to a store: repeat what is unknown, say what was expected.

use std::fmt::Debug;

use crate::plan::{Batch, Write};
use crate::record::{Target, Value, Version};
use crate::store::{Answer, Outcome, Snapshot, Store};

use super::{Broken, Checked};
use crate::testing::fixture::batch;

/// How often a write is repeated whose answer stays unknown.
const REPEATS: usize = 16;

/// What certainly became of every write of a batch, which is repeated while answers are unknown.
pub(super) async fn apply<S: Store>(store: &S, batch: &Batch) -> Result<Vec<Outcome>, Broken> {
    let mut outcomes: Vec<Option<Outcome>> = vec![None; batch.writes.len()];
    for _ in 0..=REPEATS {
        let open = still_open(batch, &outcomes);
        let answers = store.apply(&open).await;
        expect_eq(
            "one answer for each write",
            &answers.len(),
            &open.writes.len(),
        )?;
        let slots = outcomes.iter_mut().filter(|outcome| outcome.is_none());
        for (slot, answer) in slots.zip(answers) {
            *slot = match answer {
                Answer::Definite(outcome) => Some(outcome),
                Answer::Unknown => None,
            };
        }
        if outcomes.iter().all(Option::is_some) {
            return Ok(outcomes.into_iter().flatten().collect());
        }
    }
    Err(broken(
        format!("a definite answer after {REPEATS} repeats"),
        &outcomes,
    ))
}

fn still_open(batch: &Batch, outcomes: &[Option<Outcome>]) -> Batch {
    let writes = batch.writes.iter().zip(outcomes);
    let open = writes.filter(|(_, outcome)| outcome.is_none());
    Batch {
        writes: open.map(|(write, _)| write.clone()).collect(),
        ..*batch
    }
}

/// What became of a single write, made by the plan of this number.
pub(super) async fn apply_one<S: Store>(
    store: &S,
    serial: u64,
    write: Write,
) -> Result<Outcome, Broken> {
    let outcomes = apply(store, &batch(serial, [write])).await?;
    let first = outcomes.into_iter().next();
    first.ok_or_else(|| broken("one answer".to_owned(), &"none"))
}

/// The version of a single write that has to be applied.
pub(super) async fn applied_one<S: Store>(
    store: &S,
    serial: u64,
    write: Write,
) -> Result<Version, Broken> {
    applied(
        "the write to be applied",
        &apply_one(store, serial, write).await?,
    )
}

/// The versions of the writes of a batch, all of which have to be applied.
pub(super) async fn applied_all<S: Store>(
    store: &S,
    batch: &Batch,
) -> Result<Vec<Version>, Broken> {
    let outcomes = apply(store, batch).await?;
    outcomes
        .iter()
        .map(|outcome| applied("every write of the batch to be applied", outcome))
        .collect()
}

/// The version, where the outcome is `Applied`.
pub(super) fn applied(expected: &str, outcome: &Outcome) -> Result<Version, Broken> {
    match outcome {
        Outcome::Applied(version) => Ok(*version),
        other => Err(broken(expected.to_owned(), other)),
    }
}

/// Everything in the store, by address and by name.
pub(super) async fn load<S: Store>(store: &S) -> Result<Snapshot, Broken> {
    let loaded = store.load().await;
    let mut snapshot = loaded.map_err(|error| broken("a store that can be read".into(), &error))?;
    snapshot.addresses.sort_by_key(|(ip, _, _)| *ip);
    snapshot
        .pools
        .sort_by(|(left, ..), (right, ..)| left.cmp(right));
    let addresses = snapshot.addresses.iter().map(|(_, version, _)| *version);
    let pools = snapshot.pools.iter().map(|(_, version, _)| *version);
    let newest = addresses.chain(pools).max().unwrap_or_default();
    let told = snapshot.version;
    ensure(
        newest <= told,
        &format!("a snapshot of version {newest} or later"),
        &told,
    )?;
    Ok(snapshot)
}

/// What stands at a target.
pub(super) async fn current<S: Store>(
    store: &S,
    target: &Target,
) -> Result<Option<(Version, Value)>, Broken> {
    let found = contents(load(store).await?);
    Ok(found
        .into_iter()
        .find(|(place, ..)| place == target)
        .map(|(_, version, value)| (version, value)))
}

/// All records of a snapshot, addresses first.
pub(super) fn contents(snapshot: Snapshot) -> Vec<(Target, Version, Value)> {
    let addresses = snapshot.addresses.into_iter();
    let addresses =
        addresses.map(|(ip, v, record)| (Target::Address(ip), v, Value::Address(record)));
    let pools = snapshot.pools.into_iter();
    addresses
        .chain(pools.map(|(name, v, record)| (Target::Pool(name), v, Value::Pool(record))))
        .collect()
}

/// `found` has to be `right`.
pub(super) fn expect_eq<T: PartialEq + Debug>(what: &str, found: &T, right: &T) -> Checked {
    if found == right {
        return Ok(());
    }
    Err(broken(format!("{what}: {right:?}"), found))
}

/// Something has to hold.
pub(super) fn ensure(holds: bool, expected: &str, found: &dyn Debug) -> Checked {
    if holds {
        return Ok(());
    }
    Err(broken(expected.to_owned(), found))
}

/// `later` has to be greater than `earlier`.
pub(super) fn expect_later(what: &str, later: Version, earlier: Version) -> Checked {
    let expected = format!("{what}: a version after {earlier}");
    ensure(later > earlier, &expected, &later)
}

/// What a check reports.
pub(super) fn broken(expected: String, found: &dyn Debug) -> Broken {
    Broken {
        expected,
        found: format!("{found:?}"),
    }
}
