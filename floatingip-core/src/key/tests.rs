use proptest::option;
use proptest::prelude::*;

use super::*;

const LIVE: &str = r#"{"NodeName":"a-2","Uid":"u1"}"#;
const EMPTY: &str = r#"{"NodeName":"","Uid":""}"#;

/// A record as galaxy wrote it.
fn legacy(key: &str, attribute: &str) -> Owner {
    decode(&EncodedOwner {
        key: key.into(),
        attribute: attribute.into(),
        ..EncodedOwner::default()
    })
}

fn app(group: &str, kind: &str, name: &str) -> Option<App> {
    Some(App {
        group: group.into(),
        kind: kind.into(),
        name: name.into(),
        uid: None,
    })
}

fn pod(name: &str) -> Option<Pod> {
    Some(Pod {
        name: name.into(),
        uid: "u1".into(),
        node: "a-2".into(),
    })
}

fn tenant(app: Option<App>, slot: Slot, pod: Option<Pod>) -> Tenant {
    Tenant {
        namespace: "ns".into(),
        app,
        slot,
        pool: None,
        pod,
    }
}

fn pooled(pool: &str, tenant: Tenant) -> Owner {
    Owner::Slot(Tenant {
        pool: Some(pool.parse().unwrap()),
        ..tenant
    })
}

fn administrator(key: &str) -> Owner {
    Owner::Administrator(key.into())
}

#[test]
fn the_keys_of_galaxy_are_read_with_a_pod() {
    let sts = app("apps", "statefulset", "web");
    let dp = app("apps", "deployment", "web");
    let tapp = app("", "tapp", "web");
    let rs = app("apps", "replicaset", "web");
    let ds = app("apps", "daemonset", "web");
    for (key, app, slot, name) in [
        (
            "sts_ns_web_web-10",
            sts.clone(),
            Slot::Ordinal(10),
            "web-10",
        ),
        (
            "sts_ns_web_web-24567",
            sts.clone(),
            Slot::Ordinal(24567),
            "web-24567",
        ),
        (
            "sts_ns_web_web-01",
            sts.clone(),
            Slot::Pod("web-01".into()),
            "web-01",
        ),
        ("sts_ns_web_other", sts, Slot::Pod("other".into()), "other"),
        ("dp_ns_web_web-x7k2p", dp, Slot::Any, "web-x7k2p"),
        ("tapp_ns_web_web-3", tapp.clone(), Slot::Ordinal(3), "web-3"),
        (
            "tapp_ns_web_web-x",
            tapp.clone(),
            Slot::Pod("web-x".into()),
            "web-x",
        ),
        (
            "tapp_ns_web_web-24567",
            tapp,
            Slot::Pod("web-24567".into()),
            "web-24567",
        ),
        ("replicaset_ns_web_web-x", rs, Slot::Any, "web-x"),
        (
            "daemonset_ns_web_web-x",
            ds,
            Slot::Node("a-2".into()),
            "web-x",
        ),
        ("NULL_ns_NULL_p", None, Slot::Pod("p".into()), "p"),
    ] {
        let expected = Owner::Slot(tenant(app, slot, pod(name)));
        assert_eq!(legacy(key, LIVE), expected, "{key}");
    }
}

#[test]
fn the_keys_of_galaxy_are_read_in_reserve() {
    let sts = app("apps", "statefulset", "web");
    for (key, app, slot) in [
        ("sts_ns_web_web-0", sts, Slot::Ordinal(0)),
        ("dp_ns_web_", app("apps", "deployment", "web"), Slot::Any),
        (
            "tapp_ns_web_web-3",
            app("", "tapp", "web"),
            Slot::Ordinal(3),
        ),
        ("tapp_ns_web_", app("", "tapp", "web"), Slot::Any),
        (
            "daemonset_ns_web_n.1",
            app("apps", "daemonset", "web"),
            Slot::Node("n.1".into()),
        ),
        ("NULL_ns_NULL_p", None, Slot::Pod("p".into())),
    ] {
        let expected = Owner::Slot(tenant(app, slot, None));
        for attribute in [EMPTY, "", "{}"] {
            assert_eq!(legacy(key, attribute), expected, "{key}");
        }
    }
}

