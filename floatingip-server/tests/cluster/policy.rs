//! What becomes of addresses when pods go, by policy and kind.

use anyhow::{Result, ensure};
use floatingip_testkit::Workload;

use crate::lot::Lot;
use crate::view::PodView;

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
