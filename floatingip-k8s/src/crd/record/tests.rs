use std::time::Duration;

use floatingip_core::owner::{App, Pod, Slot, Tenant};
use floatingip_core::record::PlanId;
use floatingip_core::testing::fixture::{pod, record};
use proptest::option;
use proptest::prelude::*;

use super::*;

#[test]
fn an_owner_that_the_key_can_say_is_said_by_the_key_alone() {
    let web = pod("web-0").of_statefulset("web").in_pool("blue");
    let written = encode_record(&record(web.owner())).spec;
    assert_eq!(written.key, "pool__blue_sts_default_web_web-0");
    assert_eq!(written.exact_owner, None);
}

#[test]
fn an_owner_that_the_key_cannot_say_is_written_in_full_until_the_key_is_changed() {
    let nameless = pod("once").of_job("sum").with_uid("").on_node("").owner();
    let mut written = encode_record(&record(nameless.clone()));
    assert!(written.spec.exact_owner.is_some());
    assert_eq!(written.record().unwrap().owner, nameless);

    written.spec.key = "sts_default_web_web-0".to_owned();
    let changed = written.record().unwrap().owner;
    assert_eq!(changed.app().unwrap().name, "web");
}

#[test]
fn the_plan_of_another_software_is_no_plan_of_ours() {
    let mut written = encode_record(&record(pod("web").owner()));
    written.spec.plan = Some("by hand".to_owned());
    assert_eq!(written.record().unwrap().plan, None);
}

#[test]
fn a_record_that_makes_no_sense_is_an_administrators_and_says_why() {
    let mut written = encode_record(&record(pod("web").owner()));
    written.spec.policy = 3;
    let fault = written.record().unwrap_err();
    assert!(fault.to_string().contains("`3`"), "{fault}");
    let held = written.held();
    assert_eq!(
        held.owner,
        Owner::Administrator("NULL_default_NULL_web".into())
    );
    assert_eq!(held.policy, ReleasePolicy::Never);
}

#[test]
fn a_mark_without_an_end_is_a_fault() {
    let marked = Record {
        mark: Some(floatingip_core::testing::fixture::mark(MarkKind::Rest)),
        ..record(pod("web").owner())
    };
    let mut written = encode_record(&marked);
    let mark = written.spec.mark.as_mut().unwrap();
    mark.lasts = "ten minutes".to_owned();
    assert!(matches!(written.record(), Err(RecordFault::Lasts { .. })));
    let mark = written.spec.mark.as_mut().unwrap();
    mark.until = "soon".to_owned();
    assert!(matches!(written.record(), Err(RecordFault::Until { .. })));
}

fn name() -> impl Strategy<Value = Name> {
    prop_oneof![
        "[a-z0-9]([a-z0-9.-]{0,6}[a-z0-9])?",
        ".{0,5}",
        "[_%A-Z-]{0,4}"
    ]
    .prop_map(Name::from)
}

fn slot() -> impl Strategy<Value = Slot> {
    prop_oneof![
        Just(Slot::Any),
        any::<u64>().prop_map(Slot::Ordinal),
        name().prop_map(Slot::Node),
        name().prop_map(Slot::Pod),
        name().prop_map(Slot::Once),
    ]
}

fn app() -> impl Strategy<Value = App> {
    let kind = prop_oneof![
        "statefulset",
        "deployment",
        "replicaset",
        "daemonset",
        "[a-z]{1,4}"
    ];
    (name(), kind, name(), option::of(name())).prop_map(|(group, kind, name, uid)| App {
        group,
        kind: Name::from(kind),
        name,
        uid,
    })
}

fn owner() -> impl Strategy<Value = Owner> {
    let pool = || "[a-z_]{1,5}".prop_map(|text| text.parse().unwrap());
    let pod = (name(), name(), name()).prop_map(|(name, uid, node)| Pod { name, uid, node });
    let tenant = (
        name(),
        option::of(app()),
        slot(),
        option::of(pool()),
        option::of(pod),
    );
    let tenant = tenant.prop_map(|(namespace, app, slot, pool, pod)| Tenant {
        namespace,
        app,
        slot,
        pool,
        pod,
    });
    prop_oneof![
        6 => tenant.prop_map(Owner::Slot),
        1 => pool().prop_map(Owner::Pool),
        1 => name().prop_map(Owner::Administrator),
        1 => Just(Owner::Nobody),
    ]
}

fn mark() -> impl Strategy<Value = Mark> {
    let kind = prop_oneof![Just(MarkKind::Quarantine), Just(MarkKind::Rest)];
    let lasts = (any::<u64>(), 0..1_000_000_000_u32).prop_map(|(s, n)| Duration::new(s, n));
    let mac = option::of("[0-9a-f:]{17}");
    (kind, ".{0,9}", mac, option::of(name()), any::<u64>(), lasts).prop_map(
        |(kind, reason, mac, node, until, lasts)| Mark {
            kind,
            reason,
            mac,
            node,
            until: WallTime::from_nanos(until),
            lasts,
        },
    )
}

fn attachments() -> impl Strategy<Value = Attachment> {
    (name(), name(), name(), name()).prop_map(|(node, network, container, interface)| Attachment {
        node,
        network,
        container,
        interface,
    })
}

fn records() -> impl Strategy<Value = Record> {
    let plan = (any::<u64>(), any::<u64>()).prop_map(|(incarnation, serial)| PlanId {
        incarnation,
        serial,
    });
    let policy = (0..3_u8).prop_map(|code| ReleasePolicy::try_from(code).unwrap());
    let parts = (
        owner(),
        policy,
        any::<u64>(),
        option::of(mark()),
        option::of(attachments()),
        option::of(plan),
    );
    parts.prop_map(|(owner, policy, nanos, mark, attachment, plan)| Record {
        owner,
        policy,
        updated_at: WallTime::from_nanos(nanos),
        mark,
        attachment,
        plan,
    })
}

proptest! {
    #[test]
    fn every_record_survives_its_object(record in records()) {
        let written = encode_record(&record);
        let text = serde_json::to_string(&written.spec).unwrap();
        let read = EncodedRecord { spec: serde_json::from_str(&text).unwrap(), ..written };
        prop_assert_eq!(read.record(), Ok(record));
    }
}
