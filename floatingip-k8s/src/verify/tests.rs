use std::collections::HashSet;

use floatingip_core::config::{Config, Strictness};
use floatingip_core::record::{PlanId, PoolRecord};
use floatingip_core::testing::fixture::{self, PodFixture};
use floatingip_core::{Owner, ReleasePolicy};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::*;
use crate::index::{Kind, KindRef, Seen};
use crate::object::{DeploymentObject, NodeObject, PodObject, StatefulSetObject};

const WEB: &str = "10.0.0.10";
const DB: &str = "10.0.0.11";

/// A cluster in which a StatefulSet `web` of one replica runs under `immutable`, as it should.
struct Scene {
    topology: Topology,
    records: Records,
    index: Index,
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

impl Scene {
    fn empty() -> Self {
        let document = r#"[{"nodeSubnets":["10.1.0.0/16"],"ips":["10.0.0.1~10.0.0.20"],
            "subnet":"10.0.0.0/24","gateway":"10.0.0.1","vlan":2}]"#;
        let config = Config::parse(document, Strictness::Strict).unwrap();
        let mut scene = Self {
            topology: config.into_topology(),
            records: Records::default(),
            index: Index::default(),
        };
        for kind in Kind::built_in() {
            let nothing = HashSet::new();
            scene
                .index
                .listed(&kind, &nothing, 1, false, Timestamp::UNIX_EPOCH);
        }
        scene
    }

    fn sound() -> Self {
        let mut scene = Self::empty();
        scene.stateful_set("web", 1);
        scene.pod("web-0", &[WEB], "immutable", Some("web"));
        scene.immutable(WEB, set_pod("web-0", "web").owner());
        scene
    }

    fn feed(&mut self, kind: &str, name: &str, spec: &Value) {
        let meta = json!({"name": name, "namespace": "default", "uid": format!("uid-of-{name}"), "resourceVersion": "7"});
        let object = json!({"metadata": meta, "spec": spec});
        match kind {
            "deployment" => {
                let object: DeploymentObject = serde_json::from_value(object).unwrap();
                self.index.feed(&Seen::Present(object)).unwrap();
            }
            _ => {
                let object: StatefulSetObject = serde_json::from_value(object).unwrap();
                self.index.feed(&Seen::Present(object)).unwrap();
            }
        }
    }

    fn stateful_set(&mut self, name: &str, replicas: u32) {
        self.feed("statefulset", name, &json!({"replicas": replicas}));
    }

    /// A pod that runs, its addresses named by the binding and reported by the node.
    fn pod(&mut self, name: &str, addresses: &[&str], policy: &str, set: Option<&str>) {
        let ipinfos: Vec<Value> = addresses
            .iter()
            .map(|ip| json!({"ip": format!("{ip}/24")}))
            .collect();
        let args = json!({"common": {"ipinfos": ipinfos}}).to_string();
        let owner = set.map(|set| {
            json!([{"apiVersion": "apps/v1", "kind": "StatefulSet", "name": set, "uid": format!("uid-of-{set}"),
                "controller": true}])
        });
        let pod = json!({
            "metadata": {
                "name": name, "namespace": "default", "uid": format!("uid-of-{name}"), "resourceVersion": "9",
                "ownerReferences": owner.unwrap_or_else(|| json!([])),
                "annotations": {"k8s.v1.cni.galaxy.io/args": args, "k8s.v1.cni.galaxy.io/release-policy": policy},
            },
            "spec": {
                "nodeName": "node-1",
                "containers": [{"resources": {"requests": {"tke.cloud.tencent.com/eni-ip": "1"}}}],
            },
            "status": {"phase": "Running", "podIPs": addresses.iter().map(|ip| json!({"ip": ip})).collect::<Vec<_>>()},
        });
        let pod: PodObject = serde_json::from_value(pod).unwrap();
        self.index.feed(&Seen::Present(pod)).unwrap();
    }

    fn record(&mut self, address: &str, owner: Owner, policy: ReleasePolicy) {
        let record = Record {
            policy,
            ..fixture::record(owner)
        };
        self.records
            .addresses
            .insert(ip(address), (Version(5), record));
    }

    fn immutable(&mut self, address: &str, owner: Owner) {
        self.record(address, owner, ReleasePolicy::Immutable);
    }

    fn pool(&mut self, name: &str, size: u32) {
        let record = PoolRecord {
            size,
            ..fixture::pool_record(size)
        };
        self.records
            .pools
            .insert(fixture::pool(name), (Version(6), record));
    }

    fn check(&self) -> Report {
        check(View {
            topology: &self.topology,
            records: &self.records,
            index: &self.index,
            wall: WallTime::from_nanos(1_700_000_000_000_000_000),
        })
    }

    /// Has just this violation, and every text of it.
    #[track_caller]
    fn violates(&self, invariant: Invariant, texts: &[&str]) {
        let report = self.check();
        let [violation] = report.violations.as_slice() else {
            panic!("{report:#?}");
        };
        assert_eq!(violation.invariant, invariant, "{violation}");
        let line = violation.to_string();
        assert!(texts.iter().all(|text| line.contains(text)), "{line}");
        assert!(!line.contains('\n'), "{line}");
    }
}

