//! The plugins, as a runtime calls them.

use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use super::cost::{self, Cost};
use super::node::{DEVICE, Node};
use super::space::Space;

/// A program with its configuration.
pub(crate) struct Plugin {
    program: PathBuf,
    /// Where it finds others.
    path: PathBuf,
    config: Value,
    args: String,
}

impl Plugin {
    /// `galaxy-k8s-vlan`, called by its link, with the address in the arguments.
    pub(crate) fn ours(switch: &str, probes: bool, folder: &Path) -> io::Result<Self> {
        let program = folder.join("galaxy-k8s-vlan");
        symlink(env!("CARGO_BIN_EXE_floatingip-cni"), &program)?;
        let info = json!([{"ip": "10.9.0.20/24", "vlan": 0, "gateway": "10.9.0.1"}]);
        Ok(Self {
            path: folder.to_owned(),
            program,
            args: format!("IgnoreUnknown=1;ipinfos={info}"),
            config: json!({
                "cniVersion": "1.0.0",
                "name": "lan",
                "type": "galaxy-k8s-vlan",
                "device": DEVICE,
                "switch": switch,
                "duplicate_address_probe": probes,
                "state_folder": folder.join("ours"),
            }),
        })
    }

    /// A main plugin of Debian's, which has `host-local` give the address, and the same default route set.
    pub(crate) fn debians(name: &str, others: &Path, folder: &Path) -> Self {
        Self {
            program: others.join(name),
            path: others.to_owned(),
            args: "IgnoreUnknown=1".to_owned(),
            config: json!({
                "cniVersion": "1.0.0",
                "name": "lan",
                "type": name,
                "bridge": "cni0",
                "master": DEVICE,
                "ipam": {
                    "type": "host-local",
                    "ranges": [[{"subnet": "10.9.0.0/24", "gateway": "10.9.0.1"}]],
                    "routes": [{"dst": "0.0.0.0/0"}],
                    "dataDir": folder.join("theirs"),
                },
            }),
        }
    }

    /// # Errors
    /// It fails.
    pub(crate) fn call(&self, verb: &str, node: &Node, container: &Space) -> io::Result<Cost> {
        let mut command = Command::new(&self.program);
        command
            .env_clear()
            .env("CNI_COMMAND", verb)
            .env("CNI_CONTAINERID", "0123456789abcdef")
            .env("CNI_IFNAME", "eth0")
            .env("CNI_NETNS", container.path())
            .env("CNI_ARGS", &self.args)
            .env("CNI_PATH", &self.path);
        let input = self.config.to_string();
        node.host.run(|| cost::of(&mut command, &input))
    }
}
