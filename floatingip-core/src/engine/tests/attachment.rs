//! Container interfaces: one CNI ADD after the other.

use std::collections::BTreeSet;

use super::scene::{Scene, a, bare, ordinal, subnet_b};
use crate::engine::{End, Settings};
use crate::name::Name;
use crate::range::Family;
use crate::record::Attachment;
use crate::refusal::Refusal;
use crate::store::Outcome;
use crate::testing::fixture::attachment;

fn standalone() -> Scene {
    let settings = Settings {
        binds_at_once: true,
        ..Settings::default()
    };
    Scene::with(&[super::scene::subnet_a("10.0.0.1~10.0.0.4")], settings)
}

fn detach(scene: &mut Scene, attachment: &Attachment) {
    let plan = scene
        .engine
        .plan_detached(attachment, &scene.world, scene.now);
    scene.settle(plan);
}

fn gc(scene: &mut Scene, network: &str, valid: &[Attachment]) {
    let valid: BTreeSet<_> = valid.iter().cloned().collect();
    let (node, network) = (Name::from("a-1"), Name::from(network));
    let mut lost = scene.engine.lost(&node, &network, &valid);
    for _ in 0..2 {
        let plan = scene.engine.plan_gc(&mut lost, &scene.world, scene.now);
        scene.settle(plan);
    }
    assert!(lost.is_empty());
}

#[test]
fn the_end_of_the_last_attachment_frees_the_address() {
    let mut scene = standalone();
    let ip = scene.attempt(&bare("solo").attached("one")).unwrap()[0];
    detach(&mut scene, &attachment("a-1", "one"));
    assert!(scene.is_free(ip));
    detach(&mut scene, &attachment("a-1", "one"));
}

#[test]
fn the_end_of_an_older_or_unknown_attachment_changes_nothing() {
    let mut scene = standalone();
    let pod = bare("solo");
    scene.attempt(&pod.clone().attached("one")).unwrap();
    scene.attempt(&pod.clone().attached("two")).unwrap();
    for container in ["one", "never seen"] {
        detach(&mut scene, &attachment("a-1", container));
        assert_eq!(scene.holder(a(1)), Some(pod.pod().uid));
    }
    detach(&mut scene, &attachment("a-1", "two"));
    assert!(scene.is_free(a(1)));
}

#[test]
fn a_late_end_on_the_former_node_does_not_touch_the_new_pod() {
    let mut scene = standalone();
    let former = ordinal("db-0").attached("one");
    scene.attempt(&former).unwrap();
    let new = ordinal("db-0").uid("new").on("a-2").attached("two");
    scene.see(&new, true);
    scene.attempt(&new).unwrap();
    detach(&mut scene, &attachment("a-1", "one"));
    assert_eq!(scene.holder(a(1)), Some(new.pod().uid));
}

#[test]
fn a_kept_address_has_no_attachment() {
    let mut scene = standalone();
    scene
        .attempt(&bare("solo").never().attached("one"))
        .unwrap();
    detach(&mut scene, &attachment("a-1", "one"));
    assert!(scene.is_kept(a(1)));
    assert_eq!(
        scene
            .record(a(1))
            .and_then(|record| record.attachment.clone()),
        None
    );
}

#[test]
fn a_repeat_without_attachment_keeps_the_one_that_is_known() {
    let mut scene = standalone();
    scene.attempt(&bare("solo").attached("one")).unwrap();
    let again = scene.plan(&bare("solo")).unwrap();
    assert!(again.plan.is_empty());
    scene.settle(again.plan);
}

#[test]
fn garbage_is_collected_on_one_node_and_network_only() {
    let mut scene = standalone();
    let pods = [
        bare("valid").attached("valid"),
        bare("lost").attached("lost"),
        bare("elsewhere").on("a-2").attached("elsewhere"),
    ];
    let ips = pods.each_ref().map(|pod| scene.attempt(pod).unwrap()[0]);
    gc(&mut scene, "another", &[]);
    assert_eq!(scene.engine.len(), 3);
    gc(&mut scene, "galaxy-k8s-vlan", &[attachment("a-1", "valid")]);
    let left = ips.map(|ip| scene.holder(ip).is_some());
    assert_eq!(left, [true, false, true]);
}

