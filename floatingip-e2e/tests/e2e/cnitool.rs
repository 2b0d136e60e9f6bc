//! cnitool, the specification's own client: every verb, with our conflist.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Result, ensure};
use floatingip_testkit::Process;
use serde_json::{Value, json};

use crate::command;
use crate::kit::Kit;
use crate::lan::Lan;
use crate::machine::{DEVICE, Machine};
use crate::resident;
use crate::suite::Test;

pub(crate) const TESTS: &[Test] = &[
    ("cnitool::connects_checks_and_disconnects", |kit| {
        Box::pin(connects_checks_and_disconnects(kit))
    }),
    ("cnitool::collects_what_it_remembers", |kit| {
        Box::pin(collects_what_it_remembers(kit))
    }),
    ("cnitool::is_told_of_a_node_without_its_device", |kit| {
        Box::pin(is_told_of_a_node_without_its_device(kit))
    }),
    (
        "cnitool::connects_by_debians_macvlan_with_our_addresses",
        |kit| Box::pin(connects_by_debians_macvlan_with_our_addresses(kit)),
    ),
    (
        "cnitool::connects_by_the_plugin_of_each_pods_networks",
        |kit| Box::pin(connects_by_the_plugin_of_each_pods_networks(kit)),
    ),
];

const NETWORK: &str = "lan";

async fn connects_checks_and_disconnects(kit: Arc<Kit>) -> Result<()> {
    let scene = Scene::new(kit).await?;
    let address = scene.lan.pod_address(0);
    scene.call("status", "", 0).await?;
    let pod = scene.pod("one").await?;
    let result: Value = serde_json::from_str(&scene.call("add", &pod, 0).await?)?;
    ensure!(
        result["ips"][0]["address"] == format!("{address}/24"),
        "{result}"
    );
    let _resident = scene.resident("one")?;
    resident::answers(address, &scene.hostname()?).await?;
    scene.call("check", &pod, 0).await?;

    scene
        .machine
        .ip("-netns one link set eth0 mtu 1400")
        .await?;
    let error = scene.call("check", &pod, 0).await;
    let error = format!(
        "{:#}",
        error.err().unwrap_or_else(|| anyhow::anyhow!("it passes"))
    );
    ensure!(error.contains("1400"), "{error}");

    for _ in 0..2 {
        scene.call("del", &pod, 0).await?;
        resident::is_silent(address).await?;
    }
    ensure!(scene.remembered()? == 0, "DEL has left a record");
    Ok(())
}

/// cnitool ends by `DEL` what it remembers, and says by `GC` nothing of what is valid: what it has forgotten is not taken for lost.
async fn collects_what_it_remembers(kit: Arc<Kit>) -> Result<()> {
    let scene = Scene::new(kit).await?;
    let forgotten = scene.pod("one").await?;
    scene.call("add", &forgotten, 0).await?;
    scene.machine.run(&["rm", "-r", "/var/lib/cni"]).await?;
    let known = scene.pod("two").await?;
    scene.call("add", &known, 1).await?;
    ensure!(scene.remembered()? == 2, "{} records", scene.remembered()?);
    scene.call("gc", &known, 1).await?;
    ensure!(scene.remembered()? == 1, "{} records", scene.remembered()?);
    let _resident = scene.resident("one")?;
    resident::answers(scene.lan.pod_address(0), &scene.hostname()?).await
}

async fn is_told_of_a_node_without_its_device(kit: Arc<Kit>) -> Result<()> {
    let scene = Scene::new(kit).await?;
    scene.call("status", "", 0).await?;
    scene
        .machine
        .ip(&format!("link set {DEVICE} name other0"))
        .await?;
    let error = scene.call("status", "", 0).await;
    let error = format!(
        "{:#}",
        error.err().unwrap_or_else(|| anyhow::anyhow!("it passes"))
    );
    ensure!(error.contains(DEVICE), "{error}");
    Ok(())
}

/// Debian's plugin makes the link, ours says with which address.
async fn connects_by_debians_macvlan_with_our_addresses(kit: Arc<Kit>) -> Result<()> {
    let macvlan = |state: &Path| {
        let ipam = json!({"type": "floatingip-ipam", "stateFolder": state});
        json!({"type": "macvlan", "master": DEVICE, "ipam": ipam})
    };
    connects(Scene::with(kit, "1.0.0", macvlan).await?).await
}

