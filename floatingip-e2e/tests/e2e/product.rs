//! What users have of it: pods of real kubelets answer at the addresses that our server gave them.

use std::net::Ipv4Addr;
use std::sync::Arc;

use anyhow::{Result, ensure};
use floatingip_testkit::runner::Outcome;
use floatingip_testkit::{Workload, eventually, object};
use serde_json::{Value, json};

use crate::cluster::{Cluster, LIMIT, RunningPod, Worker, answering};
use crate::machine::DEVICE;
use crate::{foreign, resident};

/// A test on the cluster that all of them share, each in a namespace of its own.
pub(crate) type Test = (&'static str, fn(Arc<Cluster>) -> Outcome);

/// Side by side.
pub(crate) const TESTS: &[Test] = &[
    (
        "product::pods_of_both_nodes_and_the_network_reach_each_other",
        |cluster| Box::pin(pods_of_both_nodes_and_the_network_reach_each_other(cluster)),
    ),
    (
        "product::a_sandbox_that_is_killed_comes_back_at_its_address",
        |cluster| Box::pin(a_sandbox_that_is_killed_comes_back_at_its_address(cluster)),
    ),
    ("product::a_pod_without_an_address_is_told_why", |cluster| {
        Box::pin(a_pod_without_an_address_is_told_why(cluster))
    }),
    (
        "product::an_immutable_pod_answers_at_its_address_after_every_move",
        |cluster| {
            Box::pin(an_immutable_pod_answers_at_its_address_after_every_move(
                cluster,
            ))
        },
    ),
    (
        "product::who_has_the_address_already_is_named_at_the_pod",
        |cluster| Box::pin(who_has_the_address_already_is_named_at_the_pod(cluster)),
    ),
];

/// One after the other, as other pods would not run meanwhile.
pub(crate) const LAST: &[Test] = &[
    (
        "product::pods_keep_addresses_while_containerd_restarts",
        |cluster| Box::pin(pods_keep_addresses_while_containerd_restarts(cluster)),
    ),
    (
        "product::a_node_without_its_device_is_not_ready_and_says_so",
        |cluster| Box::pin(a_node_without_its_device_is_not_ready_and_says_so(cluster)),
    ),
];

const HOSTNAME: &str = "kubernetes.io/hostname";

async fn pods_of_both_nodes_and_the_network_reach_each_other(cluster: Arc<Cluster>) -> Result<()> {
    let apps = on_each_node(&cluster, "reach").await?;
    for (app, pod) in &apps {
        resident::answers(pod.address, &pod.name).await?;
        let worker = cluster.worker(&pod.node)?;
        for (_, other) in &apps {
            let told = worker.ask(pod, other.address).await?;
            ensure!(told == other.name, "{told} answers at {}", other.address);
        }
        ensure!(worker.node.remembered().await?.contains("eth0"), "{app:?}");
    }
    for (app, pod) in &apps {
        object::delete(&cluster.client(), app.manifest()).await?;
        resident::is_silent(pod.address).await?;
    }
    Ok(())
}

async fn a_sandbox_that_is_killed_comes_back_at_its_address(cluster: Arc<Cluster>) -> Result<()> {
    let apps = on_each_node(&cluster, "killed").await?;
    for (_, pod) in &apps {
        resident::answers(pod.address, &pod.name).await?;
        let worker = cluster.worker(&pod.node)?;
        let killed = kill_sandbox(worker, pod).await?;
        let what = format!("another sandbox of {}", pod.name);
        eventually(LIMIT, &what, || async {
            let ready = sandbox(worker, pod).await?;
            ensure!(!ready.is_empty() && ready != killed, "{ready:?}");
            Ok(())
        })
        .await?;
        resident::answers(pod.address, &pod.name).await?;
    }
    Ok(())
}

async fn a_pod_without_an_address_is_told_why(cluster: Arc<Cluster>) -> Result<()> {
    cluster.namespace("without").await?;
    for worker in &cluster.workers {
        let name = format!("none-{}", worker.name);
        let pod = answering(Workload::pod("without", &name)).addresses(0);
        let pod = pod.on_nodes(HOSTNAME, worker.name);
        object::create(&cluster.client(), pod.manifest()).await?;
        let words = [
            &name,
            "FailedCreatePodSandBox",
            "the pod has no floating IP",
        ];
        cluster.told("without", &words).await?;
        object::delete(&cluster.client(), pod.manifest()).await?;
    }
    Ok(())
}

async fn an_immutable_pod_answers_at_its_address_after_every_move(
    cluster: Arc<Cluster>,
) -> Result<()> {
    cluster.namespace("moved").await?;
    let client = cluster.client();
    // An address that is free before that of the set: who is not given the same one again is given that.
    let earlier = answering(Workload::pod("moved", "earlier"));
    object::create(&client, earlier.manifest()).await?;
    cluster.pod(&earlier, None).await?;
    let set = answering(Workload::stateful_set("moved", "web")).policy("immutable");
    let set = set.on_nodes(HOSTNAME, cluster.workers[0].name);
    object::create(&client, set.manifest()).await?;
    let first = cluster.pod(&set, None).await?;
    object::delete(&client, earlier.manifest()).await?;
    object::gone(&client, earlier.manifest(), LIMIT).await?;
    resident::answers(first.address, &first.name).await?;

    let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web-0", "namespace": "moved"}});
    object::delete(&client, &pod).await?;
    let again = cluster.pod(&set, Some(&first)).await?;
    ensure!(
        again.node == first.node && again.address == first.address,
        "{first:?}, then {again:?}"
    );
    resident::answers(again.address, &again.name).await?;

    let mut former = again;
    for worker in cluster.workers.iter().rev() {
        let place =
            json!({"spec": {"template": {"spec": {"nodeSelector": {HOSTNAME: worker.name}}}}});
        object::merge(&client, set.manifest(), &place).await?;
        let moved = cluster.pod(&set, Some(&former)).await?;
        ensure!(
            moved.node == worker.name && moved.address == first.address,
            "{first:?}, then {moved:?}"
        );
        resident::answers(moved.address, &moved.name).await?;
        former = moved;
    }
    Ok(())
}

/// The server keeps everybody else from that address; the pod has it once the other machine has left.
async fn who_has_the_address_already_is_named_at_the_pod(cluster: Arc<Cluster>) -> Result<()> {
    cluster.namespace("planted").await?;
    let mut planted = Vec::new();
    for (worker, index) in cluster.workers.iter().zip(DUPLICATES) {
        let address = cluster.lan.pod_address(index);
        let other = foreign::plant(&cluster.lan, address).await?;
        let name = format!("web-{}", worker.name);
        let pod = answering(Workload::pod("planted", &name)).ranges(&json!([[address]]));
        let pod = pod.on_nodes(HOSTNAME, worker.name);
        object::create(&cluster.client(), pod.manifest()).await?;
        let reason = format!("{address} is used by {}", foreign::MAC);
        let words = [name.as_str(), "FailedCreatePodSandBox", &reason];
        cluster.told("planted", &words).await?;
        is_quarantined(&cluster, address).await?;
        other.leave().await?;
        planted.push(pod);
    }
    for pod in planted {
        let running = cluster.pod(&pod, None).await?;
        resident::answers(running.address, &running.name).await?;
    }
    Ok(())
}

/// Waits until the server says so, and that it is for the machine that was found.
async fn is_quarantined(cluster: &Cluster, address: Ipv4Addr) -> Result<()> {
    eventually(LIMIT, &format!("{address} is quarantined"), || async {
        let page = cluster.server.api().get("/v1/ip?namespace=planted").await?;
        let page = page.json(200)?;
        let mut rows = page["content"].as_array().into_iter().flatten();
        let row = rows.find(|row| row["ip"] == address.to_string());
        let mark = row.map_or(&Value::Null, |row| &row["mark"]);
        ensure!(mark["mac"] == foreign::MAC, "{page}");
        Ok(())
    })
    .await
}

/// Which of the pods' addresses foreign machines have: such that the others do not come to them.
const DUPLICATES: [u8; 2] = [90, 91];

async fn pods_keep_addresses_while_containerd_restarts(cluster: Arc<Cluster>) -> Result<()> {
    let apps = on_each_node(&cluster, "restart").await?;
    for (_, pod) in &apps {
        resident::answers(pod.address, &pod.name).await?;
        let worker = cluster.worker(&pod.node)?;
        let before = sandbox(worker, pod).await?;
        worker.node.containerd.restart().await?;
        resident::answers(pod.address, &pod.name).await?;
        let after = sandbox(worker, pod).await?;
        ensure!(before == after, "{before:?}, then {after:?}");
    }
    cluster.nodes_are_ready().await?;
    for (app, pod) in &apps {
        let still = cluster.pod(app, None).await?;
        ensure!(still.address == pod.address, "{pod:?}, then {still:?}");
        object::delete(&cluster.client(), app.manifest()).await?;
        resident::is_silent(pod.address).await?;
    }
    Ok(())
}

/// containerd 2 asks the plugin, and the kubelet containerd.
async fn a_node_without_its_device_is_not_ready_and_says_so(cluster: Arc<Cluster>) -> Result<()> {
    let [_, worker] = &cluster.workers;
    let rename = |from, to| format!("link set {from} name {to}");
    worker.node.machine.ip(&rename(DEVICE, "other0")).await?;
    cluster.is_not_ready(worker, DEVICE).await?;
    worker.node.machine.ip(&rename("other0", DEVICE)).await?;
    cluster.nodes_are_ready().await
}

/// Runs a pod on each node, in a new namespace.
async fn on_each_node(cluster: &Cluster, namespace: &str) -> Result<Vec<(Workload, RunningPod)>> {
    cluster.namespace(namespace).await?;
    let mut apps = Vec::new();
    for worker in &cluster.workers {
        let app = answering(Workload::pod(
            namespace,
            &format!("{namespace}-{}", worker.name),
        ));
        let app = app.on_nodes(HOSTNAME, worker.name);
        object::create(&cluster.client(), app.manifest()).await?;
        apps.push(app);
    }
    let mut running = Vec::new();
    for app in apps {
        let pod = cluster.pod(&app, None).await?;
        running.push((app, pod));
    }
    Ok(running)
}

/// The id of the sandbox of a pod that runs.
async fn sandbox(worker: &Worker, pod: &RunningPod) -> Result<String> {
    let words = ["pods", "--quiet", "--state", "ready", "--name", &pod.name];
    worker.node.containerd.crictl(&words).await
}

async fn kill_sandbox(worker: &Worker, pod: &RunningPod) -> Result<String> {
    let sandbox = sandbox(worker, pod).await?;
    worker.node.kill(&sandbox).await?;
    Ok(sandbox)
}
