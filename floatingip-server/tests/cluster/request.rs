//! Pods that ask for certain addresses, or for several.

use anyhow::{Result, ensure};
use floatingip_testkit::Workload;
use serde_json::json;

use crate::lot::Lot;
use crate::suite::Test;

const FAMILIES: &str = "k8s.v1.cni.galaxy.io/ip-families";

pub(crate) const TESTS: &[Test] = &[
    Test::new("a_pod_gets_an_address_of_each_list_of_ranges", |lot| {
        Box::pin(ranges(lot))
    })
    .nodes(1),
    Test::new("lists_of_ranges_that_overlap_are_matched", |lot| {
        Box::pin(overlapping(lot))
    })
    .nodes(1),
    Test::new("a_request_for_several_addresses_gets_all_or_none", |lot| {
        Box::pin(all_or_none(lot))
    })
    .nodes(1),
    Test::new(
        "a_pod_gets_an_address_of_each_family_that_it_names",
        |lot| Box::pin(dual_stack(lot)),
    )
    .nodes(1),
];

async fn ranges(lot: Lot) -> Result<()> {
    let (a, b, c) = (lot.address(0, 20), lot.address(0, 29), lot.address(0, 40));
    let pod = Workload::pod(&lot.namespace, "two").ranges(&json!([[format!("{a}~{b}")], [c]]));
    let pod = lot.create(pod).await?;
    let pods = lot.running(&pod, 1).await?;
    ensure!(pods[0].addresses() == [a.as_str(), c.as_str()], "{pods:?}");
    Ok(())
}

async fn overlapping(lot: Lot) -> Result<()> {
    let (a, b) = (lot.address(0, 20), lot.address(0, 21));
    let pod = Workload::pod(&lot.namespace, "two").ranges(&json!([[a, b], [a]]));
    let pod = lot.create(pod).await?;
    let pods = lot.running(&pod, 1).await?;
    ensure!(pods[0].addresses() == [b.as_str(), a.as_str()], "{pods:?}");
    Ok(())
}

async fn all_or_none(lot: Lot) -> Result<()> {
    let (a, b) = (lot.address(0, 20), lot.address(0, 21));
    let one = lot
        .create(Workload::pod(&lot.namespace, "one").ranges(&json!([[a]])))
        .await?;
    lot.running(&one, 1).await?;
    let two = lot
        .create(Workload::pod(&lot.namespace, "two").ranges(&json!([[a], [b]])))
        .await?;
    lot.refused(&two, 1, "floating IP").await?;
    ensure!(
        lot.listed("sort=ip").await?.len() == 1,
        "a part of the request was given"
    );
    lot.delete(&one).await?;
    let pods = lot.running(&two, 1).await?;
    ensure!(pods[0].addresses() == [a.as_str(), b.as_str()], "{pods:?}");
    Ok(())
}

/// The IPv6 subnet is for the same nodes, by their IPv4 addresses.
async fn dual_stack(lot: Lot) -> Result<()> {
    let mut entry = lot.entry(0, 0, 2..=2);
    let net = lot.net6();
    entry["ips"] = json!([format!("{net}::10~{net}::1f")]);
    entry["subnet"] = json!(format!("{net}::/64"));
    entry["gateway"] = json!(format!("{net}::1"));
    lot.cluster
        .reconfigure(|entries| entries.push(entry))
        .await?;
    let web = Workload::stateful_set(&lot.namespace, "web")
        .policy("immutable")
        .annotation(FAMILIES, "IPv4,IPv6");
    let web = lot.create(web).await?;
    let pod = lot.running(&web, 1).await?.remove(0);
    let [v4, v6] = pod.addresses()[..] else {
        anyhow::bail!("{pod:?} has not two addresses")
    };
    ensure!(v4.starts_with("10.200.") && v6.starts_with(&net), "{pod:?}");
    ensure!(
        pod.infos[1]["ip"]
            .as_str()
            .is_some_and(|ip| ip.ends_with("/64")),
        "{pod:?}"
    );
    let again = lot.replace(&web, &pod).await?;
    ensure!(
        again.addresses() == pod.addresses(),
        "{pod:?} became {again:?}"
    );
    Ok(())
}
