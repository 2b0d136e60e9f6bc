//! Several writes at once: independent, in order, or all or none.

use super::probe::{
    applied_all, applied_one, apply, broken, contents, current, ensure, expect_eq, load,
};
use super::records::expect_survives;
use super::writes::stamped;
use std::pin::Pin;

use super::{Broken, Checked};
use crate::plan::{Batch, Write};
use crate::record::{Target, Value, Version};
use crate::store::{Outcome, Store};
use crate::testing::fixture::{
    at, batch, create, delete, ip, pod, pool, pool_record, put_pool, record, update,
};
use crate::testing::together;

pub(super) async fn an_empty_batch_changes_nothing<S: Store>(store: &S) -> Checked {
    applied_one(store, 1, create(ip(1), record(pod("web").owner()))).await?;
    let before = contents(load(store).await?);
    let outcomes = apply(store, &batch(2, [])).await?;
    expect_eq("no answer to no write", &outcomes, &Vec::new())?;
    expect_eq("nothing changed", &contents(load(store).await?), &before)
}

pub(super) async fn answers_come_in_the_order_of_the_batch<S: Store>(store: &S) -> Checked {
    let order = [7, 3, 9, 1, 8];
    let writes = order.map(|n| create(ip(n), record(pod("web").owner())));
    let versions = applied_all(store, &batch(1, writes)).await?;
    for (n, version) in order.into_iter().zip(versions) {
        let found = current(store, &at(ip(n)))
            .await?
            .map(|(version, _)| version);
        expect_eq("the version that was answered", &found, &Some(version))?;
    }
    Ok(())
}

/// All or none in an atomic store; else a write does not care for the others of its batch.
pub(super) async fn a_refused_write_meets_the_rest_as_the_store_says<S: Store>(
    store: &S,
) -> Checked {
    let others_are_made = !store.atomic();
    let mixed = Mixed::prepare(store).await?;
    mixed
        .expect(store, false, others_are_made, others_are_made)
        .await
}

/// In an atomic store nothing is written, in others what stands before the refused write.
pub(super) async fn ordered_writes_stop_at_the_first_that_is_not_applied<S: Store>(
    store: &S,
) -> Checked {
    let mixed = Mixed::prepare(store).await?;
    mixed.expect(store, true, !store.atomic(), false).await
}

pub(super) async fn ordered_writes_that_fit_are_all_made_and_recognised<S: Store>(
    store: &S,
) -> Checked {
    let writes = [3, 1, 2].map(|n| create(ip(n), record(pod("web").owner())));
    let ordered = Batch {
        in_order: true,
        ..batch(1, writes)
    };
    expect_survives(store, &ordered).await?;
    expect_survives(store, &ordered).await
}

pub(super) async fn a_thousand_writes_are_one_batch<S: Store>(store: &S) -> Checked {
    let web = pod("web").in_pool("blue").owner();
    let writes = (1..=1000).map(|n| create(ip(n), record(web.clone())));
    expect_survives(store, &batch(1, writes)).await
}

pub(super) async fn of_concurrent_batches_on_one_target_exactly_one_wins<S: Store>(
    store: &S,
) -> Checked {
    let names = ["a", "b", "c", "d"];
    let creates = names.map(|name| create(ip(1), record(pod(name).owner())));
    let version = one_winner(store, (1..).zip(creates)).await?;
    let updates = names.map(|name| update(ip(1), version, record(pod(name).owner())));
    let version = one_winner(store, (11..).zip(updates)).await?;
    // Of a deletion and an update one wins; a deletion that comes second is refused.
    let update = update(ip(1), version, record(pod("e").owner()));
    one_winner(store, [(21, update), (22, delete(ip(1), version))]).await?;
    Ok(())
}

/// Makes all writes at once; the version of the only one that is applied.
async fn one_winner<S: Store>(
    store: &S,
    writes: impl IntoIterator<Item = (u64, Write)>,
) -> Result<Version, Broken> {
    let batches: Vec<Batch> = writes
        .into_iter()
        .map(|(serial, write)| batch(serial, [write]))
        .collect();
    let mut futures: Vec<Pin<Box<dyn Future<Output = _> + '_>>> = Vec::new();
    for batch in &batches {
        futures.push(Box::pin(apply(store, batch)));
    }
    let outcomes = together(futures)
        .await
        .into_iter()
        .collect::<Result<Vec<_>, _>>()?;
    let outcomes: Vec<Outcome> = outcomes.into_iter().flatten().collect();
    let versions = outcomes.iter().filter_map(|outcome| match outcome {
        Outcome::Applied(version) => Some(*version),
        _ => None,
    });
    let winners: Vec<Version> = versions.collect();
    match winners[..] {
        [version] => Ok(version),
        _ => Err(broken("exactly one winner".to_owned(), &outcomes)),
    }
}

/// A batch of five writes whose third is refused, because somebody has that address.
struct Mixed {
    old: Version,
    there: Option<(Version, Value)>,
}

impl Mixed {
    async fn prepare<S: Store>(store: &S) -> Result<Self, Broken> {
        let old = applied_one(store, 1, create(ip(4), record(pod("old").owner()))).await?;
        let taken = create(ip(3), record(pod("other").owner()));
        let version = applied_one(store, 2, taken.clone()).await?;
        Ok(Self {
            old,
            there: stamped(version, 2, taken),
        })
    }

    fn batch(&self, in_order: bool) -> Batch {
        let web = record(pod("web").owner());
        let writes = [
            create(ip(1), web.clone()),
            put_pool("blue", None, pool_record(3)),
            create(ip(3), web.clone()),
            delete(ip(4), self.old),
            create(ip(5), web),
        ];
        Batch {
            in_order,
            ..batch(3, writes)
        }
    }

    /// Applies the batch; of its writes those before the refused one have to be made or not, and
    /// those after it, and the answers have to say so.
    async fn expect<S: Store>(
        &self,
        store: &S,
        in_order: bool,
        before: bool,
        after: bool,
    ) -> Checked {
        let outcomes = apply(store, &self.batch(in_order)).await?;
        let made = [before, before, after, after];
        let [first, second, refused, others @ ..] = &outcomes[..] else {
            return Err(broken("five answers".to_owned(), &outcomes));
        };
        let refusal = Outcome::Refused(self.there.clone());
        expect_eq("the refused write to tell who is there", refused, &refusal)?;
        for (outcome, made) in [first, second].into_iter().chain(others).zip(made) {
            let honest = match made {
                true => matches!(outcome, Outcome::Applied(_)),
                false => *outcome == Outcome::Unavailable,
            };
            let expected = if made { "applied" } else { "unavailable" };
            ensure(
                honest,
                &format!("a write beside the refused one to be {expected}"),
                outcome,
            )?;
        }
        expect_eq(
            "the writes that took effect",
            &self.made(store).await?,
            &made,
        )
    }

    /// Which of the other four writes took effect.
    async fn made<S: Store>(&self, store: &S) -> Result<[bool; 4], Broken> {
        let contents = contents(load(store).await?);
        let is_there = |target: Target| contents.iter().any(|(found, ..)| *found == target);
        Ok([
            is_there(at(ip(1))),
            is_there(Target::Pool(pool("blue"))),
            !is_there(at(ip(4))),
            is_there(at(ip(5))),
        ])
    }
}
