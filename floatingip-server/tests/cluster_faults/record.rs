//! Who was bound with which address, at every instant, by a watch of the test's own.

use std::collections::{BTreeMap, BTreeSet};
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::Result;
use floatingip_testkit::object;
use futures::{StreamExt as _, TryStreamExt as _};
use k8s_openapi::api::core::v1::Pod;
use kube::api::DynamicObject;
use kube::runtime::WatchStreamExt as _;
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Api, Client, ResourceExt as _};
use serde_json::{Value, json};

/// The states of pods follow each other as the API server made them, so that what this shows was so.
#[derive(Debug, Default)]
pub(crate) struct Record {
    /// What each pod uses, by its UID.
    uses: BTreeMap<String, Use>,
    /// Every address that pods of a name have been bound with.
    pub(crate) history: BTreeMap<String, BTreeSet<String>>,
    /// Two owners at one instant.
    pub(crate) clashes: Vec<String>,
    /// Every change of a binding and of a FloatingIP, for the text of a failure.
    trace: Vec<String>,
    /// How often a pod was bound.
    pub(crate) bindings: usize,
    /// The list that is not at its end.
    list: Vec<Pod>,
}

#[derive(Debug)]
struct Use {
    pod: String,
    addresses: Vec<String>,
}

/// Shared between the watch and the test.
#[derive(Clone, Debug, Default)]
pub(crate) struct Recorder(Arc<Mutex<Record>>);

impl Recorder {
    pub(crate) fn read(&self) -> MutexGuard<'_, Record> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Follows the pods of a namespace, and all FloatingIPs, for ever.
    pub(crate) async fn follow(&self, client: Client, namespace: &str) -> Result<()> {
        tokio::try_join!(
            self.follow_addresses(client.clone()),
            self.follow_pods(client, namespace)
        )?;
        Ok(())
    }

    async fn follow_addresses(&self, client: Client) -> Result<()> {
        let kind = json!({"apiVersion": "galaxy.k8s.io/v1alpha1", "kind": "FloatingIP"});
        let resource = object::resource(&kind)?;
        let addresses = Api::all_with(client, &resource);
        let events = watcher(addresses, watcher::Config::default()).default_backoff();
        let mut events = pin!(events.into_stream());
        while let Some(event) = events.next().await {
            self.read().trace_address(&event?);
        }
        anyhow::bail!("the watch of FloatingIPs has ended")
    }

    async fn follow_pods(&self, client: Client, namespace: &str) -> Result<()> {
        let pods: Api<Pod> = Api::namespaced(client, namespace);
        let events = watcher(pods, watcher::Config::default()).default_backoff();
        let mut events = pin!(events.into_stream());
        while let Some(event) = events.next().await {
            self.read().take(event?);
        }
        anyhow::bail!("the watch of the test has ended")
    }
}

impl Record {
    /// What was seen that has this text in it.
    pub(crate) fn traced(&self, text: &str) -> String {
        let lines = self.trace.iter().filter(|line| line.contains(text));
        lines.cloned().collect::<Vec<_>>().join("\n")
    }

    fn trace_address(&mut self, event: &Event<DynamicObject>) {
        let (what, object) = match event {
            Event::Apply(object) | Event::InitApply(object) => ("is", object),
            Event::Delete(object) => ("was", object),
            Event::Init | Event::InitDone => return,
        };
        let version = object.resource_version().unwrap_or_default();
        let (ip, spec) = (object.name_any(), &object.data["spec"]);
        let line = format!(
            "{version}: floatingip {ip} {what} {} {}",
            spec["key"], spec["attribute"]
        );
        self.trace.push(line);
    }

    fn take(&mut self, event: Event<Pod>) {
        match event {
            Event::Init => self.list.clear(),
            Event::InitApply(pod) => self.list.push(pod),
            Event::InitDone => self.listed(),
            Event::Apply(pod) => self.changed(&pod),
            Event::Delete(pod) => self.ended(&pod),
        }
    }

    /// First what is gone, so that it does not clash with what came since.
    fn listed(&mut self) {
        let list = std::mem::take(&mut self.list);
        let there: BTreeSet<String> = list.iter().filter_map(Pod::uid).collect();
        self.uses.retain(|uid, _| there.contains(uid));
        for pod in &list {
            self.changed(pod);
        }
    }

