//! Containers, pods and apps as the API tells of them.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use floatingip_core::engine::Ending;
use floatingip_core::fact::AppState;
use floatingip_core::owner::AppRef;
use floatingip_core::record::Attachment;
use floatingip_core::topology::AddressInfo;
use floatingip_core::{Fact, Name, World};
use tokio::time::timeout;
use tracing::{error, warn};

use super::attempts::Attempts;
use super::refused::Refused;
use super::{Core, explain, revival};
use crate::backend::Explained;
use crate::desk::Writes;
use crate::native::{AppView, Left, Native, NativeError, Wanted};
use crate::store::{AppChange, Apps, Told};

/// The standalone server's ear.
#[derive(Clone, Debug)]
pub(super) struct Workloads {
    core: Arc<Core>,
    writes: Writes,
    refused: Refused,
    attempts: Attempts,
}

impl Workloads {
    pub(super) fn new(core: Arc<Core>, writes: Writes) -> Self {
        Self {
            core,
            writes,
            refused: Refused::default(),
            attempts: Attempts::default(),
        }
    }

    /// How the pod of that name stands; none where nobody knows it. May look at many records.
    pub(super) fn explain(&self, namespace: &Name, pod: &Name) -> Option<Explained> {
        let refused = self.refused.of(namespace, pod);
        explain::pod(&self.core, namespace, pod, refused.as_ref())
    }

    fn apps(&self) -> &Apps {
        self.core.world()
    }

    async fn change(&self, change: AppChange) -> Result<(), NativeError> {
        Ok(self.core.store().change_app(change).await?)
    }

    fn infos(&self, addresses: &[IpAddr]) -> Result<Vec<AddressInfo>, NativeError> {
        let engine = self.core.engine();
        let topology = engine.topology();
        let info = |ip: &IpAddr| {
            let info = topology.address_info(*ip);
            info.ok_or(NativeError::Unconfigured(*ip))
        };
        addresses.iter().map(info).collect()
    }
}

impl Native for Workloads {
    async fn attach(&self, wanted: Wanted) -> Result<Vec<AddressInfo>, NativeError> {
        let _under_way = self.writes.under_way().await;
        let announced = self.core.announce(&wanted.request);
        // Afterwards: an end that is told from here on ends what was announced.
        self.attempts.check(&wanted)?;
        let allocated = revival::allocate(&self.core, &announced, &wanted).await;
        match &allocated {
            Ok(_) => self.refused.served(&wanted.request),
            Err(NativeError::Refused(_)) => self.refused.note(wanted),
            Err(_) => {}
        }
        self.infos(&allocated?)
    }

    async fn detach(
        &self,
        attachment: Attachment,
        attempt: Option<Name>,
    ) -> Result<(), NativeError> {
        let _under_way = self.writes.under_way().await;
        // First: what is announced from here on finds it.
        if let Some(attempt) = attempt {
            self.attempts.end(attempt);
        }
        self.refused.detached(&attachment);
        Ok(self.core.detached(&attachment).await?)
    }

    async fn collect(&self, left: Left) -> Result<(), NativeError> {
        let _under_way = self.writes.under_way().await;
        self.refused.collected(&left);
        let Left {
            node,
            network,
            valid,
        } = left;
        Ok(self.core.gc(&node, &network, &valid).await?)
    }

    async fn end_pod(&self, uid: Name) -> Result<(), NativeError> {
        let _under_way = self.writes.under_way().await;
        self.refused.ended(&uid);
        Ok(self.core.ended(&uid, &Ending::Certain).await?)
    }

    async fn tell_app(&self, app: AppRef, state: AppState) -> Result<usize, NativeError> {
        let _under_way = self.writes.under_way().await;
        if !self.apps().has_room_for(&app, &state) {
            return Err(NativeError::TooManyNodes);
        }
        let told = AppChange::Tell(app.clone(), Told::There(state));
        self.change(told).await?;
        Ok(self.core.app_changed(&app).await?)
    }

    async fn delete_app(&self, app: AppRef) -> Result<usize, NativeError> {
        let _under_way = self.writes.under_way().await;
        // Whether anybody told of it, the file says: what is shown lacks what is queued or in doubt.
        let depended_on = self.core.engine().knows_app(&app);
        let ended = match depended_on {
            true => AppChange::Tell(app.clone(), Told::Gone),
            false => AppChange::End(app.clone()),
        };
        self.change(ended).await?;
        let freed = self.core.app_changed(&app).await?;
        forget_gone(&self.core, &app).await;
        Ok(freed)
    }

