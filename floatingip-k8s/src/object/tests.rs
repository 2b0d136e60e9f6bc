use kube::core::{ObjectList, WatchEvent};
use serde_json::json;

use super::*;
use crate::index::PodEntry;

#[expect(
    clippy::needless_pass_by_value,
    reason = "so that objects can be written in place"
)]
fn pod(spec: serde_json::Value) -> PodObject {
    let meta = json!({"name": "web-0", "namespace": "ns", "uid": "u", "resourceVersion": "7"});
    serde_json::from_value(json!({"metadata": meta, "spec": spec})).unwrap()
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "so that objects can be written in place"
)]
fn asking(quantity: serde_json::Value) -> serde_json::Value {
    json!({"resources": {"requests": {"tke.cloud.tencent.com/eni-ip": quantity}}})
}

#[test]
fn any_container_that_asks_makes_the_pod_ours() {
    let one = || asking(json!("1"));
    let limit = json!({"resources": {"limits": {"tke.cloud.tencent.com/eni-ip": "1"}}});
    let wanted = |spec| pod(spec).spec.wanted();
    assert_eq!(wanted(json!({"containers": [one()]})), Some(1));
    assert_eq!(
        wanted(json!({"containers": [{}, limit]})),
        Some(1),
        "a limit alone"
    );
    assert_eq!(
        wanted(json!({"containers": [{}], "initContainers": [one()]})),
        Some(1)
    );
    assert_eq!(wanted(json!({"containers": [one(), one()]})), Some(2));
    assert_eq!(
        wanted(json!({"containers": [asking(json!("0"))]})),
        Some(1),
        "the name decides"
    );
    assert_eq!(
        wanted(json!({"containers": [{"resources": {"requests": {"cpu": "1"}}}]})),
        None
    );
}

#[test]
fn resources_of_the_pod_as_a_whole_do_not_count() {
    let spec = json!({"containers": [{}], "resources": asking(json!("1"))["resources"]});
    assert_eq!(pod(spec).spec.wanted(), None);
}

#[test]
fn quantities_are_read_as_kubernetes_prints_them() {
    let count = |quantity| pod(json!({"containers": [asking(quantity)]})).spec.wanted();
    assert_eq!(count(json!("3")), Some(3));
    assert_eq!(count(json!(3)), Some(3));
    assert_eq!(count(json!("1k")), Some(1000));
    assert_eq!(count(json!("2Ki")), Some(2048));
    assert_eq!(
        count(json!("99999999999999999999")),
        Some(1),
        "what cannot be read asks all the same"
    );
    assert_eq!(count(json!("4294967296")), Some(u32::MAX));
    assert_eq!(count(json!("many")), Some(1));
}

#[test]
fn null_is_as_nothing_wherever_go_prints_it() {
    let text = r#"{"metadata":{"name":"a","namespace":"ns","uid":"u","resourceVersion":"1",
        "creationTimestamp":null,"annotations":null,"ownerReferences":null,"labels":null},
        "spec":{"containers":null,"initContainers":null,"nodeName":"","priority":null,"schedulingGates":null},
        "status":{"podIPs":null,"phase":null}}"#;
    let entry = PodEntry::try_from(&serde_json::from_str::<PodObject>(text).unwrap()).unwrap();
    assert_eq!(
        (entry.wanted, entry.node, entry.controller),
        (None, None, None)
    );
    for empty in ["{}", r#"{"metadata":null,"spec":null,"status":null}"#] {
        let pod: PodObject = serde_json::from_str(empty).unwrap();
        assert!(matches!(
            PodEntry::try_from(&pod),
            Err(Malformed::Missing { field: "name" })
        ));
    }
    let resources = json!({"containers": [{"resources": {"requests": null, "limits": null}}]});
    assert_eq!(pod(resources).spec.wanted(), None);
}

#[test]
fn only_what_concerns_us_survives_the_reading() {
    let text = include_str!("../request/golden/deployment-pod.json");
    let pod: PodObject = serde_json::from_str(text).unwrap();
    let meta = &pod.metadata;
    assert_eq!((&meta.labels, &meta.managed_fields), (&None, &None));
    let kept: Vec<_> = meta
        .annotations
        .iter()
        .flatten()
        .map(|(name, _)| name.as_str())
        .collect();
    assert_eq!(
        kept,
        [
            "k8s.v1.cni.galaxy.io/args",
            "k8s.v1.cni.galaxy.io/release-policy"
        ]
    );
}

#[test]
fn a_running_pod_is_read_whole() {
    let text = include_str!("../request/golden/deployment-pod.json");
    let entry = PodEntry::try_from(&serde_json::from_str::<PodObject>(text).unwrap()).unwrap();
    assert_eq!(
        (&*entry.namespace, &*entry.name),
        ("shop", "web-6d4cf56db6-x7k2p")
    );
    assert_eq!(
        (entry.version, entry.wanted, entry.node.as_deref()),
        (81230, Some(1), Some("a-2"))
    );
    let ip: std::net::IpAddr = "10.0.70.70".parse().unwrap();
    assert_eq!((entry.bound_addresses, entry.pod_ips), (vec![ip], vec![ip]));
    assert_eq!(entry.created, "2026-08-01T08:15:42Z".parse().unwrap());
    let owner = entry.controller.unwrap();
    assert_eq!(
        (&*owner.group, &*owner.kind, &*owner.name),
        ("apps", "replicaset", "web-6d4cf56db6")
    );
}

