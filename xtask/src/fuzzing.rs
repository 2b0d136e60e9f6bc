//! Coverage-guided runs of the fuzz targets, where there is a nightly toolchain.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::thread;

use anyhow::{Context as _, Result, bail};

use crate::process;
use crate::workspace::Workspace;

/// Fast to build, and with every check that a debug build has.
const SETTINGS: [&str; 3] = [
    "opt-level=0",
    "debug-assertions=true",
    "overflow-checks=true",
];
/// The crates that the targets spend their time in, beside our own. They are small.
const OPTIMISED: [&str; 17] = [
    "axum",
    "axum-core",
    "bytes",
    "crc32fast",
    "http",
    "http-body-util",
    "libfuzzer-sys",
    "matchit",
    "memchr",
    "postcard",
    "redb",
    "serde_core",
    "serde_json",
    "tokio",
    "tower",
    "tower-http",
    "tracing-core",
];
/// The crates whose branches guide the fuzzer.
const INSTRUMENTED: [&str; 4] = [
    "floatingip-core",
    "floatingip-k8s",
    "floatingip-server",
    "floatingip-fuzz",
];
/// What cargo-fuzz sets: counters and comparisons, for libFuzzer to read.
const COVERAGE: [&str; 6] = [
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
    "-Cllvm-args=-simplifycfg-branch-fold-threshold=0",
];
const BUILD: [&str; 10] = [
    "cargo",
    "build",
    "--quiet",
    "--locked",
    "--release",
    "--bins",
    "--package=floatingip-fuzz",
    "--no-default-features",
    "--features=libfuzzer",
    "-Zprofile-rustflags",
];
const PACKAGE: &str = "floatingip-fuzz";
/// Runs the corpus on any toolchain, and is no target.
const REPLAY: &str = "replay";
/// How long each target runs. As many run side by side as there are processors.
const SECONDS: &str = "20";
/// How much a single input may take; much more is a finding.
const LIMITS: [&str; 2] = ["-timeout=10", "-rss_limit_mb=2048"];
/// How much of a target's log is shown when it found something.
const SHOWN_LINES: usize = 60;

/// What a run has to say: the inputs tried by target, or why none was.
pub(crate) enum Ran {
    /// Every target ran to its end.
    Targets(Vec<(String, u64)>),
    /// There is nothing to run with.
    Skipped(&'static str),
}

/// Builds all targets with coverage instrumentation and runs each for a short while, from its
/// committed corpus. Fails at a finding, and prints the input.
pub(crate) fn run(workspace: &Workspace) -> Result<Ran> {
    if !has_nightly() {
        println!(
            "SKIPPED: no nightly toolchain, so the fuzz targets did NOT run guided by coverage"
        );
        println!("         to have them run: rustup toolchain install nightly --profile minimal");
        return Ok(Ran::Skipped("SKIPPED: there is no nightly toolchain"));
    }
    let folder = workspace.target.join("fuzz");
    let programs = build(workspace, &folder)?;
    let fuzzer = Fuzzer {
        workspace,
        programs,
        folder,
    };
    fuzzer.run_all()
}

fn has_nightly() -> bool {
    let listed = Command::new("rustup").args(["toolchain", "list"]).output();
    listed.is_ok_and(|listed| {
        let text = String::from_utf8_lossy(&listed.stdout);
        text.lines().any(|line| line.starts_with("nightly"))
    })
}

/// Builds with nightly's cargo, without cargo-fuzz: only our own crates are instrumented, which takes a
/// fraction of the time and keeps the fuzzer from chasing branches of others. No sanitizer: it is safe Rust.
fn build(workspace: &Workspace, folder: &Path) -> Result<PathBuf> {
    let mut command = Command::new("rustup");
    command.args(["run", "nightly"]).args(BUILD);
    command.arg("--target-dir").arg(folder);
    for setting in settings() {
        let setting = format!("profile.release.{setting}");
        command.arg("--config").arg(setting);
    }
    // The cargo that started this program is of another toolchain.
    command.env_remove("CARGO").env_remove("RUSTUP_TOOLCHAIN");
    process::run(command.current_dir(&workspace.root))?;
    Ok(folder.join("release"))
}

/// Of the profile.
fn settings() -> Vec<String> {
    let instrument = |package| format!("package.{package}.rustflags={COVERAGE:?}");
    let optimise = |package| format!("package.{package}.opt-level=1");
    let general = SETTINGS.into_iter().map(str::to_owned);
    let settings = general.chain(INSTRUMENTED.into_iter().map(instrument));
    let optimised = INSTRUMENTED.into_iter().chain(OPTIMISED);
    settings.chain(optimised.map(optimise)).collect()
}

/// The targets, built.
struct Fuzzer<'a> {
    workspace: &'a Workspace,
    programs: PathBuf,
    /// For what the runs find.
    folder: PathBuf,
}

