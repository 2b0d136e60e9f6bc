//! Counting tests in what `cargo test` prints.

use std::ffi::OsStr;
use std::fmt;
use std::iter::Sum;

use anyhow::{Result, anyhow};

use crate::process::{self, cargo};
use crate::workspace::Workspace;

/// How many tests passed and failed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) passed: usize,
    pub(crate) failed: usize,
}

impl Tally {
    /// Sums the `test result:` lines of the test harness; everything else is skipped.
    pub(crate) fn of_output(output: &str) -> Self {
        output.lines().filter_map(Self::of_line).sum()
    }

    fn of_line(line: &str) -> Option<Self> {
        let (_, counts) = line.strip_prefix("test result: ")?.split_once(". ")?;
        let count = |what: &str| {
            let field = counts
                .split("; ")
                .find_map(|field| field.strip_suffix(what))?;
            field.parse().ok()
        };
        Some(Self {
            passed: count(" passed")?,
            failed: count(" failed")?,
        })
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} passed, {} failed", self.passed, self.failed)
    }
}

impl Sum for Tally {
    fn sum<I: Iterator<Item = Self>>(tallies: I) -> Self {
        tallies.fold(Self::default(), |sum, one| Self {
            passed: sum.passed + one.passed,
            failed: sum.failed + one.failed,
        })
    }
}

/// Runs a `cargo test` command, which `arguments` begin with, to the last test, also after one has failed.
pub(crate) fn tested<V: AsRef<OsStr>>(
    workspace: &Workspace,
    arguments: &[&str],
    settings: &[(&str, V)],
) -> Result<Tally> {
    let (task, rest) = arguments.split_at(arguments.len().min(1));
    let mut command = cargo(&workspace.root, task);
    command.arg("--no-fail-fast").args(rest);
    command.envs(settings.iter().map(|(name, value)| (name, value)));
    let printed = process::run_and_keep(&mut command)?;
    let tally = Tally::of_output(&printed.text);
    if !printed.success() {
        return Err(anyhow!(tally).context(format!("cargo {}", arguments.join(" "))));
    }
    Ok(tally)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_of_several_binaries_are_summed() {
        let output = "\
running 2 tests
test a ... ok
test result: ok. 2 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s

test result: FAILED. 10 passed; 3 failed; 1 ignored; 0 measured; 0 filtered out
";
        assert_eq!(
            Tally::of_output(output),
            Tally {
                passed: 12,
                failed: 3
            }
        );
    }

    #[test]
    fn lines_that_only_look_like_results_are_skipped() {
        let output = "test result: ok\n  test result: ok. 1 passed; 0 failed; \ntests passed";
        assert_eq!(Tally::of_output(output), Tally::default());
    }
}
