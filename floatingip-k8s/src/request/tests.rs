use floatingip_core::fact::World as _;
use floatingip_core::owner::Slot;
use kube::core::ApiResource;

use super::*;
use crate::index::{Discovered, KindRef, Seen};
use crate::object::{PodObject, ReplicaSetObject};

macro_rules! golden {
    ($name:literal) => {
        serde_json::from_str(include_str!(concat!("golden/", $name, ".json"))).unwrap()
    };
}

fn entry(pod: &PodObject) -> PodEntry {
    PodEntry::try_from(pod).unwrap()
}

fn scaling(group: &str, kind: &str) -> (KindRef, Discovered) {
    let resource = ApiResource {
        group: group.to_owned(),
        version: "v1".to_owned(),
        api_version: format!("{group}/v1"),
        kind: kind.to_owned(),
        plural: format!("{}s", kind.to_lowercase()),
    };
    let scales = true;
    (KindRef::new(group, kind), Discovered { resource, scales })
}

/// An index with the golden ReplicaSets and the foreign kinds.
fn index() -> Index {
    let mut index = Index::default();
    let replica_sets: [ReplicaSetObject; 3] = [
        golden!("deployment-replicaset"),
        golden!("bare-replicaset"),
        golden!("argo-replicaset"),
    ];
    for replica_set in replica_sets {
        index.feed(&Seen::Present(replica_set)).unwrap();
    }
    let kinds = [
        ("argoproj.io", "Rollout"),
        ("apps.kruise.io", "StatefulSet"),
        ("apps.tkestack.io", "TApp"),
    ];
    for (kind, found) in kinds.map(|(group, kind)| scaling(group, kind)) {
        index.discovered(&kind, &found);
    }
    index
}

/// App as `kind.group/name`, slot, policy.
fn asked(pod: &PodObject) -> (String, Slot, ReleasePolicy) {
    let request = request_of(&entry(pod), Some("a-2"), &index()).unwrap();
    let tenant = request.tenant();
    let app = tenant
        .app
        .as_ref()
        .map(|app| format!("{}.{}/{}", app.kind, app.group, app.name));
    (
        app.unwrap_or_default(),
        tenant.slot.clone(),
        request.policy(),
    )
}

#[test]
fn every_kind_of_owner_is_read_off_the_pods_it_makes() {
    use ReleasePolicy::{Immutable, Never, PodDelete};
    let table: [(PodObject, &str, Slot, ReleasePolicy); 7] = [
        (
            golden!("deployment-pod"),
            "deployment.apps/web",
            Slot::Any,
            Immutable,
        ),
        (
            golden!("statefulset-pod"),
            "statefulset.apps/db",
            Slot::Ordinal(3),
            Never,
        ),
        (
            golden!("bare-replicaset-pod"),
            "replicaset.apps/cache-a",
            Slot::Any,
            PodDelete,
        ),
        (
            golden!("argo-rollout-pod"),
            "rollout.argoproj.io/canary",
            Slot::Any,
            Immutable,
        ),
        (
            golden!("kruise-statefulset-pod"),
            "statefulset.apps.kruise.io/db",
            Slot::Ordinal(0),
            Immutable,
        ),
        (
            golden!("tapp-pod"),
            "tapp.apps.tkestack.io/game",
            Slot::Ordinal(12),
            Never,
        ),
        (
            golden!("job-pod"),
            "job.batch/report",
            Slot::Once("report-lz9kd".into()),
            PodDelete,
        ),
    ];
    for (pod, app, slot, policy) in table {
        assert_eq!(asked(&pod), (app.to_owned(), slot, policy));
    }
}

#[test]
fn a_request_names_pod_node_pool_and_ranges() {
    let pod: PodObject = golden!("statefulset-pod");
    let request = request_of(&entry(&pod), Some("a-2"), &index()).unwrap();
    assert_eq!(request.pool().map(PoolName::as_str), Some("blue_green"));
    assert_eq!(
        (&*request.pod().name, &*request.pod().node),
        ("db-3", "a-2")
    );
    let pod: PodObject = golden!("tapp-pod");
    let request = request_of(&entry(&pod), None, &index()).unwrap();
    assert_eq!((request.wants().len(), &*request.pod().node), (2, ""));
}

#[test]
fn owners_that_are_not_seen_yet_are_waited_for() {
    let empty = Index::default();
    let pod: PodObject = golden!("deployment-pod");
    let fault = request_of(&entry(&pod), None, &empty).unwrap_err();
    assert!(
        matches!(
            fault,
            RequestFault::Workload(WorkloadError::OwnerUnknown { .. })
        ),
        "{fault}"
    );
    assert!(fault.is_transient());
    let pod: PodObject = golden!("tapp-pod");
    let fault = request_of(&entry(&pod), None, &empty).unwrap_err();
    assert!(
        fault.is_transient() && fault.to_string().contains("`tapp`"),
        "{fault}"
    );
}

#[test]
fn the_kind_above_a_replica_set_is_waited_for_too() {
    let mut index = Index::default();
    let replica_set: ReplicaSetObject = golden!("argo-replicaset");
    index.feed(&Seen::Present(replica_set)).unwrap();
    assert_eq!(index.demanded(), [KindRef::new("argoproj.io", "Rollout")]);
    let pod: PodObject = golden!("argo-rollout-pod");
    let fault = request_of(&entry(&pod), None, &index).unwrap_err();
    assert!(matches!(fault, RequestFault::KindUnknown { .. }), "{fault}");
    let app = KindRef::new("argoproj.io", "Rollout").named(&"shop".into(), &"canary".into());
    assert_eq!(index.app(&app), Fact::Unknown);
}

