//! The real standalone server, on a socket file, as the node's plugins ask it.

use std::io::{Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

use super::lab::{OUTSIDE_IP, needed};

/// How long anything may take while all tests run side by side.
const LIMIT: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(10);

/// The server and its folder. It is killed at the end.
#[derive(Debug)]
pub(crate) struct Server {
    program: PathBuf,
    folder: TempDir,
    tokens: Option<&'static str>,
    process: Option<Child>,
}

impl Server {
    /// Serves `first~last` addresses of the neighbour's subnet; none where nobody says where the program is.
    pub(crate) fn start(ips: &str, subnet: &str, vlan: u16) -> Option<Self> {
        let program = needed("FLOATINGIP_SERVER_PROGRAM", "floatingip-server is")?;
        let configuration = json!([{
            "nodeSubnets": ["0.0.0.0/0"], "ips": [ips], "subnet": subnet, "gateway": OUTSIDE_IP, "vlan": vlan,
        }]);
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("config"), configuration.to_string()).unwrap();
        let mut server = Self {
            program,
            folder,
            tokens: None,
            process: None,
        };
        server.again();
        Some(server)
    }

    /// The same, and asks for a token where something is changed.
    pub(crate) fn guarded(ips: &str, subnet: &str, token: &str) -> Option<Self> {
        let mut server = Self::start(ips, subnet, 0)?;
        server.kill();
        let path = server.folder.path().join("tokens");
        std::fs::write(&path, token).unwrap();
        let private = std::fs::Permissions::from_mode(0o600);
        std::fs::set_permissions(path, private).unwrap();
        server.tokens = Some("tokens");
        server.again();
        Some(server)
    }

    /// Starts it, and waits until it serves.
    pub(crate) fn again(&mut self) {
        let mut command = Command::new(&self.program);
        command.current_dir(self.folder.path());
        command.args(["standalone", "--config", "config", "--data-dir", "data"]);
        command.arg("--listen").arg(self.url());
        let tokens = self.tokens.map(|file| ["--api-token-file", file]);
        command.args(tokens.into_iter().flatten());
        let quiet = command.stdin(Stdio::null()).stdout(Stdio::null());
        let log = std::fs::File::create(self.folder.path().join("log")).unwrap();
        self.process = Some(quiet.stderr(log).spawn().unwrap());
        let since = Instant::now();
        while self.try_ask("GET", "/readyz", None).is_none() {
            let log = std::fs::read_to_string(self.folder.path().join("log"));
            assert!(
                since.elapsed() < LIMIT,
                "the server does not serve: {log:?}"
            );
            thread::sleep(POLL);
        }
    }

    /// Ends it, as a power cut does.
    pub(crate) fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill().unwrap();
            process.wait().unwrap();
        }
    }

    /// As it stands in `serverURL`.
    pub(crate) fn url(&self) -> String {
        format!("unix:{}", self.socket().display())
    }

    /// The socket's file.
    pub(crate) fn socket(&self) -> PathBuf {
        self.folder.path().join("f.sock")
    }

    /// The owned addresses, each with its row.
    pub(crate) fn owned(&self) -> Vec<(String, Value)> {
        let listing = self.ask("GET", "/v1/ip?size=100", None);
        let rows = listing["content"].as_array().unwrap().iter();
        rows.map(|row| (row["ip"].as_str().unwrap().to_owned(), row.clone()))
            .collect()
    }

    /// The addresses that somebody uses or keeps.
    pub(crate) fn owned_ips(&self) -> Vec<String> {
        self.owned().into_iter().map(|(ip, _)| ip).collect()
    }

    /// One request, which has to be answered well.
    #[track_caller]
    pub(crate) fn ask(&self, method: &str, path: &str, body: Option<&Value>) -> Value {
        let answer = self.try_ask(method, path, body);
        answer.unwrap_or_else(|| panic!("{method} {path} was not answered with 200"))
    }

    /// Bytes as they are, and what is answered.
    pub(crate) fn forward(&self, bytes: &[u8]) -> String {
        let mut stream = UnixStream::connect(self.socket()).unwrap();
        stream.set_read_timeout(Some(LIMIT)).unwrap();
        stream.write_all(bytes).unwrap();
        let (mut text, mut some) = (String::new(), [0; 4096]);
        while !text.trim_end().ends_with('}') {
            let count = stream.read(&mut some).unwrap();
            assert!(count > 0, "the server broke off after {text:?}");
            text += std::str::from_utf8(&some[..count]).unwrap();
        }
        text
    }

    fn try_ask(&self, method: &str, path: &str, body: Option<&Value>) -> Option<Value> {
        let mut stream = UnixStream::connect(self.socket()).ok()?;
        stream.set_read_timeout(Some(LIMIT)).unwrap();
        let body = body.map(Value::to_string).unwrap_or_default();
        let length = body.len();
        let head = format!(
            "{method} {path} HTTP/1.1\r\nhost: f\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n"
        );
        stream.write_all((head + &body).as_bytes()).ok()?;
        let mut text = String::new();
        stream.read_to_string(&mut text).ok()?;
        let (head, body) = text.split_once("\r\n\r\n")?;
        head.starts_with("HTTP/1.1 200 ")
            .then(|| serde_json::from_str(body).unwrap_or_default())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}
