//! Carrying out one change.

use std::net::IpAddr;

use floatingip_core::Name;
use floatingip_core::engine::AppHolding;
use floatingip_core::orchestrator::Stuck;
use floatingip_core::owner::{AppRef, Owner};
use floatingip_core::{Store, Timer};
use tracing::warn;

use super::Life;
use super::queue::Task;
use super::survey::SLICE;
use crate::event::{Notice, Severity, reference_of};
use crate::index::NodeChange;

impl<S: Store, T: Timer> Life<S, T> {
    pub(super) async fn carry_out(&self, task: &Task) -> Result<(), Stuck> {
        match task {
            Task::Ended(uid, ending) => self.core.ended(uid, ending).await,
            Task::Bound(uid, addresses) => self.pod_bound(uid, addresses).await,
            Task::App(app) => self.core.app_changed(app).await.map(drop),
            Task::AppPerhapsGone(app) => self.confirm_app(app).await,
            Task::Restore(ip) => self.core.restore(*ip).await,
            Task::Pool(pool) => self.core.repair_pool(pool).await,
            Task::PoolGone(pool) => self.core.pool_deleted(pool).await,
            Task::Node(name, change) => self.node_changed(name, change).await,
        }
    }

    /// Frees what the binding does not name, and tells of a binding that does not name what the pod has.
    async fn pod_bound(&self, uid: &Name, addresses: &[IpAddr]) -> Result<(), Stuck> {
        let pod = self.index().read().pod_of_uid(uid).cloned();
        if let Some(pod) = pod.filter(|pod| !pod.finished && !self.is_recorded(pod)) {
            self.adopt(&pod).await;
            return Ok(());
        }
        match addresses.is_empty() {
            // A binding without addresses is not ours and says nothing about them.
            true => Ok(()),
            false => self.core.bound(uid, addresses).await,
        }
    }

    /// Frees what the app kept, if a live read says too that it is gone. Most apps of a cluster have no
    /// addresses of ours, and are not read.
    async fn confirm_app(&self, app: &AppRef) -> Result<(), Stuck> {
        let concerns_us = self.core.engine().has_addresses(app);
        if concerns_us && self.is_gone(app).await {
            self.core.app_changed(app).await?;
        }
        Ok(())
    }

    async fn node_changed(&self, name: &Name, change: &NodeChange) -> Result<(), Stuck> {
        match change {
            NodeChange::Present { addresses, ready } => {
                self.take_in_node(name, addresses);
                if *ready {
                    return self.core.node_ready(name).await;
                }
                Ok(())
            }
            NodeChange::Gone => {
                self.core.engine().forget_node(name);
                self.look_at_daemon_sets();
                self.core.node_ready(name).await
            }
        }
    }

    /// What they keep for a node goes with it, if their policy says so.
    fn look_at_daemon_sets(&self) {
        let mut after = None;
        loop {
            let apps = self.core.engine().apps_after(after.as_ref(), SLICE);
            let Some(last) = apps.last() else { return };
            after = Some(last.app.clone());
            let loses =
                |holding: &AppHolding| holding.app.kind == "daemonset" && holding.freed_with_it > 0;
            let losing = apps.into_iter().filter(loses);
            losing.for_each(|holding| self.ask(Task::App(holding.app)));
        }
    }

    /// The addresses of a node are never handed out. One that somebody owns already is told about.
    pub(super) fn take_in_node(&self, name: &Name, addresses: &[IpAddr]) {
        let owned = self.core.engine().observe_node(name, addresses);
        for (ip, owner) in owned {
            self.tell_of_clash(name, ip, &owner);
        }
    }

    fn tell_of_clash(&self, node: &Name, ip: IpAddr, owner: &Owner) {
        let holder = owner.namespace().map_or_else(
            || "a reserve".to_owned(),
            |namespace| format!("{namespace}/{}", owner.pod_name()),
        );
        let note = format!(
            "node {node} has address {ip}, which belongs to {holder}: exclude it in the configuration, and \
             delete the pod or release the address so that it gets another one"
        );
        warn!("{note}");
        self.reporter.tell(Notice {
            regarding: reference_of::<k8s_openapi::api::core::v1::Node>(None, node, None),
            severity: Severity::Warning,
            reason: "FloatingIPConflict",
            note,
        });
    }
}
