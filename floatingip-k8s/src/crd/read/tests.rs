use floatingip_core::ReleasePolicy;
use floatingip_core::key::Form;
use floatingip_core::owner::Slot;
use floatingip_core::testing::fixture::{pod, pool};

use super::*;

macro_rules! golden {
    ($name:literal) => {
        include_str!(concat!("../../../tests/golden/crd/", $name, ".json"))
    };
}

fn record(json: &str) -> Record {
    let found = read_floating_ip(json).unwrap();
    assert!(found.fault.is_none(), "{found:?}");
    match found.value {
        Value::Address(record) => record,
        Value::Pool(_) => panic!("no address"),
    }
}

#[test]
fn the_address_of_a_running_pod_of_galaxy_reads_as_it_is() {
    let found = read_floating_ip(golden!("galaxy-running")).unwrap();
    assert_eq!(found.target, Target::Address("10.0.70.70".parse().unwrap()));
    assert_eq!(found.version, Version(4711));
    assert_eq!(found.uid, "6f1c3c52-0000-4000-8000-000000000001");

    let running = record(golden!("galaxy-running"));
    let owner = pod("web-0").of_statefulset("web").owner();
    assert_eq!(running.owner.app(), owner.app());
    assert_eq!(running.owner.tenant().unwrap().slot, Slot::Ordinal(0));
    let pod = running.owner.pod().unwrap();
    assert_eq!((pod.node.as_str(), pod.name.as_str()), ("a-2", "web-0"));
    assert_eq!(pod.uid, "a2d0f2c4-0000-4000-8000-000000000002");
    assert_eq!(running.policy, ReleasePolicy::Immutable);
    assert_eq!(running.updated_at.as_nanos(), 1_700_000_000_000_000_000);
    assert_eq!(
        (running.plan, running.mark, running.attachment),
        (None, None, None)
    );
}

#[test]
fn what_galaxy_keeps_for_apps_and_pools_reads_as_reserve() {
    let reserved = record(golden!("galaxy-reserved"));
    assert!(reserved.is_reserve() && reserved.policy == ReleasePolicy::Never);
    assert_eq!(reserved.owner.app().unwrap().kind, "deployment");
    let pooled = record(golden!("galaxy-pool"));
    assert_eq!(pooled.owner, Owner::Pool(pool("blue_green")));
    let live = record(golden!("galaxy-pooled"));
    assert_eq!(live.owner.pool(), Some(&pool("blue_green")));
    assert_eq!(live.owner.pod().unwrap().name, "web-5d-x1");
}

#[test]
fn what_galaxys_administrators_reserved_is_given_to_nobody() {
    let reserved = record(golden!("galaxy-administrator"));
    assert_eq!(
        reserved.owner,
        Owner::Administrator("router of rack 7".into())
    );
}

#[test]
fn a_bare_pod_of_galaxy_has_its_own_name_as_its_slot() {
    let bare = record(golden!("galaxy-bare"));
    assert_eq!(bare.owner.tenant().unwrap().slot, Slot::Pod("debug".into()));
    assert_eq!(bare.owner.app(), None);
}

#[test]
fn a_pool_of_galaxy_that_was_never_filled_by_us_is_owed_addresses() {
    let found = read_pool(golden!("galaxy-sized-pool")).unwrap();
    assert_eq!(found.target, Target::Pool(pool("blue")));
    let expected = PoolRecord {
        size: 8,
        pre_allocate: true,
        owed: true,
        plan: None,
    };
    assert_eq!(
        (found.version, found.value),
        (Version(4712), Value::Pool(expected))
    );
}