#[test]
fn an_attachment_that_ends_before_its_allocation_is_certain_ends_after_it() {
    let mut scene = standalone();
    let open = scene.plan(&bare("solo").attached("one")).unwrap();
    let ended = attachment("a-1", "one");
    detach(&mut scene, &ended);
    assert_eq!(scene.engine.due_ends(), []);
    scene.settle(open.plan);
    assert_eq!(scene.engine.due_ends(), [End::Attachment(ended.clone())]);
    detach(&mut scene, &ended);
    assert!(scene.engine.is_empty());
    assert_eq!(scene.engine.due_ends(), []);
}

#[test]
fn an_interface_of_the_same_name_is_not_ended_for_the_one_before_it() {
    let mut scene = standalone();
    let pod = bare("solo").attached("one");
    let open = scene.plan(&pod).unwrap();
    let interface = attachment("a-1", "one");
    detach(&mut scene, &interface);
    scene.settle(open.plan);
    detach(&mut scene, &interface);
    let again = scene.attempt(&pod).unwrap();
    assert_eq!(scene.engine.due_ends(), []);
    let late = scene
        .engine
        .plan_due(&End::Attachment(interface), &scene.world, scene.now);
    scene.settle(late);
    assert_eq!(scene.holder(again[0]), Some(pod.pod().uid));
}

#[test]
fn the_next_interface_of_a_name_waits_until_the_one_before_it_has_ended() {
    let mut scene = standalone();
    let pod = bare("solo").attached("one");
    let open = scene.plan(&pod).unwrap();
    detach(&mut scene, &attachment("a-1", "one"));
    scene.settle(open.plan);
    assert_eq!(scene.attempt(&pod), Err(Refusal::Busy { ip: a(1) }));
    scene.end_due();
    let next = scene.attempt(&pod).unwrap();
    scene.end_due();
    assert_eq!(scene.holder(next[0]), Some(pod.pod().uid));
}

#[test]
fn an_end_that_the_store_did_not_make_stays_due() {
    let mut scene = standalone();
    let open = scene.plan(&bare("solo").attached("one")).unwrap();
    let ended = attachment("a-1", "one");
    detach(&mut scene, &ended);
    scene.settle(open.plan);
    let due = [End::Attachment(ended)];
    assert_eq!(scene.engine.due_ends(), due);
    let plan = scene.engine.plan_due(&due[0], &scene.world, scene.now);
    assert_eq!(scene.engine.due_ends(), [], "it is under way");
    scene.settle_as(plan, vec![Outcome::Unavailable]);
    assert_eq!(scene.engine.due_ends(), due);
}

#[test]
fn what_is_attached_after_the_valid_ones_were_told_of_is_not_collected() {
    let mut scene = standalone();
    let (node, network) = (Name::from("a-1"), Name::from("galaxy-k8s-vlan"));
    scene.attempt(&bare("old").attached("old")).unwrap();
    let mut lost = scene.engine.lost(&node, &network, &BTreeSet::new());
    let new = bare("new").attached("new");
    let ip = scene.attempt(&new).unwrap()[0];
    let plan = scene.engine.plan_gc(&mut lost, &scene.world, scene.now);
    scene.settle(plan);
    assert_eq!(scene.engine.len(), 1);
    assert_eq!(scene.holder(ip), Some(new.pod().uid));
}

#[test]
fn a_lost_interface_that_is_being_changed_is_collected_afterwards() {
    let mut scene = standalone();
    let (node, network) = (Name::from("a-1"), Name::from("galaxy-k8s-vlan"));
    let pod = bare("solo");
    scene.attempt(&pod.clone().attached("one")).unwrap();
    let mut lost = scene.engine.lost(&node, &network, &BTreeSet::new());
    let open = scene.plan(&pod.attached("two")).unwrap();
    let plan = scene.engine.plan_gc(&mut lost, &scene.world, scene.now);
    assert!(plan.is_empty());
    assert_eq!(lost.len(), 1);
    scene.settle(plan);
    scene.settle_as(open.plan, vec![Outcome::Unavailable]);
    let plan = scene.engine.plan_gc(&mut lost, &scene.world, scene.now);
    scene.settle(plan);
    assert!(scene.engine.is_empty());
}

#[test]
fn the_same_request_of_the_same_interface_has_the_same_answer_and_writes_nothing() {
    let mut scene = standalone();
    let two = bare("solo")
        .wants(&[Family::V4, Family::V4])
        .attached("one");
    let first = scene.attempt(&two).unwrap();
    let again = scene.plan(&two).unwrap();
    assert_eq!(again.addresses, first);
    assert!(again.plan.is_empty());
    scene.settle(again.plan);
}

