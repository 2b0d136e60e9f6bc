//! Pods that asked and were refused, by name: who asks why gets the answer of now.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use floatingip_core::Name;
use floatingip_core::record::Attachment;
use floatingip_core::request::PodRequest;

use crate::native::{Left, Wanted};

/// The most pods that are remembered; the oldest are forgotten first. A request takes at most some
/// 100 KB, an ordinary one less than one.
const MOST: usize = 256;

/// The latest requests that were refused. Clones show the same.
#[derive(Clone, Debug, Default)]
pub(super) struct Refused(Arc<Mutex<Latest>>);

#[derive(Debug, Default)]
struct Latest {
    wanted: HashMap<PodName, Wanted>,
    order: VecDeque<PodName>,
}

/// A pod's namespace and name.
type PodName = (Name, Name);

fn name_of(request: &PodRequest) -> PodName {
    let namespace = request.tenant().namespace.clone();
    (namespace, request.pod().name.clone())
}

impl Refused {
    /// The pod was refused; its former request is forgotten.
    pub(super) fn note(&self, wanted: Wanted) {
        let name = name_of(&wanted.request);
        let mut latest = self.latest();
        latest.forget(&name);
        latest.order.push_back(name.clone());
        latest.wanted.insert(name, wanted);
        if latest.order.len() > MOST
            && let Some(oldest) = latest.order.pop_front()
        {
            latest.wanted.remove(&oldest);
        }
    }

    /// The pod has what it asked for.
    pub(super) fn served(&self, request: &PodRequest) {
        self.latest().forget(&name_of(request));
    }

    /// The pod does not ask any more.
    pub(super) fn ended(&self, uid: &Name) {
        self.forget(|request| request.pod().uid == *uid);
    }

    /// The container interface does not ask any more.
    pub(super) fn detached(&self, attachment: &Attachment) {
        self.forget(|request| request.attachment() == Some(attachment));
    }

    /// Of a node's network only these container interfaces still ask.
    pub(super) fn collected(&self, left: &Left) {
        self.forget(|request| request.attachment().is_some_and(|it| left.lacks(it)));
    }

    fn forget(&self, which: impl Fn(&PodRequest) -> bool) {
        let mut latest = self.latest();
        latest.wanted.retain(|_, wanted| !which(&wanted.request));
        let Latest { wanted, order } = &mut *latest;
        order.retain(|name| wanted.contains_key(name));
    }

    /// What the pod asked for last, if it was refused.
    pub(super) fn of(&self, namespace: &Name, pod: &Name) -> Option<Wanted> {
        let name = (namespace.clone(), pod.clone());
        self.latest().wanted.get(&name).cloned()
    }

    fn latest(&self) -> MutexGuard<'_, Latest> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Latest {
    fn forget(&mut self, name: &PodName) {
        if self.wanted.remove(name).is_some() {
            self.order.retain(|other| other != name);
        }
    }
}

#[cfg(test)]
mod tests {
    use floatingip_core::ReleasePolicy;
    use floatingip_core::orchestrator::Place;
    use floatingip_core::owner::{Pod, Slot, Tenant};
    use floatingip_core::testing::fixture::attachment;

    use super::*;

    fn wanted(name: &str) -> Wanted {
        let tenant = Tenant {
            namespace: "default".into(),
            app: None,
            slot: Slot::Pod(name.into()),
            pool: None,
            pod: None,
        };
        let pod = Pod {
            name: name.into(),
            uid: format!("uid-{name}").into(),
            node: "node-1".into(),
        };
        Wanted {
            request: PodRequest::new(tenant, pod, ReleasePolicy::Never)
                .unwrap()
                .with_attachment(attachment("node-1", name)),
            place: Place::Anywhere,
            attempt: None,
        }
    }

    #[test]
    fn what_is_collected_on_its_node_and_network_is_forgotten_and_nothing_else() {
        let refused = Refused::default();
        let there = || ["web-1", "web-2"].map(|pod| refused.of(&"default".into(), &pod.into()));
        refused.note(wanted("web-1"));
        refused.note(wanted("web-2"));
        let valid = attachment("node-1", "web-2");
        let left = |node: &str, network: &str| Left {
            node: node.into(),
            network: network.into(),
            valid: [valid.clone()].into(),
        };
        refused.collected(&left("node-2", &valid.network));
        refused.collected(&left("node-1", "another network"));
        assert_eq!(there(), [Some(wanted("web-1")), Some(wanted("web-2"))]);
        refused.collected(&left("node-1", &valid.network));
        assert_eq!(there(), [None, Some(wanted("web-2"))]);
    }

    #[test]
    fn the_oldest_are_forgotten_and_the_served_and_ended_at_once() {
        let refused = Refused::default();
        let is_there = |n: usize| {
            let name = format!("web-{n}");
            refused.of(&"default".into(), &name.as_str().into()) == Some(wanted(&name))
        };
        for n in 0..=MOST {
            refused.note(wanted(&format!("web-{n}")));
        }
        assert!(!is_there(0) && is_there(1) && is_there(MOST));
        refused.note(wanted("web-1"));
        refused.note(wanted("one more"));
        assert!(is_there(1) && !is_there(2));
        refused.served(&wanted("web-1").request);
        refused.ended(&"uid-web-3".into());
        refused.detached(&attachment("node-1", "web-4"));
        assert!(!is_there(1) && !is_there(3) && !is_there(4) && is_there(5));
        for n in 0..MOST {
            refused.note(wanted(&format!("db-{n}")));
        }
        assert_eq!(refused.latest().order.len(), MOST);
        assert_eq!(refused.latest().wanted.len(), MOST);
    }
}
