//! Notes: what the author of a pod should know of its addresses, though it got them.

use floatingip_core::annotation::{self, IP_FAMILIES, RELEASE_POLICY};
use floatingip_core::{Store, Timer};

use super::Extender;
use crate::annotation::ENI_IP;
use crate::event::{Notice, Severity, pod_reference};
use crate::index::PodEntry;
use crate::request::is_kept_without_an_app;

impl<S: Store, T: Timer> Extender<S, T> {
    pub(super) fn tell_notes(&self, pod: &PodEntry, addresses: usize) {
        for (reason, note) in [count(pod, addresses), policy(pod)].into_iter().flatten() {
            self.reporter.tell(Notice {
                regarding: pod_reference(&pod.namespace, &pod.name, &pod.uid),
                severity: Severity::Normal,
                reason,
                note,
            });
        }
    }
}

type Note = (&'static str, String);

fn count(pod: &PodEntry, addresses: usize) -> Option<Note> {
    let wanted = pod.wanted?;
    let more = usize::try_from(wanted).is_ok_and(|wanted| wanted > addresses);
    more.then(|| {
        let note = format!(
            "the pod asks for {wanted} {ENI_IP} and has {addresses}: the number gives no further addresses; \
             ask for them by `request_ip_range` in annotation {}, or by {IP_FAMILIES}",
            annotation::ARGS
        );
        ("FloatingIPCount", note)
    })
}

/// Its author may expect the address to go with the pod.
fn policy(pod: &PodEntry) -> Option<Note> {
    is_kept_without_an_app(pod).then(|| {
        let note = format!(
            "{RELEASE_POLICY}: immutable keeps an address as long as its app, and this pod has none: its \
             address is kept as under `never`, for the next pod of this name, until it is released by \
             `POST /v1/ip`"
        );
        ("FloatingIPKept", note)
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::object::PodObject;

    fn pod(policy: &str, owners: serde_json::Value, wanted: &str) -> PodEntry {
        let pod = json!({
            "metadata": {
                "namespace": "default", "name": "web", "uid": "web-uid", "resourceVersion": "7",
                "annotations": { RELEASE_POLICY: policy }, "ownerReferences": owners,
            },
            "spec": { "containers": [{ "resources": { "requests": { ENI_IP: wanted } } }] },
        });
        let object: PodObject = serde_json::from_value(pod).unwrap();
        PodEntry::try_from(&object).unwrap()
    }

    #[test]
    fn a_bare_pod_is_told_that_immutable_is_as_never() {
        let (_, note) = policy(&pod("immutable", json!([]), "1")).unwrap();
        assert!(note.contains("as under `never`"), "{note}");
        assert_eq!(policy(&pod("never", json!([]), "1")), None);
        let owner = json!([{
            "apiVersion": "apps/v1", "kind": "StatefulSet", "name": "web", "uid": "5f1c", "controller": true,
        }]);
        assert_eq!(policy(&pod("immutable", owner, "1")), None);
    }

    #[test]
    fn who_asks_for_several_is_told_how_to_get_them() {
        let (_, note) = count(&pod("", json!([]), "2"), 1).unwrap();
        assert!(note.contains("request_ip_range"), "{note}");
        assert_eq!(count(&pod("", json!([]), "2"), 2), None);
        assert_eq!(count(&pod("", json!([]), "1"), 1), None);
    }
}
