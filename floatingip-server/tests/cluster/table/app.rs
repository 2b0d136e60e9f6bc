//! An app of the table: made, changed and deleted in the way of its kind.
//!
//! Where the controller of a foreign kind is missing, this takes its part: it makes the pods of a TApp, and the
//! ReplicaSets of a Rollout.

use anyhow::{Context as _, Result, ensure};
use floatingip_testkit::foreign::{self, Kind as ForeignKind};
use floatingip_testkit::{Workload, object};
use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, DeleteParams, DynamicObject};
use serde_json::{Value, json};

use super::axes::{Kind, Policy};
use crate::lot::Lot;
use crate::view::PodView;

/// The name of all apps; their namespaces differ.
pub(super) const NAME: &str = "web";
const SURGE: &str = "k8s.v1.cni.galaxy.io/surge";
/// The first ordinal of those that do not begin with 0.
const FIRST: usize = 5;

/// In which order an update replaces pods.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Update {
    OldPodsFirst,
    NewPodsFirst { surge_allowed: bool },
}

/// An app with its pods, the only one of its namespace.
#[derive(Debug)]
pub(super) struct App {
    pub(super) lot: Lot,
    pub(super) kind: Kind,
    pub(super) policy: Policy,
    pub(super) pool: String,
    pub(super) size: usize,
    update: Update,
    /// How long its pods may take to end.
    seconds_to_end: u32,
    /// Which edition of its pods: an update is the next one.
    edition: u32,
    /// What owns the pods or ReplicaSets that are made here.
    owner: Option<DynamicObject>,
}

impl App {
    /// Makes it, with two pods, or the one that a pod by itself is.
    pub(super) async fn create(
        lot: Lot,
        kind: Kind,
        policy: Policy,
        update: Update,
        seconds_to_end: u32,
    ) -> Result<Self> {
        let mut app = Self {
            pool: format!("{}-blue", lot.namespace),
            size: if kind == Kind::Pod { 1 } else { 2 },
            lot,
            kind,
            policy,
            update,
            seconds_to_end,
            edition: 1,
            owner: None,
        };
        app.create_again().await?;
        Ok(app)
    }

    /// Makes an app of the same name.
    pub(super) async fn create_again(&mut self) -> Result<()> {
        if self.kind == Kind::KruiseStatefulSet {
            let twin = Workload::stateful_set(&self.lot.namespace, NAME).replicas(0);
            object::apply(&self.lot.cluster.client(), twin.manifest()).await?;
        }
        if let Some(object) = self.object() {
            let made = object::create(&self.lot.cluster.client(), object.manifest()).await?;
            self.owner = Some(made);
        }
        if self.kind == Kind::Rollout {
            self.create_replica_set(self.size).await?;
        }
        Ok(())
    }

    /// Deletes it. Its pods end, also those that nothing but this would end.
    pub(super) async fn delete(&self) -> Result<()> {
        let client = self.lot.cluster.client();
        if let Some(object) = self.object() {
            object::delete(&client, object.manifest()).await?;
        }
        if self.kind == Kind::Rollout {
            for edition in 1..=self.edition {
                self.delete_replica_set(edition).await?;
            }
        }
        if self.kind.is_made_by_test() {
            for pod in self.pods().await? {
                self.delete_pod(&pod).await?;
            }
        }
        Ok(())
    }

    pub(super) async fn scale(&mut self, size: usize) -> Result<()> {
        self.size = size;
        let client = self.lot.cluster.client();
        if self.kind == Kind::Job {
            return self.patch(&json!({"spec": {"parallelism": size}})).await;
        }
        if let Some(object) = self.object() {
            object::scale(&client, object.manifest(), size as u32).await?;
        }
        if self.kind == Kind::Rollout {
            self.scale_replica_set(self.edition, size).await?;
        }
        if self.kind.is_made_by_test() {
            for pod in self.pods().await? {
                if !self.names().contains(&pod.name) {
                    self.delete_pod(&pod).await?;
                }
            }
        }
        Ok(())
    }

    /// Begins to replace all pods by those of another edition.
    pub(super) async fn update(&mut self) -> Result<()> {
        self.edition += 1;
        match self.kind {
            Kind::Rollout => self.update_replica_sets().await,
            Kind::ReplicaSet | Kind::TApp | Kind::KruiseStatefulSet | Kind::Pod => {
                self.patch_template().await?;
                self.replace_one_by_one().await
            }
            _ => self.patch_template().await,
        }
    }

    /// Changes policy or pool, and replaces the pods.
    pub(super) async fn change_policy(&mut self) -> Result<()> {
        if self.policy == Policy::Pool {
            self.pool = format!("{}-green", self.lot.namespace);
        }
        self.policy = self.policy.next();
        match self.kind {
            Kind::StatefulSet | Kind::StatefulSetFromFive => self.replace_at_will().await,
            _ => self.update().await,
        }
    }

