use std::net::IpAddr;

use floatingip_core::Name;
use floatingip_core::fact::Fact;

use crate::index::effects::HowEnded;
use crate::index::kinds::Kind;
use crate::index::{Index, PodEntry};

impl Index {
    /// Takes in a pod from the watch.
    pub fn apply_pod(&mut self, pod: PodEntry) {
        self.kinds.reach(&Kind::Pods, pod.version);
        self.apply_listed_pod(pod);
    }

    /// Takes in a pod from a list whose end has not come. That must not count as how far the watch has got:
    /// a live read of a pod that a later page has would be taken for one of a deleted pod.
    pub(in crate::index) fn apply_listed_pod(&mut self, pod: PodEntry) {
        self.kinds.readable(&Kind::Pods, &pod.namespace, &pod.name);
        self.take_pod(pod);
    }

    /// Takes in what a live read has shown, ahead of the watch. What the watch has got past already and
    /// does not have is not taken in: it was deleted meanwhile.
    pub fn expect_pod(&mut self, pod: PodEntry) {
        let known = self.pods.named(&pod.namespace, &pod.name).is_some();
        let state = self.kinds.of(&Kind::Pods);
        let past = state.is_some_and(|state| state.has_reached(pod.version));
        if known || !past {
            self.take_pod(pod);
        }
    }

    /// Notes a binding that has succeeded, ahead of the watch.
    pub fn expect_binding(&mut self, uid: &str, node: &Name, addresses: &[IpAddr]) {
        self.pods.bind(uid, node, addresses);
    }

    fn take_pod(&mut self, pod: PodEntry) {
        let former = self.pods.named(&pod.namespace, &pod.name).cloned();
        if former
            .as_ref()
            .is_some_and(|former| former.version >= pod.version)
        {
            return;
        }
        let same = former.as_deref().filter(|former| former.uid == pod.uid);
        if let Some(other) = former.as_deref().filter(|former| former.uid != pod.uid) {
            self.pod_ended(other);
        }
        // A pod that once concerned us goes on doing so while it lives: its address may be in use.
        if !pod.is_ours() && same.is_none() {
            self.pods.remove(&pod.namespace, &pod.name);
            return;
        }
        self.demand_owner(pod.controller.as_ref());
        if same.is_none() {
            self.doubt_ends(&pod);
        }
        self.note_pod(same, &pod);
        self.pods.insert(pod);
    }

    /// Somebody made the pod: what was confirmed to be gone may have been made again, though its own watch does
    /// not show it yet.
    fn doubt_ends(&mut self, pod: &PodEntry) {
        let Some(owner) = &pod.controller else { return };
        let app = owner.app(&pod.namespace);
        let above = self
            .apps
            .of(&app)
            .and_then(|entry| entry.controller.clone());
        self.apps.doubt_end(&app);
        if let Some(above) = above {
            self.apps.doubt_end(&above.app(&pod.namespace));
        }
    }

    fn note_pod(&mut self, former: Option<&PodEntry>, pod: &PodEntry) {
        if pod.finished {
            if former.is_none_or(|former| !former.finished) {
                self.effects.ended(pod, HowEnded::Finished);
            }
        } else if pod.node.is_some() {
            let same = |former: &PodEntry| {
                former.node == pod.node && former.bound_addresses == pod.bound_addresses
            };
            if !former.is_some_and(same) {
                self.effects.bound(pod);
            }
        } else if pod.is_waiting() {
            let same = |former: &PodEntry| former.asks_as(pod);
            if !former.is_some_and(same) {
                self.effects.waiting(pod);
            }
        }
    }

    /// Takes in the deletion of a pod, with its last state.
    pub fn delete_pod(&mut self, last: &PodEntry) {
        self.kinds
            .readable(&Kind::Pods, &last.namespace, &last.name);
        self.kinds.reach(&Kind::Pods, last.version);
        let former = self.pods.named(&last.namespace, &last.name).cloned();
        match former {
            Some(newer) if newer.version > last.version => {}
            Some(former) => {
                self.pods.remove(&last.namespace, &last.name);
                if former.uid != last.uid {
                    self.pod_ended(&former);
                }
                self.pod_ended(last);
            }
            None if last.is_ours() => self.pod_ended(last),
            None => {}
        }
    }

    fn pod_ended(&mut self, pod: &PodEntry) {
        let how = match &pod.node {
            _ if pod.finished => HowEnded::Finished,
            None => HowEnded::Deleted,
            Some(node) => match self.node_fact(node) {
                Fact::Known(state) if state.ready => HowEnded::Deleted,
                Fact::Gone => HowEnded::Deleted,
                Fact::Known(_) | Fact::Unknown => HowEnded::Unreachable,
            },
        };
        self.effects.ended(pod, how);
    }

    pub(super) fn pod_vanished(&mut self, namespace: &str, name: &str, version: u64) {
        let pod = self.pods.named(namespace, name);
        if pod.is_some_and(|pod| pod.version <= version)
            && let Some(pod) = self.pods.remove(namespace, name)
        {
            self.pod_ended(&pod);
        }
    }
}
