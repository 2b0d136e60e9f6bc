//! The mutation test: bugs that such systems are known for are planted one by one, and the model test
//! has to find each of them.

use floatingip_core::engine::Flaw;
use proptest::test_runner::{Config, TestCaseError, TestRng, TestRunner};

#[path = "model/mod.rs"]
mod model;

use model::{Planted, ops};

/// So many sequences at most may pass before a planted bug is found.
const CASES: u32 = 2000;

/// The number of sequences that pass with a bug; none where all do.
fn sequences_until_found(planted: Option<Planted>) -> Option<u64> {
    let config = Config {
        cases: CASES,
        max_shrink_iters: 0,
        failure_persistence: None,
        ..Config::default()
    };
    // The same sequences in every run, so that a pass stays one.
    let rng = TestRng::deterministic_rng(config.rng_algorithm);
    let mut runner = TestRunner::new_with_rng(config, rng);
    let passed = std::cell::Cell::new(0);
    let result = runner.run(&(model::settings(), ops::sequences()), |(setting, ops)| {
        model::run(setting, &ops.0, planted).map_err(TestCaseError::fail)?;
        passed.set(passed.get() + 1);
        Ok(())
    });
    result.is_err().then(|| passed.get())
}

fn assert_found(planted: Planted) {
    let passed = sequences_until_found(Some(planted));
    assert!(
        passed.is_some(),
        "{planted:?} was not found in {CASES} sequences"
    );
}

#[test]
fn the_same_sequences_pass_without_a_bug() {
    assert_eq!(sequences_until_found(None), None);
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
