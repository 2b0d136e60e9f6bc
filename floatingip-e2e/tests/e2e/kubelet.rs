//! The kubelet of a node.

use std::fs;
use std::path::Path;

use anyhow::Result;
use floatingip_testkit::Process;
use serde_json::{Value, json};

use crate::kit::Kit;
use crate::node::Node;

/// A kubelet that runs on a node. The node's containers go on when it ends.
#[derive(Debug)]
pub(crate) struct Kubelet {
    process: Process,
}

impl Kubelet {
    /// Starts it; it registers its node under `name`.
    pub(crate) fn start(kit: &Kit, node: &Node, name: &str, kubeconfig: &Path) -> Result<Self> {
        let machine = &node.machine;
        let configuration = machine.path("kubelet.json");
        fs::write(&configuration, configured(node)?.to_string())?;
        let log = machine.path("kubelet.log");
        let launch = machine
            .launch(&kit.built("kubelet"), &log)
            .flag("config", configuration)
            .flag("kubeconfig", kubeconfig)
            .flag("root-dir", machine.make_folder("kubelet")?)
            .flag("cert-dir", machine.make_folder("certificates")?)
            .flag("hostname-override", name)
            .flag("node-ip", node.address().to_string());
        Ok(Self {
            process: Process::start(launch)?,
        })
    }

    /// The last lines of its log.
    pub(crate) fn log_tail(&self) -> String {
        self.process.log_tail(30)
    }
}

/// What is not the same on every machine that tests run on is switched off: limits of processes and disks, the packet filter, and
/// who may ask the kubelet, which nobody does.
fn configured(node: &Node) -> Result<Value> {
    Ok(json!({
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "failCgroupV1": false,
        "failSwapOn": false,
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": node.cgroup.path(),
        "enforceNodeAllocatable": ["pods"],
        "containerRuntimeEndpoint": node.containerd.endpoint(),
        "address": node.address(),
        "readOnlyPort": 0,
        "authentication": {"anonymous": {"enabled": true}, "webhook": {"enabled": false}},
        "authorization": {"mode": "AlwaysAllow"},
        "makeIPTablesUtilChains": false,
        "oomScoreAdj": 0,
        "maxOpenFiles": 20_000,
        "resolvConf": "",
        "volumePluginDir": node.machine.make_folder("volumes")?,
        "evictionHard": {"memory.available": "1Mi"},
        "imageGCHighThresholdPercent": 100,
        "imageGCLowThresholdPercent": 99,
        "nodeStatusUpdateFrequency": "2s",
    }))
}
