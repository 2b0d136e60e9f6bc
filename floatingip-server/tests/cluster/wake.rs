//! Waiting pods run as soon as they can, whatever it is that made room, and no more of them are disturbed than there
//! is room for.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use floatingip_testkit::{Workload, node, object};
use kube::ResourceExt as _;
use serde_json::json;
use tokio::time::{Instant, sleep};

use crate::lot::Lot;
use crate::suite::Test;
use crate::view::PodView;

/// In which time a pod runs that there is room for: well before the scheduler would look again by itself.
const SOON: Duration = Duration::from_secs(15);
/// A pod that waits is asked for again after five seconds at the latest.
const QUIET: Duration = Duration::from_secs(6);
const WOKEN: &str = "floatingip.galaxy.k8s.io/woken";
const HERD: usize = 50;

pub(crate) const TESTS: &[Test] = &[
    Test::new("addresses_that_the_api_frees_wake_waiting_pods", |lot| {
        Box::pin(released(lot))
    })
    .addresses(2),
    Test::new("one_free_address_wakes_one_pod_of_many", |lot| {
        Box::pin(async move { lot.cluster.unchanged(herd(&lot)).await })
    })
    .addresses(1),
    Test::new("more_replicas_wake_the_pods_of_a_rollout", |lot| {
        Box::pin(replicas_grown(lot))
    }),
    Test::new("a_larger_pool_wakes_waiting_pods", |lot| {
        Box::pin(pool_grown(lot))
    }),
    Test::new("a_subnet_that_is_added_wakes_waiting_pods", |lot| {
        Box::pin(subnet_added(lot))
    })
    .addresses(1),
    Test::new("a_node_that_joins_wakes_waiting_pods", |lot| {
        Box::pin(node_joined(lot))
    })
    .addresses(1),
];

/// It takes half a minute, during which nobody may change the configuration: best when nobody wants to any more.
pub(crate) const LAST: &[Test] = &[
    Test::new("a_claim_that_runs_out_wakes_waiting_pods", |lot| {
        Box::pin(async move { lot.cluster.unchanged(claim_over(&lot)).await })
    })
    .addresses(1),
];

async fn released(lot: Lot) -> Result<()> {
    let old = Workload::deployment(&lot.namespace, "old")
        .replicas(2)
        .policy("never");
    let old = lot.create(old).await?;
    let kept = lot.addresses(&old, 2).await?;
    lot.leave(&old).await?;

    let new = lot
        .create(Workload::deployment(&lot.namespace, "new").replicas(2))
        .await?;
    let full = format!("subnet {} is full", lot.subnet(0));
    lot.refused(&new, 2, &full).await?;
    lot.told("NoFloatingIP", &full).await?;
    for (done, address) in kept.iter().enumerate() {
        release(&lot, "old", address).await?;
        let start = Instant::now();
        let running = lot.addresses(&new, done + 1).await?;
        ensure!(
            running.contains(address) && start.elapsed() < SOON,
            "{running:?}"
        );
    }
    Ok(())
}

async fn herd(lot: &Lot) -> Result<()> {
    let old = Workload::deployment(&lot.namespace, "old").policy("never");
    let old = lot.create(old).await?;
    let kept = lot.addresses(&old, 1).await?;
    lot.leave(&old).await?;

    let herd = Workload::deployment(&lot.namespace, "herd").replicas(HERD as u32);
    let herd = lot.create(herd).await?;
    lot.refused(&herd, HERD, "is full").await?;
    ensure!(
        woken(lot, &herd).await? == 0,
        "pods were woken without room"
    );
    release(lot, "old", &kept[0]).await?;
    lot.addresses(&herd, 1).await?;
    sleep(QUIET).await;
    let woken = woken(lot, &herd).await?;
    // None where the scheduler looked by itself, for another reason.
    ensure!(woken <= 1, "{woken} pods were woken for one address");
    Ok(())
}

