//! One planted violation of each invariant, by itself.

use std::pin::Pin;

use anyhow::{Result, ensure};
use floatingip_testkit::{Node, Workload};
use serde_json::json;

use crate::TURN;
use crate::site::Site;

type Planting<'a> = Pin<Box<dyn Future<Output = Result<()>> + 'a>>;

/// A violation, and what the line that tells of it has to name.
struct Plant {
    invariant: &'static str,
    names: &'static [&'static str],
    plant: for<'a> fn(&'a mut Site) -> Planting<'a>,
}

macro_rules! plants {
    ($($invariant:literal, $names:expr, $plant:ident;)*) => {
        &[$(Plant { invariant: $invariant, names: &$names, plant: |site| Box::pin($plant(site)) }),*]
    };
}

const PLANTS: &[Plant] = plants! {
    "ONE-OWNER", ["pod default/web (version", "pod default/thief (version", "10.0.0.10"], shared;
    "ONE-OWNER", ["pod default/odd", "floatingip 10.0.0.12 (version", "an administrator"], foreign;
    "ONE-SLOT", ["floatingip 10.0.0.13", "bound with other addresses"], second;
    "ONE-SLOT", ["pod default/bare", "0 addresses and asks for 1"], none;
    "IN-RANGE", ["floatingip 10.0.0.1 ", "gateway"], gateway;
    "IN-RANGE", ["floatingip 10.0.0.15", "node host"], node;
    "LIVE-KEEPS", ["pod default/lost", "10.0.0.16"], lost;
    "STICKY", ["pod default/kept", "floatingip 10.0.0.17", "policy 0"], forgotten;
    "PROMPT", ["floatingip 10.0.0.18", "is gone"], leaked;
    "PROMPT", ["floatingip 10.0.0.19", "statefulset.apps default/former is gone"], outlived;
    "PROMPT", ["floatingip 10.0.0.20", "no such slot"], surplus;
    "CAP", ["pool blue (version", "floatingip 10.0.0.22", "size of 1"], pool;
    "CAP", ["deployment.apps default/many (version", "many-x7k2p", "many-b8l3q"], app;
    "DURABLE", ["floatingip 10.0.0.25", "???"], unreadable;
};

#[tokio::test(flavor = "multi_thread")]
async fn each_planted_violation_is_told_and_makes_verify_fail() -> Result<()> {
    let _turn = TURN.lock().await;
    let Some(mut site) = Site::start().await? else {
        return Ok(());
    };
    let verified = site.verify().await?;
    ensure!(
        verified.code == Some(2),
        "without a configuration: {verified:?}"
    );
    site.configure().await?;
    site.verify().await?.clean()?;
    sound(&mut site).await?;
    site.verify().await?.clean()?;
    site.clear().await?;
    for plant in PLANTS {
        (plant.plant)(&mut site).await?;
        told(&site, plant).await?;
        site.clear().await?;
    }
    site.verify().await?.clean()
}

async fn told(site: &Site, plant: &Plant) -> Result<()> {
    let verified = site.verify().await?;
    ensure!(
        verified.code == Some(1),
        "{} {:?}: {verified:?}",
        plant.invariant,
        plant.names
    );
    let named = |line: &str| plant.names.iter().all(|name| line.contains(name));
    let begins = format!("{}: ", plant.invariant);
    ensure!(
        verified.violations().any(named),
        "{:?}: {}",
        plant.names,
        verified.text
    );
    let others = verified
        .violations()
        .find(|line| !line.starts_with(&begins));
    ensure!(others.is_none(), "{others:?} was not planted");
    Ok(())
}

fn bare(name: &str) -> Workload {
    Workload::pod("default", name)
}

/// A pod of the name with an address, as they are to be.
async fn live(site: &mut Site, name: &str, ip: &str, policy: (&str, u8)) -> Result<String> {
    let uid = site.pod(bare(name).policy(policy.0), &[ip]).await?;
    let key = format!("NULL_default_NULL_{name}");
    site.address(ip, &key, &uid, policy.1).await?;
    Ok(uid)
}

