//! The plugin that picks networks and has others join them: ours, Debian's, and scripts that fail on purpose.

mod fail;
mod join;
mod look;
mod lost;
mod tend;

use std::fs;
use std::path::PathBuf;

use serde_json::{Value, json};

use super::lab::{Call, DEVICE, Lab, debians_plugins, infos};
use super::space::Space;

/// A node with its networks, and a pod on it.
struct Scene {
    lab: Lab,
    pod: Space,
    /// What plugins write down while they are called.
    data: tempfile::TempDir,
}

/// The pod's floating IP.
const FLOATING: &str = "10.9.0.20";
const NETWORKS: &str = "k8s.v1.cni.cncf.io/networks";

impl Scene {
    fn new() -> Option<Self> {
        Some(Self {
            lab: Lab::new()?,
            pod: Space::new(),
            data: tempfile::tempdir().unwrap(),
        })
    }

    /// With Debian's plugins.
    fn with_debians() -> Option<Self> {
        debians_plugins()?;
        Self::new()
    }

    /// `lan` is the data centre's network, `pods` that of Debian's bridge, others are scripts of their own name.
    fn networks(&self, scripts: &[&str]) -> Vec<Value> {
        let ranges = json!([[{"subnet": "10.20.0.0/24", "rangeStart": "10.20.0.20"}]]);
        let mut networks = vec![
            json!({
                "cniVersion": "1.0.0", "name": "lan", "type": "galaxy-k8s-vlan", "device": DEVICE,
                "state_folder": self.lab.records(), "duplicate_address_probe": false,
            }),
            json!({
                "cniVersion": "1.0.0", "name": "pods", "type": "bridge", "bridge": "cni0", "isDefaultGateway": true,
                "ipam": {"type": "host-local", "dataDir": self.data.path().join("host-local"), "ranges": ranges},
            }),
        ];
        networks.extend(
            scripts
                .iter()
                .map(|kind| json!({"cniVersion": "1.1.0", "type": kind})),
        );
        networks
    }

    /// `ADD` of a pod that names `networks` and has its floating IP.
    fn add(&self, networks: &str, scripts: &[&str]) -> Call<'static> {
        let mut call = self.lab.add("c1", &self.pod, &[], &json!({}));
        call.args =
            "IgnoreUnknown=1;K8S_POD_NAMESPACE=shop;K8S_POD_NAME=web-0;K8S_POD_UID=u1".to_owned();
        let args = json!({"common": {"ipinfos": infos(&[&format!("{FLOATING}/24")])}});
        call.config = json!({
            "cniVersion": "1.0.0", "name": "cluster", "type": "floatingip",
            "state_folder": self.lab.records(), "kubeconfig": "",
            "NetworkConf": self.networks(scripts),
            "DefaultNetworks": ["pods"],
            "ENIIPNetwork": "lan",
            "runtimeConfig": {"io.kubernetes.cri.pod-annotations": {
                NETWORKS: networks, "k8s.v1.cni.galaxy.io/args": args.to_string(),
            }},
        });
        call
    }

    /// A plugin that writes down its calls and does what `more` says.
    fn script(&self, kind: &str, more: &str) {
        let log = self.log().display().to_string();
        let text = format!(
            "cat > {folder}/{kind}.$CNI_COMMAND\necho \"$CNI_COMMAND {kind} $CNI_IFNAME\" >> {log}\n{more}\n[ $CNI_COMMAND != ADD ] || echo '{{\"cniVersion\":\"1.0.0\"}}'",
            folder = self.data.path().display(),
        );
        self.lab.script(kind, &text);
    }

    fn log(&self) -> PathBuf {
        self.data.path().join("log")
    }

    /// The calls of scripts, and no more of them the next time.
    fn calls(&self) -> Vec<String> {
        let text = fs::read_to_string(self.log()).unwrap_or_default();
        fs::remove_file(self.log()).ok();
        text.lines().map(str::to_owned).collect()
    }

    /// What a script was given.
    fn given(&self, kind: &str, verb: &str) -> Value {
        let text = fs::read(self.data.path().join(format!("{kind}.{verb}"))).unwrap();
        serde_json::from_slice(&text).unwrap()
    }

    /// How many attachments of this plugin are remembered.
    fn remembered(&self) -> usize {
        let network = fs::read_dir(self.lab.records().join("floatingip/cluster"));
        network.map_or(0, Iterator::count)
    }

    #[track_caller]
    fn assert_nothing_is_left(&self, moment: &str) {
        assert_eq!(self.remembered(), 0, "{moment}");
        assert_eq!(self.lab.remembered(), 0, "{moment}");
        let host = self.lab.host.ip("-o link");
        assert!(
            !host.contains("v-h") && !host.contains("vethc"),
            "{moment}: {host}"
        );
        let pod = self.pod.ip("-o link");
        assert!(
            !pod.contains("eth0") && !pod.contains("net1"),
            "{moment}: {pod}"
        );
    }
}
