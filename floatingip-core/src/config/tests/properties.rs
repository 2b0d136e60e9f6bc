use proptest::prelude::*;
use serde_json::{Value, json};

use super::{SEED, entry, strict};
use crate::config::{Config, Strictness};
use crate::range::{IpRange, RangeSet};

/// Documents that are nearly right: good pieces, bad pieces, at random places.
fn any_entry() -> impl Strategy<Value = Value> {
    let text = prop::sample::select(vec![
        "10.0.70.0/24",
        "10.0.70.0/25",
        "10.0.71.0/30",
        "10.0.70.1",
        "10.0.70.126",
        "10.0.70.127",
        "10.0.70.2~10.0.70.9",
        "10.0.70.8/29",
        "10.0.70.200~10.0.70.255",
        "10.0.0.0/8",
        "10.0.71.1",
        "255.255.255.254/31",
        "255.255.255.255",
        "0.0.0.0/0",
        "::/0",
        "fd00::/64",
        "fd00::1",
        "fd00::~fd00::ff",
        "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
        "x",
        "",
    ]);
    let list = prop::collection::vec(text.clone(), 0..3);
    (
        list.clone(),
        text.clone(),
        text,
        list,
        0_u64..5000,
        any::<bool>(),
    )
        .prop_map(|(ips, subnet, gateway, exclude, vlan, disabled)| {
            json!({"nodeSubnets": ["10.0.0.0/8"], "ips": ips, "subnet": subnet, "gateway": gateway,
                   "exclude": exclude, "vlan": vlan.saturating_sub(4000), "disabled": disabled})
        })
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,12}".prop_map(Value::from),
        any_entry(),
    ];
    let name = prop_oneof![
        prop::sample::select(vec!["ips", "subnet", "gateway", "vlan", "exclude"])
            .prop_map(str::to_owned),
        ".{0,8}",
    ];
    leaf.prop_recursive(4, 32, 5, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::btree_map(name.clone(), inner, 0..5)
                .prop_map(|fields| fields.into_iter().collect::<Value>()),
        ]
    })
}

fn check_accepted(config: &Config) {
    let subnets = config.topology().subnets();
    let mut all = RangeSet::new();
    for subnet in subnets {
        let net = RangeSet::from(IpRange::from_net(subnet.net()));
        assert!(subnet.usable().is_subset(subnet.configured()));
        assert!(subnet.configured().is_subset(&net));
        assert!(subnet.usable().is_disjoint(subnet.excluded()));
        assert!(subnet.configured().is_disjoint(&all));
        assert!(
            subnets
                .iter()
                .all(|other| !subnet.usable().contains(other.gateway()))
        );
        assert!(subnet.net().contains(&subnet.gateway()));
        all = all.union(subnet.configured());
    }
    assert_eq!(config.topology().configured(), all);
    assert!(
        config
            .warnings()
            .iter()
            .all(|warning| !warning.to_string().is_empty())
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn prop_what_is_accepted_keeps_the_rules(entries in prop::collection::vec(any_entry(), 1..4)) {
        if let Ok(config) = strict(&Value::from(entries)) {
            check_accepted(&config);
        }
    }
}

/// Entry number `number` lies in its own part of 10.0.70.0/24, so that most documents are good.
fn good_entry(number: u8) -> impl Strategy<Value = Value> {
    let part = (0..64_u8, 0..64_u8);
    let part = part.prop_map(move |(a, b)| {
        let at = |offset: u8| format!("10.0.70.{}", number * 64 + offset);
        format!("{}~{}", at(a.min(b)), at(a.max(b)))
    });
    (part.clone(), part, 1..255_u8).prop_map(|(ips, exclude, gateway)| {
        entry(json!({"ips": [ips], "exclude": [exclude], "gateway": format!("10.0.70.{gateway}")}))
    })
}

proptest! {
    #[test]
    fn prop_good_documents_are_accepted(entries in (good_entry(0), good_entry(1), good_entry(3))) {
        let (a, b, c) = entries;
        let config = strict(&json!([a, b, c])).unwrap();
        check_accepted(&config);
    }

    #[test]
    fn prop_any_json_is_accepted_or_refused_with_printable_faults(value in any_json()) {
        for document in [value.clone(), json!([value])] {
            for strictness in [Strictness::Strict, Strictness::GalaxyCompat] {
                match Config::parse(&document.to_string(), strictness) {
                    Ok(config) => check_accepted(&config),
                    Err(faults) => {
                        prop_assert!(faults.iter().count() > 0);
                        prop_assert!(faults.iter().all(|fault| !fault.to_string().is_empty()));
                    }
                }
            }
        }
    }

    #[test]
    fn prop_any_text_is_read_without_panic(text in "[\\[\\]{}\",:0-9a-z~./ ]{0,40}") {
        let _ = Config::parse(&text, Strictness::Strict);
        let _ = Config::parse(&format!("{SEED}{text}"), Strictness::GalaxyCompat);
    }
}
