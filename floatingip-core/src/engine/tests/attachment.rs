//! Container interfaces: one CNI ADD after the other.

use std::collections::BTreeSet;

use super::scene::{Scene, a, bare, ordinal};
use crate::engine::Settings;
use crate::name::Name;
use crate::record::Attachment;
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
    let plan = scene
        .engine
        .plan_gc(&node, &network, &valid, &scene.world, scene.now);
    scene.settle(plan);
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
    assert_eq!(scene.engine.due_detachments(), []);
    scene.settle(open.plan);
    assert_eq!(scene.engine.due_detachments(), std::slice::from_ref(&ended));
    detach(&mut scene, &ended);
    assert!(scene.engine.is_empty());
}
