//! Important pods: others are ended for them only where that gives them an address; and scarce addresses are spared.

use anyhow::{Result, ensure};
use floatingip_testkit::{Workload, object};
use serde_json::{Value, json};

use crate::lot::Lot;
use crate::suite::Test;

pub(crate) const TESTS: &[Test] = &[
    Test::new("pods_are_ended_only_where_that_gives_an_address", |lot| {
        Box::pin(preempted(lot))
    })
    .racks(2)
    .nodes(1)
    .addresses(1),
    Test::new("pods_go_where_more_addresses_are_left", |lot| {
        Box::pin(spared(lot))
    })
    .racks(2)
    .nodes(1)
    .addresses(4),
];

/// Nodes have 1000 processors, so that two such pods do not fit on one.
const MOST_CPUS: u32 = 600;

/// In rack 0 the end of `modest` frees an address. In rack 1 `cheap`, the least important, has none, and the
/// subnet's only one belongs to a pod that is as important as the new one.
async fn preempted(lot: Lot) -> Result<()> {
    let [least, low, high] = ["least", "low", "high"].map(|class| lot.name(class));
    for (class, value) in [(&least, 1), (&low, 10), (&high, 1000)] {
        object::create(&lot.cluster.client(), &priority_class(class, value)).await?;
    }
    let pod = |name: &str, class: &str, rack: &str| {
        let pod = Workload::pod(&lot.namespace, name).priority(class);
        pod.merge(&json!({"spec": {"nodeSelector": {"rack": rack}}}))
    };
    let modest = lot.create(pod("modest", &low, "0").cpus(MOST_CPUS)).await?;
    let cheap = lot
        .create(pod("cheap", &least, "1").cpus(MOST_CPUS).addresses(0))
        .await?;
    let equal = lot.create(pod("equal", &high, "1")).await?;
    for app in [&modest, &cheap, &equal] {
        lot.running(app, 1).await?;
    }
    let address = lot.addresses(&modest, 1).await?;

    let urgent = Workload::pod(&lot.namespace, "urgent")
        .priority(&high)
        .cpus(MOST_CPUS);
    let urgent = lot.create(urgent).await?;
    ensure!(
        lot.addresses(&urgent, 1).await? == address,
        "not by the victim's address"
    );
    lot.running(&modest, 0).await?;
    lot.running(&cheap, 1).await?;
    Ok(())
}

/// Of two racks that both would do, the pods go where more is left.
async fn spared(lot: Lot) -> Result<()> {
    let first = Workload::deployment(&lot.namespace, "first")
        .replicas(3)
        .on_nodes("rack", "0");
    let first = lot.create(first).await?;
    lot.addresses(&first, 3).await?;
    let web = lot
        .create(Workload::deployment(&lot.namespace, "web").replicas(2))
        .await?;
    lot.addresses(&web, 2).await?;
    let pods = lot.pods(&web).await?;
    let other = lot.node(1, 1);
    ensure!(
        pods.iter()
            .all(|pod| pod.node.as_deref() == Some(other.name())),
        "{pods:?}"
    );
    Ok(())
}

fn priority_class(name: &str, value: i32) -> Value {
    json!({
        "apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass", "metadata": {"name": name}, "value": value,
    })
}
