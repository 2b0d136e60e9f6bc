//! containerd by itself, with crictl in the kubelet's place.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, ensure};
use floatingip_testkit::eventually;
use serde_json::{Value, json};

use crate::containerd::Version;
use crate::image::RESIDENT;
use crate::kit::Kit;
use crate::lan::Lan;
use crate::machine::DEVICE;
use crate::node::Node;
use crate::suite::Test;
use crate::{foreign, resident};

/// Each with both versions of containerd.
pub(crate) const TESTS: &[Test] = &[
    ("sandbox::v1::has_its_address_until_it_is_stopped", |kit| {
        Box::pin(has_its_address_until_it_is_stopped(kit, Version::One))
    }),
    ("sandbox::v2::has_its_address_until_it_is_stopped", |kit| {
        Box::pin(has_its_address_until_it_is_stopped(kit, Version::Two))
    }),
    (
        "sandbox::v1::without_an_address_is_refused_with_the_reason",
        |kit| {
            Box::pin(without_an_address_is_refused_with_the_reason(
                kit,
                Version::One,
            ))
        },
    ),
    (
        "sandbox::v2::without_an_address_is_refused_with_the_reason",
        |kit| {
            Box::pin(without_an_address_is_refused_with_the_reason(
                kit,
                Version::Two,
            ))
        },
    ),
    (
        "sandbox::v1::does_not_take_an_address_that_is_in_use",
        |kit| Box::pin(does_not_take_an_address_that_is_in_use(kit, Version::One)),
    ),
    (
        "sandbox::v2::does_not_take_an_address_that_is_in_use",
        |kit| Box::pin(does_not_take_an_address_that_is_in_use(kit, Version::Two)),
    ),
    ("sandbox::v1::outlives_containerd", |kit| {
        Box::pin(outlives_containerd(kit, Version::One))
    }),
    ("sandbox::v2::outlives_containerd", |kit| {
        Box::pin(outlives_containerd(kit, Version::Two))
    }),
    (
        "sandbox::v1::that_was_killed_leaves_its_address_to_the_next",
        |kit| {
            Box::pin(that_was_killed_leaves_its_address_to_the_next(
                kit,
                Version::One,
            ))
        },
    ),
    (
        "sandbox::v2::that_was_killed_leaves_its_address_to_the_next",
        |kit| {
            Box::pin(that_was_killed_leaves_its_address_to_the_next(
                kit,
                Version::Two,
            ))
        },
    ),
    ("sandbox::v2::containerd_shows_what_the_node_lacks", |kit| {
        Box::pin(containerd_shows_what_the_node_lacks(kit))
    }),
];

/// How long containerd may take to notice something.
const LIMIT: Duration = Duration::from_secs(30);

async fn has_its_address_until_it_is_stopped(kit: Arc<Kit>, version: Version) -> Result<()> {
    let scene = Scene::new(&kit, version).await?;
    let address = scene.lan.pod_address(0);
    let pod = scene.run("web-0", Some(address)).await?;
    resident::answers(address, "web-0").await?;
    let status = scene.crictl_json(&["inspectp", &pod]).await?;
    ensure!(
        status["status"]["network"]["ip"] == address.to_string(),
        "{status}"
    );
    ensure!(
        !scene.node.remembered().await?.is_empty(),
        "nothing is remembered"
    );

    scene.crictl(&["stopp", &pod]).await?;
    resident::is_silent(address).await?;
    scene.crictl(&["rmp", &pod]).await?;
    scene.nothing_is_left().await
}

async fn without_an_address_is_refused_with_the_reason(
    kit: Arc<Kit>,
    version: Version,
) -> Result<()> {
    let scene = Scene::new(&kit, version).await?;
    let error = scene.refusal("web-0", None).await?;
    ensure!(error.contains("no floating IP"), "{error}");
    scene.nothing_is_left().await
}

async fn does_not_take_an_address_that_is_in_use(kit: Arc<Kit>, version: Version) -> Result<()> {
    let scene = Scene::new(&kit, version).await?;
    let address = scene.lan.pod_address(0);
    let other = foreign::plant(&scene.lan, address).await?;
    let error = scene.refusal("web-0", Some(address)).await?;
    let expected = format!("{address} is used by {}", foreign::MAC);
    ensure!(error.contains(&expected), "{error}");
    scene.nothing_is_left().await?;
    other.leave().await?;
    scene.run("web-0", Some(address)).await?;
    resident::answers(address, "web-0").await
}

async fn outlives_containerd(kit: Arc<Kit>, version: Version) -> Result<()> {
    let scene = Scene::new(&kit, version).await?;
    let address = scene.lan.pod_address(0);
    let pod = scene.run("web-0", Some(address)).await?;
    resident::answers(address, "web-0").await?;
    scene.node.containerd.restart().await?;
    resident::answers(address, "web-0").await?;
    scene.crictl(&["stopp", &pod]).await?;
    resident::is_silent(address).await?;
    scene.crictl(&["rmp", &pod]).await?;
    scene.nothing_is_left().await
}

