//! The model test: random sequences of everything that can happen, against a naive oracle.
//!
//! `PROPTEST_CASES` says how many sequences; 300 by default.

use std::cell::RefCell;
use std::collections::BTreeMap;

use floatingip_core::testing::Fault;
use proptest::test_runner::{
    Config, FileFailurePersistence, TestCaseError, TestError, TestRng, TestRunner,
};

#[path = "model/mod.rs"]
mod model;

use model::ops::{self, Op};

const CASES: u32 = 300;

/// Sequences that failed once; they run first.
const SEEDS: &str = "tests/model.proptest-regressions";

fn cases() -> u32 {
    option_env_at_run("PROPTEST_CASES").unwrap_or(CASES)
}

#[expect(
    clippy::disallowed_methods,
    reason = "a test may be told how long to run"
)]
fn option_env_at_run(name: &str) -> Option<u32> {
    std::env::var(name).ok()?.parse().ok()
}

/// The ordinary run is the same each time; whoever says how many cases to run gets new ones.
fn runner(config: Config) -> TestRunner {
    match option_env_at_run("PROPTEST_CASES") {
        Some(_) => TestRunner::new(config),
        None => {
            let rng = TestRng::deterministic_rng(config.rng_algorithm);
            TestRunner::new_with_rng(config, rng)
        }
    }
}

#[test]
fn every_invariant_holds_whatever_happens() {
    let done: RefCell<BTreeMap<String, u64>> = RefCell::default();
    let config = Config {
        cases: cases(),
        max_shrink_iters: 20_000,
        failure_persistence: Some(Box::new(FileFailurePersistence::Direct(SEEDS))),
        ..Config::default()
    };
    let mut runner = runner(config);
    let result = runner.run(&(model::settings(), ops::sequences()), |(setting, ops)| {
        let tally = model::run(setting, &ops.0, None).map_err(TestCaseError::fail)?;
        let mut done = done.borrow_mut();
        for (kind, count) in tally.done {
            *done.entry(kind).or_default() += count;
        }
        for fault in Fault::ALL {
            *done.entry(format!("{fault:?}")).or_default() += tally.faults.of(fault);
        }
        Ok(())
    });
    match result {
        Ok(()) => {}
        Err(TestError::Abort(reason)) => panic!("{reason}"),
        Err(TestError::Fail(reason, (setting, ops))) => {
            let story = model::story(setting, &ops.0);
            panic!("{reason}\n{setting:?}\n{ops:?}\nthe story:\n{story}");
        }
    }
    let done = done.into_inner();
    let faults = Fault::ALL.map(|fault| format!("{fault:?}"));
    let kinds = Op::KINDS.split_whitespace().map(str::to_owned);
    for kind in kinds.chain(faults) {
        assert!(
            done.get(&kind).is_some_and(|count| *count > 0),
            "{kind} never happened"
        );
    }
}