    /// The controller of StatefulSets deletes by name: where it learns late that a pod was replaced, it deletes the new one
    /// as well. That is a second change, under the policy that was changed to.
    async fn replace_at_will(&mut self) -> Result<()> {
        self.edition += 1;
        let by_hand = json!({"type": "OnDelete", "rollingUpdate": null});
        self.patch(&json!({"spec": {"updateStrategy": by_hand}}))
            .await?;
        self.patch_template().await?;
        self.replace_one_by_one().await
    }

    /// Lets an update that waits go on: old pods may end first.
    pub(super) async fn let_old_pods_end(&self) -> Result<()> {
        let first = json!({"maxSurge": 0, "maxUnavailable": 1});
        match self.kind {
            Kind::Rollout => self.scale_replica_set(self.edition - 1, 0).await,
            Kind::DaemonSet => {
                self.patch(&json!({"spec": {"updateStrategy": {"rollingUpdate": first}}}))
                    .await
            }
            _ => {
                self.patch(&json!({"spec": {"strategy": {"rollingUpdate": first}}}))
                    .await
            }
        }
    }

    /// All pods, by name.
    pub(super) async fn pods(&self) -> Result<Vec<PodView>> {
        let pods = object::pods(&self.lot.cluster.client(), &self.lot.namespace, "").await?;
        Ok(pods.iter().map(PodView::of).collect())
    }

    /// Waits until it has as many pods as it should have, all of them run, and none of `former` is among them.
    pub(super) async fn complete(&self, former: &[PodView]) -> Result<Vec<PodView>> {
        self.lot
            .eventually("all pods run, former ones are gone", || async {
                let pods = self.pods().await?;
                self.make_missing(&pods).await?;
                let good = |pod: &&PodView| {
                    pod.is_running()
                        && pod.node.is_some()
                        && !pod.deleting
                        && former.iter().all(|former| former.uid != pod.uid)
                };
                let ready = pods.iter().filter(good).count();
                ensure!(
                    ready == self.size && pods.len() == self.size,
                    "{ready} good ones of {}, {} wanted",
                    pods.len(),
                    self.size
                );
                Ok(pods)
            })
            .await
    }

    /// Waits until these pods are gone, or all.
    pub(super) async fn gone(&self, pods: &[PodView]) -> Result<()> {
        self.lot
            .eventually("pods are gone", || async {
                let left = self.pods().await?;
                let left = left
                    .iter()
                    .find(|one| pods.iter().any(|pod| pod.uid == one.uid));
                ensure!(left.is_none(), "{left:?} is still there");
                Ok(())
            })
            .await
    }

    pub(super) async fn delete_pod(&self, pod: &PodView) -> Result<()> {
        self.delete_pod_with(pod, &DeleteParams::default()).await
    }

    /// Takes the pod's object away, whatever the node says.
    pub(super) async fn delete_by_force(&self, pod: &PodView) -> Result<()> {
        self.delete_pod_with(pod, &DeleteParams::default().grace_period(0))
            .await
    }

    async fn delete_pod_with(&self, pod: &PodView, how: &DeleteParams) -> Result<()> {
        let pods: Api<Pod> = Api::namespaced(self.lot.cluster.client(), &self.lot.namespace);
        match pods.delete(&pod.name, how).await {
            Err(kube::Error::Api(status)) if status.is_not_found() => Ok(()),
            deleted => deleted.map(drop).context("a pod is not deleted"),
        }
    }

    /// What the app is made of; none for a pod by itself.
    fn object(&self) -> Option<Workload> {
        let namespace = &self.lot.namespace;
        let replicas = self.size as u32;
        let object = match self.kind {
            Kind::Pod => return None,
            Kind::TApp => return Some(foreign(foreign::TAPP, namespace).replicas(replicas)),
            Kind::KruiseStatefulSet => {
                return Some(foreign(foreign::KRUISE_STATEFUL_SET, namespace).replicas(replicas));
            }
            Kind::Rollout => return Some(foreign(foreign::ROLLOUT, namespace).replicas(replicas)),
            Kind::Deployment => Workload::deployment(namespace, NAME)
                .replicas(replicas)
                .merge(&json!({"spec": {"strategy": self.strategy()}})),
            Kind::ReplicaSet => Workload::replica_set(namespace, NAME).replicas(replicas),
            Kind::StatefulSet => Workload::stateful_set(namespace, NAME).replicas(replicas),
            Kind::StatefulSetFromFive => Workload::stateful_set(namespace, NAME)
                .replicas(replicas)
                .merge(&json!({"spec": {"ordinals": {"start": FIRST}}})),
            Kind::DaemonSet => Workload::daemon_set(namespace, NAME)
                .merge(&json!({"spec": {"updateStrategy": self.strategy()}})),
            Kind::Job => {
                Workload::job(namespace, NAME).merge(&json!({"spec": {"parallelism": replicas}}))
            }
        };
        Some(self.with_pods(object))
    }

    /// What all its pods have.
    fn with_pods(&self, object: Workload) -> Workload {
        let object = self
            .lot
            .on_its_nodes(object)
            .seconds_to_end(self.seconds_to_end);
        object.merge_pod(&json!({"metadata": {"annotations": self.annotations()}}))
    }

