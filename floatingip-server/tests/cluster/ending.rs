//! Pods that end otherwise than by an ordinary deletion.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use floatingip_testkit::{Workload, node, object};
use k8s_openapi::api::core::v1::{Node, Pod};
use kube::api::{Api, DeleteParams, Patch, PatchParams};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::lot::Lot;
use crate::suite::Test;
use crate::view::PodView;

/// In which time the slot of a pod that was deleted by force has its address again.
const SOON: Duration = Duration::from_secs(15);

pub(crate) const TESTS: &[Test] = &[
    Test::new("a_finished_pods_address_is_freed", |lot| {
        Box::pin(finished(lot))
    })
    .addresses(2),
    Test::new("an_evicted_pods_address_goes_to_its_successor", |lot| {
        Box::pin(evicted(lot))
    }),
    Test::new(
        "a_pod_forced_off_a_lost_node_gets_its_address_back_at_once",
        |lot| Box::pin(forced(lot)),
    )
    .nodes(2),
    Test::new(
        "an_address_on_a_lost_node_rests_until_the_node_is_back",
        |lot| Box::pin(rests(lot)),
    )
    .nodes(2)
    .addresses(1),
];

async fn finished(lot: Lot) -> Result<()> {
    let jobs = [
        Workload::job(&lot.namespace, "good"),
        Workload::job(&lot.namespace, "bad"),
    ];
    for (job, phase) in jobs.into_iter().zip(["Succeeded", "Failed"]) {
        // A failed pod is not followed by another one.
        let job = lot
            .create(job.merge(&json!({"spec": {"backoffLimit": 0}})))
            .await?;
        let pod = lot.running(&job, 1).await?.remove(0);
        end(&lot, &pod, json!({"phase": phase})).await?;
    }
    let free = || async {
        let rows = lot.listed("sort=ip").await?;
        ensure!(rows.is_empty(), "{rows:?}");
        Ok(())
    };
    lot.eventually("both addresses free", free).await?;
    let web = lot
        .create(Workload::deployment(&lot.namespace, "web").replicas(2))
        .await?;
    lot.addresses(&web, 2).await?;
    // The finished pods are there still; their end takes nothing from the new ones.
    let ended = object::pods(&lot.cluster.client(), &lot.namespace, "app in (good, bad)").await?;
    ensure!(ended.len() == 2, "{} finished pods", ended.len());
    for pod in ended.iter().map(PodView::of) {
        force(&lot, &pod).await?;
    }
    let rows = lot.listed("appName=web&appType=deployment").await?;
    ensure!(
        rows.len() == 2 && rows.iter().all(|row| row["status"] == "Running"),
        "{rows:?}"
    );
    Ok(())
}

async fn evicted(lot: Lot) -> Result<()> {
    let web = Workload::deployment(&lot.namespace, "web").policy("immutable");
    let web = lot.create(web).await?;
    let pod = lot.running(&web, 1).await?.remove(0);
    end(&lot, &pod, json!({"phase": "Failed", "reason": "Evicted"})).await?;
    let after = lot.addresses(&web, 1).await?;
    ensure!(
        after == pod.addresses(),
        "{pod:?} was followed by {after:?}"
    );
    let pods = lot.pods(&web).await?;
    ensure!(pods.len() == 2, "the evicted pod is gone: {pods:?}");
    Ok(())
}

async fn forced(lot: Lot) -> Result<()> {
    let web = Workload::stateful_set(&lot.namespace, "web").policy("immutable");
    let web = lot
        .create(web.merge_pod(&json!({"spec": {"terminationGracePeriodSeconds": 30}})))
        .await?;
    let pod = lot.running(&web, 1).await?.remove(0);
    lose_node_of(&lot, &pod).await?;
    force(&lot, &pod).await?;
    let start = Instant::now();
    let again = lot.eventually("the pod on the other node", || async {
        let pods = lot.pods(&web).await?;
        let again = pods
            .into_iter()
            .find(|again| again.uid != pod.uid && again.is_running());
        again.context("not yet")
    });
    let again = again.await?;
    ensure!(start.elapsed() < SOON, "after {:?}", start.elapsed());
    ensure!(
        again.addresses() == pod.addresses() && again.node != pod.node,
        "{pod:?} became {again:?}"
    );
    Ok(())
}

/// The only address; what still runs there, unreachable, may use it.
async fn rests(lot: Lot) -> Result<()> {
    let old = lot
        .create(Workload::deployment(&lot.namespace, "old"))
        .await?;
    let pod = lot.running(&old, 1).await?.remove(0);
    let address = pod.addresses()[0].to_owned();
    lose_node_of(&lot, &pod).await?;
    force(&lot, &pod).await?;
    lot.delete(&old).await?;
    let new = lot
        .create(Workload::deployment(&lot.namespace, "new"))
        .await?;
    lot.refused(&new, 1, "is full").await?;
    let record = lot.record(&address).await?.context("it does not rest")?;
    let why = record["spec"]["mark"].to_string();
    ensure!(why.contains("may still run on node"), "{record}");

    let node = pod.node.context("no node")?;
    node::recover(&lot.cluster.client(), &node).await?;
    ensure!(lot.addresses(&new, 1).await? == [address]);
    Ok(())
}

async fn lose_node_of(lot: &Lot, pod: &PodView) -> Result<()> {
    let name = pod.node.as_deref().context("no node")?;
    node::lose(&lot.cluster.client(), name).await?;
    let nodes: Api<Node> = Api::all(lot.cluster.client());
    lot.eventually("a node that is not ready", || async {
        let status = nodes.get(name).await?.status.unwrap_or_default();
        let conditions = status.conditions.unwrap_or_default();
        let ready = conditions.iter().find(|one| one.type_ == "Ready");
        ensure!(
            ready.is_some_and(|ready| ready.status != "True"),
            "{ready:?}"
        );
        Ok(())
    })
    .await
}

/// Has the kubelet say how a pod ended.
async fn end(lot: &Lot, pod: &PodView, status: Value) -> Result<()> {
    let patch = Patch::Merge(json!({"status": status}));
    pods(lot)
        .patch_status(&pod.name, &PatchParams::default(), &patch)
        .await?;
    Ok(())
}

/// Takes the pod away whatever its node says. It may be gone already.
async fn force(lot: &Lot, pod: &PodView) -> Result<()> {
    let now = DeleteParams {
        grace_period_seconds: Some(0),
        ..DeleteParams::default()
    };
    match pods(lot).delete(&pod.name, &now).await {
        Err(kube::Error::Api(status)) if status.is_not_found() => Ok(()),
        deleted => {
            deleted?;
            Ok(())
        }
    }
}

fn pods(lot: &Lot) -> Api<Pod> {
    Api::namespaced(lot.cluster.client(), &lot.namespace)
}