async fn connects_by_the_plugin_of_each_pods_networks(kit: Arc<Kit>) -> Result<()> {
    let floatingip = |state: &Path| {
        let mut network = vlan(state);
        network["cniVersion"] = json!("1.1.0");
        network["name"] = json!("pods");
        json!({
            "type": "floatingip",
            "NetworkConf": [network],
            "ENIIPNetwork": "pods",
            "kubeconfig": "",
            "state_folder": state,
        })
    };
    let scene = Scene::with(kit, "1.1.0", floatingip).await?;
    scene.call("status", "", 0).await?;
    connects(scene).await
}

/// A namespace answers while it is connected, passes the check, and does no longer afterwards.
async fn connects(scene: Scene) -> Result<()> {
    let address = scene.lan.pod_address(0);
    let pod = scene.pod("one").await?;
    let result: Value = serde_json::from_str(&scene.call("add", &pod, 0).await?)?;
    let given = &result["ips"][0]["address"];
    ensure!(*given == format!("{address}/24"), "{result}");
    let _resident = scene.resident("one")?;
    resident::answers(address, &scene.hostname()?).await?;
    scene.call("check", &pod, 0).await?;
    scene.call("del", &pod, 0).await?;
    resident::is_silent(address).await
}

fn vlan(state: &Path) -> Value {
    json!({"type": "galaxy-k8s-vlan", "device": DEVICE, "state_folder": state})
}

/// A machine on a network, with the plugin in its place.
struct Scene {
    kit: Arc<Kit>,
    lan: Lan,
    machine: Machine,
}

impl Scene {
    async fn new(kit: Arc<Kit>) -> Result<Self> {
        Self::with(kit, "1.1.0", vlan).await
    }

    /// With a conflist of this version that has the plugin which is told where to keep its records.
    async fn with(kit: Arc<Kit>, version: &str, plugin: fn(&Path) -> Value) -> Result<Self> {
        let lan = Lan::new()?;
        let machine = Machine::start().await?;
        machine.join(&lan, 10).await?;
        let plugins = machine.make_folder("plugins")?;
        symlink(kit.plugin("macvlan"), plugins.join("macvlan"))?;
        for name in ["galaxy-k8s-vlan", "floatingip", "floatingip-ipam"] {
            symlink(kit.ours("floatingip-cni"), plugins.join(name))?;
        }
        let scene = Self { kit, lan, machine };
        let folder = scene.machine.make_folder("net.d")?;
        let plugin = plugin(&scene.state());
        let conflist = json!({"cniVersion": version, "name": NETWORK, "plugins": [plugin]});
        fs::write(folder.join("10-lan.conflist"), conflist.to_string())?;
        Ok(scene)
    }

    fn state(&self) -> PathBuf {
        self.machine.path("state")
    }

    /// A namespace to be connected; its path.
    async fn pod(&self, name: &str) -> Result<String> {
        self.machine.ip(&format!("netns add {name}")).await?;
        Ok(format!("/run/netns/{name}"))
    }

    /// Calls cnitool on the machine with the pod's address of this index.
    async fn call(&self, verb: &str, pod: &str, index: u8) -> Result<String> {
        let info = json!([{
            "ip": format!("{}/24", self.lan.pod_address(index)), "vlan": 0, "gateway": self.lan.gateway(),
        }]);
        let launch = |log: &Path| {
            let launch = self.machine.launch(&self.kit.built("cnitool"), log);
            launch
                .args([verb, NETWORK, pod])
                .env("NETCONFPATH", self.machine.path("net.d"))
                .env("CNI_PATH", self.machine.path("plugins"))
                .env("CNI_ARGS", format!("IgnoreUnknown=1;ipinfos={info}"))
        };
        command::run(self.machine.folder(), launch).await
    }

    /// Has the namespace of a pod answer.
    fn resident(&self, pod: &str) -> Result<Process> {
        let log = self.machine.path(&command::unique("resident"));
        let launch = self.machine.launch(Path::new("ip"), &log);
        let port = resident::PORT.to_string();
        let launch = launch
            .args(["netns", "exec", pod])
            .arg(self.kit.ours("resident"));
        Process::start(launch.args(["serve", &port]))
    }

    /// What the resident answers: its namespace is no pod's with a name of its own.
    fn hostname(&self) -> Result<String> {
        Ok(fs::read_to_string("/proc/sys/kernel/hostname")?
            .trim()
            .to_owned())
    }

    /// How many attachments the plugin remembers.
    fn remembered(&self) -> Result<usize> {
        let records = fs::read_dir(self.state().join("vlan").join(NETWORK))?;
        Ok(records.count())
    }
}
