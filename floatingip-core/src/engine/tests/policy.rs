//! The table of policies, workload by workload.

use super::scene::{Scene, a, bare, daemon, job, ordinal, replica};
use crate::fact::{Fact, Slots};
use crate::name::Name;
use crate::owner::{Owner, Slot};
use crate::policy::ReleasePolicy;
use crate::request::{PodRequest, RequestError};
use crate::testing::fixture::pool;

#[test]
fn without_a_policy_every_address_is_freed_when_its_pod_ends() {
    let askers = [
        replica("web-x"),
        ordinal("db-0"),
        daemon("agent-x", "a-1"),
        bare("solo"),
        job("job-x"),
    ];
    for asker in askers {
        let mut scene = Scene::two_subnets();
        let ip = scene.allocate(&asker);
        assert_eq!(scene.holder(ip), Some(asker.pod().uid));
        scene.end(&asker);
        assert!(scene.is_free(ip), "{asker:?}");
    }
}

#[test]
fn never_keeps_the_address_and_the_next_pod_of_the_slot_gets_it_back() {
    let cases = [
        (replica("web-x"), replica("web-y")),
        (ordinal("db-0"), ordinal("db-0").uid("next")),
        (daemon("agent-x", "a-1"), daemon("agent-y", "a-1")),
        (bare("solo"), bare("solo").uid("next")),
    ];
    for (former, next) in cases {
        let mut scene = Scene::two_subnets();
        let ip = scene.allocate(&former.clone().never());
        if former.tenant().app.is_some() {
            scene.app_gone(&former);
        }
        scene.end(&former);
        scene.sweep();
        assert!(scene.is_kept(ip), "{former:?}");
        if former.tenant().app.is_some() {
            scene.app_is(&former, Slots::Count(1));
        }
        assert_eq!(scene.allocate(&next.never()), ip);
    }
}

#[test]
fn a_deployment_keeps_immutable_addresses_and_frees_the_surplus() {
    let mut scene = Scene::two_subnets();
    let pods = ["web-x", "web-y", "web-z"].map(|name| replica(name).immutable());
    scene.app_is(&pods[0], Slots::Count(3));
    let ips = pods.each_ref().map(|pod| scene.allocate(pod));
    scene.end(&pods[0]);
    assert!(scene.is_kept(ips[0]), "for the pod that takes its place");
    scene.scale(&pods[0], 2);
    assert!(scene.is_free(ips[0]), "reserved ones go first");
    scene.app_is(&pods[0], Slots::Count(1));
    scene.end(&pods[1]);
    assert!(scene.is_free(ips[1]), "no slot for it any more");
    scene.end(&pods[2]);
    assert!(scene.is_kept(ips[2]));
}

#[test]
fn a_bare_replica_set_is_an_app_like_any_other() {
    let of = |name| {
        replica(name)
            .of("apps", "replicaset", "cache-a", Slot::Any)
            .immutable()
    };
    let mut scene = Scene::two_subnets();
    scene.app_is(&of("x"), Slots::Count(1));
    let ip = scene.allocate(&of("x"));
    scene.end(&of("x"));
    let other = replica("y")
        .of("apps", "replicaset", "cache", Slot::Any)
        .immutable();
    assert_ne!(scene.allocate(&other), ip, "`cache-a` is not `cache`");
    assert_eq!(scene.allocate(&of("z")), ip);
}

#[test]
fn an_app_that_goes_frees_also_what_no_pod_has_at_that_moment() {
    let mut scene = Scene::two_subnets();
    let (first, second) = (replica("web-x").immutable(), replica("web-y").immutable());
    scene.app_is(&first, Slots::Count(2));
    let (reserved, used) = (scene.allocate(&first), scene.allocate(&second));
    scene.end(&first);
    scene.app_gone(&first);
    scene.app_changed(&first);
    assert!(scene.is_free(reserved), "freed by the event");
    assert_eq!(scene.holder(used), Some(second.pod().uid));
    scene.end(&second);
    assert!(scene.is_free(used));
}

#[test]
fn a_missed_end_of_an_app_is_found_by_the_sweep() {
    let mut scene = Scene::two_subnets();
    let pod = ordinal("db-0").immutable();
    scene.app_is(&pod, Slots::Count(1));
    let ip = scene.allocate(&pod);
    scene.end(&pod);
    scene.app_gone(&pod);
    scene.sweep();
    assert!(scene.is_free(ip));
}

