//! The kubeconfig from a pod's service account.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use crate::scene::{PROGRAM, Scene, complaint, told};

/// As long as a process may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// A node, and a pod on it with a service account.
struct Pod {
    scene: Scene,
    account: PathBuf,
}

impl Pod {
    fn new() -> Self {
        let scene = Scene::new();
        let account = scene.root.path().join("account");
        fs::create_dir(&account).unwrap();
        let pod = Self { scene, account };
        pod.renew("first");
        fs::write(pod.account.join("ca.crt"), "the cluster's authority").unwrap();
        pod
    }

    /// As a kubelet does it: under its name at once.
    fn renew(&self, token: &str) {
        let fresh = self.account.join("fresh");
        fs::write(&fresh, token).unwrap();
        fs::rename(fresh, self.account.join("token")).unwrap();
    }

    fn install(&self, host: &str) -> Command {
        let mut call = self.scene.call(PROGRAM, "install");
        call.args(["--device", "eth1", "--service-account"])
            .arg(&self.account)
            .env("KUBERNETES_SERVICE_HOST", host)
            .env("KUBERNETES_SERVICE_PORT", "6443");
        call
    }

    fn kubeconfig(&self) -> PathBuf {
        self.scene.conf.join("floatingip.kubeconfig")
    }

    fn token(&self) -> Option<String> {
        let read: Value = serde_json::from_slice(&fs::read(self.kubeconfig()).ok()?).unwrap();
        Some(read["users"][0]["user"]["token"].as_str()?.to_owned())
    }
}

#[track_caller]
fn wait_until(what: &str, is_so: impl Fn() -> bool) {
    let since = Instant::now();
    while !is_so() {
        assert!(since.elapsed() < PATIENCE, "not yet: {what}");
        thread::yield_now();
    }
}

/// One who stays. Does not outlive a test that fails.
struct Staying(Child);

impl Staying {
    fn start(call: &mut Command) -> Self {
        Self(call.arg("--keep").stdout(Stdio::null()).spawn().unwrap())
    }

    fn end(mut self, signal: Signal) -> i32 {
        let pid = Pid::from_raw(self.0.id().try_into().unwrap());
        kill(pid, signal).unwrap();
        self.0.wait().unwrap().code().unwrap_or(-1)
    }
}

impl Drop for Staying {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn the_kubeconfig_is_that_of_the_account_and_for_root_alone() {
    for (host, server) in [
        ("10.96.0.1", "https://10.96.0.1:6443"),
        ("fd00::1", "https://[fd00::1]:6443"),
    ] {
        let pod = Pod::new();
        told(&pod.install(host).output().unwrap());
        let file = &pod.scene.files()["floatingip.kubeconfig"];
        assert_eq!(file.mode, 0o600);
        let read: Value = serde_json::from_slice(&file.bytes).unwrap();
        let cluster = &read["clusters"][0]["cluster"];
        assert_eq!(cluster["server"], server);
        assert_eq!(
            cluster["certificate-authority-data"],
            "dGhlIGNsdXN0ZXIncyBhdXRob3JpdHk="
        );
        assert_eq!(pod.token().unwrap(), "first");
        told(&pod.scene.uninstall());
        assert!(!pod.kubeconfig().exists());
    }
}

#[test]
fn one_who_stays_writes_a_renewed_token_and_ends_when_told() {
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        let pod = Pod::new();
        let mut staying = Staying::start(&mut pod.install("10.96.0.1"));
        wait_until("installed", || pod.scene.conflist().exists());
        pod.renew("second");
        wait_until("renewed", || pod.token().as_deref() == Some("second"));
        assert!(staying.0.try_wait().unwrap().is_none(), "it stays");
        fs::remove_file(pod.kubeconfig()).unwrap();
        wait_until("put back", || pod.token().is_some());
        assert_eq!(staying.end(signal), 0);
    }
}

/// The last one is good for a while.
#[test]
fn one_who_stays_tells_once_that_the_account_cannot_be_read_and_goes_on() {
    let pod = Pod::new();
    let errors = pod.scene.root.path().join("errors");
    let mut call = pod.install("10.96.0.1");
    call.stderr(fs::File::create(&errors).unwrap());
    let staying = Staying::start(&mut call);
    let told = |path: &Path| fs::read_to_string(path).unwrap().lines().count();
    wait_until("installed", || pod.scene.conflist().exists());
    fs::remove_file(pod.account.join("token")).unwrap();
    wait_until("told", || told(&errors) > 0);
    pod.renew("third");
    wait_until("renewed", || pod.token().as_deref() == Some("third"));
    assert_eq!(told(&errors), 1);
    assert_eq!(staying.end(Signal::SIGTERM), 0);
}

#[test]
fn an_account_that_cannot_be_used_changes_nothing() {
    let pod = Pod::new();
    fs::remove_file(pod.account.join("ca.crt")).unwrap();
    let said = complaint(&pod.install("10.96.0.1").output().unwrap(), 1);
    assert!(said.contains("ca.crt"), "{said}");
    let said = complaint(&pod.install("").output().unwrap(), 1);
    assert!(said.contains("KUBERNETES_SERVICE_HOST"), "{said}");
    let mut nowhere = pod.scene.call(PROGRAM, "install");
    nowhere.args(["--device", "eth1", "--keep"]);
    nowhere.env_remove("KUBERNETES_SERVICE_HOST");
    let said = complaint(&nowhere.output().unwrap(), 1);
    assert!(
        said.contains("nothing to stay for") || said.contains("there is nothing"),
        "{said}"
    );
    assert!(!pod.scene.bin.exists() && !pod.scene.conf.exists());
}

#[test]
fn a_kubeconfig_of_somebody_else_is_kept_and_put_back() {
    let pod = Pod::new();
    fs::create_dir_all(&pod.scene.conf).unwrap();
    fs::write(pod.kubeconfig(), "apiVersion: v1\n").unwrap();
    told(&pod.install("10.96.0.1").output().unwrap());
    assert_eq!(pod.token().unwrap(), "first");
    told(&pod.scene.uninstall());
    let back = fs::read_to_string(pod.kubeconfig()).unwrap();
    assert_eq!(back, "apiVersion: v1\n");
}
