//! A node: a machine on the data centre's network with a container runtime and our plugins.

use std::fs;
use std::net::Ipv4Addr;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use floatingip_testkit::process::Launch;
use serde_json::{Value, json};

use crate::cgroup::Cgroup;
use crate::command;
use crate::containerd::{Containerd, Version};
use crate::kit::Kit;
use crate::lan::Lan;
use crate::machine::{DEVICE, Machine};

/// What the plugin is to do on a node.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wiring<'a> {
    /// How containers are connected.
    pub(crate) switch: &'static str,
    /// The server that hears of addresses which somebody else has.
    pub(crate) server: &'a str,
}

/// A node without a kubelet.
#[derive(Debug)]
pub(crate) struct Node {
    // Dropped in this order: the machine ends all processes, which the groups are then empty of.
    pub(crate) containerd: Containerd,
    pub(crate) machine: Machine,
    pub(crate) cgroup: Cgroup,
    address: Ipv4Addr,
}

impl Wiring<'_> {
    fn conflist(self, version: Version) -> Value {
        let plugin = json!({
            "type": "galaxy-k8s-vlan",
            "device": DEVICE,
            "switch": self.switch,
            "serverURL": self.server,
            "capabilities": {"io.kubernetes.cri.pod-annotations": true},
        });
        json!({"cniVersion": version.cni(), "name": "floatingip", "plugins": [plugin]})
    }
}

impl Node {
    /// Starts one whose address ends in `last`, with the conflist that `floatingip-cni install` brings.
    pub(crate) async fn start(
        kit: &Arc<Kit>,
        version: Version,
        lan: &Lan,
        last: u8,
    ) -> Result<Self> {
        let node = Self::bare(kit, version, lan, last).await?;
        node.install(kit, &["--device", DEVICE, "--cni-version", version.cni()])
            .await?;
        Ok(node)
    }

    /// Starts one with a conflist of an operator's own.
    pub(crate) async fn wired(
        kit: &Arc<Kit>,
        version: Version,
        lan: &Lan,
        last: u8,
        wiring: Wiring<'_>,
    ) -> Result<Self> {
        let node = Self::bare(kit, version, lan, last).await?;
        let conflist = node.write("conflist.json", &wiring.conflist(version))?;
        node.install(kit, &["--conflist", &conflist]).await?;
        Ok(node)
    }

    async fn bare(kit: &Arc<Kit>, version: Version, lan: &Lan, last: u8) -> Result<Self> {
        let cgroup = Cgroup::new()?;
        let machine = Machine::start().await?;
        machine.join(lan, last).await?;
        let containerd = Containerd::start(kit, version, &machine).await?;
        Ok(Self {
            containerd,
            machine,
            cgroup,
            address: lan.address(last),
        })
    }

    /// Its address on the network.
    pub(crate) fn address(&self) -> Ipv4Addr {
        self.address
    }

    /// Puts the plugin in its place, as an operator does, beside the one that containerd calls for every sandbox.
    async fn install(&self, kit: &Kit, words: &[&str]) -> Result<()> {
        let plugins = self.machine.path("plugins");
        symlink(kit.plugin("loopback"), plugins.join("loopback"))?;
        let launch = |log: &Path| {
            Launch::new(kit.ours("floatingip-cni"), log)
                .arg("install")
                .args(words.iter())
                .arg("--bin-dir")
                .arg(&plugins)
                .arg("--conf-dir")
                .arg(self.machine.path("net.d"))
        };
        let installed = command::run(self.machine.folder(), launch).await;
        installed.map(drop).context("the plugin is not installed")
    }

    /// What the plugin remembers on the machine; it is kept in a folder that only the machine sees.
    pub(crate) async fn remembered(&self) -> Result<String> {
        let script = "find /run -path '/run/floatingip/cni/*.json'";
        self.machine.run(&["sh", "-c", script]).await
    }

    /// Kills what holds the namespaces of a sandbox, as the kernel does when memory is short.
    pub(crate) async fn kill(&self, sandbox: &str) -> Result<()> {
        let status = self.containerd.inspect(&["inspectp", sandbox]).await?;
        let process = &status["info"]["pid"];
        ensure!(
            process.as_u64().is_some_and(|process| process > 1),
            "{status}"
        );
        let script = format!("kill -s KILL {process}");
        self.machine.run(&["sh", "-c", &script]).await.map(drop)
    }

    /// Writes a file that crictl reads.
    pub(crate) fn write(&self, name: &str, content: &Value) -> Result<String> {
        let path = self.machine.path(&command::unique(name));
        fs::write(&path, content.to_string())?;
        Ok(path.display().to_string())
    }
}