#[test]
fn an_ordinal_keeps_its_address_while_its_app_has_the_ordinal() {
    let mut scene = Scene::two_subnets();
    let pods = ["db-5", "db-6"].map(|name| ordinal(name).immutable());
    scene.app_is(&pods[0], Slots::Ordinals { start: 5, count: 2 });
    let ips = pods.each_ref().map(|pod| scene.allocate(pod));
    scene.end(&pods[0]);
    scene.end(&pods[1]);
    scene.app_changed(&pods[0]);
    assert!(ips.iter().all(|ip| scene.is_kept(*ip)));
    scene.app_is(&pods[0], Slots::Ordinals { start: 6, count: 1 });
    scene.app_changed(&pods[0]);
    assert!(scene.is_free(ips[0]) && scene.is_kept(ips[1]));
}

#[test]
fn scaled_to_zero_and_back_an_immutable_app_starts_anew_and_a_never_app_does_not() {
    for (policy, kept) in [
        (ReleasePolicy::Immutable, false),
        (ReleasePolicy::Never, true),
    ] {
        let mut scene = Scene::two_subnets();
        let pod = ordinal("db-1").policy(policy);
        scene.app_is(&pod, Slots::Ordinals { start: 0, count: 2 });
        let ip = scene.allocate(&pod);
        scene.scale(&pod, 0);
        assert_eq!(
            scene.holder(ip),
            Some(pod.pod().uid),
            "not while the pod lives"
        );
        scene.end(&pod);
        assert_eq!(scene.is_kept(ip), kept);
        scene.scale(&pod, 2);
        let again = scene.allocate(&pod.uid("next"));
        assert_eq!(again == ip, kept);
    }
}

#[test]
fn ordinal_1_is_not_ordinal_10_and_kinds_of_other_groups_are_other_apps() {
    let mut scene = Scene::two_subnets();
    let one = ordinal("db-1").never();
    let ip = scene.allocate(&one);
    scene.end(&one);
    assert_ne!(scene.allocate(&ordinal("db-10").never()), ip);
    let kruise = ordinal("db-1").of("apps.kruise.io", "statefulset", "db", Slot::Ordinal(1));
    assert_ne!(scene.allocate(&kruise.uid("kruise").never()), ip);
    assert_eq!(scene.allocate(&one.uid("next")), ip);
}

#[test]
fn a_daemon_sets_address_stays_while_the_daemon_set_and_its_node_exist() {
    let mut scene = Scene::two_subnets();
    let pod = daemon("agent-x", "a-1").immutable();
    scene.app_is(&pod, Slots::EveryNode);
    let ip = scene.allocate(&pod);
    scene.end(&pod);
    scene.sweep();
    assert!(scene.is_kept(ip), "nobody can tell about the node");
    assert_ne!(scene.allocate(&daemon("agent-y", "a-2").immutable()), ip);
    scene.world.nodes.insert(Name::from("a-1"), Fact::Gone);
    scene.app_changed(&pod);
    assert!(scene.is_free(ip));
}

#[test]
fn an_immutable_bare_pod_is_kept_for_its_name() {
    let mut scene = Scene::two_subnets();
    let pod = bare("solo").immutable();
    let ip = scene.allocate(&pod);
    scene.end(&pod);
    scene.sweep();
    assert_ne!(scene.allocate(&bare("duo").immutable()), ip);
    assert_eq!(scene.allocate(&pod.uid("next")), ip);
}

#[test]
fn a_job_cannot_keep_anything_but_in_a_pool() {
    let asked = |job: super::scene::Asker, policy| PodRequest::new(job.tenant(), job.pod(), policy);
    for policy in [ReleasePolicy::Immutable, ReleasePolicy::Never] {
        let refused = asked(job("job-x"), policy);
        assert_eq!(refused, Err(RequestError::NothingToKeepFor { policy }));
    }
    let pooled = asked(job("job-x").in_pool("blue"), ReleasePolicy::PodDelete);
    assert_eq!(
        pooled.map(|request| request.policy()),
        Ok(ReleasePolicy::Never)
    );
}

#[test]
fn pods_without_an_identity_share_what_their_pool_has() {
    let mut scene = Scene::two_subnets();
    let worker = job("job-x").in_pool("blue");
    let ip = scene.allocate(&worker);
    scene.end(&worker);
    assert_eq!(
        scene.record(ip).map(|r| &r.owner),
        Some(&Owner::Pool(pool("blue")))
    );
    assert_eq!(scene.allocate(&replica("web-x").in_pool("blue")), ip);
}

