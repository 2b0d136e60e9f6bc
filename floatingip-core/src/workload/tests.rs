use proptest::prelude::*;

use super::*;

fn controller(group: &str, kind: &str, name: &str, scales: bool) -> Controller {
    Controller {
        group: group.into(),
        kind: kind.into(),
        name: name.into(),
        uid: "u1".into(),
        scales,
    }
}

fn made_by(group: &str, kind: &str, name: &str, scales: bool) -> Workload {
    let controller = controller(group, kind, name, scales);
    Workload::of(Some(&controller), &Fact::Unknown).unwrap()
}

fn through_replica_set(name: &str, above: Option<Controller>) -> Workload {
    let replica_set = controller("apps", "ReplicaSet", name, true);
    Workload::of(Some(&replica_set), &Fact::Known(above)).unwrap()
}

fn app(workload: &Workload) -> (&str, &str, &str) {
    let app = workload.app().unwrap();
    (&app.group, &app.kind, &app.name)
}

#[test]
fn the_top_owner_of_a_replica_set_is_the_app() {
    let deployment = controller("apps", "Deployment", "cache", true);
    let rollout = controller("argoproj.io", "Rollout", "cache", true);
    let made = |top| through_replica_set("cache-a-69fd8dbc5c", Some(top));
    assert_eq!(app(&made(deployment)), ("apps", "deployment", "cache"));
    assert_eq!(app(&made(rollout)), ("argoproj.io", "rollout", "cache"));
}

#[test]
fn a_bare_replica_set_is_its_own_app_and_no_name_is_cut_at_a_dash() {
    for name in ["cache-a", "cache", "-"] {
        let workload = through_replica_set(name, None);
        assert_eq!(app(&workload), ("apps", "replicaset", name));
        assert_eq!(workload.slot_rule("cache-a-x7k2p"), Ok(SlotRule::Any));
    }
}

#[test]
fn an_owner_that_does_not_scale_leaves_its_replica_set_the_app() {
    let operator = controller("example.org", "Stack", "s", false);
    let workload = through_replica_set("cache-a", Some(operator));
    assert_eq!(app(&workload), ("apps", "replicaset", "cache-a"));
}

#[test]
fn a_replica_set_whose_owner_nobody_can_tell_is_no_app() {
    let replica_set = controller("apps", "ReplicaSet", "cache-a", true);
    for above in [Fact::Unknown, Fact::Gone] {
        let error = Workload::of(Some(&replica_set), &above).unwrap_err();
        assert!(error.to_string().contains("cache-a"), "{error}");
    }
}

#[test]
fn a_replica_set_of_another_group_is_no_built_in_one() {
    let workload = made_by("example.org", "ReplicaSet", "cache", false);
    assert!(matches!(workload, Workload::Other(_)));
}

#[test]
fn sixty_three_character_names_need_no_matching_pod_name() {
    let long = "d".repeat(63);
    let top = controller("apps", "Deployment", &long, true);
    let workload = through_replica_set(&format!("{long}-69fd8dbc5c"), Some(top));
    assert_eq!(app(&workload).2, long);
    let pod = format!("{}48p74", &long[..58]);
    assert_eq!(workload.slot_rule(&pod), Ok(SlotRule::Any));
}

#[test]
fn a_stateful_set_counts_its_pods() {
    let web = made_by("apps", "StatefulSet", "web-1", true);
    assert_eq!(web.slot_rule("web-1-0"), Ok(SlotRule::Ordinal(0)));
    assert_eq!(web.slot_rule("web-1-24567"), Ok(SlotRule::Ordinal(24567)));
    let last = format!("web-1-{}", u64::MAX);
    assert_eq!(web.slot_rule(&last), Ok(SlotRule::Ordinal(u64::MAX)));
    for stranger in [
        "web-1",
        "web-10",
        "web-1-",
        "web-1-00",
        "web-1-01",
        "web-1-+1",
        "web-1--1",
        "web-1-x",
        "web-1-18446744073709551616",
        "web-1-0-0",
        "Web-1-0",
        "",
    ] {
        let error = web.slot_rule(stranger).unwrap_err();
        assert!(error.to_string().contains("`web-1-N`"), "{error}");
    }
}