#[test]
fn a_version_that_is_no_number_is_told() {
    let pod = json!({"metadata": {"name": "a", "uid": "u", "resourceVersion": "x1"}});
    let pod: PodObject = serde_json::from_value(pod).unwrap();
    let fault = PodEntry::try_from(&pod).unwrap_err();
    assert!(fault.to_string().contains("\"x1\""), "{fault}");
}

#[test]
fn one_bad_object_spoils_no_list() {
    let text = r#"{"kind":"PodList","apiVersion":"v1","metadata":{"resourceVersion":"9"},"items":[
        {"metadata":{"name":"good","namespace":"ns","resourceVersion":"3"}},
        {"metadata":{"name":"bad","namespace":"ns","resourceVersion":"4"},"spec":{"containers":"none"}},
        {"metadata":{"name":["worse"]}}, 7]}"#;
    let list: ObjectList<Guarded<PodObject>> = serde_json::from_str(text).unwrap();
    let names: Vec<_> = list
        .items
        .iter()
        .map(|pod| kube::Resource::meta(pod).name.clone())
        .collect();
    assert_eq!(
        names,
        [Some("good".to_owned()), Some("bad".to_owned()), None, None]
    );
    assert!(list.items[0].0.is_ok());
    let bad = list.items[1].0.as_ref().unwrap_err();
    assert_eq!(bad.metadata.resource_version.as_deref(), Some("4"));
    assert!(
        bad.to_string().starts_with("ns/bad cannot be read"),
        "{bad}"
    );
    assert!(list.items[2..].iter().all(|pod| pod.0.is_err()));
}

#[test]
fn one_bad_object_spoils_no_watch() {
    let line = r#"{"type":"MODIFIED","object":{"metadata":{"name":"bad"},"spec":7}}"#;
    let event: WatchEvent<Guarded<PodObject>> = serde_json::from_str(line).unwrap();
    let WatchEvent::Modified(Guarded(Err(bad))) = event else {
        panic!("{event:?}");
    };
    assert_eq!(bad.metadata.name.as_deref(), Some("bad"));
}

#[test]
fn a_node_has_internal_addresses_of_both_families_and_is_ready_or_not() {
    let node = json!({"metadata": {"name": "a-1"}, "status": {
        "addresses": [{"type": "InternalIP", "address": "10.0.3.4"}, {"type": "Hostname", "address": "a-1"},
            {"type": "ExternalIP", "address": "1.2.3.4"}, {"type": "InternalIP", "address": "fd00::4"},
            {"type": "InternalIP", "address": "nonsense"}],
        "conditions": [{"type": "MemoryPressure", "status": "True"}, {"type": "Ready", "status": "Unknown"}]}});
    let node: NodeObject = serde_json::from_value(node).unwrap();
    let addresses: Vec<String> = node.addresses().map(|ip| ip.to_string()).collect();
    assert_eq!(addresses, ["10.0.3.4", "fd00::4"]);
    assert!(!node.ready());
    assert!(!NodeObject::default().ready());
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "so that objects can be written in place"
)]
fn deployment(replicas: u32, strategy: serde_json::Value, surge: Option<&str>) -> AppSpec {
    let annotations = surge.map(|value| json!({"k8s.v1.cni.galaxy.io/surge": value}));
    let spec = json!({"replicas": replicas, "strategy": strategy,
        "template": {"metadata": {"annotations": annotations}}});
    serde_json::from_value(spec).unwrap()
}

#[test]
fn surge_is_rounded_up_and_only_where_the_pods_allow_it() {
    let rolling = |surge| json!({"type": "RollingUpdate", "rollingUpdate": {"maxSurge": surge}});
    let allowed = |replicas, strategy| deployment(replicas, strategy, Some("allow")).surge();
    assert_eq!(allowed(3, rolling(json!("25%"))), 1);
    assert_eq!(allowed(5, rolling(json!("25%"))), 2);
    assert_eq!(allowed(5, rolling(json!(3))), 3);
    assert_eq!(allowed(5, json!(null)), 2, "25% where nothing is said");
    assert_eq!(allowed(5, json!({"type": "Recreate"})), 0);
    assert_eq!(allowed(5, rolling(json!("much"))), 0);
    assert_eq!(deployment(5, rolling(json!(3)), None).surge(), 0);
    assert_eq!(deployment(5, rolling(json!(3)), Some("alow")).surge(), 0);
}

#[test]
fn missing_pods_are_rounded_down_as_the_controller_does() {
    let missing = |replicas, surge, unavailable| {
        let strategy = json!({"rollingUpdate": {"maxSurge": surge, "maxUnavailable": unavailable}});
        deployment(replicas, strategy, None).max_unavailable()
    };
    assert_eq!(
        missing(3, json!("25%"), json!("25%")),
        0,
        "a rollout waits for ever"
    );
    assert_eq!(missing(4, json!("25%"), json!("25%")), 1);
    assert_eq!(missing(3, json!(0), json!(0)), 1, "never both");
}

#[test]
fn a_workload_without_replicas_has_one() {
    assert_eq!(AppSpec::default().replicas(), 1);
    let spec: AppSpec =
        serde_json::from_value(json!({"replicas": 0, "ordinals": {"start": 5}})).unwrap();
    assert_eq!((spec.replicas(), spec.first_ordinal()), (0, 5));
}

#[test]
fn metadata_alone_is_asked_for_by_type() {
    assert!(<Guarded<MetaObject> as kube::Resource>::metadata_api());
    assert!(!<Guarded<PodObject> as kube::Resource>::metadata_api());
}