#[test]
fn an_ordinal_in_a_pool_keeps_its_own_address_against_the_others() {
    let mut scene = Scene::two_subnets();
    let own = ordinal("db-0").in_pool("blue");
    let ip = scene.allocate(&own);
    scene.end(&own);
    assert_ne!(scene.allocate(&replica("web-x").in_pool("blue")), ip);
    assert_eq!(scene.allocate(&own.uid("next")), ip);
    assert_eq!(scene.pool_total("blue"), 2, "both count in the pool");
}

#[test]
fn a_finished_pod_that_is_not_deleted_gives_its_address_back_once() {
    let mut scene = Scene::of(&[super::scene::subnet_a("10.0.0.1")]);
    let pod = replica("web-x");
    let ip = scene.allocate(&pod);
    scene.finish(&pod);
    scene.end_late(&pod);
    assert!(scene.is_free(ip));
    let next = replica("web-y");
    assert_eq!(scene.allocate(&next), ip);
    scene.end(&pod);
    scene.sweep();
    assert_eq!(
        scene.holder(ip),
        Some(next.pod().uid),
        "its deletion changes nothing"
    );
}

#[test]
fn an_app_made_again_frees_what_its_former_self_kept_and_no_new_pod_has() {
    let mut scene = Scene::two_subnets();
    let pods = ["db-0", "db-1"].map(|name| ordinal(name).immutable());
    scene.app_is(&pods[0], Slots::Count(2));
    let ips = pods.each_ref().map(|pod| scene.allocate(pod));
    pods.iter().for_each(|pod| scene.end(pod));
    let new = pods[0].clone().of_new_app().uid("next");
    scene.app_is(&new, Slots::Count(2));
    assert_eq!(
        scene.allocate(&new),
        ips[0],
        "taken over before it was freed"
    );
    scene.app_changed(&new);
    assert_eq!(scene.holder(ips[0]), Some(new.pod().uid));
    assert!(scene.is_free(ips[1]));
}

#[test]
fn another_policy_on_a_live_app_holds_from_the_next_pod_on() {
    let mut scene = Scene::two_subnets();
    let pod = ordinal("db-0").never();
    let ip = scene.allocate(&pod);
    scene.end(&pod);
    let next = ordinal("db-0").uid("next");
    assert_eq!(
        scene.allocate(&next),
        ip,
        "the slot's own address, whatever the policy"
    );
    scene.end(&next);
    assert!(scene.is_free(ip));
    assert!(scene.engine.is_empty(), "nothing leaks");
}

#[test]
fn another_pool_on_a_live_app_takes_the_addresses_along() {
    let mut scene = Scene::two_subnets();
    let pod = ordinal("db-0").in_pool("blue");
    let ip = scene.allocate(&pod);
    scene.end(&pod);
    let next = ordinal("db-0").uid("next").in_pool("green");
    assert_eq!(scene.allocate(&next), ip);
    assert_eq!(
        (scene.pool_total("blue"), scene.pool_total("green")),
        (0, 1)
    );
    scene.end(&next);
    let out = ordinal("db-0").uid("last");
    assert_eq!(scene.allocate(&out), ip);
    scene.end(&out);
    assert!(scene.engine.is_empty(), "nothing leaks");
}

#[test]
fn a_deployments_former_reserve_is_used_up_when_it_enters_a_pool() {
    let mut scene = Scene::two_subnets();
    let pod = replica("web-x").never();
    let ip = scene.allocate(&pod);
    scene.end(&pod);
    assert_eq!(scene.allocate(&replica("web-y").in_pool("blue")), ip);
    assert_eq!(scene.engine.len(), 1, "nothing doubles");
}

#[test]
fn an_unknown_app_frees_nothing() {
    let mut scene = Scene::two_subnets();
    let pods = ["web-x", "web-y"].map(|name| replica(name).immutable());
    scene.app_is(&pods[0], Slots::Count(2));
    let ips = pods.each_ref().map(|pod| scene.allocate(pod));
    scene.app_unknown(&pods[0]);
    pods.iter().for_each(|pod| scene.end(pod));
    scene.app_changed(&pods[0]);
    scene.sweep();
    assert!(ips.iter().all(|ip| scene.is_kept(*ip)));
}

#[test]
fn unknown_pods_and_nodes_free_nothing() {
    let mut scene = Scene::two_subnets();
    let pod = replica("web-x");
    let ip = scene.allocate(&pod);
    scene.world.pods.clear();
    scene.wait(10_000);
    scene.sweep();
    assert_eq!(scene.holder(ip), Some(pod.pod().uid));
    assert_eq!(ip, a(1));
}