#[test]
fn other_scalable_kinds_count_their_pods_or_do_not() {
    let tapp = made_by("tkestack.io", "TApp", "web", true);
    assert_eq!(app(&tapp), ("tkestack.io", "tapp", "web"));
    assert_eq!(tapp.slot_rule("web-12"), Ok(SlotRule::Ordinal(12)));
    assert_eq!(tapp.slot_rule("web-13245"), Ok(SlotRule::Ordinal(13245)));
    assert_eq!(tapp.slot_rule("web-x7k2p"), Ok(SlotRule::Any));
}

#[test]
fn a_random_suffix_of_digits_alone_is_no_ordinal() {
    let clone_set = made_by("apps.kruise.io", "CloneSet", "web", true);
    for pod in ["web-24567", "web-22222", "web-99999"] {
        assert_eq!(clone_set.slot_rule(pod), Ok(SlotRule::Any), "{pod}");
    }
}

#[test]
fn the_stateful_set_of_another_group_is_another_app() {
    let kruise = made_by("apps.kruise.io", "StatefulSet", "web", true);
    let built_in = made_by("apps", "StatefulSet", "web", true);
    assert_ne!(app(&kruise), app(&built_in));
    assert_eq!(kruise.slot_rule("web-0"), built_in.slot_rule("web-0"));
}

#[test]
fn a_daemon_set_has_a_slot_on_each_node() {
    let rule = made_by("apps", "DaemonSet", "agent", false).slot_rule("agent-x7k2p");
    assert_eq!(rule, Ok(SlotRule::Node));
    let on_node = rule.unwrap().on(Some("node-1.example.org"));
    assert_eq!(on_node, Some(Slot::Node("node-1.example.org".into())));
}

#[test]
fn bare_pods_keep_their_name_and_jobs_nothing() {
    assert_eq!(Workload::of(None, &Fact::Unknown), Ok(Workload::Bare));
    let slot = |workload: &Workload| workload.slot_rule("p-0").unwrap().on(None).unwrap();
    assert_eq!(slot(&Workload::Bare), Slot::Pod("p-0".into()));
    let job = made_by("batch", "Job", "p", false);
    assert_eq!(slot(&job), Slot::Once("p-0".into()));
}

#[test]
fn a_policy_holds_as_annotated_where_there_is_a_slot() {
    for (group, kind) in [
        ("apps", "StatefulSet"),
        ("apps", "DaemonSet"),
        ("apps", "Deployment"),
        ("tkestack.io", "TApp"),
    ] {
        let workload = made_by(group, kind, "web", true);
        for policy in ReleasePolicy::ALL {
            assert_eq!(workload.effective_policy(policy, None), Ok(policy));
        }
    }
}

#[test]
fn a_pool_makes_every_workload_never() {
    let pool = "blue".parse().unwrap();
    let job = made_by("batch", "Job", "j", false);
    let web = made_by("apps", "StatefulSet", "web", true);
    for workload in [job, web, Workload::Bare] {
        for policy in ReleasePolicy::ALL {
            let effective = workload.effective_policy(policy, Some(&pool));
            assert_eq!(effective, Ok(ReleasePolicy::Never));
        }
    }
}

#[test]
fn a_job_cannot_keep_an_address_and_is_told_what_to_do() {
    let job = made_by("batch", "Job", "j", false);
    let policy = |annotated| job.effective_policy(annotated, None);
    assert_eq!(
        policy(ReleasePolicy::PodDelete),
        Ok(ReleasePolicy::PodDelete)
    );
    for sticky in [ReleasePolicy::Immutable, ReleasePolicy::Never] {
        let text = policy(sticky).unwrap_err().to_string();
        assert!(
            text.contains(&sticky.to_string()) && text.contains("remove"),
            "{text}"
        );
    }
}

#[test]
fn immutable_is_never_for_a_bare_pod() {
    let policy = |annotated| Workload::Bare.effective_policy(annotated, None);
    assert_eq!(policy(ReleasePolicy::Immutable), Ok(ReleasePolicy::Never));
    assert_eq!(
        policy(ReleasePolicy::PodDelete),
        Ok(ReleasePolicy::PodDelete)
    );
}

proptest! {
    #[test]
    fn an_ordinal_survives_its_pod_name(app in "[a-z0-9]([a-z0-9-]{0,20}[a-z0-9])?", n: u64) {
        prop_assert_eq!(ordinal(&app, &format!("{app}-{n}")), Some(n));
        prop_assert_eq!(ordinal(&app, &format!("{app}-0{n}")), None);
        prop_assert_eq!(ordinal(&app, &format!("{app}{n}")), None);
    }
}