fn address(spec: &str) -> String {
    format!(r#"{{"metadata":{{"name":"10.0.0.7","resourceVersion":"7"}},"spec":{spec}}}"#)
}

#[test]
fn an_object_that_makes_no_sense_is_never_given_away() {
    let bad = [
        r#"{"key":"sts_default_web_web-0","attribute":"","policy":7}"#,
        r#"{"key":"sts_default_web_web-0","policy":"never"}"#,
        r#"{"key":"sts_default_web_web-0","mark":{"kind":"rest","until":"x","lasts":"1s"}}"#,
        r#"{"key":"sts_default_web_web-0","mark":{"kind":"curse"}}"#,
        r#"{"key":"sts_default_web_web-0","form":"odd"}"#,
        r#"{"key":"some words"}"#,
        r#"{"key":7}"#,
        "{}",
        "[]",
        "null",
    ];
    for spec in bad {
        let found = read_floating_ip(&address(spec)).unwrap();
        let Value::Address(record) = &found.value else {
            panic!("no address");
        };
        assert!(matches!(record.owner, Owner::Administrator(_)), "{spec}");
        assert!(found.fault.is_some(), "{spec}");
        assert_eq!(found.version, Version(7));
    }
}

#[test]
fn what_is_no_address_is_passed_over_by_name() {
    let router = r#"{"metadata":{"name":"router","resourceVersion":"7"},"spec":{"key":"x"}}"#;
    let unreadable = read_floating_ip(router).unwrap_err();
    assert_eq!(unreadable.name, "router");
    assert!(matches!(unreadable.fault, Fault::Name), "{unreadable}");
    let odd = r#"{"metadata":{"name":"10.0.0.7","resourceVersion":true}}"#;
    assert_eq!(read_floating_ip(odd).unwrap_err().name, "10.0.0.7");
    assert_eq!(read_floating_ip("nonsense").unwrap_err().name, "");
    let versionless = r#"{"metadata":{"name":"10.0.0.7","resourceVersion":"now"}}"#;
    let unreadable = read_floating_ip(versionless).unwrap_err();
    assert!(matches!(unreadable.fault, Fault::Version { .. }));
}

#[test]
fn the_label_reserved_wins_over_the_key_whatever_its_value() {
    let reserved = r#"{"metadata":{"name":"10.0.0.7","resourceVersion":"7","labels":{"a":"b","reserved":""}},
        "spec":{"key":"sts_default_web_web-0","attribute":"","policy":0}}"#;
    assert_eq!(
        record(reserved).owner,
        Owner::Administrator("sts_default_web_web-0".into())
    );
    let plain = reserved.replace("\"reserved\"", "\"other\"");
    assert!(record(&plain).is_reserve());
    let none = reserved.replace(r#"{"a":"b","reserved":""}"#, "null");
    assert!(record(&none).is_reserve());
}

#[test]
fn the_form_says_what_a_key_alone_does_not() {
    let once = r#"{"key":"job_default_sum_sum-x1","attribute":"{\"NodeName\":\"a\",\"Uid\":\"u\"}","form":"once"}"#;
    let once = record(&address(once));
    assert_eq!(
        once.owner.tenant().unwrap().slot,
        Slot::Once("sum-x1".into())
    );
    assert_eq!(serde_json::to_string(&Form::Once).unwrap(), "\"once\"");
}

fn sized(size: &str, notes: &str) -> Result<PoolRecord, Unreadable> {
    let json = format!(
        r#"{{"metadata":{{"name":"blue","resourceVersion":"7","annotations":{notes}}},"size":{size},"preAllocateIP":true}}"#
    );
    read_pool(&json).map(|found| match found.value {
        Value::Pool(record) => record,
        Value::Address(_) => panic!("no pool"),
    })
}

#[test]
fn a_pool_is_owed_addresses_until_its_present_size_was_reached() {
    use crate::annotation::{FILLED, PLAN};
    let filled = |size: &str| format!(r#"{{"{FILLED}":"{size}","{PLAN}":"a-1"}}"#);
    let reached = sized("8", &filled("8")).unwrap();
    assert!(!reached.owed);
    assert_eq!(reached.plan, Some("a-1".parse().unwrap()));
    assert!(sized("9", &filled("8")).unwrap().owed, "changed since");
    assert!(sized("8", "{}").unwrap().owed);
    assert!(sized("8", "null").unwrap().owed);
}

#[test]
fn a_pool_of_an_impossible_size_is_passed_over() {
    for size in ["-1", "2147483648"] {
        let unreadable = sized(size, "{}").unwrap_err();
        assert!(
            matches!(unreadable.fault, Fault::Size { .. }),
            "{unreadable}"
        );
        assert_eq!(unreadable.name, "blue");
    }
    assert_eq!(sized("null", "{}").unwrap().size, 0);
}