/// With two replicas no old pod has to go before the new one runs, and no address is left for that one.
async fn replicas_grown(lot: Lot) -> Result<()> {
    let web = Workload::deployment(&lot.namespace, "web")
        .replicas(2)
        .policy("immutable");
    let web = web.merge(
        &json!({"spec": {"strategy": {"rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}}}),
    );
    let web = lot.create(web).await?;
    let former = lot.addresses(&web, 2).await?;
    let change = json!({"spec": {"template": {"metadata": {"labels": {"version": "2"}}}}});
    object::merge(&lot.cluster.client(), web.manifest(), &change).await?;
    lot.refused(&web, 1, "has 2 slots and 2 pods with addresses")
        .await?;
    lot.told("WaitingForFloatingIP", "surge: allow").await?;

    // The Deployment's controller gives one pod more to the old version and one to the new: 3 and 2 for 4 slots.
    lot.scale(&web, 4).await?;
    let addresses = lot.addresses(&web, 4).await?;
    ensure!(
        former.iter().all(|address| addresses.contains(address)),
        "{former:?}, {addresses:?}"
    );
    let new = object::pods(&lot.cluster.client(), &lot.namespace, "version=2").await?;
    ensure!(
        new.iter().map(PodView::of).any(|pod| pod.is_running()),
        "no pod of the new version runs"
    );
    Ok(())
}

async fn pool_grown(lot: Lot) -> Result<()> {
    let pool = lot.name("growing");
    let body = json!({"name": pool, "size": 1});
    lot.cluster
        .server
        .api()
        .post("/v1/pool", &body)
        .await?
        .json(200)?;
    let web = Workload::deployment(&lot.namespace, "web")
        .replicas(2)
        .pool(&pool);
    let web = lot.create(web).await?;
    lot.addresses(&web, 1).await?;
    lot.refused(
        &web,
        1,
        &format!("pool {pool} has 1 of at most 1 addresses"),
    )
    .await?;

    let object = json!({
        "apiVersion": "galaxy.k8s.io/v1alpha1", "kind": "Pool",
        "metadata": {"name": pool, "namespace": "kube-system"},
    });
    object::merge(&lot.cluster.client(), &object, &json!({"size": 2})).await?;
    let start = Instant::now();
    lot.addresses(&web, 2).await?;
    ensure!(start.elapsed() < SOON, "after {:?}", start.elapsed());
    Ok(())
}

async fn subnet_added(lot: Lot) -> Result<()> {
    let web = waiting_beside_one(&lot).await?;
    let entry = lot.entry(0, 1, 2..=2);
    lot.cluster
        .reconfigure(|entries| entries.push(entry))
        .await?;
    let start = Instant::now();
    let addresses = lot.addresses(&web, 2).await?;
    ensure!(addresses.contains(&lot.address(1, 2)), "{addresses:?}");
    ensure!(start.elapsed() < SOON, "after {:?}", start.elapsed());
    Ok(())
}

/// The pod that claims the address never comes to be bound.
async fn claim_over(lot: &Lot) -> Result<()> {
    let node = lot.node(0, 1);
    let claimant = Workload::pod(&lot.namespace, "claimant");
    let claimant = claimant.merge(&json!({"spec": {"schedulerName": "nobody"}}));
    let claimant = object::create(&lot.cluster.client(), claimant.manifest()).await?;
    let question = json!({"Pod": claimant, "NodeNames": [node.name()]});
    let claimed = || async {
        let answer = lot
            .cluster
            .server
            .extender()
            .post("/v1/filter", &question)
            .await?;
        let passed = answer.body.contains(&format!("[\"{}\"]", node.name()));
        ensure!(passed, "{}", answer.body);
        Ok(())
    };
    lot.eventually("a claim", claimed).await?;
    let web = lot
        .create(Workload::deployment(&lot.namespace, "web"))
        .await?;
    lot.refused(&web, 1, "other waiting pods are about to take")
        .await?;
    lot.addresses(&web, 1).await?;
    Ok(())
}

async fn node_joined(lot: Lot) -> Result<()> {
    let entry = lot.entry(1, 1, 2..=2);
    lot.cluster
        .reconfigure(|entries| entries.push(entry))
        .await?;
    let web = waiting_beside_one(&lot).await?;
    node::create_all(&lot.cluster.client(), &[lot.node(1, 1)]).await?;
    let addresses = lot.addresses(&web, 2).await?;
    ensure!(addresses.contains(&lot.address(1, 2)), "{addresses:?}");
    Ok(())
}

/// An app of two pods, of which one waits, because its lot has but one address.
async fn waiting_beside_one(lot: &Lot) -> Result<Workload> {
    let web = Workload::deployment(&lot.namespace, "web").replicas(2);
    let web = lot.create(web).await?;
    lot.addresses(&web, 1).await?;
    lot.refused(&web, 1, "is full").await?;
    Ok(web)
}

/// Releases an address of a Deployment that is gone.
async fn release(lot: &Lot, app: &str, address: &str) -> Result<()> {
    let entry = json!({
        "ip": address, "namespace": lot.namespace, "appName": app, "appType": "deployment",
    });
    let answer = lot
        .cluster
        .server
        .api()
        .post("/v1/ip", &json!({"ips": [entry]}))
        .await?;
    answer.json(200).context("release")?;
    Ok(())
}

/// How many pods of an app were ever woken.
async fn woken(lot: &Lot, app: &Workload) -> Result<usize> {
    let pods = object::pods(&lot.cluster.client(), &lot.namespace, &app.selector()).await?;
    let woken = pods
        .iter()
        .filter(|pod| pod.annotations().contains_key(WOKEN));
    Ok(woken.count())
}
