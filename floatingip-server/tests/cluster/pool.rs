//! Pools: addresses that several apps share, as in blue-green deployments.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use floatingip_testkit::{Assets, Workload, object};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::lot::Lot;
use crate::suite::{Alone, Test};

/// In which time a pod runs, or a pool gets what it is owed, once there is room.
const SOON: Duration = Duration::from_secs(15);

pub(crate) const TESTS: &[Test] = &[
    Test::new("two_apps_share_a_pool_without_a_size", |lot| {
        Box::pin(shared(lot))
    }),
    Test::new("a_pools_size_caps_its_apps_together", |lot| {
        Box::pin(capped(lot))
    }),
];

/// What is filled in advance comes from any subnet of the configuration.
pub(crate) const ALONE: &[Alone] = &[(
    "pools_are_filled_alike_by_the_api_and_by_objects",
    |assets| Box::pin(filled(assets)),
)];

const EIGHT: Test = Test::new("", |_| unreachable!("it is run by itself"))
    .nodes(2)
    .addresses(8);

async fn shared(lot: Lot) -> Result<()> {
    let pool = lot.name("shared");
    let app = |name: &str| {
        Workload::deployment(&lot.namespace, name)
            .replicas(2)
            .pool(&pool)
    };
    let blue = lot.create(app("blue")).await?;
    let addresses = lot.addresses(&blue, 2).await?;
    lot.scale(&blue, 0).await?;
    kept(&lot, &pool, 2).await?;
    let green = lot.create(app("green")).await?;
    ensure!(
        lot.addresses(&green, 2).await? == addresses,
        "green has not what blue left"
    );
    lot.delete(&green).await?;
    kept(&lot, &pool, 2).await
}

async fn capped(lot: Lot) -> Result<()> {
    let pool = lot.name("capped");
    let answer = put(&lot, &pool, 3, false).await?;
    ensure!(
        answer == json!({"code": 200, "message": "", "realPoolSize": 0}),
        "{answer}"
    );
    let app = |name: &str| {
        Workload::deployment(&lot.namespace, name)
            .replicas(2)
            .pool(&pool)
    };
    let blue = lot.create(app("blue")).await?;
    let blues = lot.addresses(&blue, 2).await?;
    let green = lot.create(app("green")).await?;
    lot.addresses(&green, 1).await?;
    let full = format!("pool {pool} has 3 of at most 3 addresses");
    lot.refused(&green, 1, &full).await?;
    lot.told("NoFloatingIP", &full).await?;
    stands(
        &lot,
        &pool,
        json!({"addresses": 3, "inUse": 3, "owed": false}),
    )
    .await?;

    lot.scale(&blue, 1).await?;
    let start = Instant::now();
    let greens = lot.addresses(&green, 2).await?;
    ensure!(start.elapsed() < SOON, "after {:?}", start.elapsed());
    ensure!(
        greens.iter().any(|address| blues.contains(address)),
        "{greens:?} of {blues:?}"
    );
    Ok(())
}

/// Eight addresses in all. Pools `api` and `object` ask for three each, `late` for five.
async fn filled(assets: Assets) -> Result<()> {
    let lot = Lot::alone(assets, EIGHT.land()).await?;
    let full = json!({"addresses": 3, "inUse": 0, "owed": false});
    let answer = put(&lot, "api", 3, true).await?;
    ensure!(
        answer == json!({"code": 200, "message": "", "realPoolSize": 3}),
        "{answer}"
    );
    let object = pool_object("object");
    let mut manifest = object.clone();
    manifest["size"] = json!(3);
    manifest["preAllocateIP"] = json!(true);
    object::create(&lot.cluster.client(), &manifest).await?;
    for pool in ["api", "object"] {
        stands(&lot, pool, full.clone()).await?;
    }
    owed(&lot).await?;
    blue_and_green(&lot).await?;
    shrunk(&lot).await?;
    deleted(&lot).await
}

async fn owed(lot: &Lot) -> Result<()> {
    let answer = lot
        .cluster
        .server
        .api()
        .post("/v1/pool", &pool("late", 5, true))
        .await?;
    let short = json!({"code": 202, "message": "No enough IPs", "realPoolSize": 2});
    ensure!(answer.json(202)? == short, "{}", answer.body);
    let told = stands(
        lot,
        "late",
        json!({"addresses": 2, "inUse": 0, "owed": true}),
    )
    .await?;
    ensure!(
        told["message"]
            .as_str()
            .is_some_and(|text| text.starts_with("2 of 5")),
        "{told}"
    );
    Ok(())
}

/// Both use what was filled in advance; green waits for blue, and not for long.
async fn blue_and_green(lot: &Lot) -> Result<()> {
    let prepared = addresses(lot, "api").await?;
    let app = |name: &str, replicas| {
        Workload::deployment(&lot.namespace, name)
            .replicas(replicas)
            .pool("api")
    };
    let blue = lot.create(app("blue", 3)).await?;
    ensure!(
        lot.addresses(&blue, 3).await? == prepared,
        "blue has not what was prepared"
    );
    stands(
        lot,
        "api",
        json!({"addresses": 3, "inUse": 3, "owed": false}),
    )
    .await?;
    let green = lot.create(app("green", 2)).await?;
    // Neither the pool nor the subnet has one to give.
    lot.refused(&green, 2, "is full").await?;
    lot.scale(&blue, 1).await?;
    let start = Instant::now();
    let greens = lot.addresses(&green, 2).await?;
    ensure!(
        start.elapsed() < SOON && greens.iter().all(|ip| prepared.contains(ip)),
        "{greens:?}"
    );
    Ok(())
}