/// Everything that is allowed.
async fn sound(site: &mut Site) -> Result<()> {
    live(site, "web", "10.0.0.10", ("never", 2)).await?;
    let set = Workload::stateful_set("default", "db").replicas(2);
    let owner = site.write(set.manifest()).await?;
    let pod = bare("db-0").policy("immutable").owned_by(&owner);
    let uid = site.pod(pod, &["10.0.0.11"]).await?;
    site.address("10.0.0.11", "sts_default_db_db-0", &uid, 1)
        .await?;
    site.address("10.0.0.12", "sts_default_db_db-1", "", 1)
        .await?;
    site.address("10.0.0.13", "sts_default_gone_gone-4", "", 2)
        .await?;
    site.address("10.0.0.14", "pool__blue_", "", 2).await
}

async fn shared(site: &mut Site) -> Result<()> {
    live(site, "web", "10.0.0.10", ("", 0)).await?;
    site.pod(bare("thief"), &["10.0.0.10"]).await.map(drop)
}

async fn foreign(site: &mut Site) -> Result<()> {
    site.pod(bare("odd"), &["10.0.0.12"]).await?;
    let labels = json!({"reserved": "this-is-not-from-ipam"});
    let object = json!({
        "apiVersion": "galaxy.k8s.io/v1alpha1", "kind": "FloatingIP",
        "metadata": {"name": "10.0.0.12", "labels": labels}, "spec": {"key": "router"},
    });
    site.write(&object).await.map(drop)
}

async fn second(site: &mut Site) -> Result<()> {
    let uid = live(site, "web", "10.0.0.10", ("", 0)).await?;
    site.address("10.0.0.13", "NULL_default_NULL_web", &uid, 0)
        .await
}

async fn none(site: &mut Site) -> Result<()> {
    site.pod(bare("bare"), &[]).await.map(drop)
}

async fn gateway(site: &mut Site) -> Result<()> {
    site.address("10.0.0.1", "NULL_default_NULL_db", "", 2)
        .await
}

async fn node(site: &mut Site) -> Result<()> {
    let host = Node::new("host", [10, 0, 0, 15].into());
    site.write(&host.manifest()).await?;
    site.address("10.0.0.15", "NULL_default_NULL_db", "", 2)
        .await
}

async fn lost(site: &mut Site) -> Result<()> {
    site.pod(bare("lost"), &["10.0.0.16"]).await.map(drop)
}

async fn forgotten(site: &mut Site) -> Result<()> {
    live(site, "kept", "10.0.0.17", ("never", 0))
        .await
        .map(drop)
}

async fn leaked(site: &mut Site) -> Result<()> {
    site.address("10.0.0.18", "NULL_default_NULL_ghost", "ghosts-uid", 0)
        .await
}

async fn outlived(site: &mut Site) -> Result<()> {
    site.address("10.0.0.19", "sts_default_former_former-0", "", 1)
        .await
}

async fn surplus(site: &mut Site) -> Result<()> {
    let set = Workload::stateful_set("default", "db").replicas(2);
    site.write(set.manifest()).await?;
    site.address("10.0.0.20", "sts_default_db_db-2", "", 1)
        .await
}

async fn pool(site: &mut Site) -> Result<()> {
    let pool = json!({
        "apiVersion": "galaxy.k8s.io/v1alpha1", "kind": "Pool",
        "metadata": {"name": "blue", "namespace": "kube-system"}, "size": 1,
    });
    site.write(&pool).await?;
    site.address("10.0.0.21", "pool__blue_", "", 2).await?;
    site.address("10.0.0.22", "pool__blue_", "", 2).await
}

async fn app(site: &mut Site) -> Result<()> {
    let deployment = Workload::deployment("default", "many");
    let deployment = site.write(deployment.manifest()).await?;
    let replica_set = Workload::replica_set("default", "many-1").owned_by(&deployment);
    let replica_set = site.write(replica_set.manifest()).await?;
    for (name, ip) in [("many-x7k2p", "10.0.0.23"), ("many-b8l3q", "10.0.0.24")] {
        let pod = bare(name).policy("immutable").owned_by(&replica_set);
        let uid = site.pod(pod, &[ip]).await?;
        site.address(ip, &format!("dp_default_many_{name}"), &uid, 1)
            .await?;
    }
    Ok(())
}

async fn unreadable(site: &mut Site) -> Result<()> {
    site.address("10.0.0.25", "???", "", 0).await
}
