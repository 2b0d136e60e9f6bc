//! FloatingIP objects that people make and delete by hand.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use floatingip_testkit::{Workload, object};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::cluster::floating_ip;
use crate::lot::Lot;
use crate::suite::Test;

/// In which time what somebody deleted by mistake is back.
const SOON: Duration = Duration::from_secs(10);

pub(crate) const TESTS: &[Test] = &[
    Test::new(
        "an_administrators_address_is_given_to_nobody_until_its_object_goes",
        |lot| Box::pin(reserved(lot)),
    )
    .addresses(2),
    Test::new("an_object_deleted_under_a_live_pod_comes_back", |lot| {
        Box::pin(restored(lot))
    }),
    Test::new(
        "an_object_in_reserve_that_is_deleted_frees_its_address",
        |lot| Box::pin(freed(lot)),
    )
    .addresses(1),
];

async fn reserved(lot: Lot) -> Result<()> {
    let address = lot.address(0, 2);
    let object = administrators(&address);
    object::create(&lot.cluster.client(), &object).await?;
    lot.eventually("the reservation", || async {
        let page = lot
            .cluster
            .server
            .api()
            .get(&format!("/v1/ip?keyword={address}&size=9999"))
            .await?;
        let page = page.json(200)?;
        let rows = page["content"].as_array().context("no content")?;
        ensure!(
            rows.iter().any(|row| row["ip"] == address.as_str()),
            "{page}"
        );
        Ok(())
    })
    .await?;
    let web = lot
        .create(Workload::deployment(&lot.namespace, "web").replicas(2))
        .await?;
    ensure!(
        lot.addresses(&web, 1).await? == [lot.address(0, 3)],
        "the reserved address was given away"
    );
    lot.refused(&web, 1, "is full").await?;

    object::delete(&lot.cluster.client(), &object).await?;
    ensure!(lot.addresses(&web, 2).await? == [address, lot.address(0, 3)]);
    Ok(())
}

async fn restored(lot: Lot) -> Result<()> {
    let web = Workload::stateful_set(&lot.namespace, "web").policy("immutable");
    let web = lot.create(web).await?;
    let address = lot.addresses(&web, 1).await?.remove(0);
    let pods = lot.pods(&web).await?;
    let former = lot.record(&address).await?.context("no object")?;
    let start = Instant::now();
    object::delete(&lot.cluster.client(), &floating_ip(&address)).await?;
    let new = lot
        .eventually("the object again", || async {
            let found = lot.record(&address).await?.context("it is not there")?;
            ensure!(
                found["metadata"]["uid"] != former["metadata"]["uid"],
                "it is still there"
            );
            Ok(found)
        })
        .await?;
    ensure!(start.elapsed() < SOON, "after {:?}", start.elapsed());
    for field in ["key", "attribute", "policy", "appUid"] {
        ensure!(
            new["spec"][field] == former["spec"][field],
            "{former} became {new}"
        );
    }
    ensure!(lot.pods(&web).await? == pods, "the pod was disturbed");
    let again = lot.replace(&web, &pods[0]).await?;
    ensure!(again.addresses() == [address.as_str()], "{again:?}");
    Ok(())
}

async fn freed(lot: Lot) -> Result<()> {
    let old = Workload::deployment(&lot.namespace, "old").policy("never");
    let old = lot.create(old).await?;
    let kept = lot.addresses(&old, 1).await?;
    lot.leave(&old).await?;
    let new = lot
        .create(Workload::deployment(&lot.namespace, "new"))
        .await?;
    lot.refused(&new, 1, "is full").await?;
    object::delete(&lot.cluster.client(), &floating_ip(&kept[0])).await?;
    ensure!(lot.addresses(&new, 1).await? == kept);
    Ok(())
}

/// As administrators of galaxy-ipam write it.
pub(crate) fn administrators(address: &str) -> Value {
    let mut object = floating_ip(address);
    object["metadata"]["labels"] = json!({"reserved": "this-is-not-for-pods"});
    object["spec"] = json!({
        "key": "router of rack 7", "attribute": r#"{"NodeName":"","Uid":""}"#, "policy": 0,
        "updateTime": "2023-11-14T22:13:20Z",
    });
    object
}
