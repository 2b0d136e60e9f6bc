//! The mutation test: bugs that such systems are known for are planted one by one, and the model test
//! has to find each of them.

use floatingip_core::engine::Flaw;
use proptest::test_runner::{Config, TestCaseError, TestRng, TestRunner};

#[path = "model/mod.rs"]
mod model;

use model::ops::{self, Sequence};
use model::{Planted, Setting};

/// So many sequences at most may pass before a planted bug is found.
const CASES: u32 = 2000;

/// Runs the same sequences in every run, so that what passes once passes again.
fn all_pass(planted: Option<Planted>) -> Result<(), String> {
    let config = Config {
        cases: CASES,
        max_shrink_iters: 0,
        failure_persistence: None,
        ..Config::default()
    };
    let rng = TestRng::deterministic_rng(config.rng_algorithm);
    let mut runner = TestRunner::new_with_rng(config, rng);
    let run = |(setting, ops): (Setting, Sequence)| {
        let tally = model::run(setting, &ops.0, planted);
        tally.map(|_| ()).map_err(TestCaseError::fail)
    };
    let result = runner.run(&(model::settings(), ops::sequences()), run);
    result.map_err(|failure| failure.to_string())
}

/// The bug breaks an invariant, and it is the bug that does: without it the same sequences pass.
fn assert_found(planted: Planted) {
    let found = all_pass(Some(planted));
    assert!(
        found.is_err(),
        "{planted:?} was not found in {CASES} sequences"
    );
}

#[test]
fn the_same_sequences_pass_without_a_bug() {
    assert_eq!(all_pass(None), Ok(()));
}

#[test]
fn release_by_name_instead_of_uid_is_found() {
    assert_found(Planted::ReleaseByName);
}

#[test]
fn an_unknown_write_settled_by_absence_is_found() {
    assert_found(Planted::SettledByAbsence);
}

#[test]
fn an_older_version_applied_is_found() {
    assert_found(Planted::Engine(Flaw::OlderVersionApplied));
}

#[test]
fn a_lost_claim_is_found() {
    assert_found(Planted::Engine(Flaw::ClaimLost));
}

#[test]
fn a_cap_counted_without_claims_is_found() {
    assert_found(Planted::Engine(Flaw::CapWithoutClaims));
}
