//! The ConfigMap: a good one is in force at once, a bad one changes nothing, and what it no longer has is drained.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use floatingip_testkit::{Workload, eventually};
use serde_json::{Value, json};

use crate::cluster::LIMIT;
use crate::lot::Lot;
use crate::suite::Test;

/// In which time a change is in force; on a busy machine too.
const AT_ONCE: Duration = Duration::from_secs(2);

pub(crate) const TESTS: &[Test] = &[
    Test::new("a_change_is_in_force_within_a_second", |lot| {
        Box::pin(changed(lot))
    })
    .nodes(1),
    Test::new("a_bad_configuration_changes_nothing_and_is_told", |lot| {
        Box::pin(refused(lot))
    })
    .nodes(1),
    Test::new("a_range_that_is_taken_out_is_drained", |lot| {
        Box::pin(drained(lot))
    })
    .addresses(3),
    Test::new("a_subnet_is_warned_of_before_it_is_full", |lot| {
        Box::pin(filled(lot))
    })
    .addresses(10),
];

async fn changed(lot: Lot) -> Result<()> {
    let entry = lot.entry(0, 1, 2..=9);
    let total = format!(
        r#"galaxy_ip_counter{{type="total",subnet="{}",first_ip="{}"}}"#,
        lot.subnet(1),
        lot.address(1, 2)
    );
    lot.cluster
        .reconfigure(|entries| entries.push(entry))
        .await?;
    let start = Instant::now();
    let in_force = || async {
        let found = lot.cluster.metric(&total).await?;
        ensure!(found == 8.0, "{found} addresses");
        Ok(())
    };
    eventually(LIMIT, "the new subnet", in_force).await?;
    println!(
        "a change of the ConfigMap was in force after {} ms",
        start.elapsed().as_millis()
    );
    ensure!(start.elapsed() < AT_ONCE, "after {:?}", start.elapsed());
    Ok(())
}

async fn refused(lot: Lot) -> Result<()> {
    let mut reversed = lot.entry(0, 0, 2..=101);
    reversed["ips"] = json!([format!("{}~{}", lot.address(0, 101), lot.address(0, 2))]);
    let bad = json!([reversed]).to_string();
    let cluster = &lot.cluster;
    let look = async {
        let range = format!("{}~{}", lot.address(0, 101), lot.address(0, 2));
        cluster
            .told("kube-system", "ConfigurationRefused", &range)
            .await?;
        let ready = cluster.server.api().get("/readyz?verbose").await?;
        ensure!(
            ready.status == 200 && ready.body.contains(&range),
            "{}: {}",
            ready.status,
            ready.body
        );
        ensure!(
            cluster.metric("floatingip_config_refused_total").await? > 0.0,
            "it is not counted"
        );
        let web = lot
            .create(Workload::deployment(&lot.namespace, "web"))
            .await?;
        lot.addresses(&web, 1).await?;
        Ok(())
    };
    cluster.with_document(&bad, look).await?;
    lot.eventually("the former one in force again", || async {
        let ready = cluster.server.api().get("/readyz?verbose").await?.body;
        ensure!(!ready.contains("last good one"), "{ready}");
        Ok(())
    })
    .await
}

async fn drained(lot: Lot) -> Result<()> {
    let web = Workload::stateful_set(&lot.namespace, "web").policy("immutable");
    let web = lot.create(web).await?;
    let address = lot.addresses(&web, 1).await?.remove(0);
    let others: Vec<String> = (2..=4)
        .map(|last| lot.address(0, last))
        .filter(|other| *other != address)
        .collect();
    let without = |ips: Value| {
        let subnet = lot.subnet(0);
        move |entries: &mut Vec<Value>| {
            let ours = entries
                .iter_mut()
                .find(|entry| entry["subnet"] == subnet.as_str());
            ours.expect("the lot's entry")["ips"] = ips;
        }
    };
    lot.cluster.reconfigure(without(json!(others))).await?;
    lot.eventually("a draining address", || async {
        let draining = lot.cluster.metric("floatingip_addresses_draining").await?;
        ensure!(draining >= 1.0, "{draining}");
        Ok(())
    })
    .await?;
    let green = lot
        .create(Workload::deployment(&lot.namespace, "green").replicas(3))
        .await?;
    ensure!(
        lot.addresses(&green, 2).await? == others,
        "the draining address was given away"
    );
    lot.refused(&green, 1, "is full").await?;
    ensure!(
        lot.addresses(&web, 1).await? == [address.as_str()],
        "the live pod was disturbed"
    );
    let record = lot.record(&address).await?.context("the record is gone")?;
    ensure!(
        record["spec"]["key"]
            .as_str()
            .is_some_and(|key| key.ends_with("_web-0")),
        "{record}"
    );

    lot.delete(&web).await?;
    lot.eventually("the end of the draining address", || async {
        let record = lot.record(&address).await?;
        ensure!(record.is_none(), "{record:?}");
        Ok(())
    })
    .await?;
    lot.refused(&green, 1, "is full").await?;
    lot.cluster
        .reconfigure(without(json!([format!(
            "{}~{}",
            lot.address(0, 2),
            lot.address(0, 4)
        )])))
        .await?;
    lot.addresses(&green, 3).await?;
    Ok(())
}

async fn filled(lot: Lot) -> Result<()> {
    let web = Workload::deployment(&lot.namespace, "web").replicas(9);
    let web = lot.create(web).await?;
    lot.addresses(&web, 9).await?;
    let text = format!(
        "{} (from {}) is nearly full",
        lot.subnet(0),
        lot.address(0, 2)
    );
    let cluster = &lot.cluster;
    cluster
        .told("kube-system", "SubnetNearlyFull", &text)
        .await?;
    let full = cluster.metric("floatingip_subnets_nearly_full").await?;
    ensure!(full >= 1.0, "{full} subnets are counted");
    Ok(())
}