    fn changed(&mut self, pod: &Pod) {
        let addresses = addresses_in_use(pod);
        if addresses.is_empty() {
            return self.ended(pod);
        }
        let (uid, name) = (pod.uid().unwrap_or_default(), pod.name_any());
        for (other, theirs) in &self.uses {
            let shared = theirs.addresses.iter().find(|ip| addresses.contains(ip));
            if let Some(ip) = shared.filter(|_| *other != uid) {
                let (pod, version) = (&theirs.pod, pod.resource_version().unwrap_or_default());
                let clash =
                    format!("{ip} of {pod} ({other}) and {name} ({uid}) at version {version}");
                self.clashes.push(clash);
            }
        }
        self.history
            .entry(name.clone())
            .or_default()
            .extend(addresses.iter().cloned());
        if !self.uses.contains_key(&uid) {
            let version = pod.resource_version().unwrap_or_default();
            self.trace.push(format!(
                "{version}: pod {name} ({uid}) is bound with {addresses:?}"
            ));
        }
        let used = Use {
            pod: name,
            addresses,
        };
        self.bindings += usize::from(self.uses.insert(uid, used).is_none());
    }

    fn ended(&mut self, pod: &Pod) {
        let uid = pod.uid().unwrap_or_default();
        let version = pod.resource_version().unwrap_or_default();
        if let Some(used) = self.uses.remove(&uid) {
            let (name, ips) = (used.pod, used.addresses);
            self.trace.push(format!(
                "{version}: pod {name} ({uid}) no longer uses {ips:?}"
            ));
        }
    }
}

/// The addresses that a bound pod, not finished, has by its binding.
pub(crate) fn addresses_in_use(pod: &Pod) -> Vec<String> {
    let bound = pod
        .spec
        .as_ref()
        .is_some_and(|spec| spec.node_name.is_some());
    match bound && !is_finished(pod) {
        true => addresses(pod).unwrap_or_default(),
        false => Vec::new(),
    }
}

pub(crate) fn phase(pod: &Pod) -> &str {
    let status = pod.status.as_ref();
    status
        .and_then(|status| status.phase.as_deref())
        .unwrap_or_default()
}

pub(crate) fn is_finished(pod: &Pod) -> bool {
    matches!(phase(pod), "Succeeded" | "Failed")
}

fn addresses(pod: &Pod) -> Option<Vec<String>> {
    let args = pod.annotations().get("k8s.v1.cni.galaxy.io/args")?;
    let args: Value = serde_json::from_str(args).ok()?;
    let infos = args["common"]["ipinfos"].as_array()?.iter();
    let texts = infos.filter_map(|info| info["ip"].as_str()?.split('/').next());
    Some(texts.map(str::to_owned).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pod(name: &str, phase: &str, address: &str) -> Pod {
        let args = json!({"common": {"ipinfos": [{"ip": format!("{address}/24")}]}}).to_string();
        let metadata =
            json!({"name": name, "uid": name, "annotations": {"k8s.v1.cni.galaxy.io/args": args}});
        let pod = json!({"metadata": metadata, "spec": {"containers": [], "nodeName": "a"}, "status": {"phase": phase}});
        serde_json::from_value(pod).unwrap()
    }

    #[test]
    fn two_owners_at_one_instant_are_a_clash_and_one_after_the_other_none() {
        let mut record = Record::default();
        record.take(Event::Apply(pod("a", "Running", "10.0.0.2")));
        record.take(Event::Apply(pod("a", "Failed", "10.0.0.2")));
        record.take(Event::Apply(pod("b", "Running", "10.0.0.2")));
        record.take(Event::Delete(pod("b", "Running", "10.0.0.2")));
        record.take(Event::Apply(pod("c", "Running", "10.0.0.2")));
        assert_eq!((record.clashes.len(), record.bindings), (0, 3));
        record.take(Event::Init);
        record.take(Event::InitApply(pod("d", "Running", "10.0.0.2")));
        record.take(Event::InitDone);
        assert!(
            record.clashes.is_empty(),
            "c was gone by the end of the list"
        );
        record.take(Event::Apply(pod("e", "Running", "10.0.0.2")));
        assert_eq!(record.clashes.len(), 1);
    }
}
