//! Property-based HTTP tests: schemathesis against a running standalone server.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

use crate::workspace::Workspace;
use crate::{process, tools};

/// Fixed, so that every run sends the same requests; a finding is repeated by running again.
const SEED: &str = "20191010";
/// Which answers are right where the document alone does not say it.
const SETTINGS: &str = "floatingip-server/tests/schemathesis.toml";
/// Requests generated for each operation and phase.
const EXAMPLES_PER_OPERATION: &str = "100";
const START_LIMIT: Duration = Duration::from_secs(30);
const STOP_LIMIT: Duration = Duration::from_secs(10);
const POLL: Duration = Duration::from_millis(50);

/// Starts the server on a free port with empty data, tests it against its own `/openapi.json`,
/// and stops it. Fails on a finding, on a server that dies, and on an unclean end.
pub(crate) fn run(workspace: &Workspace) -> Result<String> {
    let requirements = workspace.root.join(".ci/requirements.txt");
    let schemathesis = tools::schemathesis(&requirements)?;
    let build = ["build", "--quiet", "-p", "floatingip-server"];
    process::run(&mut process::cargo(&workspace.root, &build))?;

    let scratch = Scratch::new(workspace)?;
    let mut server = Server::start(workspace, &scratch)?;
    let run = Run {
        program: &schemathesis,
        settings: &workspace.root.join(SETTINGS),
        scratch: &scratch,
    };
    let outcome = server.address().and_then(|address| run.examine(&address));
    let stopped = server.stop();
    if outcome.is_err() || stopped.is_err() {
        println!("the server's log:\n{}", server.log());
    }
    let note = outcome?;
    stopped?;
    Ok(note)
}

/// One run of schemathesis.
struct Run<'a> {
    program: &'a Path,
    settings: &'a Path,
    scratch: &'a Scratch,
}

impl Run<'_> {
    fn examine(&self, address: &str) -> Result<String> {
        let mut command = Command::new(self.program);
        command.current_dir(&self.scratch.folder);
        command.arg("--config-file").arg(self.settings);
        command.args(["run", "--no-color", "--checks", "all"]);
        command.args(["--seed", SEED, "--generation-database", "none"]);
        command.args(["--max-examples", EXAMPLES_PER_OPERATION, "--workers", "1"]);
        command.args(["--request-timeout", "10", "--continue-on-failure"]);
        command.arg(format!("http://{address}/openapi.json"));
        let printed = process::run_and_keep(&mut command)?;
        if !printed.success() {
            bail!("schemathesis was not content, see above");
        }
        generated(&printed.text).context("schemathesis generated no test case")
    }
}

/// The line of schemathesis' summary that says how much it did.
fn generated(text: &str) -> Option<String> {
    let cases = text
        .lines()
        .rev()
        .find(|line| line.contains(" generated, "))?
        .trim();
    (!cases.starts_with("0 generated")).then(|| cases.to_owned())
}

/// A folder for the data and the log of one run, removed at its end.
struct Scratch {
    folder: PathBuf,
}

impl Scratch {
    fn new(workspace: &Workspace) -> Result<Self> {
        let name = format!("schemathesis-{}", std::process::id());
        let folder = workspace.target.join("tmp").join(name);
        fs::create_dir_all(&folder)?;
        Ok(Self { folder })
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.folder) {
            println!("cannot remove {}: {error}", self.folder.display());
        }
    }
}

/// The running server; killed when dropped, should anything else have failed to stop it.
struct Server {
    process: Child,
    log: PathBuf,
}

impl Server {
    fn start(workspace: &Workspace, scratch: &Scratch) -> Result<Self> {
        let log = scratch.folder.join("server.log");
        let output = File::create(&log)?;
        let process = Command::new(workspace.target.join("debug/floatingip-server"))
            .args(["standalone", "--listen", "127.0.0.1:0", "--data-dir"])
            .arg(scratch.folder.join("data"))
            .arg("--config")
            .arg(workspace.root.join("examples/floatingip-config.yaml"))
            .env("NO_COLOR", "1")
            .stdout(output.try_clone()?)
            .stderr(output)
            .spawn()
            .context("cannot start floatingip-server")?;
        Ok(Self { process, log })
    }

    /// Waits until the log names the address that the server listens on.
    fn address(&mut self) -> Result<String> {
        let deadline = Instant::now() + START_LIMIT;
        while Instant::now() < deadline {
            if let Some(address) = listening(&self.log()) {
                return Ok(address);
            }
            if let Some(status) = self.process.try_wait()? {
                bail!("the server ended before it listened: {status}");
            }
            std::thread::sleep(POLL);
        }
        bail!(
            "the server did not listen within {} s",
            START_LIMIT.as_secs()
        )
    }

    /// Ends the server as an operator would, and expects a clean exit.
    fn stop(&mut self) -> Result<()> {
        if let Some(status) = self.process.try_wait()? {
            bail!("the server ended by itself: {status}");
        }
        let pid = self.process.id().to_string();
        process::run(Command::new("kill").args(["-s", "TERM", &pid]))?;
        let deadline = Instant::now() + STOP_LIMIT;
        while Instant::now() < deadline {
            match self.process.try_wait()? {
                Some(status) if status.success() => return Ok(()),
                Some(status) => bail!("the server did not end cleanly: {status}"),
                None => std::thread::sleep(POLL),
            }
        }
        bail!("the server ignored SIGTERM for {} s", STOP_LIMIT.as_secs())
    }

    fn log(&self) -> String {
        let log = fs::read(&self.log).unwrap_or_default();
        String::from_utf8_lossy(&log).into_owned()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Ok(None) = self.process.try_wait() {
            self.process.kill().ok();
            self.process.wait().ok();
        }
    }
}

/// The first address with a real port on a finished line of the log.
fn listening(log: &str) -> Option<String> {
    const HOST: &str = "127.0.0.1:";
    let finished = log.rsplit_once('\n')?.0;
    let ports = finished.split(HOST).skip(1).map(|rest| {
        let end = rest
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(rest.len());
        rest.split_at(end).0
    });
    let mut ports = ports.filter(|port| port.parse::<u16>().is_ok_and(|port| port != 0));
    ports.next().map(|port| format!("{HOST}{port}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_is_found_in_a_log_line() {
        let log = "INFO starting listen=127.0.0.1:0\nINFO listening on http://127.0.0.1:40123/\n";
        assert_eq!(listening(log).as_deref(), Some("127.0.0.1:40123"));
        let log = "{\"message\":\"listening\",\"address\":\"127.0.0.1:7\"}\n";
        assert_eq!(listening(log).as_deref(), Some("127.0.0.1:7"));
    }

    #[test]
    fn a_line_that_is_still_being_written_is_not_read() {
        assert_eq!(listening("INFO listening on 127.0.0.1:40"), None);
        assert_eq!(listening("INFO listening on 127.0.0.1:0\n"), None);
    }

    #[test]
    fn a_run_without_test_cases_is_no_success() {
        let text = "Test cases:\n  812 generated, 812 passed\n";
        assert_eq!(
            generated(text).as_deref(),
            Some("812 generated, 812 passed")
        );
        assert_eq!(generated("  0 generated, 0 passed\n"), None);
        assert_eq!(generated("nothing"), None);
    }
}