    fn app(&self, app: &AppRef) -> Option<AppView> {
        let fact = self.apps().app(app);
        let holding = self.core.engine().holding(app);
        if matches!(fact, Fact::Unknown) && holding.is_none() {
            return None;
        }
        Some(AppView {
            deleted: fact.is_gone(),
            state: fact.known(),
            addresses: holding.as_ref().map_or(0, |holding| holding.addresses),
            pods: holding.map_or(0, |holding| holding.pods),
        })
    }
}

/// How long a sweep forgets apps: what it does not get to, the next one does.
const FORGET_FOR: Duration = Duration::from_secs(10);

/// Forgets every app that was deleted and that nothing depends on any more: what a server that was
/// killed, or an app whose pods ended later, left behind.
pub(super) async fn forget_all_gone(core: &Core) {
    let all = async {
        for (app, _) in core.world().gone() {
            forget_gone(core, &app).await;
        }
    };
    if timeout(FORGET_FOR, all).await.is_err() {
        warn!("not all deleted apps are forgotten yet, the next sweep goes on: is the disk slow?");
    }
}

/// Forgets an app that was deleted, once it has no addresses and is about to have none: before, its
/// pods' ends have to find that it is gone.
async fn forget_gone(core: &Core, app: &AppRef) {
    let Some(row) = core.world().told(app).filter(|row| row.told == Told::Gone) else {
        return;
    };
    // In this order: whoever plans for it afterwards writes that it is there again, or finds it forgotten.
    if core.engine().knows_app(app) {
        return;
    }
    let forgotten = AppChange::Forget(app.clone(), row.version);
    if let Err(error) = core.store().change_app(forgotten).await {
        error!(%app, "a deleted app is not forgotten yet, the next sweep tries again: {error}");
    }
}

#[cfg(test)]
mod tests {
    use floatingip_core::ReleasePolicy;
    use floatingip_core::config::{Config, Strictness};
    use floatingip_core::fact::Slots;
    use floatingip_core::orchestrator::{Place, Stuck};
    use floatingip_core::refusal::Refusal;
    use floatingip_core::request::PodRequest;
    use floatingip_core::testing::fixture::{attachment, pod};

    use super::*;
    use crate::store::EmbeddedStore;
    use crate::store::tests::disk::Disk;

    const CONFIG: &str = r#"[{"routableSubnet":"10.0.0.0/16","ips":["10.0.70.2~10.0.70.9"],"subnet":"10.0.70.0/24","gateway":"10.0.70.1"}]"#;

    /// A pod of the StatefulSet `db`.
    fn wanted(name: &str) -> Wanted {
        let fixture = pod(name).of_statefulset("db");
        let tenant = fixture.owner().tenant().unwrap().clone();
        let request = PodRequest::new(tenant, fixture.pod(), ReleasePolicy::Immutable);
        Wanted {
            request: request.unwrap().with_attachment(attachment("node-1", name)),
            place: Place::Anywhere,
            attempt: None,
        }
    }

    async fn workloads() -> Workloads {
        workloads_on(EmbeddedStore::in_memory().unwrap()).await
    }

    async fn workloads_on(store: EmbeddedStore) -> Workloads {
        let config = Config::parse(CONFIG, Strictness::Strict).unwrap();
        let core = super::super::start(0, config.into_topology(), store).await;
        Workloads::new(Arc::new(core.unwrap()), Writes::default())
    }

    /// As a server leaves it that dies between the two.
    #[tokio::test]
    async fn a_deletion_that_was_cut_off_after_its_first_write_is_finished_by_the_sweep() {
        let workloads = workloads().await;
        let app = wanted("db-0").request.tenant().app_ref().unwrap();
        workloads.attach(wanted("db-0")).await.unwrap();
        workloads.attach(wanted("db-1")).await.unwrap();
        workloads
            .detach(attachment("node-1", "db-1"), None)
            .await
            .unwrap();
        let gone = AppChange::Tell(app.clone(), Told::Gone);
        workloads.change(gone).await.unwrap();
        let core = &workloads.core;
        assert_eq!(core.engine().len(), 2);

        core.sweep().await.unwrap();
        forget_all_gone(core).await;
        assert_eq!(core.engine().len(), 1, "the reserve is free");
        assert!(
            core.world().app(&app).is_gone(),
            "a pod still depends on it"
        );
        workloads
            .end_pod(wanted("db-0").request.pod().uid.clone())
            .await
            .unwrap();
        assert!(core.engine().is_empty());
        forget_all_gone(core).await;
        assert!(core.world().is_empty());
    }

