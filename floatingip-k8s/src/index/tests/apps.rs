use floatingip_core::fact::{AppState, Slots};
use kube::core::ApiResource;

use super::*;
use crate::object::{
    DaemonSetObject, DeploymentObject, MetaObject, OwnerRef, ReplicaSetObject, StatefulSetObject,
};

#[expect(
    clippy::needless_pass_by_value,
    reason = "so that objects can be written in place"
)]
fn object<K: serde::de::DeserializeOwned>(name: &str, version: u64, spec: serde_json::Value) -> K {
    let meta = json!({"name": name, "namespace": "ns", "uid": format!("{name}-uid"),
        "resourceVersion": version.to_string()});
    serde_json::from_value(json!({"metadata": meta, "spec": spec})).unwrap()
}

fn app(kind: &str, name: &str) -> AppRef {
    KindRef::new("apps", kind).named(&"ns".into(), &name.into())
}

fn kind(kind: &str) -> Kind {
    Kind::Apps(KindRef::new("apps", kind))
}

fn slots(index: &Index, app: &AppRef) -> Option<Slots> {
    index.app(app).known().map(|state| state.slots)
}

#[test]
fn every_kind_has_its_slots() {
    let mut index = Index::default();
    let strategy = json!({"rollingUpdate": {"maxSurge": "25%"}});
    let template = json!({"metadata": {"annotations": {"k8s.v1.cni.galaxy.io/surge": "allow"}}});
    let spec = json!({"replicas": 5, "strategy": strategy, "template": template});
    index
        .feed(&Seen::Present(object::<DeploymentObject>("web", 2, spec)))
        .unwrap();
    index
        .feed(&Seen::Present(object::<ReplicaSetObject>(
            "rs",
            2,
            json!({"replicas": 2}),
        )))
        .unwrap();
    let spec = json!({"replicas": 3, "ordinals": {"start": 4}});
    index
        .feed(&Seen::Present(object::<StatefulSetObject>("db", 2, spec)))
        .unwrap();
    index
        .feed(&Seen::Present(object::<DaemonSetObject>(
            "agent",
            2,
            json!({}),
        )))
        .unwrap();
    let state = index.app(&app("deployment", "web")).known();
    let expected = AppState::new(Slots::Count(5)).with_uid("web-uid");
    assert_eq!(state, Some(expected.with_surge(2)));
    assert_eq!(
        slots(&index, &app("replicaset", "rs")),
        Some(Slots::Count(2))
    );
    let ordinals = Slots::Ordinals { start: 4, count: 3 };
    assert_eq!(slots(&index, &app("statefulset", "db")), Some(ordinals));
    assert_eq!(
        slots(&index, &app("daemonset", "agent")),
        Some(Slots::EveryNode)
    );
    let rollout = index
        .app_entry(&app("deployment", "web"))
        .unwrap()
        .rollout
        .unwrap();
    assert_eq!((rollout.max_surge, rollout.max_unavailable), (2, 1));
}

#[test]
fn an_absent_app_is_unknown_until_a_live_read_did_not_find_it_either() {
    let (mut index, web) = (Index::default(), app("deployment", "web"));
    let absent = |index: &Index, web: &AppRef| (index.app(web), index.needs_confirmation(web));
    assert_eq!(absent(&index, &web), (Fact::Unknown, false), "not in sync");
    index.confirm_gone(&web);
    assert_eq!(
        index.app(&web),
        Fact::Unknown,
        "a confirmation alone does not do"
    );
    let mut index = Index::default();
    list(&mut index, &kind("deployment"), &[], 3);
    assert_eq!(absent(&index, &web), (Fact::Unknown, true));
    index.confirm_gone(&web);
    assert_eq!(absent(&index, &web), (Fact::Gone, false));
    let spec = || json!({"replicas": 1});
    index
        .feed(&Seen::Present(object::<DeploymentObject>("web", 5, spec())))
        .unwrap();
    index
        .feed(&Seen::Deleted(object::<DeploymentObject>("web", 6, spec())))
        .unwrap();
    assert_eq!(
        absent(&index, &web),
        (Fact::Unknown, true),
        "to be confirmed anew"
    );
    assert!(index.take_effects().apps_perhaps_gone.contains(&web));
}

#[test]
fn a_confirmation_is_not_believed_against_what_is_seen() {
    let (mut index, web) = (Index::default(), app("deployment", "web"));
    index
        .feed(&Seen::Present(object::<DeploymentObject>(
            "web",
            5,
            json!({}),
        )))
        .unwrap();
    index.confirm_gone(&web);
    index
        .feed(&Seen::Deleted(object::<DeploymentObject>(
            "web",
            6,
            json!({}),
        )))
        .unwrap();
    list(&mut index, &kind("deployment"), &[], 7);
    assert_eq!(index.app(&web), Fact::Unknown);
}

/// The watch of pods may be ahead of that of apps.
#[test]
fn a_pod_of_an_app_that_was_gone_casts_doubt_on_its_end() {
    let (mut index, web) = (Index::default(), app("statefulset", "web"));
    list(&mut index, &kind("statefulset"), &[], 3);
    index.confirm_gone(&web);
    assert_eq!(index.app(&web), Fact::Gone);
    let owner = OwnerRef {
        group: "apps".into(),
        kind: "statefulset".into(),
        name: "web".into(),
        uid: "new".into(),
    };
    index.apply_pod(PodEntry {
        controller: Some(owner),
        ..pod("web-0", 9)
    });
    assert_eq!(index.app(&web), Fact::Unknown);
    assert!(index.needs_confirmation(&web));
}

