use std::net::IpAddr;

use serde_json::{Value, json};

use super::*;
use crate::range::{IpRange, RangeError};
use crate::topology::{Reserved, VlanError, VlanId};

mod properties;

const SEED: &str = r#"[{"routableSubnet":"10.0.0.0/16","ips":["10.0.70.2~10.0.70.241"],"subnet":"10.0.70.0/24","gateway":"10.0.70.1","vlan":2}]"#;

/// A good entry with some fields replaced; `null` takes a field out.
fn entry(changes: Value) -> Value {
    let mut entry = json!({
        "nodeSubnets": ["10.0.0.0/16"],
        "ips": ["10.0.70.2~10.0.70.241"],
        "subnet": "10.0.70.0/24",
        "gateway": "10.0.70.1",
    });
    let Value::Object(changes) = changes else {
        panic!("changes are fields");
    };
    entry.as_object_mut().unwrap().extend(changes);
    entry
        .as_object_mut()
        .unwrap()
        .retain(|_, value| !value.is_null());
    entry
}

fn strict(document: &Value) -> Result<Config, Faults> {
    Config::parse(&document.to_string(), Strictness::Strict)
}

fn accepted(changes: Value) -> Config {
    strict(&json!([entry(changes)])).unwrap_or_else(|faults| panic!("{faults}"))
}

/// The faults of a text, as place and kind.
fn faults_in(text: &str) -> Vec<(String, FaultKind)> {
    let faults = Config::parse(text, Strictness::Strict).expect_err(text);
    faults
        .iter()
        .map(|fault| (fault.place.to_string(), fault.kind.clone()))
        .collect()
}

fn faults(changes: Value) -> Vec<(String, FaultKind)> {
    faults_in(&json!([entry(changes)]).to_string())
}

/// The only fault of one entry.
#[track_caller]
fn fault(changes: Value) -> (String, FaultKind) {
    let mut faults = faults(changes);
    assert_eq!(faults.len(), 1, "{faults:?}");
    faults.remove(0)
}

