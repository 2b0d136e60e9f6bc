//! The suite every store has to pass: what [`Store`] promises, check by check.
//!
//! Every check gets a fresh, empty store. The suite needs no runtime of its own: run it by
//! [`block_on`](super::block_on), or await it where the store needs a runtime.
//!
//! ```
//! use floatingip_core::memory::MemoryStore;
//! use floatingip_core::testing::{block_on, contract};
//!
//! block_on(contract::check_all(&mut async || MemoryStore::per_record()))?;
//! # Ok::<(), contract::Violations>(())
//! ```

use std::fmt;
use std::pin::Pin;

use thiserror::Error;

use crate::store::Store;

mod batches;
mod durable;
mod probe;
mod records;
mod repeats;
mod writes;

/// Runs every check that fits the store (the section on batches differs for atomic ones), each on a
/// store that `make` makes. Takes a few thousand writes.
///
/// # Errors
/// All checks that failed.
pub async fn check_all<S: Store>(make: &mut impl AsyncFnMut() -> S) -> Result<(), Violations> {
    let mut found = Vec::new();
    for (name, check) in checks::<S>() {
        let store = make().await;
        if let Err(broken) = check(&store).await {
            found.push(broken.named(name));
        }
    }
    Violations::none_or(found)
}

/// For stores that outlive their process: what was written is there after `reopen` has closed the
/// store and opened it again, and versions go on growing, also after a deletion.
///
/// # Errors
/// What was lost or invented.
pub async fn reopen<S: Store>(
    store: S,
    reopen: impl AsyncFnOnce(S) -> S,
) -> Result<(), Violations> {
    let checked = durable::survives(store, reopen).await;
    let broken = checked
        .err()
        .map(|broken| broken.named("reopened_store_is_the_same"));
    Violations::none_or(broken.into_iter().collect())
}

/// A promise of [`Store`] that is not kept.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{check}: expected {expected}, found {found}")]
pub struct Violation {
    /// The check that says so.
    pub check: &'static str,
    /// What the contract asks for.
    pub expected: String,
    /// What the store did.
    pub found: String,
}

/// All promises that are not kept; at least one.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub struct Violations {
    /// In the order of the checks.
    pub violations: Vec<Violation>,
}

impl Violations {
    fn none_or(violations: Vec<Violation>) -> Result<(), Self> {
        if violations.is_empty() {
            return Ok(());
        }
        Err(Self { violations })
    }
}

impl fmt::Display for Violations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the store breaks its contract in {} checks",
            self.violations.len()
        )?;
        self.violations
            .iter()
            .try_for_each(|violation| write!(f, "\n- {violation}"))
    }
}

/// What a check found, before it has a name.
#[derive(Debug)]
struct Broken {
    expected: String,
    found: String,
}

impl Broken {
    fn named(self, check: &'static str) -> Violation {
        Violation {
            check,
            expected: self.expected,
            found: self.found,
        }
    }
}

type Checked = Result<(), Broken>;
type Check<S> = for<'a> fn(&'a S) -> Pin<Box<dyn Future<Output = Checked> + 'a>>;

/// A list of checks that carry the names of their functions.
macro_rules! named {
    ($($section:ident :: $check:ident),* $(,)?) => {
        vec![$((
            stringify!($check),
            (|store| Box::pin($section::$check(store))) as Check<S>,
        )),*]
    };
}

fn checks<S: Store>() -> Vec<(&'static str, Check<S>)> {
    named![
        writes::a_created_record_is_there,
        writes::an_update_replaces_the_record,
        writes::a_deleted_record_is_gone,
        writes::a_create_over_a_record_is_refused_and_tells_who_is_there,
        writes::a_write_at_another_version_is_refused_and_tells_who_is_there,
        writes::an_update_of_nothing_is_refused,
        writes::pools_obey_the_same_rules,
        writes::versions_grow_with_every_write,
        writes::versions_grow_across_deletion_and_recreation,
        repeats::a_repeated_put_answers_as_the_first_time,
        repeats::a_repeated_deletion_is_applied,
        repeats::a_repeated_put_does_not_undo_a_later_change,
        repeats::a_repeated_deletion_spares_a_recreated_record,
        repeats::another_plan_with_the_same_record_is_refused,
        repeats::a_partly_overwritten_batch_answers_one_by_one,
        records::every_field_of_a_record_survives,
        records::both_address_families_survive_to_their_ends,
        records::every_field_of_a_pool_survives,
        records::load_tells_everything_once,
        batches::an_empty_batch_changes_nothing,
        batches::answers_come_in_the_order_of_the_batch,
        batches::a_refused_write_meets_the_rest_as_the_store_says,
        batches::ordered_writes_stop_at_the_first_that_is_not_applied,
        batches::ordered_writes_that_fit_are_all_made_and_recognised,
        batches::a_thousand_writes_are_one_batch,
        batches::of_concurrent_batches_on_one_target_exactly_one_wins,
    ]
}

#[cfg(test)]
mod tests;
