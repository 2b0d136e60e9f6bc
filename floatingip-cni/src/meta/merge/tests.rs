use std::{env, fs};

use serde_json::{Map, Value, json};

use super::*;
use crate::spec::Version;

fn member(network: &str, interface: &str) -> Member {
    Member {
        network: network.parse().unwrap(),
        kind: network.to_owned(),
        interface: interface.parse().unwrap(),
        args: String::new(),
        config: Map::new(),
        result: None,
    }
}

/// As Debian's bridge answers, our own plugin with two addresses, and one of the first versions.
fn answers() -> [Value; 3] {
    [
        json!({
            "cniVersion": "1.0.0",
            "interfaces": [
                {"name": "cni0", "mac": "0a:00:00:00:00:01"},
                {"name": "veth1", "mac": "0a:00:00:00:00:02"},
                {"name": "eth0", "mac": "0a:00:00:00:00:03", "sandbox": "/run/netns/c1"},
            ],
            "ips": [{"interface": 2, "address": "10.1.0.5/16", "gateway": "10.1.0.1"}],
            "routes": [{"dst": "0.0.0.0/0"}],
            "dns": {},
        }),
        json!({
            "cniVersion": "1.1.0",
            "interfaces": [
                {"name": "eth1", "mac": "02:42:0a:02:00:05", "mtu": 9000, "sandbox": "/run/netns/c1", "pciID": "0000:3b:02.0"},
                {"name": "v-h0-l0", "mac": "0a:00:00:00:00:04", "mtu": 9000},
            ],
            "ips": [
                {"interface": 0, "address": "10.2.0.5/24", "gateway": "10.2.0.1"},
                {"interface": 0, "address": "fd00:2::5/64", "gateway": "fd00:2::1"},
            ],
            "routes": [
                {"dst": "0.0.0.0/0", "gw": "10.2.0.1"},
                {"dst": "10.99.0.0/16", "gw": "10.2.0.1", "mtu": 1400, "table": 7},
                {"dst": "::/0", "gw": "fd00:2::1"},
            ],
            "dns": {"nameservers": ["10.2.0.2"]},
        }),
        json!({
            "cniVersion": "0.2.0",
            "ip4": {"ip": "10.3.0.5/24", "gateway": "10.3.0.1", "routes": [{"dst": "10.98.0.0/16"}, {"dst": "0.0.0.0/0"}]},
            "dns": {"nameservers": ["10.3.0.2"]},
        }),
    ]
}

fn merged_answers() -> CniResult {
    let read =
        |value: &Value| CniResult::read(value.to_string().as_bytes(), Version::V1_0_0).unwrap();
    let results = answers().map(|value| read(&value));
    let members = [
        member("bridge", "eth0"),
        member("vlan", "eth1"),
        member("old", "eth2"),
    ];
    let parts = members.iter().zip(&results);
    merged(
        parts.map(|(member, result)| Part { member, result }),
        Path::new("/run/netns/c1"),
    )
}

#[test]
fn addresses_point_to_their_own_interfaces_in_the_whole() {
    let whole = merged_answers();
    let on = |ip: &Ip| whole.interfaces[ip.interface.unwrap()].name.clone();
    let told: Vec<_> = whole
        .ips
        .iter()
        .map(|ip| format!("{} {}", ip.address, on(ip)))
        .collect();
    assert_eq!(
        told,
        [
            "10.1.0.5/16 eth0",
            "10.2.0.5/24 eth1",
            "fd00:2::5/64 eth1",
            "10.3.0.5/24 eth2"
        ]
    );
    assert_eq!(
        whole.interfaces[5].sandbox.as_deref(),
        Some("/run/netns/c1")
    );
}

#[test]
fn the_first_default_route_of_each_family_is_the_only_one() {
    let whole = merged_answers();
    let destinations: Vec<_> = whole
        .routes
        .iter()
        .map(|route| route.destination.to_string())
        .collect();
    assert_eq!(
        destinations,
        ["0.0.0.0/0", "10.99.0.0/16", "::/0", "10.98.0.0/16"]
    );
    let through: Vec<_> = whole.routes.iter().map(|route| route.interface).collect();
    assert_eq!(through, [Some(2), Some(3), Some(3), Some(5)]);
}

/// `BLESS=1` writes the files anew; the difference is then for a reader.
#[test]
fn merged_results_are_those_of_the_golden_files_in_every_version() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    for version in Version::ALL {
        let file = folder.join(format!("merged-{version}.json"));
        let mut text = serde_json::to_string_pretty(&merged_answers().to_json(*version)).unwrap();
        text.push('\n');
        if env::var_os("BLESS").is_some() {
            fs::write(&file, &text).unwrap();
        }
        assert_eq!(text, fs::read_to_string(&file).unwrap(), "{version}");
    }
}

#[test]
fn nothing_is_merged_to_nothing() {
    assert_eq!(merged([], Path::new("/run/netns/c1")), CniResult::default());
}