impl Fuzzer<'_> {
    fn run_all(&self) -> Result<Ran> {
        let bins = self.workspace.targets("bin");
        let ours = bins.filter(|(package, name)| package.name == PACKAGE && *name != REPLAY);
        let waiting: Mutex<Vec<&str>> = Mutex::new(ours.map(|(_, name)| name).collect());
        let at_once = thread::available_parallelism().map_or(1, usize::from);
        let outcomes = thread::scope(|scope| {
            let work = || -> Vec<Result<(String, u64)>> {
                let next = || waiting.lock().ok().and_then(|mut names| names.pop());
                std::iter::from_fn(next)
                    .map(|name| self.run(name))
                    .collect()
            };
            let workers: Vec<_> = (0..at_once).map(|_| scope.spawn(work)).collect();
            let ended = workers.into_iter().flat_map(|worker| worker.join());
            ended.flatten().collect::<Vec<_>>()
        });
        let mut ran = outcomes.into_iter().collect::<Result<Vec<_>>>()?;
        ran.sort();
        Ok(Ran::Targets(ran))
    }

    fn run(&self, name: &str) -> Result<(String, u64)> {
        let found = self.folder.join("corpus").join(name);
        let artifacts = self.folder.join("artifacts").join(name);
        fs::create_dir_all(&found)?;
        fs::create_dir_all(&artifacts)?;
        let mut command = Command::new(self.programs.join(name));
        command
            .args(LIMITS)
            .arg(format!("-max_total_time={SECONDS}"));
        command.arg(format!("-artifact_prefix={}/", artifacts.display()));
        command.arg(found).arg(self.corpus(name));
        command.stdin(Stdio::null()).stdout(Stdio::null());
        let output = command.output().context("cannot start a fuzz target")?;
        let log = String::from_utf8_lossy(&output.stderr);
        if !output.status.success() {
            bail!("{}", finding(name, &log));
        }
        let inputs = inputs(&log).with_context(|| format!("{name} did not say what it did"))?;
        println!("{name}: {inputs} inputs in {SECONDS} s, no finding");
        Ok((name.to_owned(), inputs))
    }

    fn corpus(&self, name: &str) -> PathBuf {
        self.workspace.root.join("fuzz/corpus").join(name)
    }
}

/// What is told of a finding: the end of the log, the input, and how to see it again.
fn finding(name: &str, log: &str) -> String {
    let lines: Vec<&str> = log.lines().collect();
    let shown = lines.len().saturating_sub(SHOWN_LINES);
    println!("{}", lines.split_at(shown).1.join("\n"));
    let Some((_, file)) = log.rsplit_once("Test unit written to ") else {
        return format!("the fuzz target {name} broke down without an input, see above");
    };
    let file = file.lines().next().unwrap_or_default();
    let input = fs::read(file).unwrap_or_default();
    println!("the input:\n{}", String::from_utf8_lossy(&input));
    format!("{name} has a finding: cargo run -p {PACKAGE} --bin {REPLAY} {name} {file}")
}

/// How many inputs were tried: `Done 1234 runs in 21 second(s)`.
fn inputs(log: &str) -> Option<u64> {
    let (_, rest) = log.rsplit_once("Done ")?;
    rest.split(' ').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_that_does_not_say_what_it_did_is_no_success() {
        assert_eq!(
            inputs("#9 DONE\nDone 1234 runs in 21 second(s)\n"),
            Some(1234)
        );
        assert_eq!(inputs("INFO: Seed: 1\n"), None);
    }

    #[test]
    fn a_finding_is_told_with_the_way_to_see_it_again() {
        let told = finding(
            "ranges",
            "panicked\nartifact_prefix='a/'; Test unit written to a/crash-1\nBase64: x\n",
        );
        assert!(told.ends_with("--bin replay ranges a/crash-1"), "{told}");
        assert!(finding("ranges", "killed").contains("without an input"));
    }
}