#[test]
fn a_deployments_pod_without_attribute_is_no_reserve_for_its_siblings() {
    let owner = legacy("dp_ns_web_web-x7k2p", EMPTY);
    let found = owner
        .pod()
        .expect("another pod would take the address at once");
    assert_eq!(
        (&*found.name, &*found.uid, &*found.node),
        ("web-x7k2p", "", "")
    );
}

#[test]
fn a_pod_of_unknown_uid_on_a_node_is_live() {
    let owner = legacy("sts_ns_web_web-0", r#"{"NodeName":"a-2"}"#);
    assert_eq!(owner.pod().map(|pod| pod.uid.as_str()), Some(""));
}

#[test]
fn pools_with_a_common_beginning_differ() {
    let deployment = || tenant(app("apps", "deployment", "web"), Slot::Any, pod("web-x"));
    for pool in ["a", "a_b", "a_", "_", "pool__a", "dp_ns_web", "蓝"] {
        let key = format!("pool__{pool}_dp_ns_web_web-x");
        assert_eq!(legacy(&key, LIVE), pooled(pool, deployment()), "{key}");
        let key = format!("pool__{pool}_");
        assert_eq!(
            legacy(&key, EMPTY),
            Owner::Pool(pool.parse().unwrap()),
            "{key}"
        );
    }
}

#[test]
fn slots_of_other_kinds_keep_their_own_in_a_pool() {
    let bare = tenant(None, Slot::Pod("p".into()), None);
    assert_eq!(
        legacy("pool__a_b_NULL_ns_NULL_p", EMPTY),
        pooled("a_b", bare)
    );
    let web = tenant(app("apps", "statefulset", "web"), Slot::Ordinal(1), None);
    assert_eq!(
        legacy("pool__a_b_sts_ns_web_web-1", EMPTY),
        pooled("a_b", web)
    );
}

#[test]
fn a_key_in_a_pool_that_ends_in_an_underscore_is_the_pools_own() {
    let owner = legacy("pool__a_dp_ns_web_", EMPTY);
    assert_eq!(owner, Owner::Pool("a_dp_ns_web".parse().unwrap()));
}

#[test]
fn what_cannot_be_read_is_never_given_away() {
    let long = format!("pool__{}_", "x".repeat(64));
    for key in [
        "",
        "_",
        "___",
        "____",
        "web",
        "kept for the printer",
        "sts_ns_web",
        "sts_ns_web_x_web-0",
        "sts__web_web-0",
        "sts_ns__web-0",
        "_ns_web_web-0",
        "sts_ns_web_",
        "NULL_ns_web_p",
        "NULL_ns_NULL_",
        "pool__",
        "pool___",
        "pool__a",
        "pool__dp_ns_web_web-x",
        "pool__a b_",
        "pool__a_ns_web_web-x",
        "sts_ns_web_%5",
        "sts_ns_web_%zz",
        "sts_ns_web_%é",
        "dp_%F0_web_x",
        &long,
    ] {
        assert_eq!(legacy(key, LIVE), administrator(key), "{key}");
    }
}

#[test]
fn an_attribute_that_cannot_be_read_tells_nothing_about_the_pod() {
    for attribute in ["x", "{", "7", r#"{"NodeName":1}"#, r#"{"Uid":null}"#] {
        let owner = legacy("sts_ns_web_web-0", attribute);
        assert_eq!(owner, administrator("sts_ns_web_web-0"), "{attribute}");
    }
}

#[test]
fn the_label_reserved_beats_every_key() {
    for key in ["sts_ns_web_web-0", "pool__a_", "nobody", "printer"] {
        let stored = encode(&administrator(key));
        assert!(stored.reserved && stored.key == key);
        assert_eq!(decode(&stored), administrator(key));
    }
}

#[test]
fn a_nobody_that_lost_a_field_is_an_administrators() {
    let stored = encode(&Owner::Nobody);
    assert!(stored.reserved, "galaxy has to leave the address alone");
    let without_form = EncodedOwner {
        form: None,
        ..stored.clone()
    };
    let without_label = EncodedOwner {
        reserved: false,
        ..stored
    };
    assert_eq!(decode(&without_form), administrator("nobody"));
    assert_eq!(decode(&without_label), administrator("nobody"));
}

#[test]
fn keys_are_written_as_galaxy_writes_them() {
    let sts = app("apps", "statefulset", "web");
    let dp = app("apps", "deployment", "web");
    let ds = app("apps", "daemonset", "web");
    let tapp = app("tkestack.io", "tapp", "web");
    for (tenant, key, attribute) in [
        (
            tenant(sts.clone(), Slot::Ordinal(0), pod("web-0")),
            "sts_ns_web_web-0",
            LIVE,
        ),
        (
            tenant(sts, Slot::Ordinal(0), None),
            "sts_ns_web_web-0",
            EMPTY,
        ),
        (
            tenant(dp.clone(), Slot::Any, pod("web-x")),
            "dp_ns_web_web-x",
            LIVE,
        ),
        (tenant(dp, Slot::Any, None), "dp_ns_web_", EMPTY),
        (
            tenant(ds.clone(), Slot::Node("a-2".into()), pod("web-x")),
            "daemonset_ns_web_web-x",
            LIVE,
        ),
        (
            tenant(ds, Slot::Node("a-2".into()), None),
            "daemonset_ns_web_a-2",
            EMPTY,
        ),
        (
            tenant(tapp, Slot::Ordinal(7), None),
            "tapp_ns_web_web-7",
            EMPTY,
        ),
        (
            tenant(None, Slot::Pod("p".into()), pod("p")),
            "NULL_ns_NULL_p",
            LIVE,
        ),
    ] {
        let stored = encode(&Owner::Slot(tenant.clone()));
        assert_eq!(
            (stored.key.as_str(), stored.attribute.as_str()),
            (key, attribute)
        );
        let stored = encode(&pooled("a_b", tenant));
        let in_pool = if key.ends_with('_') { "" } else { key };
        assert_eq!(stored.key, format!("pool__a_b_{in_pool}"));
    }
}

#[test]
fn same_named_kinds_of_different_groups_are_told_apart() {
    let kruise = tenant(
        app("apps.kruise.io", "statefulset", "web"),
        Slot::Ordinal(0),
        None,
    );
    let stored = encode(&Owner::Slot(kruise.clone()));
    assert_eq!(stored.key, "sts_ns_web_web-0");
    assert_eq!(decode(&stored), Owner::Slot(kruise));
}

#[test]
fn a_key_that_somebody_edited_wins_over_the_form() {
    let web = tenant(app("apps", "statefulset", "web"), Slot::Ordinal(0), None);
    let mut stored = encode(&Owner::Slot(web));
    let slot = |stored: &EncodedOwner| decode(stored).tenant().unwrap().slot.clone();
    stored.key = "sts_ns_web_web-4".into();
    assert_eq!(slot(&stored), Slot::Ordinal(4));
    stored.key = "sts_ns_web_db-4".into();
    assert_eq!(slot(&stored), Slot::Pod("db-4".into()));
}

#[test]
fn app_types_are_the_kinds() {
    let web = Owner::Slot(tenant(app("apps", "deployment", "web"), Slot::Any, None));
    assert!(is_deployment(&web) && app_type(&web) == "deployment");
    assert!(!is_deployment(&Owner::Nobody) && app_type(&Owner::Nobody).is_empty());
    for kind in ["deployment", "deployments", "Deployment", "DEPLOYMENTS"] {
        assert_eq!(kind_of(kind), Some("deployment".into()));
    }
    assert_eq!(kind_of("replicaset"), Some("replicaset".into()));
}

/// Names as Kubernetes allows them, some that look like parts of a key, and some from outside.
fn name() -> impl Strategy<Value = Name> {
    prop_oneof![
        6 => "[a-z0-9]([a-z0-9.-]{0,20}[a-z0-9])?",
        1 => "(dp|sts|pool|pool__|NULL|nobody|statefulset|null|%|_|%5F|%73ts)?",
        1 => "[a-z_%.é -]{0,6}",
    ]
    .prop_map(Name::from)
}

fn pool_name() -> impl Strategy<Value = PoolName> {
    prop_oneof![
        "[!-~]{1,63}",
        "a(_b)?_?",
        "(pool__|NULL_|_){1,3}",
        "(dp|sts)_[a-z]_[a-z](_[a-z]?)?",
        "[é蓝_]{1,63}",
    ]
    .prop_map(|text| text.parse().unwrap())
}

fn any_app() -> impl Strategy<Value = App> {
    let known = prop::sample::select(vec![
        ("apps", "statefulset"),
        ("apps.kruise.io", "statefulset"),
        ("apps", "deployment"),
        ("apps", "replicaset"),
        ("apps", "daemonset"),
        ("tkestack.io", "tapp"),
        ("batch", "job"),
        ("", ""),
    ])
    .prop_map(|(group, kind)| (Name::from(group), Name::from(kind)));
    (
        prop_oneof![3 => known, 1 => (name(), name())],
        name(),
        option::of(name()),
    )
        .prop_map(|((group, kind), name, uid)| App {
            group,
            kind,
            name,
            uid,
        })
}

/// A slot that fits a pod of this app, name and node, and the pod's name.
fn fitting(app: &Option<App>, pod: Name, node: &Name, ordinal: u64, which: u8) -> (Slot, Name) {
    let base = app.as_ref().map_or("", |app| &app.name);
    match which {
        0 if app.is_some() => (Slot::Any, pod),
        1 => (
            Slot::Ordinal(ordinal),
            Name::from(format!("{base}-{ordinal}")),
        ),
        2 if !node.is_empty() => (Slot::Node(node.clone()), pod),
        3 => (Slot::Once(pod.clone()), pod),
        _ => (Slot::Pod(pod.clone()), pod),
    }
}

prop_compose! {
    fn any_tenant()(
        namespace in name(),
        app in option::of(any_app()),
        pool in option::of(pool_name()),
        (name, node) in (name(), name()),
        uid in "[0-9a-f-]{1,36}",
        ordinal in prop_oneof![0..12u64, Just(24567), any::<u64>()],
        which in 0..5u8,
        live: bool,
    ) -> Tenant {
        let (slot, name) = fitting(&app, name, &node, ordinal, which);
        let uid = Name::from(uid);
        let pod = live.then_some(Pod { name, uid, node });
        Tenant { namespace, app, slot, pool, pod }
    }
}

fn any_owner() -> impl Strategy<Value = Owner> {
    prop_oneof![
        8 => any_tenant().prop_map(|tenant| match tenant {
            Tenant { slot: Slot::Any, pool: Some(pool), pod: None, .. } => Owner::Pool(pool),
            tenant => Owner::Slot(tenant),
        }),
        1 => pool_name().prop_map(Owner::Pool),
        1 => any_tenant().prop_map(|tenant| {
            Owner::Administrator(encode(&Owner::Slot(tenant)).key.into())
        }),
        1 => name().prop_map(Owner::Administrator),
        1 => Just(Owner::Nobody),
    ]
}

proptest! {
    #[test]
    fn every_owner_survives_its_record(owner in any_owner()) {
        let stored = encode(&owner);
        prop_assert_eq!(decode(&stored), owner, "{:?}", stored);
    }

    #[test]
    fn any_text_is_read_and_what_is_read_is_stable(
        key in "(pool__)?[a-z%_N-]{0,24}_?",
        attribute in prop::sample::select(vec![LIVE, EMPTY, "", "x", r#"{"NodeName":"a-2"}"#]),
    ) {
        let owner = legacy(&key, attribute);
        prop_assert_eq!(decode(&encode(&owner)), owner);
    }

    #[test]
    fn without_the_extensions_no_record_changes_app_or_pool(tenant in any_tenant()) {
        let owner = Owner::Slot(tenant);
        let stored = encode(&owner);
        let read = legacy(&stored.key, &stored.attribute);
        prop_assert_eq!(read.pool(), owner.pool());
        if let (Some(read), Some(written)) = (read.tenant(), owner.tenant()) {
            prop_assert_eq!(&read.namespace, &written.namespace);
            prop_assert_eq!(
                read.app.as_ref().map(|app| (&app.kind, &app.name)),
                written.app.as_ref().map(|app| (&app.kind, &app.name))
            );
        }
    }
}
