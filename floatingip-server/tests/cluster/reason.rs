//! What keeps a pod from running is told to those who can mend it.

use anyhow::{Context, Result, ensure};
use floatingip_testkit::{Node, Workload, node, object};
use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, Patch, PatchParams, PostParams};
use serde_json::{Value, json};

use crate::lot::Lot;
use crate::suite::Test;

const MISTAKE: &str = "FloatingIPMisconfigured";
const ARGS: &str = "k8s.v1.cni.galaxy.io/args";
const FOREIGN: &str = "floatingip_foreign_addresses_total";

pub(crate) const TESTS: &[Test] = &[
    Test::new("a_mistyped_policy_is_told", |lot| Box::pin(mistyped(lot))).nodes(1),
    Test::new("a_job_cannot_keep_addresses_and_is_told_so", |lot| {
        Box::pin(job(lot))
    })
    .nodes(1),
    Test::new("a_node_in_no_subnet_is_told", |lot| {
        Box::pin(no_subnet(lot))
    })
    .nodes(1),
    Test::new("a_node_with_an_address_that_a_pod_has_is_told", |lot| {
        Box::pin(clash(lot))
    })
    .nodes(1),
    Test::new("an_address_in_an_annotation_alone_is_nobodys", |lot| {
        Box::pin(theft(lot))
    }),
    Test::new("an_edited_annotation_frees_nothing_of_a_live_pod", |lot| {
        Box::pin(edited(lot))
    }),
    Test::new("a_pod_bound_without_an_address_is_told", |lot| {
        Box::pin(bound_by_others(lot))
    })
    .nodes(1),
];

async fn mistyped(lot: Lot) -> Result<()> {
    let web = Workload::deployment(&lot.namespace, "web").policy("imutable");
    let web = lot.create(web).await?;
    lot.refused(&web, 1, "imutable").await?;
    lot.told(MISTAKE, "imutable").await?;
    ensure!(
        lot.listed("sort=ip").await?.is_empty(),
        "a misunderstood pod has an address"
    );
    Ok(())
}

async fn job(lot: Lot) -> Result<()> {
    let job = Workload::job(&lot.namespace, "once").policy("immutable");
    let job = lot.create(job).await?;
    lot.refused(&job, 1, "immutable").await?;
    lot.told(MISTAKE, "immutable").await
}

async fn no_subnet(lot: Lot) -> Result<()> {
    let far = lot.node(9, 1);
    node::create_all(&lot.cluster.client(), std::slice::from_ref(&far)).await?;
    let web =
        Workload::deployment(&lot.namespace, "web").on_nodes("kubernetes.io/hostname", far.name());
    let web = lot.create(web).await?;
    let why = "the node is in no node subnet of the configuration";
    lot.refused(&web, 1, why).await?;
    lot.told("NoFloatingIP", why).await
}

async fn clash(lot: Lot) -> Result<()> {
    let web = lot
        .create(Workload::deployment(&lot.namespace, "web"))
        .await?;
    let address = lot.addresses(&web, 1).await?.remove(0);
    let intruder = Node::new(lot.name("intruder"), address.parse()?);
    node::create_all(&lot.cluster.client(), std::slice::from_ref(&intruder)).await?;
    let text = format!(
        "has address {address}, which belongs to {}/web-",
        lot.namespace
    );
    lot.cluster
        .told("default", "FloatingIPConflict", &text)
        .await?;
    ensure!(
        lot.addresses(&web, 1).await? == [address],
        "the live pod lost its address"
    );
    object::delete(&lot.cluster.client(), &intruder.manifest()).await?;
    Ok(())
}

/// Past the scheduler: its author names the node, and an address that another pod has.
async fn theft(lot: Lot) -> Result<()> {
    let web = Workload::stateful_set(&lot.namespace, "web").policy("immutable");
    let web = lot.create(web).await?;
    let address = lot.addresses(&web, 1).await?.remove(0);
    let before = lot.record(&address).await?;
    let found = lot.cluster.metric(FOREIGN).await?;

    let args = json!({"common": {"ipinfos": [{"ip": format!("{address}/24"), "vlan": 2, "gateway": lot.address(0, 1)}]}});
    let thief = Workload::pod(&lot.namespace, "thief").annotation(ARGS, &args.to_string());
    let thief = thief.merge(&json!({"spec": {"nodeName": lot.node(0, 2).name()}}));
    let thief = lot.create(thief).await?;
    lot.told("ForeignFloatingIP", &address).await?;
    ensure!(
        lot.cluster.metric(FOREIGN).await? > found,
        "it is not counted"
    );
    ensure!(
        lot.record(&address).await? == before,
        "the address has another owner"
    );

    lot.delete(&thief).await?;
    object::gone(
        &lot.cluster.client(),
        thief.manifest(),
        crate::cluster::LIMIT,
    )
    .await?;
    let again = lot.replace(&web, &lot.pods(&web).await?[0]).await?;
    ensure!(again.addresses() == [address.as_str()], "{again:?}");
    Ok(())
}

/// Whoever may change a bound pod can write another pod's address on it.
async fn edited(lot: Lot) -> Result<()> {
    let web = Workload::stateful_set(&lot.namespace, "web").replicas(2);
    let web = lot.create(web).await?;
    let running = lot.running(&web, 2).await?;
    let pods = running
        .iter()
        .map(|pod| (pod.name.as_str(), pod.addresses()[0]));
    let [(name, mine), (_, others)] = <[_; 2]>::try_from(pods.collect::<Vec<_>>())
        .ok()
        .context("two pods")?;
    let before = [lot.record(mine).await?, lot.record(others).await?];

    let args = json!({"common": {"ipinfos": [{"ip": format!("{others}/24"), "vlan": 2, "gateway": lot.address(0, 1)}]}});
    let patch = json!({"metadata": {"annotations": {ARGS: args.to_string()}}});
    let pods: Api<Pod> = Api::namespaced(lot.cluster.client(), &lot.namespace);
    pods.patch(name, &PatchParams::default(), &Patch::Merge(&patch))
        .await?;
    lot.told("ForeignFloatingIP", others).await?;
    ensure!(
        [lot.record(mine).await?, lot.record(others).await?] == before,
        "an annotation has changed who has what"
    );
    lot.delete(&web).await
}

/// What the scheduler's own binder does where the extender is `ignorable`.
async fn bound_by_others(lot: Lot) -> Result<()> {
    let pod = Workload::pod(&lot.namespace, "lost");
    let pod = lot
        .create(pod.merge(&json!({"spec": {"schedulerName": "nobody"}})))
        .await?;
    let binding = json!({
        "apiVersion": "v1", "kind": "Binding", "metadata": {"name": "lost", "namespace": lot.namespace},
        "target": {"apiVersion": "v1", "kind": "Node", "name": lot.node(0, 1).name()},
    });
    let pods: Api<Pod> = Api::namespaced(lot.cluster.client(), &lot.namespace);
    let _status: Value = pods
        .create_subresource("binding", "lost", &PostParams::default(), &binding)
        .await?;
    lot.running(&pod, 1).await?;
    lot.told("NoFloatingIP", "bound without an address").await?;
    lot.delete(&pod).await
}
