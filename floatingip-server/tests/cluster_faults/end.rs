//! What must be so once everything has come to rest: looked at without the server and without `verify`.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Result, ensure};
use floatingip_testkit::{eventually, object};
use k8s_openapi::api::core::v1::Pod;
use kube::api::{DynamicObject, ListParams};
use kube::{Client, ResourceExt as _};
use serde_json::{Value, json};

use crate::LIMIT;
use crate::apps::{APPS, App, IN_THE_END, NAMESPACE};
use crate::record::{Record, addresses_in_use, is_finished, phase};

/// FloatingIPs, by address.
type Records = BTreeMap<String, Value>;

/// Waits until every app has its replicas, all of them run, each with an address of its own that its FloatingIP
/// gives it, and no address is kept for nothing. All of it is read anew each time: a rollout may still be on its way.
pub(crate) async fn come_to_rest(client: &Client) -> Result<()> {
    eventually(LIMIT, "every app at its size, without leaks", || async {
        let records = records(client).await?;
        let mut running = Vec::new();
        for app in &APPS {
            running.extend(pods(client, app).await?);
        }
        one_owner(&records, &running)?;
        no_leak(&records, &running)
    })
    .await
}

async fn pods(client: &Client, app: &App) -> Result<Vec<Pod>> {
    let pods = object::pods(client, NAMESPACE, &app.workload(0).selector()).await?;
    let pods: Vec<Pod> = pods.into_iter().filter(|pod| !is_finished(pod)).collect();
    let running = |pod: &&Pod| phase(pod) == "Running" && pod.metadata.deletion_timestamp.is_none();
    let count = pods.iter().filter(running).count();
    ensure!(
        pods.len() == IN_THE_END as usize && count == pods.len(),
        "{}: {count} of {} pods run: {:?}",
        app.name,
        pods.len(),
        pods.iter()
            .map(|pod| (
                pod.name_any(),
                phase(pod),
                pod.spec.as_ref().and_then(|spec| spec.node_name.clone())
            ))
            .collect::<Vec<_>>()
    );
    Ok(pods)
}

fn one_owner(records: &Records, running: &[Pod]) -> Result<()> {
    let mut seen = BTreeSet::new();
    for pod in running {
        let (name, addresses) = (pod.name_any(), addresses_in_use(pod));
        let [address] = addresses.as_slice() else {
            anyhow::bail!("{name} has {addresses:?}");
        };
        ensure!(
            seen.insert(address.clone()),
            "{address} twice, also for {name}"
        );
        let record = records.get(address);
        ensure!(
            record.is_some_and(|record| uid(record) == pod.uid()),
            "{address} of {name}: {record:?}"
        );
    }
    Ok(())
}

fn no_leak(records: &Records, running: &[Pod]) -> Result<()> {
    let uids: BTreeSet<String> = running.iter().filter_map(Pod::uid).collect();
    for (ip, record) in records {
        let reason = match uid(record) {
            Some(uid) => uids.contains(&uid),
            None => may_be_kept(record),
        };
        ensure!(reason, "{ip} is kept for nothing: {}", record["spec"]);
    }
    Ok(())
}

/// Whether a FloatingIP without a pod may be there: under `never`, for a slot or a pool. What is kept under
/// `immutable` has a pod, for every app is as large as it was last asked to be.
fn may_be_kept(record: &Value) -> bool {
    let key = record["spec"]["key"].as_str().unwrap_or_default();
    let kept = APPS
        .iter()
        .filter(|app| app.policy == "never" || app.pooled);
    let of = |app: &App| key.contains(&format!("_{NAMESPACE}_{}_", app.name));
    record["spec"]["policy"] == 2 && (key == "pool__colours_" || kept.into_iter().any(of))
}

/// Every slot under `never`, and ordinal 0 of an app under `immutable` that never was away, had one address all the time.
pub(crate) fn sticky(record: &Record) -> Result<()> {
    let mut looked_at = 0;
    for (pod, addresses) in &record.history {
        if pod.starts_with("set-never-") || pod == "set-immutable-0" {
            ensure!(
                addresses.len() == 1,
                "STICKY: {pod} had {addresses:?}:\n{}",
                record.traced(pod)
            );
            looked_at += 1;
        }
    }
    ensure!(looked_at > 2, "nothing to look at: {:?}", record.history);
    Ok(())
}

async fn records(client: &Client) -> Result<Records> {
    let kind = json!({"apiVersion": "galaxy.k8s.io/v1alpha1", "kind": "FloatingIP"});
    let list = object::api(client, &kind)?
        .list(&ListParams::default())
        .await?;
    let named = |record: DynamicObject| Ok((record.name_any(), serde_json::to_value(record)?));
    list.items.into_iter().map(named).collect()
}

/// The UID of the pod that a FloatingIP names.
fn uid(record: &Value) -> Option<String> {
    let attribute = record["spec"]["attribute"].as_str()?;
    let attribute: Value = serde_json::from_str(attribute).ok()?;
    let uid = attribute["Uid"].as_str()?;
    (!uid.is_empty()).then(|| uid.to_owned())
}