/// What is in use stays until its pods end, and what is freed goes to the pool that is owed it.
async fn shrunk(lot: &Lot) -> Result<()> {
    let answer = put(lot, "api", 1, false).await?;
    ensure!(answer["realPoolSize"] == 3, "{answer}");
    let green = Workload::deployment(&lot.namespace, "green").pool("api");
    lot.scale(&green, 0).await?;
    stands(
        lot,
        "api",
        json!({"addresses": 1, "inUse": 1, "owed": false}),
    )
    .await?;
    stands(
        lot,
        "late",
        json!({"addresses": 4, "inUse": 0, "owed": true}),
    )
    .await?;

    object::merge(
        &lot.cluster.client(),
        &pool_object("object"),
        &json!({"size": 1}),
    )
    .await?;
    stands(
        lot,
        "object",
        json!({"addresses": 1, "inUse": 0, "owed": false}),
    )
    .await?;
    let told = stands(
        lot,
        "late",
        json!({"addresses": 5, "inUse": 0, "owed": false}),
    )
    .await?;
    ensure!(told["message"].is_null(), "{told}");
    Ok(())
}

async fn deleted(lot: &Lot) -> Result<()> {
    let api = lot.cluster.server.api();
    api.delete("/v1/pool/api").await?.json(200)?;
    ensure!(
        api.get("/v1/pool/api").await?.status == 404,
        "the pool is there still"
    );
    object::gone(&lot.cluster.client(), &pool_object("api"), SOON).await?;
    let blue = Workload::deployment(&lot.namespace, "blue");
    let used = lot.addresses(&blue, 1).await?;
    ensure!(
        addresses(lot, "api").await? == used,
        "blue's address is not the pool's any more"
    );

    object::delete(&lot.cluster.client(), &pool_object("object")).await?;
    api.delete("/v1/pool/late").await?.json(200)?;
    let left = || async {
        let page = api.get("/v1/ip?size=9999").await?.json(200)?;
        ensure!(page["totalElements"] == 1, "{page}");
        Ok(())
    };
    lot.eventually("nothing in use but blue's address", left)
        .await
}

fn pool(name: &str, size: u32, pre_allocate: bool) -> Value {
    json!({"name": name, "size": size, "preAllocateIP": pre_allocate})
}

fn pool_object(name: &str) -> Value {
    json!({
        "apiVersion": "galaxy.k8s.io/v1alpha1", "kind": "Pool",
        "metadata": {"name": name, "namespace": "kube-system"},
    })
}

async fn put(lot: &Lot, name: &str, size: u32, pre_allocate: bool) -> Result<Value> {
    let body = pool(name, size, pre_allocate);
    lot.cluster
        .server
        .api()
        .post("/v1/pool", &body)
        .await?
        .json(200)
}

/// Waits until the API and the object both say that the pool stands like this; what else the object says.
async fn stands(lot: &Lot, pool: &str, status: Value) -> Result<Value> {
    let what = format!("pool {pool} with {status}");
    lot.eventually(&what, || async {
        let shown = lot
            .cluster
            .server
            .api()
            .get(&format!("/v1/pool/{pool}"))
            .await?
            .json(200)?;
        ensure!(shown["status"] == status, "the API says {shown}");
        let object = object::api(&lot.cluster.client(), &pool_object(pool))?
            .get(pool)
            .await?;
        let told = object.data["status"].clone();
        for field in ["addresses", "inUse", "owed"] {
            ensure!(told[field] == status[field], "the object says {told}");
        }
        Ok(told)
    })
    .await
}

/// Waits until the pool has so many addresses and no pod uses one.
async fn kept(lot: &Lot, pool: &str, count: usize) -> Result<()> {
    lot.eventually(&format!("{count} addresses in reserve"), || async {
        let rows = rows(lot, pool).await?;
        let kept = rows.iter().filter(|row| row["status"] == "Deleted").count();
        ensure!(rows.len() == count && kept == count, "{rows:?}");
        Ok(())
    })
    .await
}

async fn rows(lot: &Lot, pool: &str) -> Result<Vec<Value>> {
    let path = format!("/v1/ip?size=9999&poolName={pool}");
    let page = lot.cluster.server.api().get(&path).await?.json(200)?;
    page["content"].as_array().cloned().context("no content")
}

/// The addresses of a pool, sorted as texts.
async fn addresses(lot: &Lot, pool: &str) -> Result<Vec<String>> {
    let rows = rows(lot, pool).await?;
    let mut addresses: Vec<String> = rows
        .iter()
        .filter_map(|row| row["ip"].as_str().map(str::to_owned))
        .collect();
    addresses.sort();
    Ok(addresses)
}
