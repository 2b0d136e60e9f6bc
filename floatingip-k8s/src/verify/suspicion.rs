//! What is in flight looks wrong for a while: only what stays as it was counts.

use super::{Report, Violation, joined};

/// What every look so far has shown to be wrong.
#[derive(Clone, Debug)]
pub struct Suspicions {
    /// At the same versions in all of them.
    standing: Vec<Violation>,
    /// About the same objects in all of them, which change.
    moving: Vec<Violation>,
    notes: Vec<String>,
}

impl Suspicions {
    /// Those of the first look.
    #[must_use]
    pub fn new(first: Report) -> Self {
        Self {
            standing: first.violations,
            moving: Vec::new(),
            notes: first.notes,
        }
    }

    /// Whether there is nothing to look at again.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.standing.is_empty() && self.moving.is_empty()
    }

    /// Drops what another look does not show any more. What it shows for the first time came up since,
    /// and is in flight.
    pub fn look_again(&mut self, next: Report) {
        let former = std::mem::take(&mut self.standing);
        let (standing, changed) = former
            .into_iter()
            .partition(|violation| next.violations.binary_search(violation).is_ok());
        self.standing = standing;
        self.moving.extend::<Vec<Violation>>(changed);
        let again =
            |violation: &Violation| next.violations.iter().any(|new| is_same(violation, new));
        self.moving.retain(again);
        self.notes = next.notes;
    }

    /// What is certain after the last look.
    #[must_use]
    pub fn end(self) -> Verified {
        let moving = self.moving.iter().map(|violation| {
            format!(
                "not certain, for the objects change: {}: {}: {}",
                violation.invariant,
                joined(&violation.subjects),
                violation.found
            )
        });
        Verified {
            violations: self.standing,
            notes: self.notes.into_iter().chain(moving).collect(),
        }
    }
}

/// Whether both are about the same objects.
fn is_same(one: &Violation, other: &Violation) -> bool {
    let pairs = one.subjects.iter().zip(&other.subjects);
    one.invariant == other.invariant
        && one.subjects.len() == other.subjects.len()
        && pairs
            .into_iter()
            .all(|(one, other)| one.is_same_object(other))
}

/// What is so, and not only seems so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    /// What must not be so.
    pub violations: Vec<Violation>,
    /// What is worth knowing.
    pub notes: Vec<String>,
}