#[test]
fn confirmations_are_bounded() {
    let mut index = Index::default();
    list(&mut index, &kind("deployment"), &[], 3);
    for serial in 0..20_000 {
        index.confirm_gone(&app("deployment", &format!("web-{serial}")));
    }
    assert_eq!(index.app(&app("deployment", "web-19999")), Fact::Gone);
    assert_eq!(index.app(&app("deployment", "web-0")), Fact::Unknown);
}

fn replica_set(name: &str, version: u64, deployment: &str) -> ReplicaSetObject {
    let meta = json!({"name": name, "namespace": "ns", "uid": format!("{name}-uid"),
        "resourceVersion": version.to_string(), "ownerReferences": [{"apiVersion": "apps/v1",
            "kind": "Deployment", "name": deployment, "uid": "d", "controller": true}]});
    serde_json::from_value(json!({"metadata": meta, "spec": {"replicas": 3}})).unwrap()
}

fn owned(name: &str, version: u64, kind: &str, owner: &str) -> PodEntry {
    let owner = OwnerRef {
        group: "apps".into(),
        kind: kind.into(),
        name: owner.into(),
        uid: Name::from(format!("{owner}-uid")),
    };
    PodEntry {
        controller: Some(owner),
        ..pod(name, version)
    }
}

#[test]
fn a_deployments_pods_are_found_through_its_replica_sets() {
    let mut index = Index::default();
    for (name, owner) in [("a", "web-1"), ("b", "web-2"), ("c", "other-1")] {
        index.apply_pod(owned(name, 2, "replicaset", owner));
    }
    index.take_effects();
    for (name, deployment) in [("web-1", "web"), ("web-2", "web"), ("other-1", "other")] {
        index
            .feed(&Seen::Present(replica_set(name, 3, deployment)))
            .unwrap();
    }
    let mut names: Vec<_> = index
        .pods_of_app(&app("deployment", "web"))
        .map(|pod| &*pod.name)
        .collect();
    names.sort_unstable();
    assert_eq!(names, ["a", "b"]);
    let effects = index.take_effects();
    assert_eq!(effects.waiting.len(), 3, "whose they are can be told now");
    assert!(
        effects.apps.is_empty(),
        "a Deployment's ReplicaSets have no addresses of their own"
    );
    index
        .feed(&Seen::Deleted(replica_set("web-1", 4, "web")))
        .unwrap();
    assert!(index.take_effects().apps_perhaps_gone.is_empty());
    assert_eq!(index.pods_of_app(&app("deployment", "web")).count(), 1);
}

#[test]
fn another_replica_set_of_the_name_is_not_the_pods() {
    let mut index = Index::default();
    list(&mut index, &kind("replicaset"), &[], 2);
    let pod = owned("a", 3, "replicaset", "web-1");
    let owner = pod.controller.unwrap();
    assert_eq!(index.above("ns", &owner), Fact::Gone);
    index
        .feed(&Seen::Present(replica_set("web-1", 3, "web")))
        .unwrap();
    assert_eq!(
        &*index.above("ns", &owner).known().flatten().unwrap().name,
        "web"
    );
    let other = OwnerRef {
        uid: "former".into(),
        ..owner
    };
    assert_eq!(index.above("ns", &other), Fact::Gone);
}

#[test]
fn kinds_are_asked_for_by_what_they_control_and_bounded() {
    let mut index = Index::default();
    index.apply_pod(owned("a", 2, "statefulset", "db"));
    assert!(index.demanded().is_empty(), "built in");
    for serial in 0..1000 {
        let mut pod = owned(&format!("p-{serial}"), 2, &format!("kind{serial}"), "x");
        if let Some(owner) = &mut pod.controller {
            owner.group = "example.org".into();
        }
        index.apply_pod(pod);
    }
    assert_eq!(index.demanded().len(), 256);
}

#[test]
fn an_old_record_without_a_group_means_the_only_kind_of_that_name() {
    let mut index = Index::default();
    let tapp = |group: &str| KindRef::new(group, "tapp").named(&"ns".into(), &"game".into());
    let discovered = |group: &str| Discovered {
        resource: ApiResource {
            group: group.to_owned(),
            version: "v1".to_owned(),
            api_version: format!("{group}/v1"),
            kind: "TApp".to_owned(),
            plural: "tapps".to_owned(),
        },
        scales: true,
    };
    let full = KindRef::new("apps.tkestack.io", "TApp");
    index.discovered(&full, &discovered("apps.tkestack.io"));
    let game: MetaObject = object("game", 4, json!({}));
    index.apply_scaled(&full, &game, 6).unwrap();
    assert_eq!(slots(&index, &tapp("")), Some(Slots::Count(6)));
    assert_eq!(index.resource(&tapp("")).unwrap().plural, "tapps");
    index.discovered(&KindRef::new("other.org", "TApp"), &discovered("other.org"));
    assert_eq!(
        index.app(&tapp("")),
        Fact::Unknown,
        "nobody can tell which one"
    );
}

#[test]
fn an_app_of_an_old_record_without_a_group_can_be_confirmed_to_be_gone() {
    let mut index = Index::default();
    let kind = KindRef::new("apps.tkestack.io", "TApp");
    let found = Discovered {
        resource: ApiResource {
            group: "apps.tkestack.io".to_owned(),
            version: "v1".to_owned(),
            api_version: "apps.tkestack.io/v1".to_owned(),
            kind: "TApp".to_owned(),
            plural: "tapps".to_owned(),
        },
        scales: true,
    };
    index.discovered(&kind, &found);
    list(&mut index, &Kind::Apps(kind), &[], 3);
    let old = KindRef::new("", "tapp").named(&"ns".into(), &"game".into());
    assert!(index.needs_confirmation(&old));
    index.confirm_gone(&old);
    assert_eq!(index.app(&old), Fact::Gone);
}
