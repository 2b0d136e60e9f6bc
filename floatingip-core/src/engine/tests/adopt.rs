//! Bound pods without a record.

use std::net::IpAddr;

use super::mark::quarantine;
use super::scene::{Asker, Scene, a, b, ordinal, record_of, replica, subnet_a, subnet_b};
use crate::engine::NotAdopted;
use crate::fact::Slots;
use crate::name::Name;
use crate::owner::Owner;
use crate::record::Record;
use crate::testing::fixture;

/// Adopts, durably; what is refused.
fn adopt(scene: &mut Scene, pod: &Asker, addresses: &[IpAddr]) -> Vec<NotAdopted> {
    let adoption = scene
        .engine
        .plan_adopt(&pod.request(), addresses, scene.now);
    scene.settle(adoption.plan);
    let refused = adoption.refused.into_iter();
    refused.map(|(_, why)| why).collect()
}

#[test]
fn a_bound_pod_keeps_what_it_uses_whatever_caps_cordons_and_reaches_say() {
    let closed = subnet_b("10.0.1.1~10.0.1.4").replacen('{', r#"{"disabled":true,"#, 1);
    let mut scene = Scene::of(&[subnet_a("10.0.0.1~10.0.0.4"), closed]);
    let pods = ["web-x", "web-y"].map(|name| replica(name).immutable());
    scene.app_is(&pods[0], Slots::Count(1));
    scene.allocate(&pods[0]);
    assert_eq!(adopt(&mut scene, &pods[1], &[b(2), a(3), b(2)]), []);
    for ip in [b(2), a(3)] {
        assert_eq!(scene.holder(ip), Some(pods[1].pod().uid));
    }
    scene.see_with(&pods[1], &[b(2), a(3)]);
    scene.wait(10_000);
    scene.sweep();
    assert_eq!(scene.engine.addresses_of(&pods[1].pod().uid).len(), 2);
}

#[test]
fn an_adoption_again_writes_nothing() {
    let mut scene = Scene::two_subnets();
    let pod = ordinal("db-0").never();
    assert_eq!(adopt(&mut scene, &pod, &[a(2)]), []);
    let again = scene.engine.plan_adopt(&pod.request(), &[a(2)], scene.now);
    assert!(again.plan.is_empty());
    assert_eq!(again.refused, []);
    scene.settle(again.plan);
}

#[test]
fn each_address_that_cannot_be_the_pods_has_its_reason_and_the_others_are_adopted() {
    let mut scene = Scene::two_subnets();
    let (other, pod) = (replica("web-x"), replica("web-y"));
    assert_eq!(scene.allocate(&other), a(1));
    scene.engine.observe_node(&Name::from("n"), &[a(2)]);
    let far = IpAddr::from([172, 16, 0, 1]);
    let refused = adopt(&mut scene, &pod, &[far, a(1), a(2), a(3)]);
    let node = Name::from("n");
    let owner = Box::new(other.owner());
    assert_eq!(
        refused,
        [
            NotAdopted::OthersOwn { ip: a(1), owner },
            NotAdopted::NodeAddress { ip: a(2), node },
            NotAdopted::NotConfigured { ip: far },
        ]
    );
    assert_eq!(scene.holder(a(3)), Some(pod.pod().uid));
    assert_eq!(
        refused[0].to_string(),
        "10.0.0.1 belongs to pod web-x of deployment.apps default/web: delete the pod so that it \
         gets another one"
    );
}

#[test]
fn a_gateway_is_never_adopted() {
    let mut scene = Scene::of(&[subnet_a("10.0.0.250~10.0.0.254")]);
    let refused = adopt(&mut scene, &replica("web-x"), &[a(254)]);
    assert_eq!(refused, [NotAdopted::NeverGiven { ip: a(254) }]);
}

#[test]
fn an_address_under_change_is_not_adopted_yet() {
    let mut scene = Scene::two_subnets();
    let open = scene.plan(&replica("web-x")).unwrap();
    let refused = adopt(&mut scene, &replica("web-y"), &[a(1)]);
    assert_eq!(refused, [NotAdopted::Busy { ip: a(1) }]);
    scene.settle(open.plan);
}

#[test]
fn what_is_kept_for_the_slot_the_app_or_the_pool_is_the_pods_to_adopt() {
    let pods = |name: &str| match name {
        "slot" => [ordinal("db-0"), ordinal("db-0"), ordinal("db-1")].map(Asker::never),
        "app" => ["web-x", "web-y"]
            .map(|name| replica(name).never())
            .into_iter()
            .chain([replica("api-x")
                .of("apps", "deployment", "api", crate::owner::Slot::Any)
                .never()])
            .collect::<Vec<_>>()
            .try_into()
            .unwrap(),
        _ => [
            replica("web-x").in_pool("blue"),
            replica("web-y").in_pool("blue"),
            replica("web-z").in_pool("red"),
        ],
    };
    for kind in ["slot", "app", "pool"] {
        let [former, next, other] = pods(kind);
        let mut scene = Scene::two_subnets();
        let ip = scene.allocate(&former);
        scene.end(&former);
        assert!(scene.is_kept(ip), "{kind}");
        let refused = adopt(&mut scene, &other.uid("other"), &[ip]);
        assert!(
            matches!(refused[..], [NotAdopted::OthersOwn { .. }]),
            "{kind}"
        );
        let next = next.uid("next");
        assert_eq!(adopt(&mut scene, &next, &[ip]), [], "{kind}");
        assert_eq!(scene.holder(ip), Some(next.pod().uid), "{kind}");
    }
}

#[test]
fn a_record_of_the_pods_name_without_uid_is_the_pods() {
    let mut scene = Scene::two_subnets();
    let pod = replica("web-x");
    scene.others_write(a(1), Some(record_of(&pod.clone().uid(""))));
    assert_eq!(adopt(&mut scene, &pod, &[a(1)]), []);
    assert_eq!(scene.holder(a(1)), Some(pod.pod().uid));
}

#[test]
fn a_quarantine_outlasts_an_adoption_and_a_reservation_prevents_it() {
    let mut scene = Scene::two_subnets();
    let pod = replica("web-x");
    quarantine(&mut scene, a(1), 600);
    let owner = Owner::Administrator("boss".into());
    scene.others_write(a(2), Some(fixture::record(owner.clone())));
    let refused = adopt(&mut scene, &pod, &[a(1), a(2)]);
    let owner = Box::new(owner);
    assert_eq!(refused, [NotAdopted::OthersOwn { ip: a(2), owner }]);
    let marked = |record: &Record| record.is_live() && record.mark.is_some();
    assert!(scene.record(a(1)).is_some_and(marked));
}