#[test]
fn an_interface_that_has_addresses_is_refused_any_other_request() {
    let mut scene = standalone();
    scene.attempt(&bare("solo").attached("one")).unwrap();
    let refusal = Refusal::OtherRequest {
        ip: a(1),
        pod: "solo".into(),
        uid: bare("solo").pod().uid,
    };
    for other in [
        bare("another"),
        bare("solo").uid("another"),
        bare("solo").never(),
        bare("solo").in_pool("blue"),
        bare("solo").wants(&[Family::V4, Family::V4]),
        bare("solo").ranges(&["10.0.0.3"]),
    ] {
        assert_eq!(scene.attempt(&other.attached("one")), Err(refusal.clone()));
    }
    assert_eq!(scene.engine.len(), 1);
}

#[test]
fn a_pods_addresses_are_not_used_at_two_interfaces_of_its_container() {
    let mut scene = standalone();
    let pod = bare("solo").attached("one");
    scene.attempt(&pod).unwrap();
    let refusal = Refusal::OtherInterface {
        ip: a(1),
        pod: "solo".into(),
        network: "galaxy-k8s-vlan".into(),
        interface: "eth0".into(),
    };
    let beside = pod.clone().interface("net1");
    assert_eq!(scene.attempt(&beside), Err(refusal));
    assert_eq!(scene.attempt(&pod.attached("two")), Ok(vec![a(1)]));
}

#[test]
fn an_interface_whose_addresses_are_not_certain_yet_waits() {
    let mut scene = standalone();
    let pod = bare("solo").attached("one");
    let open = scene.plan(&pod).unwrap();
    let other = bare("another").attached("one");
    for asker in [&pod, &other] {
        assert_eq!(
            scene.plan(asker).map(|allocation| allocation.addresses),
            Err(Refusal::Busy { ip: a(1) })
        );
    }
    scene.settle(open.plan);
    assert_eq!(scene.attempt(&pod), Ok(vec![a(1)]));
}

#[test]
fn an_interface_whose_node_has_moved_or_whose_address_is_withdrawn_is_told_so() {
    let mut scene = standalone();
    scene.attempt(&bare("solo").attached("one")).unwrap();
    scene.configure(&[subnet_b("10.0.1.1~10.0.1.4")]);
    let pod = bare("solo").attached("one");
    assert_eq!(scene.attempt(&pod), Err(Refusal::Withdrawn { ip: a(1) }));
    scene.configure(&[
        subnet_b("10.0.1.1~10.0.1.4"),
        super::scene::subnet_a("10.0.0.1~10.0.0.4"),
    ]);
    let reach = scene.reach("b-1");
    let engine = &mut scene.engine;
    let refused = engine.plan_allocate(&pod.request(), &reach, &scene.world, scene.now);
    let net = "10.0.0.0/24".parse().unwrap();
    assert_eq!(
        refused.map(|allocation| allocation.addresses),
        Err(Refusal::WrongNode {
            ip: a(1),
            subnet: net
        })
    );
}

/// Two pods that were given one UID by mistake would use one address.
#[test]
fn what_a_uid_has_is_not_given_to_another_pod_of_that_uid() {
    let mut scene = standalone();
    let pod = bare("solo").uid("same").attached("one");
    scene.attempt(&pod).unwrap();
    let refusal = Refusal::UidTaken {
        ip: a(1),
        pod: "solo".into(),
        uid: "same".into(),
    };
    let others = [bare("other"), bare("solo").in_namespace("elsewhere")];
    for other in others {
        let other = other.uid("same").attached("two");
        assert_eq!(scene.attempt(&other), Err(refusal.clone()));
    }
    scene.attempt(&bare("other").attached("two")).unwrap();
}

/// Where the container's name is all there is, it says nothing of a container on another node.
#[test]
fn a_container_of_the_same_name_on_another_node_is_another_one() {
    let mut scene = standalone();
    let pod = ordinal("db-0").uid("one").attached("one");
    scene.attempt(&pod).unwrap();
    let elsewhere = ordinal("db-0").uid("one").on("a-2").attached("one");
    let refusal = Refusal::WaitingFor {
        pod: "db-0".into(),
        uid: "one".into(),
        ip: a(1),
    };
    assert_eq!(scene.attempt(&elsewhere), Err(refusal));
    let known = ordinal("db-1").uid("a uid").attached("two");
    let ip = scene.attempt(&known).unwrap();
    let moved = ordinal("db-1").uid("a uid").on("a-2").attached("two");
    assert_eq!(scene.attempt(&moved), Ok(ip));
}
