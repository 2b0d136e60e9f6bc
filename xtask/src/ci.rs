//! The stages of CI, and the table printed at the end.

mod stages;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use crate::process;
use crate::tally::Tally;
use crate::workspace::Workspace;

/// One named check.
struct Stage {
    name: &'static str,
    /// What it shows, in one line of the help text.
    about: &'static str,
    run: fn(&Workspace) -> Result<Done>,
}

/// What a stage that passed has to say.
struct Done {
    /// Shown beside the stage in the table.
    note: String,
    /// The tests it ran that no other stage repeats.
    tally: Tally,
}

impl Done {
    fn note(note: impl Into<String>) -> Self {
        Self {
            note: note.into(),
            tally: Tally::default(),
        }
    }
}

/// One row of the table.
struct Row {
    stage: &'static str,
    took: Duration,
    outcome: Result<Done>,
}

/// Runs the named stages, or all of them, and fails if any of them does.
///
/// A failing stage does not stop the ones after it: one run shows everything that is wrong.
pub(crate) fn run(names: &[String]) -> Result<ExitCode> {
    let chosen = choose(names)?;
    let workspace = Workspace::load()?;
    let rows: Vec<Row> = setup_row()
        .into_iter()
        .chain(chosen.into_iter().map(|s| s.timed(&workspace)))
        .collect();
    print_table(&rows);
    let failed = rows.iter().any(|row| row.outcome.is_err());
    Ok(if failed {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

/// The list of stages for the usage text.
pub(crate) fn help() -> String {
    let line = |stage: &Stage| format!("  {:<13}{}", stage.name, stage.about);
    let lines: Vec<String> = stages::ALL.iter().map(line).collect();
    lines.join("\n")
}

/// The names of all stages, in the order in which they run.
pub(crate) fn stage_names() -> impl Iterator<Item = &'static str> {
    stages::ALL.iter().map(|stage| stage.name)
}

impl Stage {
    fn timed(&self, workspace: &Workspace) -> Row {
        process::headline(self.name);
        let start = Instant::now();
        let outcome = (self.run)(workspace);
        if let Err(error) = &outcome {
            println!("stage {} failed: {error:#}", self.name);
        }
        Row {
            stage: self.name,
            took: start.elapsed(),
            outcome,
        }
    }
}

fn choose(names: &[String]) -> Result<Vec<&'static Stage>> {
    if names.is_empty() {
        return Ok(stages::ALL.iter().collect());
    }
    names.iter().map(|name| find(name)).collect()
}

fn find(name: &str) -> Result<&'static Stage> {
    let Some(stage) = stages::ALL.iter().find(|stage| stage.name == name) else {
        bail!("unknown stage `{name}`; the stages are\n{}", help());
    };
    Ok(stage)
}

/// The time that `.ci/run` spent before this program was started, if it says so.
fn setup_row() -> Option<Row> {
    let seconds = std::env::var("FLOATINGIP_CI_SETUP_SECONDS")
        .ok()?
        .parse()
        .ok()?;
    let outcome = Ok(Done::note("toolchain, downloads, xtask itself"));
    Some(Row {
        stage: "setup",
        took: Duration::from_secs(seconds),
        outcome,
    })
}

fn print_table(rows: &[Row]) {
    process::headline("minutes per stage");
    for row in rows {
        let (verdict, note) = match &row.outcome {
            Ok(done) => ("ok", done.note.clone()),
            Err(error) => ("FAILED", first_line(&format!("{error:#}"))),
        };
        println!(
            "{:<13} {:>6.2}  {verdict:<6}  {note}",
            row.stage,
            minutes(row.took)
        );
    }
    let total: Duration = rows.iter().map(|row| row.took).sum();
    println!("{:<13} {:>6.2}", "total", minutes(total));
    println!("{}", sum(rows));
}

fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().to_owned()
}

fn minutes(time: Duration) -> f64 {
    time.as_secs_f64() / 60.0
}

/// All tests of the run; a stage that fails counts as one failure at least, so that the last line
/// never reads `0 failed` above a red run.
fn sum(rows: &[Row]) -> Tally {
    rows.iter()
        .map(|row| match &row.outcome {
            Ok(done) => done.tally,
            Err(error) => {
                let tally = error.downcast_ref::<Tally>().copied().unwrap_or_default();
                Tally {
                    failed: tally.failed.max(1),
                    ..tally
                }
            }
        })
        .sum()
}

#[cfg(test)]
mod tests {
    use anyhow::anyhow;

    use super::*;

    fn row(outcome: Result<Done>) -> Row {
        Row {
            stage: "test",
            took: Duration::ZERO,
            outcome,
        }
    }

    #[test]
    fn an_unknown_stage_is_refused_with_the_list() {
        let error = choose(&["nonsense".to_owned()]).err().unwrap().to_string();
        assert!(
            error.contains("nonsense") && error.contains("clippy"),
            "{error}"
        );
    }

    #[test]
    fn without_names_all_stages_run() {
        assert_eq!(choose(&[]).unwrap().len(), stages::ALL.len());
    }

    #[test]
    fn a_failed_stage_without_tests_counts_as_one_failure() {
        let passed = Tally {
            passed: 3,
            failed: 0,
        };
        let rows = [
            row(Ok(Done {
                note: String::new(),
                tally: passed,
            })),
            row(Err(anyhow!("clippy found something"))),
        ];
        assert_eq!(sum(&rows).to_string(), "3 passed, 1 failed");
    }

    #[test]
    fn the_tests_of_a_failed_stage_are_counted() {
        let tally = Tally {
            passed: 5,
            failed: 2,
        };
        let error = anyhow!(tally).context("cargo test failed");
        assert_eq!(sum(&[row(Err(error))]), tally);
    }
}
