//! What becomes of addresses when pods go, by policy and kind.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use floatingip_testkit::Workload;

use crate::lot::Lot;
use crate::view::PodView;

/// On a busy machine; the survey of everything comes once a minute.
const SOON: Duration = Duration::from_secs(20);

pub(crate) async fn none(lot: Lot) -> Result<()> {
    let web = Workload::stateful_set(&lot.namespace, "web").replicas(2);
    let (web, _) = replaced(&lot, web).await?;
    lot.eventually(
        "an address for each of the two pods, and no more",
        || async {
            let rows = lot.listed("appName=web&appType=statefulset").await?;
            ensure!(rows.len() == 2, "{rows:?}");
            Ok(())
        },
    )
    .await?;
    lot.running(&web, 2).await?;
    Ok(())
}

pub(crate) async fn immutable(lot: Lot) -> Result<()> {
    keeps(&lot, "immutable", 1).await
}

pub(crate) async fn never(lot: Lot) -> Result<()> {
    keeps(&lot, "never", 2).await
}

async fn keeps(lot: &Lot, policy: &str, number: u64) -> Result<()> {
    let web = Workload::stateful_set(&lot.namespace, "web")
        .replicas(2)
        .policy(policy);
    let (_, [before, after]) = replaced(lot, web).await?;
    ensure!(
        before.addresses() == after.addresses(),
        "{before:?} became {after:?}"
    );
    let rows = lot.listed("podName=web-1").await?;
    ensure!(
        rows.len() == 1 && rows[0]["policy"] == number && rows[0]["status"] == "Running",
        "{rows:?}"
    );
    Ok(())
}

/// Makes the app, and deletes its second pod; that pod before and after.
async fn replaced(lot: &Lot, app: Workload) -> Result<(Workload, [PodView; 2])> {
    let app = lot.create(app).await?;
    let pods = lot.running(&app, 2).await?;
    let [first, second] = pods.as_slice() else {
        unreachable!("two pods were waited for")
    };
    ensure!(second.addresses().len() == 1, "{second:?}");
    ensure!(
        first.addresses() != second.addresses(),
        "{first:?} and {second:?} share an address"
    );
    let after = lot.replace(&app, second).await?;
    Ok((app, [second.clone(), after]))
}

/// The DaemonSet leaves the node, which keeps its address; the node leaves the cluster, and the address is free.
pub(crate) async fn node_of_a_daemon_set(lot: Lot) -> Result<()> {
    let agent = Workload::daemon_set(&lot.namespace, "agent").policy("immutable");
    let agent = lot.create(agent).await?;
    let pods = lot.running(&agent, 3).await?;
    let node = pods[0].node.clone().context("no node")?;
    lot.turn_away(&node).await?;
    lot.running(&agent, 2).await?;
    listed(&lot, [1, 2]).await?;
    lot.delete_node(&node).await?;
    let start = Instant::now();
    listed(&lot, [0, 2]).await?;
    // Long before everything is surveyed.
    ensure!(start.elapsed() < SOON, "it took {:?}", start.elapsed());
    Ok(())
}

/// Waits until so many addresses are kept, and so many used.
async fn listed(lot: &Lot, counts: [usize; 2]) -> Result<()> {
    let what = format!("{counts:?} addresses kept and used");
    lot.eventually(&what, || async {
        let rows = lot.listed("appType=daemonset").await?;
        let with = |status| rows.iter().filter(|row| row["status"] == status).count();
        ensure!([with("Deleted"), with("Running")] == counts, "{rows:?}");
        Ok(())
    })
    .await
}
