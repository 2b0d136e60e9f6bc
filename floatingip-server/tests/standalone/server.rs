//! A folder for a server, and the server as a process.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

use crate::client::{Answer, connect, exchange, request};

/// The longest wait for anything that has to happen.
pub(crate) const LIMIT: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(10);

/// The configuration of the seed document.
pub(crate) const SEED: &str = r#"[{"routableSubnet":"10.0.0.0/16","ips":["10.0.70.2~10.0.70.241"],"subnet":"10.0.70.0/24","gateway":"10.0.70.1","vlan":2}]"#;

/// The seed's configuration with other addresses.
pub(crate) fn with_ips(ips: &str) -> String {
    SEED.replace("10.0.70.2~10.0.70.241", ips)
}

/// Asks again and again until there is an answer.
#[track_caller]
pub(crate) fn wait_for<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + LIMIT;
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(Instant::now() < deadline, "no {what} in time");
        thread::sleep(POLL);
    }
}

/// The repository.
pub(crate) fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// The binary, without settings from the environment of the tests.
pub(crate) fn binary() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_floatingip-server"));
    for name in [
        "CONFIG",
        "DATA_DIR",
        "LISTEN",
        "GALAXY_COMPAT",
        "POOL_HEADROOM",
        "JOURNAL_LIMIT",
        "LOG",
        "LOG_FORMAT",
    ] {
        command.env_remove(format!("FLOATINGIP_{name}"));
    }
    command.stdin(Stdio::null()).stdout(Stdio::null());
    command
}

/// A folder with a configuration and, once a server has run, its data.
#[derive(Debug)]
pub(crate) struct Home {
    folder: TempDir,
    starts: AtomicUsize,
}

impl Home {
    pub(crate) fn new(configuration: &str) -> Self {
        let home = Self {
            folder: tempfile::tempdir().unwrap(),
            starts: AtomicUsize::new(0),
        };
        home.configure(configuration);
        home
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Puts another configuration in the place of the former one, in one step.
    pub(crate) fn configure(&self, text: &str) {
        fs::write(self.path("new"), text).unwrap();
        fs::rename(self.path("new"), self.path("config")).unwrap();
    }

    /// The command that serves from this folder at any free port.
    pub(crate) fn command(&self, more: &[&str]) -> Command {
        let mut command = binary();
        command.current_dir(self.folder.path());
        command.args(["standalone", "--config", "config", "--data-dir", "data"]);
        // Not as a flag: one of `more` may say it otherwise.
        command.env("FLOATINGIP_LISTEN", "127.0.0.1:0").args(more);
        command
    }

    pub(crate) fn start(&self) -> Server {
        self.start_with(&[])
    }

    pub(crate) fn start_with(&self, more: &[&str]) -> Server {
        self.spawn(self.command(more)).serving()
    }

    /// Starts it, and does not wait for anything.
    pub(crate) fn spawn(&self, mut command: Command) -> Server {
        let start = self.starts.fetch_add(1, Ordering::Relaxed);
        let log = self.path(&format!("log-{start}"));
        command.stderr(File::create(&log).unwrap());
        Server {
            process: command.spawn().unwrap(),
            log,
            port: 0,
        }
    }
}

/// A process of the server; killed at the end of its test, if it lives so long.
#[derive(Debug)]
pub(crate) struct Server {
    process: Child,
    log: PathBuf,
    pub(crate) port: u16,
}

impl Server {
    /// Waits until it serves at a port or a socket.
    #[track_caller]
    pub(crate) fn serving(mut self) -> Self {
        let ended = self.ends_or_serves();
        assert_eq!(ended, None, "{}", self.log());
        self
    }

    /// Waits until it has ended, answering with how, or serves.
    #[track_caller]
    pub(crate) fn ends_or_serves(&mut self) -> Option<ExitStatus> {
        wait_for("end of the server, or a place to serve at", || {
            let ended = self.process.try_wait().unwrap();
            let place = served_at(&self.log());
            (ended.is_some() || place.is_some()).then(|| {
                self.port = place.as_deref().map_or(0, port);
                ended
            })
        })
    }

    pub(crate) fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap()
    }

    #[track_caller]
    pub(crate) fn logged(&self, text: &str) {
        wait_for(&format!("`{text}` in the log"), || {
            self.log().contains(text).then_some(())
        });
    }

    pub(crate) fn pid(&self) -> u32 {
        self.process.id()
    }

    pub(crate) fn signal(&self, name: &str) {
        let pid = self.process.id().to_string();
        let sent = Command::new("kill").args(["-s", name, &pid]).status();
        assert!(sent.unwrap().success());
    }

    #[track_caller]
    pub(crate) fn wait(&mut self) -> ExitStatus {
        wait_for("end of the server", || self.process.try_wait().unwrap())
    }

    /// Ends it as an operator does.
    #[track_caller]
    pub(crate) fn stop(mut self) {
        self.signal("TERM");
        assert_eq!(self.wait().code(), Some(0), "{}", self.log());
    }

    /// Ends it as a power cut does.
    pub(crate) fn kill(mut self) {
        self.process.kill().unwrap();
        self.wait();
    }

    pub(crate) fn ask(&self, method: &str, path: &str, body: &str) -> Answer {
        exchange(connect(self.port), &request(method, path, "", body))
    }

    pub(crate) fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, "")
    }

    /// Creates or changes a pool; answers with how many addresses it has.
    #[track_caller]
    pub(crate) fn put_pool(&self, name: &str, size: u32, status: u16) -> Value {
        let body = format!(r#"{{"name":"{name}","size":{size},"preAllocateIP":true}}"#);
        self.ask("POST", "/v1/pool", &body).json(status)["realPoolSize"].clone()
    }

    /// The addresses of the listing with these parameters.
    #[track_caller]
    pub(crate) fn ips(&self, parameters: &str) -> Vec<String> {
        let page = self.get(&format!("/v1/ip?{parameters}")).json(200);
        let rows = page["content"].as_array().unwrap().iter();
        rows.map(|row| row["ip"].as_str().unwrap().to_owned())
            .collect()
    }

    /// The value of a series of the metrics, by all that stands before it.
    pub(crate) fn metric(&self, series: &str) -> Option<f64> {
        let text = self.get("/metrics").body;
        let mut values = text
            .lines()
            .filter_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
        values.next().map(|value| value.parse().unwrap())
    }

    /// How many addresses are configured in all.
    pub(crate) fn total(&self) -> f64 {
        let text = self.get("/metrics").body;
        let totals = text.lines().filter(|line| line.contains("type=\"total\""));
        totals
            .map(|line| line.rsplit_once(' ').unwrap().1.parse::<f64>().unwrap())
            .sum()
    }

    #[track_caller]
    pub(crate) fn total_becomes(&self, addresses: f64) {
        wait_for(&format!("{addresses} addresses"), || {
            (self.total() == addresses).then_some(())
        });
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Ok(None) = self.process.try_wait() {
            // It may end by itself just now.
            let _ = self.process.kill();
            let _ = self.process.wait();
        }
    }
}

/// The port of a place; 0 of a socket.
fn port(place: &str) -> u16 {
    let port = place.rsplit_once(':').map(|(_, port)| port.parse());
    port.and_then(Result::ok).unwrap_or(0)
}

/// The place on the first finished line of the log that names one.
pub(crate) fn served_at(log: &str) -> Option<String> {
    let finished = log.rsplit_once('\n')?.0;
    let (_, rest) = finished.split_once("serving at ")?;
    let place = rest.split([' ', '"', '\n']).next()?;
    Some(place.to_owned())
}
