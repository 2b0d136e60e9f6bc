//! Lanes: nodes and addresses on which one cell after the other is played.

use std::sync::{Mutex, PoisonError};

use anyhow::{Context as _, Result, ensure};
use floatingip_testkit::{foreign, object};
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt as _;
use kube::api::{Api, DeleteParams, ListParams};
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use crate::lot::{Land, Lot};

/// How many cells are played at a time.
pub(crate) const LANES: usize = 16;
/// What each of them has.
pub(crate) const LANE: Land = Land {
    racks: 1,
    nodes: 2,
    addresses: 24,
};

/// The lanes that no cell is played on.
#[derive(Debug)]
pub(crate) struct Lanes {
    free: Mutex<Vec<Lot>>,
    count: Semaphore,
    open: Mutex<usize>,
}

/// A lane that a cell is played on.
#[derive(Debug)]
pub(super) struct Lane {
    pub(super) lot: Lot,
}

impl Lanes {
    pub(crate) fn new(lots: Vec<Lot>) -> Self {
        Self {
            count: Semaphore::new(lots.len()),
            open: Mutex::new(lots.len()),
            free: Mutex::new(lots),
        }
    }

    /// Waits for one.
    pub(super) async fn take(&self) -> Result<Lane> {
        let place = self.count.acquire().await;
        place
            .context("no lane is left: former cells did not leave them empty")?
            .forget();
        let lot = self
            .free
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .pop();
        Ok(Lane {
            lot: lot.context("a lane was lost")?,
        })
    }

    pub(super) fn give_back(&self, lane: Lane) {
        self.free
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(lane.lot);
        self.count.add_permits(1);
    }

    /// Something is left on it that would disturb other cells.
    pub(super) fn close(&self, lane: Lane) {
        drop(lane);
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        *open -= 1;
        if *open == 0 {
            self.count.close();
        }
    }
}

/// Takes away what is in the namespace, releases what is kept by the API, and waits until nothing is left.
pub(super) async fn clear(lot: &Lot) -> Result<()> {
    for (api_version, kind) in kinds() {
        let kind = json!({
            "apiVersion": api_version, "kind": kind, "metadata": {"namespace": lot.namespace},
        });
        let objects = object::api(&lot.cluster.client(), &kind)?;
        let all = ListParams::default();
        objects
            .delete_collection(&DeleteParams::background(), &all)
            .await?;
    }
    lot.mend_nodes().await?;
    lot.eventually("all pods are gone", || delete_pods(lot))
        .await?;
    lot.eventually("all addresses are free", || release(lot))
        .await
}

/// Apps before what they are made of.
fn kinds() -> Vec<(String, &'static str)> {
    let native = [
        ("apps/v1", "Deployment"),
        ("apps/v1", "StatefulSet"),
        ("apps/v1", "DaemonSet"),
        ("batch/v1", "Job"),
    ];
    let foreign = [
        foreign::TAPP,
        foreign::KRUISE_STATEFUL_SET,
        foreign::ROLLOUT,
    ];
    let native = native
        .into_iter()
        .map(|(version, kind)| (version.to_owned(), kind));
    let foreign = foreign.iter().map(|kind| (kind.api_version(), kind.kind));
    let last = ("apps/v1".to_owned(), "ReplicaSet");
    native.chain(foreign).chain([last]).collect()
}

async fn delete_pods(lot: &Lot) -> Result<()> {
    let pods: Api<Pod> = Api::namespaced(lot.cluster.client(), &lot.namespace);
    let left = pods.list(&ListParams::default()).await?.items;
    for pod in &left {
        let by_force = DeleteParams::default().grace_period(0);
        match pods.delete(&pod.name_any(), &by_force).await {
            Err(kube::Error::Api(status)) if status.is_not_found() => {}
            deleted => drop(deleted?),
        }
    }
    ensure!(left.is_empty(), "{} pods are left", left.len());
    Ok(())
}

/// Sends what is listed as releasable back, as it is listed.
async fn release(lot: &Lot) -> Result<()> {
    let api = lot.cluster.server.api();
    let path = format!("/v1/ip?size=9999&keyword={}", lot.prefix());
    let page = api.get(&path).await?.json(200)?;
    let rows = page["content"].as_array().context("no content")?;
    let releasable: Vec<&Value> = rows
        .iter()
        .filter(|row| row["releasable"] == true)
        .collect();
    if !releasable.is_empty() {
        api.post("/v1/ip", &json!({"ips": releasable})).await?;
    }
    ensure!(rows.is_empty(), "{page}");
    Ok(())
}