fn set_pod(name: &str, set: &str) -> PodFixture {
    fixture::pod(name)
        .of_statefulset(set)
        .of_app_uid(&format!("uid-of-{set}"))
}

#[test]
fn a_sound_cluster_has_nothing_to_tell() {
    assert_eq!(Scene::sound().check(), Report::default());
    assert_eq!(Scene::empty().check(), Report::default());
}

#[test]
fn one_address_of_two_pods_is_told_of_each_of_them() {
    let mut scene = Scene::sound();
    scene.pod("thief", &[WEB], "", None);
    let report = scene.check();
    let lines: Vec<String> = report.violations.iter().map(ToString::to_string).collect();
    assert_eq!(lines.len(), 2, "{lines:#?}");
    assert!(
        lines
            .iter()
            .all(|line| line.starts_with("ONE-OWNER: pod default/thief (version 9)")),
        "{lines:#?}"
    );
    assert!(lines.iter().any(|line| {
        line.contains("pod default/web-0 (version 9), floatingip 10.0.0.10 (version 5)")
    }));
    assert!(
        lines
            .iter()
            .any(|line| line.contains("belongs to pod default/web-0 (UID uid-of-web-0)"))
    );
}

#[test]
fn an_address_of_somebody_else_is_not_the_pods() {
    let mut scene = Scene::sound();
    scene.record(
        WEB,
        Owner::Administrator("router".into()),
        ReleasePolicy::Never,
    );
    scene.violates(Invariant::OneOwner, &["belongs to an administrator"]);
}

#[test]
fn a_live_pod_whose_record_is_gone_is_told() {
    let mut scene = Scene::sound();
    scene.records.addresses.clear();
    scene.violates(Invariant::LiveKeeps, &["pod default/web-0", "10.0.0.10"]);
}

#[test]
fn a_pod_with_an_address_from_nowhere_is_told() {
    let mut scene = Scene::empty();
    scene.pod("web", &["10.9.9.9"], "", None);
    scene.violates(
        Invariant::InRange,
        &["10.9.9.9", "neither configured nor recorded"],
    );
}

#[test]
fn a_bound_pod_without_an_address_is_told() {
    let mut scene = Scene::empty();
    scene.pod("web", &[], "", None);
    scene.violates(
        Invariant::OneSlot,
        &["0 addresses and asks for 1", "ignorable"],
    );
}

#[test]
fn a_second_address_of_a_pod_is_told() {
    let mut scene = Scene::sound();
    scene.immutable(DB, set_pod("web-0", "web").owner());
    scene.violates(
        Invariant::OneSlot,
        &["floatingip 10.0.0.11", "bound with other addresses"],
    );
}

#[test]
fn a_second_address_that_is_kept_for_a_slot_is_told() {
    let mut scene = Scene::sound();
    scene.immutable(DB, set_pod("web-0", "web").reserve());
    scene.violates(
        Invariant::OneSlot,
        &["floatingip 10.0.0.11", "bound with another address"],
    );
}

#[test]
fn two_addresses_for_a_slot_whose_siblings_have_one_are_told() {
    let mut scene = Scene::sound();
    for address in ["10.0.0.12", "10.0.0.13"] {
        scene.record(
            address,
            set_pod("web-1", "web").reserve(),
            ReleasePolicy::Never,
        );
    }
    scene.violates(
        Invariant::OneSlot,
        &["10.0.0.12", "10.0.0.13", "siblings ask for 1"],
    );
}

