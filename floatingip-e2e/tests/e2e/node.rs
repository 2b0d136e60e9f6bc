//! A node: a machine on the data centre's network with a container runtime and our plugins.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use floatingip_testkit::process::Launch;
use serde_json::Value;

use crate::cgroup::Cgroup;
use crate::command;
use crate::containerd::{Containerd, Version};
use crate::kit::Kit;
use crate::lan::Lan;
use crate::machine::{DEVICE, Machine};

/// A node without a kubelet.
#[derive(Debug)]
pub(crate) struct Node {
    // Dropped in this order: the machine ends all processes, which the groups are then empty of.
    pub(crate) containerd: Containerd,
    pub(crate) machine: Machine,
    pub(crate) cgroup: Cgroup,
}

impl Node {
    /// Starts one whose address ends in `last`.
    pub(crate) async fn start(
        kit: &Arc<Kit>,
        version: Version,
        lan: &Lan,
        last: u8,
    ) -> Result<Self> {
        let cgroup = Cgroup::new()?;
        let machine = Machine::start().await?;
        machine.join(lan, last).await?;
        let containerd = Containerd::start(kit, version, &machine).await?;
        let node = Self {
            containerd,
            machine,
            cgroup,
        };
        node.install(kit, version).await?;
        Ok(node)
    }

    /// Puts the plugin in its place, as an operator does, beside the one that containerd calls for every sandbox.
    async fn install(&self, kit: &Kit, version: Version) -> Result<()> {
        let plugins = self.machine.path("plugins");
        symlink(kit.plugin("loopback"), plugins.join("loopback"))?;
        let launch = |log: &Path| {
            Launch::new(kit.ours("floatingip-cni"), log)
                .args([
                    "install",
                    "--device",
                    DEVICE,
                    "--cni-version",
                    version.cni(),
                ])
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

    /// Writes a file that crictl reads.
    pub(crate) fn write(&self, name: &str, content: &Value) -> Result<String> {
        let path = self.machine.path(&command::unique(name));
        fs::write(&path, content.to_string())?;
        Ok(path.display().to_string())
    }
}