#[track_caller]
fn assert_fault(changes: Value, place: &str, kind: FaultKind) {
    assert_eq!(fault(changes), (place.to_owned(), kind));
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn range(text: &str) -> IpRange {
    text.parse().unwrap()
}

fn net(text: &str) -> ipnet::IpNet {
    text.parse().unwrap()
}

fn warnings(config: &Config) -> Vec<String> {
    config.warnings().iter().map(Warning::to_string).collect()
}

#[test]
fn the_documented_line_is_read_as_it_stands() {
    for strictness in [Strictness::Strict, Strictness::GalaxyCompat] {
        let config = Config::parse(SEED, strictness).unwrap();
        assert_eq!(config.warnings(), []);
        let [subnet] = config.topology().subnets() else {
            panic!("one entry, one subnet");
        };
        assert_eq!(subnet.node_subnets(), [net("10.0.0.0/16")]);
        assert_eq!(
            subnet.configured().ranges(),
            [range("10.0.70.2~10.0.70.241")]
        );
        assert_eq!(subnet.usable(), subnet.configured());
        assert_eq!(subnet.net(), net("10.0.70.0/24"));
        assert_eq!(subnet.gateway(), ip("10.0.70.1"));
        assert_eq!(subnet.vlan().get(), 2);
        assert!(!subnet.disabled() && subnet.excluded().is_empty());
    }
}

#[test]
fn documents_that_say_nothing_are_faults() {
    let document = |kind| vec![("document".to_owned(), kind)];
    for blank in ["", " ", "\n\t"] {
        assert_eq!(faults_in(blank), document(FaultKind::EmptyDocument));
    }
    assert_eq!(faults_in("[]"), document(FaultKind::NoEntries));
    for (text, found) in [
        ("null", JsonType::Null),
        ("true", JsonType::Boolean),
        ("0", JsonType::Number),
        ("-1.5", JsonType::Number),
        ("\"\"", JsonType::String),
        ("{}", JsonType::Object),
    ] {
        assert_eq!(faults_in(text), document(FaultKind::NotAList { found }));
    }
}

#[test]
fn broken_trailing_and_deeply_nested_json_is_a_fault_with_its_place() {
    let deep = "[".repeat(100_000);
    let trailing = format!("{SEED} x");
    for text in [
        "[",
        "[{]",
        "[{}],",
        "'[]'",
        "[{\"vlan\":1e999}]",
        &deep,
        &trailing,
    ] {
        let faults = faults_in(text);
        assert!(
            matches!(&faults[..], [(_, FaultKind::Syntax { message })] if message.contains("line 1")),
            "{faults:?}"
        );
    }
}

#[test]
fn entries_that_are_no_objects_are_faults_each() {
    let places: Vec<_> = faults_in(r#"[null, [], "x", 1]"#);
    let expected = [
        JsonType::Null,
        JsonType::List,
        JsonType::String,
        JsonType::Number,
    ];
    assert_eq!(places.len(), expected.len());
    for (number, ((place, kind), type_)) in places.iter().zip(expected).enumerate() {
        assert_eq!(place, &format!("[{number}]"));
        assert!(matches!(kind, FaultKind::WrongType { found, .. } if *found == type_));
    }
}

#[test]
fn every_field_refuses_values_of_another_type() {
    for (name, value, found) in [
        ("nodeSubnets", json!("10.0.0.0/16"), JsonType::String),
        ("ips", json!("10.0.70.2"), JsonType::String),
        ("subnet", json!(10), JsonType::Number),
        ("gateway", json!(["10.0.70.1"]), JsonType::List),
        ("vlan", json!("2"), JsonType::String),
        ("exclude", json!({}), JsonType::Object),
        ("disabled", json!("true"), JsonType::String),
    ] {
        let (place, kind) = fault(json!({ name: value }));
        assert_eq!(place, format!("[0].{name}"));
        assert!(
            matches!(kind, FaultKind::WrongType { found: f, .. } if f == found),
            "{kind}"
        );
    }
    let (place, kind) = fault(json!({"ips": ["10.0.70.2", null]}));
    assert_eq!(place, "[0].ips[1]");
    assert!(matches!(
        kind,
        FaultKind::WrongType {
            found: JsonType::Null,
            ..
        }
    ));
    let (place, _) = fault(json!({"nodeSubnets": ["10.0.0.0/16", 1]}));
    assert_eq!(place, "[0].nodeSubnets[1]");
}

#[test]
fn null_is_not_the_same_as_leaving_a_field_out() {
    let text = SEED.replace("\"vlan\":2", "\"vlan\":null");
    let faults = faults_in(&text);
    assert!(matches!(
        &faults[..],
        [(place, FaultKind::WrongType { found: JsonType::Null, .. })] if place == "[0].vlan"
    ));
}

#[test]
fn missing_and_empty_fields_are_faults() {
    for name in ["nodeSubnets", "ips", "subnet", "gateway"] {
        let (place, kind) = fault(json!({ name: null }));
        assert_eq!(place, format!("[0].{name}"));
        assert!(matches!(kind, FaultKind::Missing { .. }), "{kind}");
    }
    for name in ["nodeSubnets", "ips"] {
        let (place, kind) = fault(json!({ name: [] }));
        assert_eq!(place, format!("[0].{name}"));
        assert!(matches!(kind, FaultKind::EmptyList { .. }), "{kind}");
    }
    assert_eq!(faults_in("[{}]").len(), 4);
}

#[test]
fn unknown_fields_are_faults_with_a_suggestion() {
    let unknown = |suggestion| FaultKind::UnknownField { suggestion };
    assert_fault(json!({"gatway": 1}), "[0].gatway", unknown(Some("gateway")));
    assert_fault(json!({"Vlan": 2}), "[0].Vlan", unknown(Some("vlan")));
    assert_fault(json!({"no te": 2}), "[0][\"no te\"]", unknown(None));
}

#[test]
fn galaxy_mode_warns_where_galaxy_looks_away() {
    let text = json!([entry(json!({
        "comment": "x", "gatewayy": "y", "subnet": "10.0.70.5/24",
        "ips": null, "IPs": ["10.0.70.2"],
    }))]);
    let config = Config::parse(&text.to_string(), Strictness::GalaxyCompat).unwrap();
    assert_eq!(
        warnings(&config),
        [
            "[0].IPs: is read as `ips`, write it so",
            "[0].comment: is an unknown field, ignored",
            "[0].gatewayy: is an unknown field, ignored: did you mean `gateway`?",
            "[0].subnet: has host bits, read as `10.0.70.0/24`",
        ]
    );
    assert_eq!(config.topology().subnets()[0].net(), net("10.0.70.0/24"));
    assert_eq!(strict(&text).unwrap_err().iter().count(), 5);
}

#[test]
fn galaxy_mode_still_refuses_what_is_wrong() {
    let text = SEED.replace("10.0.70.1\"", "10.0.71.1\"");
    assert!(Config::parse(&text, Strictness::GalaxyCompat).is_err());
    let text = SEED.replace("\"vlan\"", "\"Gateway\":\"10.0.70.1\",\"vlan\"");
    assert!(
        Config::parse(&text, Strictness::GalaxyCompat).is_err(),
        "twice the same field"
    );
}

#[test]
fn duplicate_fields_are_told_once_and_never_lost() {
    let text = SEED.replace("\"vlan\":2", "\"vlan\":2,\"vlan\":3,\"vlan\":4");
    let expected = vec![("[0].vlan".to_owned(), FaultKind::DuplicateField)];
    assert_eq!(faults_in(&text), expected);
}

#[test]
fn the_two_forms_of_node_subnets_agree_or_are_a_fault() {
    let both = json!({"routableSubnet": "10.0.0.0/16", "nodeSubnets": ["10.1.0.0/16", "10.0.0.0/16", "10.1.0.0/16"]});
    let config = accepted(both);
    let expected = [net("10.0.0.0/16"), net("10.1.0.0/16")];
    assert_eq!(config.topology().subnets()[0].node_subnets(), expected);

    let found = net("10.2.0.0/16");
    assert_fault(
        json!({"routableSubnet": "10.2.0.0/16"}),
        "[0].routableSubnet",
        FaultKind::NodeSubnetsDisagree { found },
    );
}

#[test]
fn networks_are_read_strictly() {
    for text in [
        "",
        "10.0.0.0",
        "x/8",
        "10.0.0.0~10.0.0.9",
        "10.0.0.0/16~10.0.0.9",
    ] {
        for name in ["subnet", "routableSubnet"] {
            let changes = json!({"nodeSubnets": null, "routableSubnet": "10.0.0.0/16", name: text});
            let kind = FaultKind::NotANetwork {
                text: text.to_owned(),
            };
            assert_fault(changes, &format!("[0].{name}"), kind);
        }
    }
    for text in [
        "10.0.0.0/33",
        "10.0.0.0/08",
        "10.0.0.0/+8",
        "010.0.0.0/8",
        "::ffff:10.0.0.0/104",
    ] {
        let (place, kind) = fault(json!({"nodeSubnets": [text]}));
        assert_eq!(place, "[0].nodeSubnets[0]");
        assert!(matches!(kind, FaultKind::Range(_)), "{kind}");
    }
    let (_, kind) = fault(json!({"subnet": "10.0.70.5/24"}));
    assert!(
        matches!(kind, FaultKind::Range(RangeError::HostBits { .. })),
        "{kind}"
    );
}

#[test]
fn ranges_that_cannot_be_read_are_faults_at_their_place() {
    for text in [
        "",
        "10.0.70.9~10.0.70.2",
        "10.0.70.2~fd00::1",
        "a~b~c",
        "10.0.70.010",
        "x",
    ] {
        for name in ["ips", "exclude"] {
            let (place, kind) = fault(json!({ name: ["10.0.70.200", text] }));
            assert_eq!(place, format!("[0].{name}[1]"));
            assert!(matches!(kind, FaultKind::Range(_)), "{kind}");
        }
    }
}

#[test]
fn one_entry_has_one_family() {
    let subnet = net("10.0.70.0/24");
    let found = range("fd00::2");
    let other = FaultKind::OtherFamily { found, subnet };
    assert_fault(json!({"ips": ["fd00::2"]}), "[0].ips[0]", other.clone());
    assert_fault(
        json!({"exclude": ["fd00::2"]}),
        "[0].exclude[0]",
        other.clone(),
    );
    assert_fault(json!({"gateway": "fd00::2"}), "[0].gateway", other);
    accepted(json!({"nodeSubnets": ["fd00::/64"]}));
}

#[test]
fn ranges_outside_the_subnet_are_faults_even_in_part() {
    let subnet = net("10.0.70.0/24");
    for text in [
        "10.0.71.2",
        "10.0.69.255~10.0.70.2",
        "10.0.70.2~10.0.71.0",
        "10.0.0.0/8",
    ] {
        let range = range(text);
        let kind = FaultKind::OutsideSubnet { range, subnet };
        assert_fault(json!({"ips": [text]}), "[0].ips[0]", kind);
    }
}

#[test]
fn overlaps_are_found_within_an_entry_and_across_entries() {
    let overlap = |place: &str, here, other, other_place| {
        let (range, other) = (range(here), range(other));
        (
            place.to_owned(),
            FaultKind::Overlap {
                range,
                other,
                other_place,
            },
        )
    };
    let wide = "10.0.70.2~10.0.70.200";
    let first = Place::entry(0).field("ips").item(0);
    assert_eq!(
        faults(json!({"ips": [wide, "10.0.70.9", "10.0.70.200~10.0.70.201", "10.0.70.202"]})),
        [
            overlap("[0].ips[1]", "10.0.70.9", wide, first.clone()),
            overlap("[0].ips[2]", "10.0.70.200~10.0.70.201", wide, first),
        ]
    );
    let two = json!([
        entry(json!({"ips": ["10.0.70.9"]})),
        entry(json!({"ips": ["10.0.70.8/30"]}))
    ]);
    let second = Place::entry(1).field("ips").item(0);
    assert_eq!(
        faults_in(&two.to_string()),
        [overlap("[0].ips[0]", "10.0.70.9", "10.0.70.8/30", second)]
    );
}

#[test]
fn adjacent_and_unsorted_ranges_are_merged() {
    let config =
        accepted(json!({"ips": ["10.0.70.8~10.0.70.9", "10.0.70.2~10.0.70.7", "10.0.70.20"]}));
    let merged = [range("10.0.70.2~10.0.70.9"), range("10.0.70.20")];
    assert_eq!(config.topology().subnets()[0].configured().ranges(), merged);
    assert_eq!(config.warnings(), []);
}

#[test]
fn entries_may_share_a_subnet_with_different_ranges() {
    let config = strict(&json!([
        entry(json!({"ips": ["10.0.70.2~10.0.70.9"]})),
        entry(json!({"ips": ["10.0.70.10~10.0.70.19"], "gateway": "10.0.70.3"})),
    ]))
    .unwrap();
    let [first, second] = config.topology().subnets() else {
        panic!("two entries")
    };
    assert_eq!(second.usable().size(), 10);
    assert!(
        !first.usable().contains(ip("10.0.70.3")),
        "the neighbours' gateway"
    );
    assert_eq!(
        warnings(&config),
        ["[0].ips[0]: 10.0.70.3 is the gateway of 10.0.70.0/24 and will not be handed out"]
    );
}

#[test]
fn an_address_that_is_reserved_twice_is_called_the_gateway() {
    let config = strict(&json!([
        entry(json!({"ips": ["10.0.70.126~10.0.70.128"], "gateway": "10.0.70.127"})),
        entry(json!({"ips": ["10.0.70.2"], "subnet": "10.0.70.0/25"})),
    ]))
    .unwrap();
    assert_eq!(
        warnings(&config),
        ["[0].ips[0]: 10.0.70.127 is the gateway of 10.0.70.0/24 and will not be handed out"]
    );
}

#[test]
fn the_gateway_is_a_usable_address_of_the_subnet() {
    let at = "[0].gateway";
    let subnet = net("10.0.70.0/24");
    for text in ["10.0.71.1", "10.0.69.255"] {
        let gateway = ip(text);
        assert_fault(
            json!({"gateway": text}),
            at,
            FaultKind::GatewayOutside { gateway, subnet },
        );
    }
    for (text, role) in [
        ("10.0.70.0", Reserved::Network),
        ("10.0.70.255", Reserved::Broadcast),
    ] {
        let gateway = ip(text);
        let kind = FaultKind::GatewayReserved {
            gateway,
            role,
            subnet,
        };
        assert_fault(json!({"gateway": text}), at, kind);
    }
    let gateway = ip("10.0.71.0");
    let changes = json!({"subnet": "10.0.0.0/16", "gateway": "10.0.71.0"});
    assert_fault(changes, at, FaultKind::GatewayEndsInZero { gateway });
    for text in ["", "x", "10.0.70.1/24", "10.0.70.1~10.0.70.1", "10.0.70"] {
        let kind = FaultKind::NotAnAddress {
            text: text.to_owned(),
        };
        assert_fault(json!({"gateway": text}), at, kind);
    }
    let (_, kind) = fault(json!({"gateway": "::ffff:10.0.70.1"}));
    assert!(
        matches!(kind, FaultKind::Range(RangeError::Mapped { .. })),
        "{kind}"
    );
}

#[test]
fn vlans_are_whole_numbers_up_to_4094() {
    for (vlan, number) in [
        (json!(0), 0),
        (json!(null), 0),
        (json!(1), 1),
        (json!(4094), 4094),
    ] {
        let config = accepted(json!({"vlan": vlan}));
        let expected = VlanId::try_from(number).unwrap();
        assert_eq!(config.topology().subnets()[0].vlan(), expected);
    }
    for text in ["4095", "-1", "1.5", "2.0", "18446744073709551615"] {
        let wrong = faults_in(&SEED.replace("\"vlan\":2", &format!("\"vlan\":{text}")));
        let found = text.to_owned();
        let kind = FaultKind::Vlan(VlanError { found });
        assert_eq!(wrong, [("[0].vlan".to_owned(), kind)]);
    }
}

#[test]
fn reserved_and_excluded_addresses_are_never_usable() {
    let config =
        accepted(json!({"ips": ["10.0.70.0/24"], "exclude": ["10.0.70.8/29", "10.0.71.1"]}));
    let subnet = &config.topology().subnets()[0];
    assert_eq!(subnet.configured().size(), 256);
    assert_eq!(
        subnet.usable().to_string(),
        "10.0.70.2~10.0.70.7,10.0.70.16~10.0.70.254"
    );
    assert_eq!(
        warnings(&config),
        [
            "[0].exclude[1]: 10.0.71.1 is not in the ips of this entry: nothing is excluded by it",
            "[0].ips[0]: 10.0.70.0 is the network address of 10.0.70.0/24 and will not be handed out",
            "[0].ips[0]: 10.0.70.1 is the gateway of 10.0.70.0/24 and will not be handed out",
            "[0].ips[0]: 10.0.70.255 is the broadcast address of 10.0.70.0/24 and will not be handed out",
        ]
    );
}

#[test]
fn an_entry_with_nothing_to_hand_out_is_accepted_with_a_warning() {
    let config = accepted(json!({"exclude": ["10.0.70.0/24"], "ips": ["10.0.70.2"]}));
    assert!(warnings(&config).contains(
        &"[0]: has no address to hand out, add ranges to ips or shorten exclude".to_owned()
    ));
}

#[test]
fn the_smallest_networks_have_no_network_or_broadcast_address() {
    for (subnet, gateway, usable) in [
        ("10.0.0.2/31", "10.0.0.2", "10.0.0.3"),
        ("10.0.0.3/32", "10.0.0.3", ""),
        ("10.0.0.4/30", "10.0.0.5", "10.0.0.6"),
        ("fd00::/127", "fd00::1", "fd00::"),
        ("fd00::7/128", "fd00::7", ""),
        ("fd00::4/126", "fd00::5", "fd00::6~fd00::7"),
    ] {
        let config = accepted(json!({"subnet": subnet, "ips": [subnet], "gateway": gateway}));
        assert_eq!(
            config.topology().subnets()[0].usable().to_string(),
            usable,
            "{subnet}"
        );
    }
}

#[test]
fn huge_networks_cost_no_more_than_small_ones() {
    for (subnet, gateway, size) in [
        ("10.0.0.0/8", "10.0.0.1", (1 << 24) - 3),
        ("0.0.0.0/0", "10.0.0.1", (1 << 32) - 3),
        ("fd00::/64", "fd00::1", (1 << 64) - 2),
        ("::/0", "fd00::1", u128::MAX - 1),
    ] {
        let config = accepted(json!({"subnet": subnet, "ips": [subnet], "gateway": gateway}));
        let usable = config.topology().subnets()[0].usable();
        assert_eq!(usable.size(), size, "{subnet}");
        assert!(usable.ranges().len() <= 2);
    }
}

#[test]
fn all_faults_are_told_at_once_each_on_its_line() {
    let document = json!([
        null,
        {"ips": ["10.0.70.9~10.0.70.2", "10.0.71.1"], "subnet": "10.0.70.0/24",
         "gateway": "10.0.72.1", "vlan": 4095, "gatway": 1},
        entry(json!({"exclude": ["x"], "disabled": 1})),
        entry(json!({"ips": ["10.0.70.2"]})),
    ]);
    let faults = strict(&document).unwrap_err();
    assert_eq!(
        faults.to_string(),
        "\
[0]: is null, write an object with ips, subnet, gateway and nodeSubnets
[1].gatway: is an unknown field, did you mean `gateway`?
[1].nodeSubnets: is missing, write the list of the nodes' networks: `[\"10.0.0.0/16\"]`
[1].vlan: 4095 is no vlan, write a whole number from 1 to 4094, or 0 for untagged
[1].ips[0]: the range `10.0.70.9~10.0.70.2` runs backwards, write `10.0.70.2~10.0.70.9`
[1].gateway: 10.0.72.1 is outside the subnet 10.0.70.0/24, write the router's address in that subnet
[1].ips[1]: 10.0.71.1 is not inside the subnet 10.0.70.0/24, correct the range or the subnet
[2].exclude[0]: \"x\" is not an IP address, write an address, `first~last`, or a network such as `10.0.0.0/24`
[2].disabled: is a number, write true or false
[2].ips[0]: 10.0.70.2~10.0.70.241 overlaps 10.0.70.2 of [3].ips[0], take 10.0.70.2 out of one of them"
    );
    assert_eq!(faults.to_string().lines().count(), faults.iter().count());
}