#[test]
fn gateway_network_and_nodes_have_no_owners() {
    for (address, what) in [("10.0.0.1", "gateway"), ("10.0.0.0", "network address")] {
        let mut scene = Scene::empty();
        scene.record(address, fixture::pod("db").reserve(), ReleasePolicy::Never);
        scene.violates(Invariant::InRange, &[address, what]);
    }
    let mut scene = Scene::empty();
    let node = json!({"metadata": {"name": "node-1", "uid": "n", "resourceVersion": "3"},
        "status": {"addresses": [{"type": "InternalIP", "address": DB}]}});
    let node: NodeObject = serde_json::from_value(node).unwrap();
    scene.index.feed(&Seen::Present(node)).unwrap();
    scene.record(DB, fixture::pod("db").reserve(), ReleasePolicy::Never);
    scene.violates(Invariant::InRange, &["floatingip 10.0.0.11", "node node-1"]);
}

#[test]
fn what_is_draining_is_told_and_no_violation() {
    let mut scene = Scene::empty();
    scene.record(
        "10.0.0.99",
        fixture::pod("db").reserve(),
        ReleasePolicy::Never,
    );
    let report = scene.check();
    assert!(report.violations.is_empty());
    assert!(
        report.notes[0].contains("10.0.0.99 (version 5) is draining"),
        "{report:?}"
    );
}

#[test]
fn a_record_that_does_not_keep_what_its_pod_asks_to_be_kept_is_told() {
    let mut scene = Scene::sound();
    scene.record(
        WEB,
        set_pod("web-0", "web").owner(),
        ReleasePolicy::PodDelete,
    );
    scene.violates(Invariant::Sticky, &["policy 0", "asks for 1"]);
    let mut scene = Scene::sound();
    scene.immutable(WEB, set_pod("web-0", "web").owner());
    let (_, record) = scene.records.addresses.get_mut(&ip(WEB)).unwrap();
    let Owner::Slot(tenant) = &mut record.owner else {
        unreachable!()
    };
    tenant.slot = floatingip_core::owner::Slot::Ordinal(8);
    record.plan = Some(PlanId {
        incarnation: 1,
        serial: 1,
    });
    scene.violates(Invariant::Sticky, &["Ordinal(8)"]);
}

#[test]
fn a_record_outlives_its_pod_for_nothing() {
    let mut scene = Scene::empty();
    scene.record(WEB, fixture::pod("gone").owner(), ReleasePolicy::PodDelete);
    scene.violates(Invariant::Prompt, &["uid-of-gone", "is gone"]);
    scene.pod("gone", &[], "", None);
    scene.record(
        WEB,
        fixture::pod("gone").with_uid("former").owner(),
        ReleasePolicy::PodDelete,
    );
    let report = scene.check();
    assert!(
        report
            .violations
            .iter()
            .any(|violation| violation.found.contains("of another UID")),
        "{report:?}"
    );
}

/// Its address is not free yet, but has to be marked by now.
#[test]
fn a_pod_that_went_on_a_silent_node_is_told_too() {
    let mut scene = Scene::empty();
    let node = json!({"metadata": {"name": "node-1", "uid": "n", "resourceVersion": "3"},
        "status": {"conditions": [{"type": "Ready", "status": "Unknown"}]}});
    let node: NodeObject = serde_json::from_value(node).unwrap();
    scene.index.feed(&Seen::Present(node)).unwrap();
    scene.record(WEB, fixture::pod("gone").owner(), ReleasePolicy::PodDelete);
    scene.violates(Invariant::Prompt, &["uid-of-gone", "is gone"]);
}

#[test]
fn what_immutable_keeps_goes_with_the_app_and_its_slots() {
    let mut scene = Scene::sound();
    scene.immutable(DB, set_pod("web-1", "web").reserve());
    scene.violates(
        Invariant::Prompt,
        &["statefulset.apps default/web has no such slot any more"],
    );

    let mut scene = Scene::empty();
    scene.immutable(DB, set_pod("db-0", "db").reserve());
    assert!(
        scene.check().violations.is_empty(),
        "nobody has read it live"
    );
    let app = KindRef::new("apps", "statefulset").named(&"default".into(), &"db".into());
    scene.index.confirm_gone(&app);
    scene.violates(Invariant::Prompt, &["statefulset.apps default/db is gone"]);

    let mut scene = Scene::sound();
    let former = fixture::pod("web-0")
        .of_statefulset("web")
        .of_app_uid("former");
    scene.index = Scene::empty().index;
    scene.stateful_set("web", 1);
    scene.immutable(WEB, former.reserve());
    scene.violates(Invariant::Prompt, &["made anew"]);
}