fn bare(annotations: &[(&str, &str)]) -> PodEntry {
    let annotations: serde_json::Map<String, serde_json::Value> = annotations
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).into()))
        .collect();
    let pod = serde_json::json!({
        "metadata": {"name": "solo", "namespace": "ns", "uid": "u", "resourceVersion": "1",
            "annotations": annotations},
        "spec": {"containers": [{"resources": {"requests": {ENI_IP: "2"}}}]}});
    entry(&serde_json::from_value(pod).unwrap())
}

fn of(annotations: &[(&str, &str)]) -> Result<PodRequest, RequestFault> {
    request_of(&bare(annotations), None, &Index::default())
}

#[test]
fn asking_for_the_resource_more_than_once_gives_one_address() {
    let request = of(&[]).unwrap();
    assert_eq!(request.wants(), [Want::default()]);
    assert_eq!(request.tenant().slot, Slot::Pod("solo".into()));
}

#[test]
fn a_pod_that_does_not_ask_gets_nothing() {
    let pod = PodEntry {
        wanted: None,
        ..bare(&[])
    };
    let fault = request_of(&pod, None, &Index::default()).unwrap_err();
    assert!(matches!(fault, RequestFault::NotOurs { .. }) && !fault.is_transient());
}

#[test]
fn mistyped_annotations_are_faults_with_a_remedy() {
    let table = [
        (
            annotation::RELEASE_POLICY,
            "imutable",
            "write `immutable` or `never`",
        ),
        (annotation::POOL, "a b", "use visible characters"),
        (annotation::IP_FAMILIES, "IPv5", "both joined by a comma"),
        (annotation::SURGE, "yes", "write `allow`"),
        (
            annotation::ARGS,
            r#"{"request_ip_range":[["10.0.0.9~10.0.0.2"]]}"#,
            "request_ip_range[0][0]",
        ),
    ];
    for (name, value, remedy) in table {
        let fault = of(&[(name, value)]).unwrap_err();
        assert!(!fault.is_transient());
        let text = fault.to_string();
        assert!(text.contains(name) && text.contains(remedy), "{text}");
    }
}

#[test]
fn families_and_ranges_have_to_agree() {
    let ranges = r#"{"request_ip_range":[["fd00::2"],["10.0.0.2","fd00::3"]]}"#;
    let both = |families| {
        of(&[
            (annotation::ARGS, ranges),
            (annotation::IP_FAMILIES, families),
        ])
    };
    let families: Vec<_> = both("IPv4,IPv6")
        .unwrap()
        .wants()
        .iter()
        .map(|want| want.family)
        .collect();
    assert_eq!(families, [Some(Family::V6), None]);
    assert_eq!(
        both("IPv4"),
        Err(RequestFault::ListOfOtherFamily { list: 0 })
    );
    let only = [
        (annotation::ARGS, r#"{"request_ip_range":[["10.0.0.2"]]}"#),
        (annotation::IP_FAMILIES, "IPv4,IPv6"),
    ];
    assert_eq!(
        of(&only),
        Err(RequestFault::FamilyWithoutList { family: Family::V6 })
    );
    let dual: Vec<_> = of(&only[1..])
        .unwrap()
        .wants()
        .iter()
        .map(|want| want.family)
        .collect();
    assert_eq!(dual, [Some(Family::V4), Some(Family::V6)]);
}

#[test]
fn a_job_may_not_keep_addresses() {
    let mut pod = bare(&[(annotation::RELEASE_POLICY, "immutable")]);
    let job: PodObject = golden!("job-pod");
    pod.controller = entry(&job).controller;
    let fault = request_of(&pod, None, &Index::default()).unwrap_err();
    assert!(matches!(
        fault,
        RequestFault::Workload(WorkloadError::PolicyNeedsSlot { .. })
    ));
    assert!(!fault.is_transient());
}

#[test]
fn a_daemon_sets_pod_is_asked_about_node_by_node() {
    let mut pod = bare(&[]);
    pod.controller = Some(OwnerRef {
        group: "apps".into(),
        kind: "daemonset".into(),
        name: "agent".into(),
        uid: "d".into(),
    });
    let index = Index::default();
    assert_eq!(request_of(&pod, None, &index), Err(RequestFault::NoNode));
    let request = request_of(&pod, Some("a-1"), &index).unwrap();
    assert_eq!(request.tenant().slot, Slot::Node("a-1".into()));
}

#[test]
fn only_a_pod_without_an_owner_and_pool_is_kept_for_want_of_an_app() {
    let kept = |owner, annotations: &[(&str, &str)]| {
        let annotations: std::collections::BTreeMap<_, _> = annotations.iter().copied().collect();
        let mut pod = serde_json::json!({
            "metadata": {"name": "web", "namespace": "a", "uid": "u", "resourceVersion": "1", "annotations": annotations},
        });
        if owner {
            pod["metadata"]["ownerReferences"] = serde_json::json!([{
                "apiVersion": "apps/v1", "kind": "StatefulSet", "name": "web", "uid": "s", "controller": true,
            }]);
        }
        is_kept_without_an_app(&entry(&serde_json::from_value(pod).unwrap()))
    };
    let immutable = (annotation::RELEASE_POLICY, "immutable");
    assert!(kept(false, &[immutable]));
    assert!(!kept(true, &[immutable]));
    assert!(!kept(false, &[immutable, (annotation::POOL, "blue")]));
    assert!(!kept(false, &[(annotation::RELEASE_POLICY, "never")]));
    assert!(!kept(false, &[]));
}
