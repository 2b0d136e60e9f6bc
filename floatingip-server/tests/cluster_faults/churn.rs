//! Users and controllers that never rest, whether the server is there or not.

use std::time::Duration;

use anyhow::Result;
use fastrand::Rng;
use floatingip_testkit::object;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, DeleteParams, ListParams, Patch, PatchParams};
use kube::{Client, ResourceExt as _};
use serde_json::json;
use tokio::time::sleep;

use crate::LIMIT;
use crate::apps::{APPS, App, MOST, NAMESPACE, pool};

/// The longest pause between two changes, in milliseconds.
const PAUSE: u64 = 60;

pub(crate) struct Churn {
    client: Client,
    rng: Rng,
    changes: u32,
}

impl Churn {
    pub(crate) fn new(client: Client, rng: Rng) -> Self {
        Self {
            client,
            rng,
            changes: 0,
        }
    }

    /// How much was changed so far.
    pub(crate) fn changes(&self) -> u32 {
        self.changes
    }

    /// Changes one thing after the other, until it is dropped or fails.
    pub(crate) async fn run(&mut self) -> Result<()> {
        loop {
            let changed = self.change().await;
            changed.or_else(overtaken)?;
            self.changes += 1;
            sleep(Duration::from_millis(self.rng.u64(..PAUSE))).await;
        }
    }

    async fn change(&mut self) -> Result<()> {
        let index = self.rng.usize(..APPS.len());
        let Some(app) = APPS.get(index) else {
            return Ok(());
        };
        match self.rng.u32(..20) {
            0..6 => self.scale(app).await,
            6..10 => self.end_pod(DeleteParams::default()).await,
            10..13 => self.end_pod(DeleteParams::default().grace_period(0)).await,
            13..15 => self.evict_pod().await,
            15..18 => self.roll(app).await,
            18 => self.resize_pool().await,
            _ if app.mortal => self.make_anew(app).await,
            _ => Ok(()),
        }
    }

    /// Never to zero: so ordinal 0 is there all the time.
    async fn scale(&mut self, app: &App) -> Result<()> {
        let replicas = self.rng.u32(1..=MOST);
        object::scale(&self.client, app.workload(0).manifest(), replicas).await
    }

    async fn roll(&self, app: &App) -> Result<()> {
        let change = json!({"spec": {"template": {"metadata": {"annotations": {"change": self.changes.to_string()}}}}});
        object::merge(&self.client, app.workload(0).manifest(), &change)
            .await
            .map(drop)
    }

    async fn resize_pool(&mut self) -> Result<()> {
        let size = self.rng.u32(2..12);
        let change = json!({"size": size});
        object::merge(&self.client, &pool(size), &change)
            .await
            .map(drop)
    }

    /// Another one of the same name, before the pods of the former are gone.
    async fn make_anew(&mut self, app: &App) -> Result<()> {
        let replicas = self.rng.u32(1..=MOST);
        let app = app.workload(replicas);
        object::delete(&self.client, app.manifest()).await?;
        object::gone(&self.client, app.manifest(), LIMIT).await?;
        object::create(&self.client, app.manifest()).await.map(drop)
    }

    async fn end_pod(&mut self, how: DeleteParams) -> Result<()> {
        if let Some(name) = self.any_pod().await? {
            self.pods().delete(&name, &how).await?;
        }
        Ok(())
    }

    /// As a kubelet does that is short of something. Only pods that run: kwok would set those to run again that it
    /// is about to start, which no kubelet does.
    async fn evict_pod(&mut self) -> Result<()> {
        let running = ListParams::default().fields("status.phase=Running");
        let pods = self.pods().list_metadata(&running).await?;
        if let Some(name) = self.rng.choice(&pods.items).map(|pod| pod.name_any()) {
            let failed = Patch::Merge(json!({"status": {"phase": "Failed", "reason": "Evicted"}}));
            let how = PatchParams::default();
            self.pods().patch_status(&name, &how, &failed).await?;
        }
        Ok(())
    }

    async fn any_pod(&mut self) -> Result<Option<String>> {
        let pods = self.pods().list_metadata(&ListParams::default()).await?;
        Ok(self.rng.choice(&pods.items).map(|pod| pod.name_any()))
    }

    fn pods(&self) -> Api<Pod> {
        Api::namespaced(self.client.clone(), NAMESPACE)
    }
}

/// Controllers change and delete the same things: what is not there any more, or has just been changed, is no fault.
fn overtaken(error: anyhow::Error) -> Result<()> {
    let status = match error.downcast_ref::<kube::Error>() {
        Some(kube::Error::Api(status)) => status.code,
        _ => 0,
    };
    match status {
        404 | 409 => Ok(()),
        _ => Err(error),
    }
}