#[test]
fn what_never_keeps_and_what_is_on_its_way_to_a_pod_is_sound() {
    let mut scene = Scene::sound();
    scene.record(DB, set_pod("web-7", "web").reserve(), ReleasePolicy::Never);
    let unbound = json!({"metadata": {"name": "new", "namespace": "default", "uid": "uid-of-new", "resourceVersion": "8"},
        "spec": {"containers": [{"resources": {"requests": {"tke.cloud.tencent.com/eni-ip": "1"}}}]}});
    let unbound: PodObject = serde_json::from_value(unbound).unwrap();
    scene.index.feed(&Seen::Present(unbound)).unwrap();
    scene.record(
        "10.0.0.12",
        fixture::pod("new").owner(),
        ReleasePolicy::PodDelete,
    );
    assert_eq!(scene.check(), Report::default());
}

#[test]
fn a_pool_above_its_size_keeps_only_what_pods_use() {
    let mut scene = Scene::empty();
    let member = fixture::pod("blue-0").in_pool("blue");
    scene.pool("blue", 1);
    for (address, owner) in [
        (WEB, Owner::Pool(fixture::pool("blue"))),
        (DB, Owner::Pool(fixture::pool("blue"))),
    ] {
        scene.record(address, owner, ReleasePolicy::Never);
    }
    scene.violates(
        Invariant::Cap,
        &["pool blue (version 6)", "floatingip 10.0.0.11", "size of 1"],
    );

    let mut scene = Scene::empty();
    scene.pool("blue", 0);
    scene.pod("blue-0", &[WEB], "", None);
    scene.record(WEB, member.owner(), ReleasePolicy::Never);
    let report = scene.check();
    assert!(report.violations.is_empty(), "{report:?}");
    assert!(
        report.notes[0].contains("pods use all of them"),
        "{report:?}"
    );
}

#[test]
fn an_app_has_no_more_pods_than_slots() {
    let mut scene = Scene::empty();
    scene.feed("deployment", "web", &json!({"replicas": 1}));
    for (name, address) in [("web-a", WEB), ("web-b", DB)] {
        scene.pod(name, &[address], "", None);
        let owner = fixture::pod(name).of_deployment("web").owner();
        scene.record(address, owner, ReleasePolicy::Never);
    }
    scene.violates(
        Invariant::Cap,
        &["deployment.apps default/web", "web-a", "web-b", "2 pods"],
    );
}

#[test]
fn what_cannot_be_read_is_told() {
    let mut scene = Scene::empty();
    let subject = Subject::new("floatingips", "10.0.0.300", None);
    scene
        .records
        .unreadable
        .push((subject, "its name is no address".to_owned()));
    scene.violates(
        Invariant::Durable,
        &["floatingips 10.0.0.300", "no address"],
    );
    scene.index.failed(&Kind::Pods, "forbidden".to_owned());
    assert!(scene.check().notes[0].contains("pods"));
}

fn report(lines: &[(&str, u64)]) -> Report {
    let mut report = Report::default();
    for (name, version) in lines {
        let subject = Subject::new("pod", name, Some(*version));
        report.violation(Invariant::Prompt, vec![subject], "found", "remedy");
    }
    report.violations.sort();
    report
}

#[test]
fn only_what_every_look_shows_at_the_same_versions_is_certain() {
    let mut suspicions = Suspicions::new(report(&[("passing", 1), ("moving", 1), ("standing", 1)]));
    suspicions.look_again(report(&[("moving", 2), ("new", 1), ("standing", 1)]));
    assert!(!suspicions.is_empty());
    suspicions.look_again(report(&[("moving", 3), ("new", 1), ("standing", 1)]));
    let verified = suspicions.end();
    assert_eq!(verified.violations, report(&[("standing", 1)]).violations);
    assert_eq!(verified.notes.len(), 1);
    assert!(verified.notes[0].contains("pod moving"), "{verified:?}");
}

#[test]
fn what_passes_leaves_nothing() {
    let mut suspicions = Suspicions::new(report(&[("a", 1), ("b", 1)]));
    suspicions.look_again(report(&[("b", 2)]));
    suspicions.look_again(report(&[("c", 1)]));
    assert!(suspicions.is_empty());
}