    #[tokio::test]
    async fn a_request_that_arrives_after_the_end_of_its_attempt_is_refused_and_another_attempt_is_not()
     {
        let workloads = workloads().await;
        let attempt = |name: &str| Wanted {
            attempt: Some(name.into()),
            ..wanted("db-0")
        };
        let end = attachment("node-1", "db-0");
        workloads.detach(end, Some("a1".into())).await.unwrap();
        let late = workloads.attach(attempt("a1")).await;
        let refused = matches!(late, Err(NativeError::Refused(Refusal::PodEnded { .. })));
        assert!(refused, "{late:?}");
        assert!(workloads.core.engine().is_empty());
        let explained = workloads.explain(&"default".into(), &"db-0".into());
        assert!(explained.is_none(), "nobody waits for anything");
        workloads.attach(attempt("a2")).await.unwrap();
        workloads.attach(wanted("db-0")).await.unwrap();
    }

    #[tokio::test]
    async fn a_refused_container_that_is_collected_waits_for_nothing_any_more() {
        let workloads = workloads().await;
        let wanted = Wanted {
            place: Place::Node(vec!["192.168.0.1".parse().unwrap()]),
            ..wanted("db-0")
        };
        let attachment = wanted.request.attachment().unwrap().clone();
        let explained = || workloads.explain(&"default".into(), &"db-0".into());
        workloads.attach(wanted.clone()).await.unwrap_err();
        assert!(explained().is_some());
        let left = Left {
            node: attachment.node,
            network: attachment.network,
            valid: [].into(),
        };
        workloads.collect(left).await.unwrap();
        assert!(explained().is_none());
    }

    #[tokio::test]
    async fn a_deletion_of_what_nobody_knows_writes_nothing() {
        let workloads = workloads().await;
        let app = wanted("db-0").request.tenant().app_ref().unwrap();
        assert_eq!(workloads.delete_app(app.clone()).await, Ok(0));
        assert_eq!(workloads.app(&app), None);
        assert_eq!(workloads.core.store().counts().commits, 0);
    }

    fn sized(size: u32) -> AppState {
        AppState::new(Slots::Count(size))
    }

    fn uncertain() -> Result<usize, NativeError> {
        Err(NativeError::Stuck(Stuck::Uncertain))
    }

    #[tokio::test]
    async fn a_deletion_ends_an_app_that_is_still_queued_by_a_disk_that_hangs() {
        let disk = Disk::default();
        let workloads = workloads_on(disk.store().unwrap()).await;
        let app = wanted("db-0").request.tenant().app_ref().unwrap();
        disk.hold_flushes(true);
        tokio::time::pause();
        let told = workloads.tell_app(app.clone(), sized(1)).await;
        assert_eq!(told, uncertain());
        let deleted = workloads.delete_app(app.clone()).await;
        disk.hold_flushes(false);
        tokio::time::resume();
        assert_eq!(deleted, uncertain());

        assert_eq!(workloads.delete_app(app.clone()).await, Ok(0));
        assert_eq!(workloads.app(&app), None);
        assert_eq!(workloads.core.store().apps().unwrap().len(), 0);
    }

    #[tokio::test]
    async fn a_deletion_ends_an_app_that_was_perhaps_stored() {
        let mut landed = 0;
        for call in 0..40 {
            let disk = Disk::default();
            let workloads = workloads_on(disk.store().unwrap()).await;
            let app = wanted("db-0").request.tenant().app_ref().unwrap();
            disk.fail_at(call, false);
            let told = workloads.tell_app(app.clone(), sized(1)).await;
            if told != uncertain() {
                continue;
            }
            let commits = workloads.core.store().counts().commits;
            assert_eq!(workloads.delete_app(app.clone()).await, Ok(0));
            let written = workloads.core.store().counts().commits > commits;
            landed += u32::from(written);
            assert_eq!(workloads.core.store().apps().unwrap().len(), 0, "{call}");
        }
        assert!(landed > 0, "no failed commit had landed");
    }

    #[tokio::test]
    async fn a_disk_that_hangs_holds_up_the_sweep_once_and_not_for_each_app() {
        let disk = Disk::default();
        let workloads = workloads_on(disk.store().unwrap()).await;
        for name in ["a", "b", "c"] {
            let app = wanted("db-0").request.tenant().app_ref().unwrap();
            let name = name.into();
            let gone = AppChange::Tell(AppRef { name, ..app }, Told::Gone);
            workloads.change(gone).await.unwrap();
        }
        disk.hold_flushes(true);
        tokio::time::pause();
        let forgetting = timeout(2 * FORGET_FOR, forget_all_gone(&workloads.core)).await;
        disk.hold_flushes(false);
        assert!(forgetting.is_ok());
    }
}