async fn that_was_killed_leaves_its_address_to_the_next(
    kit: Arc<Kit>,
    version: Version,
) -> Result<()> {
    let scene = Scene::new(&kit, version).await?;
    let address = scene.lan.pod_address(0);
    let pod = scene.run("web-0", Some(address)).await?;
    resident::answers(address, "web-0").await?;
    scene.kill(&pod).await?;
    scene.crictl(&["stopp", &pod]).await?;
    scene.crictl(&["rmp", "--force", &pod]).await?;
    scene.nothing_is_left().await?;
    scene.run("web-0", Some(address)).await?;
    resident::answers(address, "web-0").await
}

/// It asks the plugin, by `STATUS`, and a kubelet would call the node not ready with the same words.
async fn containerd_shows_what_the_node_lacks(kit: Arc<Kit>) -> Result<()> {
    let scene = Scene::new(&kit, Version::Two).await?;
    scene.network_is_ready(true, "").await?;
    let rename = |from, to| format!("link set {from} name {to}");
    scene.node.machine.ip(&rename(DEVICE, "other0")).await?;
    scene.network_is_ready(false, DEVICE).await?;
    scene.node.machine.ip(&rename("other0", DEVICE)).await?;
    scene.network_is_ready(true, "").await
}

/// A node on a network.
struct Scene {
    node: Node,
    lan: Lan,
}

impl Scene {
    async fn new(kit: &Arc<Kit>, version: Version) -> Result<Self> {
        let lan = Lan::new()?;
        let node = Node::start(kit, version, &lan, 10).await?;
        let scene = Self { node, lan };
        scene.network_is_ready(true, "").await?;
        Ok(scene)
    }

    async fn crictl(&self, words: &[&str]) -> Result<String> {
        self.node.containerd.crictl(words).await
    }

    async fn crictl_json(&self, words: &[&str]) -> Result<Value> {
        self.node.containerd.inspect(words).await
    }

    /// Runs a pod with the annotation that the server writes; its id.
    async fn run(&self, name: &str, address: Option<Ipv4Addr>) -> Result<String> {
        let file = self.node.write("pod.json", &self.pod(name, address))?;
        let pod = self.crictl(&["runp", &file]).await?;
        let container =
            json!({"metadata": {"name": "main"}, "image": {"image": RESIDENT.name}, "linux": {}});
        let container = self.node.write("container.json", &container)?;
        let container = self.crictl(&["create", &pod, &container, &file]).await?;
        self.crictl(&["start", &container]).await?;
        Ok(pod)
    }

    /// What is said where a pod cannot run.
    async fn refusal(&self, name: &str, address: Option<Ipv4Addr>) -> Result<String> {
        match self.run(name, address).await {
            Ok(pod) => anyhow::bail!("{pod} runs"),
            Err(error) => Ok(format!("{error:#}")),
        }
    }

    fn pod(&self, name: &str, address: Option<Ipv4Addr>) -> Value {
        let info = |address| json!({"ip": format!("{address}/24"), "vlan": 0, "gateway": self.lan.gateway()});
        let args =
            address.map(|address| json!({"common": {"ipinfos": [info(address)]}}).to_string());
        json!({
            "metadata": {"name": name, "namespace": "default", "uid": name, "attempt": 0},
            "hostname": name,
            "annotations": args.map_or_else(|| json!({}), |args| json!({"k8s.v1.cni.galaxy.io/args": args})),
            "linux": {"cgroup_parent": self.node.cgroup.path()},
        })
    }

    /// Kills what holds the pod's namespaces, and waits until containerd knows.
    async fn kill(&self, pod: &str) -> Result<()> {
        self.node.kill(pod).await?;
        eventually(LIMIT, "containerd sees the end of a sandbox", || async {
            let status = self.crictl_json(&["inspectp", pod]).await?;
            let state = &status["status"]["state"];
            ensure!(state == "SANDBOX_NOTREADY", "{state}");
            Ok(())
        })
        .await
    }

    async fn nothing_is_left(&self) -> Result<()> {
        let pods = self.crictl(&["pods", "--quiet"]).await?;
        ensure!(pods.is_empty(), "{pods}");
        let remembered = self.node.remembered().await?;
        ensure!(remembered.is_empty(), "{remembered}");
        let links = self.node.machine.ip("-o link").await?;
        ensure!(!links.contains("v-h"), "{links}");
        Ok(())
    }

    /// Waits until containerd says so of the network, in these words.
    async fn network_is_ready(&self, ready: bool, words: &str) -> Result<()> {
        let what = format!("the network of a node is ready: {ready} {words}");
        eventually(LIMIT, &what, || async {
            let info = self.crictl_json(&["info"]).await?;
            let conditions = info["status"]["conditions"].as_array().cloned();
            let mut conditions = conditions.unwrap_or_default().into_iter();
            let network = conditions.find(|one| one["type"] == "NetworkReady");
            let network = network.unwrap_or_default();
            let message = network["message"].as_str().unwrap_or_default();
            ensure!(
                network["status"] == ready && message.contains(words),
                "{network}"
            );
            Ok(())
        })
        .await
    }
}
