//! Runs tests side by side and reports as cargo's own harness does, so that its readers understand.

#![expect(
    clippy::print_stdout,
    reason = "what a test program prints is its report"
)]

use std::fmt;
use std::pin::Pin;
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow};
use futures::StreamExt as _;

/// How many tests run at a time, unless the command line says otherwise.
const AT_A_TIME: usize = 16;
/// A test that has not ended by then has failed.
const LIMIT: Duration = Duration::from_secs(300);

/// A test under way.
pub type Outcome = Pin<Box<dyn Future<Output = Result<()>> + Send>>;

/// The command line, as far as it concerns us; what else cargo's harness knows is ignored.
#[derive(Debug, PartialEq, Eq)]
pub struct Arguments {
    filters: Vec<String>,
    exact: bool,
    /// Whether only the names of the tests are asked for.
    pub list_only: bool,
    /// How many tests may run at a time.
    pub at_a_time: usize,
}

impl Arguments {
    /// From the words behind the program's name.
    pub fn parse(words: impl Iterator<Item = String>) -> Self {
        let mut arguments = Self {
            filters: Vec::new(),
            exact: false,
            list_only: false,
            at_a_time: AT_A_TIME,
        };
        let mut words = words.peekable();
        while let Some(word) = words.next() {
            match word.split_once('=').unwrap_or((&word, "")) {
                ("--list", _) => arguments.list_only = true,
                ("--exact", _) => arguments.exact = true,
                ("--test-threads", "") => {
                    arguments.run_at_a_time(&words.next().unwrap_or_default())
                }
                ("--test-threads", number) => arguments.run_at_a_time(number),
                ("--format" | "--color" | "--skip" | "--logfile" | "-Z", "") => drop(words.next()),
                (flag, _) if flag.starts_with('-') => {}
                _ => arguments.filters.push(word),
            }
        }
        arguments
    }

    fn run_at_a_time(&mut self, number: &str) {
        self.at_a_time = number.parse().unwrap_or(AT_A_TIME).max(1);
    }

    /// The tests that the command line picks by their names.
    pub fn chosen<T: Copy, N: AsRef<str>>(&self, tests: &[T], name: impl Fn(&T) -> N) -> Vec<T> {
        let picks = |name: &str, filter: &String| {
            if self.exact {
                name == filter
            } else {
                name.contains(filter)
            }
        };
        let chosen = |test: &&T| {
            let name = name(test);
            self.filters.is_empty()
                || self
                    .filters
                    .iter()
                    .any(|filter| picks(name.as_ref(), filter))
        };
        tests.iter().filter(chosen).copied().collect()
    }
}

/// A test with its name.
pub struct Case {
    name: String,
    outcome: Outcome,
}

impl fmt::Debug for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Case");
        shown.field("name", &self.name).finish_non_exhaustive()
    }
}

impl Case {
    /// What is to run under a name; nothing of it runs yet.
    pub fn new(name: impl Into<String>, outcome: Outcome) -> Self {
        Self {
            name: name.into(),
            outcome,
        }
    }

    /// In a task of its own, so that a failed assertion ends this test alone.
    async fn run(self) -> (String, Result<()>) {
        let start = Instant::now();
        let task = tokio::time::timeout(LIMIT, tokio::spawn(self.outcome)).await;
        let result = match task {
            Ok(Ok(result)) => result,
            Ok(Err(panicked)) => Err(anyhow!("{panicked}; see above")),
            Err(_) => Err(anyhow!("not at its end after {LIMIT:?}")),
        };
        let verdict = if result.is_ok() { "ok" } else { "FAILED" };
        println!(
            "test {} ... {verdict} ({:.1} s)",
            self.name,
            start.elapsed().as_secs_f32()
        );
        (self.name, result)
    }
}

/// Counts what ran.
#[derive(Debug)]
pub struct Runner {
    start: Instant,
    passed: usize,
    failures: Vec<(String, String)>,
    skipped: usize,
    filtered_out: usize,
    at_a_time: usize,
}

impl Runner {
    /// For a suite of which so many tests were chosen.
    pub fn new(all: usize, chosen: usize, at_a_time: usize) -> Self {
        println!("\nrunning {chosen} tests");
        Self {
            start: Instant::now(),
            passed: 0,
            failures: Vec::new(),
            skipped: 0,
            filtered_out: all - chosen,
            at_a_time,
        }
    }

    /// Runs tests side by side, to the end of the last.
    pub async fn run(&mut self, cases: Vec<Case>) {
        self.run_at_a_time(cases, self.at_a_time).await;
    }

    /// Whether a test of this name has failed.
    pub fn has_failed(&self, name: &str) -> bool {
        self.failures.iter().any(|(failed, _)| failed == name)
    }

    /// Runs so many of these at a time.
    pub async fn run_at_a_time(&mut self, cases: Vec<Case>, at_a_time: usize) {
        let mut ended = futures::stream::iter(cases)
            .map(Case::run)
            .buffer_unordered(at_a_time);
        while let Some((name, result)) = ended.next().await {
            match result {
                Ok(()) => self.passed += 1,
                Err(error) => self.failures.push((name, format!("{error:#}"))),
            }
        }
    }

    /// Counts tests that cannot run here.
    pub fn skip(&mut self, tests: usize) {
        self.skipped += tests;
    }

    /// Prints the failures and the last line; whether all passed.
    pub fn finish(&self) -> bool {
        for (name, failure) in &self.failures {
            println!("\n---- {name} ----\n{failure}");
        }
        let verdict = if self.failures.is_empty() {
            "ok"
        } else {
            "FAILED"
        };
        println!(
            "\ntest result: {verdict}. {} passed; {} failed; {} ignored; 0 measured; {} filtered out; finished in {:.2}s\n",
            self.passed,
            self.failures.len(),
            self.skipped,
            self.filtered_out,
            self.start.elapsed().as_secs_f32(),
        );
        self.failures.is_empty()
    }
}