    /// Those that are not to be are null, so that a patch takes them away.
    fn annotations(&self) -> Value {
        let (policy, pool) = match self.policy {
            Policy::PodDelete => (None, None),
            Policy::Immutable => (Some("immutable"), None),
            Policy::Never => (Some("never"), None),
            Policy::Pool => (None, Some(&self.pool)),
        };
        let surge = Update::NewPodsFirst {
            surge_allowed: true,
        };
        json!({
            "k8s.v1.cni.galaxy.io/release-policy": policy,
            "tke.cloud.tencent.com/eni-ip-pool": pool,
            SURGE: (self.update == surge).then_some("allow"),
            "edition": self.edition.to_string(),
        })
    }

    fn strategy(&self) -> Value {
        let (surge, unavailable) = match self.update {
            Update::OldPodsFirst => (0, 1),
            Update::NewPodsFirst { .. } => (1, 0),
        };
        json!({"type": "RollingUpdate", "rollingUpdate": {"maxSurge": surge, "maxUnavailable": unavailable}})
    }

    async fn patch_template(&self) -> Result<()> {
        let template = json!({"metadata": {"annotations": self.annotations()}});
        match self.kind.is_made_by_test() {
            true => Ok(()),
            false => self.patch(&json!({"spec": {"template": template}})).await,
        }
    }

    async fn patch(&self, change: &Value) -> Result<()> {
        let object = self.object().context("a pod has no app to change")?;
        object::merge(&self.lot.cluster.client(), object.manifest(), change).await?;
        Ok(())
    }

    /// As the controller of a kind does that does not come with the control plane.
    async fn replace_one_by_one(&self) -> Result<()> {
        for pod in self.pods().await? {
            self.delete_pod(&pod).await?;
            self.gone(std::slice::from_ref(&pod)).await?;
            self.complete(std::slice::from_ref(&pod)).await?;
        }
        Ok(())
    }

    /// Makes the pods that are not there, in the place of a controller.
    pub(super) async fn make_missing(&self, there: &[PodView]) -> Result<()> {
        if !self.kind.is_made_by_test() {
            return Ok(());
        }
        for name in self.names() {
            if there.iter().all(|pod| pod.name != name) {
                let pod = self.with_pods(Workload::pod(&self.lot.namespace, &name));
                let pod = match &self.owner {
                    Some(owner) => pod.owned_by(owner),
                    None => pod,
                };
                object::create(&self.lot.cluster.client(), pod.manifest()).await?;
            }
        }
        Ok(())
    }

    /// The names of the pods that are made here.
    fn names(&self) -> Vec<String> {
        match self.kind {
            Kind::Pod => vec![NAME.to_owned()],
            _ => (0..self.size)
                .map(|ordinal| format!("{NAME}-{ordinal}"))
                .collect(),
        }
    }

    async fn update_replica_sets(&self) -> Result<()> {
        let former = self.edition - 1;
        if self.update == Update::OldPodsFirst {
            self.create_replica_set(0).await?;
            for left in (0..self.size).rev() {
                self.scale_replica_set(former, left).await?;
                self.scale_replica_set(self.edition, self.size - left)
                    .await?;
            }
            return Ok(());
        }
        self.create_replica_set(1).await
    }

    /// Goes on with an update whose first new pod runs.
    pub(super) async fn finish_update(&self) -> Result<()> {
        if self.kind == Kind::Rollout && self.update != Update::OldPodsFirst {
            self.scale_replica_set(self.edition - 1, 0).await?;
            self.scale_replica_set(self.edition, self.size).await?;
        }
        Ok(())
    }

    async fn create_replica_set(&self, size: usize) -> Result<()> {
        let owner = self.owner.as_ref().context("a Rollout is missing")?;
        let set = self.replica_set(self.edition).replicas(size as u32);
        object::create(&self.lot.cluster.client(), set.owned_by(owner).manifest()).await?;
        Ok(())
    }

    /// Unless the garbage collector was first.
    async fn delete_replica_set(&self, edition: u32) -> Result<()> {
        let set = self.replica_set(edition);
        let sets = object::api(&self.lot.cluster.client(), set.manifest())?;
        let name = format!("{NAME}-{edition}");
        match sets.delete(&name, &DeleteParams::background()).await {
            Err(kube::Error::Api(status)) if status.is_not_found() => Ok(()),
            deleted => deleted.map(drop).context("a ReplicaSet is not deleted"),
        }
    }

    async fn scale_replica_set(&self, edition: u32, size: usize) -> Result<()> {
        let set = self.replica_set(edition);
        object::scale(&self.lot.cluster.client(), set.manifest(), size as u32).await
    }

    fn replica_set(&self, edition: u32) -> Workload {
        let set = Workload::replica_set(&self.lot.namespace, &format!("{NAME}-{edition}"));
        self.with_pods(set)
    }
}

fn foreign(kind: ForeignKind, namespace: &str) -> Workload {
    Workload::foreign(&kind.api_version(), kind.kind, namespace, NAME)
}
