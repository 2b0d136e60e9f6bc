//! containerd on a machine, in the version that Debian has and in the current one, and crictl as its client.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use floatingip_testkit::process::Launch;
use floatingip_testkit::{Process, eventually};
use serde_json::Value;

use crate::command;
use crate::image::{PAUSE, RESIDENT};
use crate::kit::Kit;
use crate::machine::Machine;

const LIMIT: Duration = Duration::from_secs(30);

/// Which containerd.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Version {
    /// 1.6, from Debian's package. It takes results of CNI 1.0.0 at most.
    One,
    /// 2.4. With CNI 1.1.0 it asks for `STATUS` every few seconds.
    Two,
}

impl Version {
    /// The highest that it takes of CNI.
    pub(crate) fn cni(self) -> &'static str {
        match self {
            Self::One => "1.0.0",
            Self::Two => "1.1.0",
        }
    }

    fn program(self, kit: &Kit, name: &str) -> PathBuf {
        match self {
            Self::One => kit.debian(&format!("usr/bin/{name}")),
            Self::Two => kit.built(name),
        }
    }
}

/// A containerd that runs on a machine. Its containers go on when it is killed, and end with the machine.
#[derive(Debug)]
pub(crate) struct Containerd {
    process: Process,
    kit: Arc<Kit>,
    version: Version,
    folder: PathBuf,
}

impl Containerd {
    /// Starts it with our plugins, installed as an operator does, and with the images of the tests.
    pub(crate) async fn start(kit: &Arc<Kit>, version: Version, machine: &Machine) -> Result<Self> {
        for name in ["net.d", "plugins", "opt"] {
            machine.make_folder(name)?;
        }
        let configuration = machine.path("containerd.toml");
        fs::write(&configuration, text(kit, version, machine.folder()))?;
        let launch = machine.launch(Path::new("env"), &machine.path("containerd.log"));
        let launch = launch
            .arg(format!("PATH={}", search_path(kit, version)?))
            .arg(format!("LD_LIBRARY_PATH={}", libraries(kit).display()))
            .arg(version.program(kit, "containerd"))
            .arg("--config")
            .arg(configuration);
        let containerd = Self {
            process: Process::start(launch)?,
            kit: Arc::clone(kit),
            version,
            folder: machine.folder().to_owned(),
        };
        fs::write(containerd.folder.join("crictl.yaml"), "")?;
        containerd.ready().await?;
        for image in [PAUSE, RESIDENT] {
            containerd
                .import(&image.write(kit, &containerd.folder)?)
                .await?;
        }
        Ok(containerd)
    }

    /// Where the kubelet reaches it.
    pub(crate) fn endpoint(&self) -> String {
        format!("unix://{}", socket(&self.folder).display())
    }

    /// Kills it and starts it again.
    pub(crate) async fn restart(&self) -> Result<()> {
        self.process.restart()?;
        self.ready().await
    }

    /// What crictl prints.
    pub(crate) async fn crictl(&self, words: &[&str]) -> Result<String> {
        let launch = |log: &Path| {
            let launch = Launch::new(self.kit.built("crictl"), log);
            launch
                .arg("--config")
                .arg(self.folder.join("crictl.yaml"))
                .args(["--timeout=45s", "--runtime-endpoint", &self.endpoint()])
                .args(["--image-endpoint", &self.endpoint()])
                .args(words.iter())
        };
        command::run(&self.folder, launch).await
    }

    /// What crictl prints as JSON.
    pub(crate) async fn inspect(&self, words: &[&str]) -> Result<Value> {
        let printed = self.crictl(words).await?;
        serde_json::from_str(&printed).with_context(|| format!("no JSON: {printed}"))
    }

    /// The last lines of its log.
    pub(crate) fn log_tail(&self) -> String {
        self.process.log_tail(30)
    }

    async fn ready(&self) -> Result<()> {
        let what = || format!("the end of containerd's log:\n{}", self.log_tail());
        eventually(LIMIT, "containerd answers", || async {
            if self.process.ended()?.is_some() {
                return Ok(self.process.check_running());
            }
            self.crictl(&["version"]).await.map(|_| Ok(()))
        })
        .await
        .with_context(what)?
    }

    async fn import(&self, archive: &Path) -> Result<()> {
        let launch = |log: &Path| {
            let launch = Launch::new(self.version.program(&self.kit, "ctr"), log);
            let launch = launch.arg("--address").arg(socket(&self.folder));
            let launch = launch.args(["--namespace", "k8s.io", "images", "import"]);
            match self.version {
                Version::One => launch.arg(archive),
                Version::Two => launch.arg("--local").arg(archive),
            }
        };
        command::run(&self.folder, launch).await.map(drop)
    }
}

fn socket(folder: &Path) -> PathBuf {
    folder.join("containerd.sock")
}

/// It looks for its shim there, and that for runc.
fn search_path(kit: &Kit, version: Version) -> Result<String> {
    let shim = version.program(kit, "containerd-shim-runc-v2");
    let shim = shim.parent().context("a program without a folder")?;
    let runc = kit.debian("usr/sbin");
    let inherited = std::env::var("PATH")?;
    Ok(format!("{}:{}:{inherited}", shim.display(), runc.display()))
}

/// What runc needs besides the C library.
fn libraries(kit: &Kit) -> PathBuf {
    kit.debian("usr/lib/x86_64-linux-gnu")
}

/// Its configuration. A test has not the right to lower what the kernel's killer thinks of a process; what a container should get
/// is then limited to that.
fn text(kit: &Kit, version: Version, folder: &Path) -> String {
    let (folder, runc) = (folder.display(), kit.debian("usr/sbin/runc"));
    let (pause, runc) = (PAUSE.name, runc.display());
    match version {
        Version::One => format!(
            r#"version = 2
root = "{folder}/containerd"
state = "{folder}/containerd-state"
[grpc]
address = "{folder}/containerd.sock"
[plugins."io.containerd.internal.v1.opt"]
path = "{folder}/opt"
[plugins."io.containerd.grpc.v1.cri"]
sandbox_image = "{pause}"
restrict_oom_score_adj = true
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
BinaryName = "{runc}"
SystemdCgroup = false
[plugins."io.containerd.grpc.v1.cri".cni]
bin_dir = "{folder}/plugins"
conf_dir = "{folder}/net.d"
"#
        ),
        Version::Two => format!(
            r#"version = 4
root = "{folder}/containerd"
state = "{folder}/containerd-state"
imports = []
disabled_plugins = ["io.containerd.nri.v1.nri"]
[plugins."io.containerd.server.v1.grpc"]
address = "{folder}/containerd.sock"
[plugins."io.containerd.server.v1.ttrpc"]
address = "{folder}/containerd.sock.ttrpc"
[plugins."io.containerd.internal.v1.opt"]
path = "{folder}/opt"
[plugins."io.containerd.cri.v1.images".pinned_images]
sandbox = "{pause}"
[plugins."io.containerd.cri.v1.runtime"]
restrict_oom_score_adj = true
enable_criu = false
[plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"
[plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc.options]
BinaryName = "{runc}"
SystemdCgroup = false
[plugins."io.containerd.cri.v1.runtime".cni]
bin_dirs = ["{folder}/plugins"]
conf_dir = "{folder}/net.d"
"#
        ),
    }
}
