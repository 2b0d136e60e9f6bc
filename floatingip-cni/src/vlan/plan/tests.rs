//! Decisions, without a kernel.

use std::path::Path;

use ipnet::IpNet;
use serde_json::{Value, json};

use super::*;
use crate::connect::{Place, Step};
use crate::link::{Address, Link, Mac, View};
use crate::spec::{Args, Attachment, ContainerId, IpInfos, Network};

/// `ip`, with `@vlan` where it has one; the gateway ends in 1.
fn infos(ips: &[&str]) -> IpInfos {
    let info = |text: &&str| {
        let (ip, vlan) = text.split_once('@').unwrap_or((text, "0"));
        let net: IpNet = ip.parse().unwrap();
        let gateway = net.hosts().nth(usize::from(net.addr().is_ipv6())).unwrap();
        let vlan: u16 = vlan.parse().unwrap();
        json!({"ip": ip, "vlan": vlan, "gateway": gateway})
    };
    let list: Value = ips.iter().map(info).collect();
    list.to_string().parse().unwrap()
}

fn link(index: u32, name: &str, kind: &str) -> Link {
    Link {
        index,
        name: name.to_owned(),
        mac: Some(Mac([2, 0, 0, 0, 0, 1])),
        mtu: 1500,
        up: true,
        carrier: true,
        kind: kind.to_owned(),
        ..Link::default()
    }
}

/// A node with `eth0` as number 2 and what `more` adds.
fn node(more: &[Link]) -> Facts {
    let mut links = vec![link(1, "lo", ""), link(2, "eth0", "")];
    links.extend_from_slice(more);
    let host = View {
        links,
        ..View::default()
    };
    Facts {
        host,
        ..Facts::default()
    }
}

/// What a runtime asks, read.
struct Asked {
    config: VlanConfig,
    network: Network,
    attachment: Attachment,
    infos: IpInfos,
}

fn asked(fields: &Value, ips: &[&str]) -> Asked {
    let mut config = json!({"name": "lan", "cniVersion": "1.0.0", "device": "eth0"});
    for (key, value) in fields.as_object().unwrap() {
        config[key] = value.clone();
    }
    let input = config.to_string();
    Asked {
        config: Network::own(input.as_bytes()).unwrap(),
        network: Network::read(input.as_bytes()).unwrap(),
        attachment: Attachment {
            container: "0123456789ab".parse::<ContainerId>().unwrap(),
            interface: "eth0".parse().unwrap(),
        },
        infos: infos(ips),
    }
}

fn decide(fields: &Value, ips: &[&str], facts: &Facts) -> Result<Plan, PlanError> {
    let asked = asked(fields, ips);
    let wish = Wish {
        config: &asked.config,
        network: &asked.network,
        attachment: &asked.attachment,
        netns: Path::new("/run/netns/c1"),
        infos: &asked.infos,
    };
    plan(&wish, facts, &mut fastrand::Rng::with_seed(1))
}

fn told(steps: &[Step]) -> Vec<String> {
    steps.iter().map(ToString::to_string).collect()
}

const VETH: [&str; 6] = [
    "create veth eth0 in the container and its host end v-h012345678-l0",
    "let v-h012345678-l0 ignore IPv6 advertisements",
    "make v-h012345678-l0 a port of bridge docker2",
    "switch v-h012345678-l0 on",
    "set net/ipv4/conf/eth0/rp_filter to 2 in the container",
    "switch eth0 on in the container",
];

#[test]
fn a_first_address_of_a_vlan_makes_its_link_and_its_bridge() {
    let plan = decide(&json!({}), &["10.0.0.2/24@2"], &node(&[])).unwrap();
    let mut expected = vec![
        "create VLAN 2 of eth0: vlan2",
        "let vlan2 ignore IPv6 advertisements",
        "switch vlan2 on",
        "create bridge docker2",
        "make vlan2 a port of bridge docker2",
        "let docker2 ignore IPv6 advertisements",
        "switch docker2 on",
    ];
    expected.extend(VETH);
    assert_eq!(told(&plan.prepare), expected);
    assert_eq!(plan.record.endpoints[0].uplink.vlan, 2);
}

fn vlan_2(name: &str, master: Option<u32>) -> Link {
    Link {
        vlan: Some(2),
        device: Some(2),
        master,
        ..link(5, name, "vlan")
    }
}

#[test]
fn what_is_there_of_a_vlan_is_used() {
    let bridged = [vlan_2("vlan2", Some(6)), link(6, "docker2", "bridge")];
    let plan = decide(&json!({}), &["10.0.0.2/24@2"], &node(&bridged)).unwrap();
    assert_eq!(told(&plan.prepare), VETH);
    let own = [vlan_2("eth0.2", Some(6)), link(6, "br7", "bridge")];
    let plan = decide(&json!({}), &["10.0.0.2/24@2"], &node(&own)).unwrap();
    assert_eq!(
        plan.prepare[2].to_string(),
        "make v-h012345678-l0 a port of bridge br7"
    );
}

#[test]
fn where_the_device_is_a_vlan_others_are_beside_it() {
    let facts = node(&[vlan_2("eth0.2", None)]);
    let plan = decide(&json!({"device": "eth0.2"}), &["10.0.0.2/24@3"], &facts).unwrap();
    assert_eq!(plan.prepare[0].to_string(), "create VLAN 3 of eth0: vlan3");
    let fields = json!({"device": "eth0.2", "switch": "macvlan"});
    let plan = decide(&fields, &["10.0.0.2/24@2"], &facts).unwrap();
    let created = plan.prepare[0].to_string();
    assert!(
        created.starts_with("create macvlan of eth0.2: fip-"),
        "{created}"
    );
}

#[test]
fn packets_fit_what_is_there_on_their_way() {
    let mtu = |vlan: u32, bridge: u32, fields: &Value| {
        let mut links = [vlan_2("vlan2", Some(6)), link(6, "docker2", "bridge")];
        (links[0].mtu, links[1].mtu) = (vlan, bridge);
        let plan = decide(fields, &["10.0.0.2/24@2", "10.1.0.2/24@3"], &node(&links))?;
        let ends = plan.record.endpoints.iter();
        Ok(ends.map(|end| end.mtu).collect::<Vec<_>>())
    };
    assert_eq!(mtu(1496, 1500, &json!({})).unwrap(), [1496, 1500]);
    assert_eq!(mtu(1500, 1450, &json!({})).unwrap(), [1450, 1500]);
    let long: Result<_, PlanError> = mtu(1500, 1450, &json!({"mtu": 1480}));
    let told = long.unwrap_err().to_string();
    assert!(told.contains("1450, which docker2 has"), "{told}");
}

#[test]
fn a_link_that_only_has_a_vlans_name_is_not_used() {
    let facts = node(&[link(5, "vlan2", "bridge")]);
    let refused = decide(&json!({}), &["10.0.0.2/24@2"], &facts).unwrap_err();
    assert!(
        matches!(refused, PlanError::NoVlan { vlan: 2, .. }),
        "{refused}"
    );
}

#[test]
fn links_that_would_have_the_same_name_are_refused() {
    let same = |fields: Value, ips: &[&str]| {
        let refused = decide(&fields, ips, &node(&[])).unwrap_err();
        assert!(matches!(refused, PlanError::SameName(_)), "{refused}");
    };
    let x = json!({"bridge_name_prefix": "x", "vlan_name_prefix": "x"});
    same(x, &["10.0.0.2/24@2"]);
    let ips = &["10.0.0.2/24@12", "10.1.0.2/24@2"];
    same(
        json!({"bridge_name_prefix": "x", "vlan_name_prefix": "x1"}),
        ips,
    );
    let ips = &["10.0.0.2/24", "10.1.0.2/24@2"];
    same(json!({"default_bridge_name": "docker2"}), ips);
    same(json!({"default_bridge_name": "vlan2"}), ips);
}

#[test]
fn the_modes_of_ipvlan_are_galaxys() {
    use crate::link::{Change, Kind, Layer};
    for (mode, layer) in [("l2", Layer::L2), ("", Layer::L3), ("l3s", Layer::L3s)] {
        let fields = json!({"switch": "ipvlan", "ipvlan_mode": mode});
        let plan = decide(&fields, &["10.0.0.2/24"], &node(&[])).unwrap();
        let Change::Create {
            kind: Kind::Ipvlan { mode, .. },
            ..
        } = &plan.prepare[0].change
        else {
            panic!("{:?}", plan.prepare);
        };
        assert_eq!((*mode, plan.announcements[0].place), (layer, Place::Host));
        let undone = plan.prepare[0].undo().unwrap();
        assert_eq!(
            undone.place,
            Place::Container,
            "it is there that it is made"
        );
    }
}

#[test]
fn a_macvlan_is_not_made_of_a_port() {
    let mut facts = node(&[link(6, "br7", "bridge")]);
    facts.host.links[1].master = Some(6);
    let refused = decide(&json!({"switch": "macvlan"}), &["10.0.0.2/24"], &facts).unwrap_err();
    assert!(
        refused.to_string().contains("eth0 is a port of br7"),
        "{refused}"
    );
    let refused = decide(&json!({}), &["10.0.0.2/24"], &facts).unwrap_err();
    assert!(
        refused.to_string().contains("default_bridge_name"),
        "{refused}"
    );
}

#[test]
fn addresses_are_asked_for_as_somebody_else_than_who_has_them_later() {
    let plan = decide(&json!({}), &["10.0.0.2/24@2"], &node(&[])).unwrap();
    let (asks, says) = (&plan.probes[0], &plan.announcements[0]);
    assert_ne!(asks.mac, says.mac);
    assert_eq!(says.mac, Mac::of("10.0.0.2".parse().unwrap()));
    let fields = json!({"duplicate_address_probe": false});
    let plan = decide(&fields, &["10.0.0.2/24@2"], &node(&[])).unwrap();
    assert_eq!(plan.probes, []);
    assert_eq!(plan.record.endpoints[0].first_mac, says.mac);
}

#[test]
fn a_node_is_made_a_router_only_as_far_as_it_is_none() {
    let mut facts = node(&[]);
    for (setting, value) in [
        ("ipv4/ip_forward", "1"),
        ("ipv4/conf/all/arp_ignore", "0"),
        ("ipv4/conf/eth0/arp_ignore", "1"),
        ("ipv4/conf/eth0/proxy_arp", "0"),
    ] {
        facts.settings.insert(setting.to_owned(), value.to_owned());
    }
    let fields = json!({"switch": "pure"});
    let plan = decide(&fields, &["10.0.0.2/24", "10.1.0.2/24"], &facts).unwrap();
    let mut settings = told(&plan.prepare);
    settings.retain(|it| it.starts_with("set net/ipv4/conf/eth0/") && !it.contains("container"));
    let expected = [
        "set net/ipv4/conf/eth0/arp_ignore to 0",
        "set net/ipv4/conf/eth0/proxy_arp to 1",
    ];
    assert_eq!(settings, expected);
}

#[test]
fn families_share_an_interface_and_networks_do_not() {
    let infos = infos(&[
        "10.0.0.2/24@2",
        "10.1.0.2/24@2",
        "fd00::2/64@2",
        "fd01::2/64@3",
    ]);
    let groups = groups(infos.as_slice());
    let vlans: Vec<(u16, usize)> = groups.iter().map(|it| (it.vlan, it.infos.len())).collect();
    assert_eq!(vlans, [(2, 2), (2, 1), (3, 1)]);
}

#[test]
fn there_is_one_default_route_of_a_family() {
    let ips = ["10.0.0.2/24", "10.1.0.2/24", "10.2.0.2/24", "fd00::2/64"];
    let plan = decide(&json!({"switch": "macvlan"}), &ips, &node(&[])).unwrap();
    let routes = |at: usize| {
        let hops = plan.record.endpoints[at].routes.iter();
        hops.map(|hop| hop.destination.to_string())
            .collect::<Vec<_>>()
    };
    assert_eq!(
        routes(0),
        ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "::/0"]
    );
    assert_eq!(
        (routes(1), routes(2)),
        (vec!["0.0.0.0/0".to_owned()], vec![])
    );
    let names: Vec<&str> = plan
        .record
        .endpoints
        .iter()
        .map(|it| it.inside.name.as_str())
        .collect();
    assert_eq!(names, ["eth0", "eth1", "eth2"]);
}

#[test]
fn a_place_that_a_route_leads_to_already_is_left_to_it() {
    let hops = |ips: &[&str], facts: &Facts| {
        let plan = decide(&json!({}), ips, facts).unwrap();
        let hops = plan.record.endpoints[0].routes.iter();
        hops.map(|hop| hop.destination.to_string())
            .collect::<Vec<_>>()
    };
    let own = hops(&["192.168.0.2/16@2", "10.1.0.2/24@2"], &node(&[]));
    assert_eq!(own, ["10.0.0.0/8", "172.16.0.0/12"]);
    let others = hops(&["192.0.2.2/24@2", "10.1.0.2/8@2"], &node(&[]));
    assert_eq!(others, ["172.16.0.0/12", "192.168.0.0/16"]);
    let mut facts = node(&[]);
    let default = crate::link::Route::to("0.0.0.0/0".parse().unwrap(), None);
    facts.container.routes.push(default);
    assert_eq!(hops(&["10.0.0.2/24@2", "fd00::2/64@2"], &facts), ["::/0"]);
}

#[test]
fn the_default_bridge_is_left_alone_unless_it_is_needed_or_asked_for() {
    let bridges = |fields: Value| {
        let plan = decide(&fields, &["10.0.0.2/24@2"], &node(&[])).unwrap();
        told(&plan.prepare).contains(&"create bridge docker".to_owned())
    };
    assert!(!bridges(json!({})) && !bridges(json!({"disable_default_bridge": true})));
    assert!(bridges(json!({"disable_default_bridge": false})));
}

#[test]
fn the_hosts_address_is_on_the_bridge_before_the_device_becomes_a_port() {
    let mut facts = node(&[]);
    let mut address = Address::of("10.0.0.9/24".parse().unwrap()).on(2);
    address.header.index = 2;
    facts.host.addresses.push(Address::from(address));
    let plan = decide(&json!({}), &["10.0.0.2/24"], &facts).unwrap();
    let expected = [
        "create bridge docker",
        "let docker ignore IPv6 advertisements",
        "set net/ipv4/conf/docker/ignore_routes_with_linkdown to 1",
        "give docker the address 10.0.0.9/24",
        "switch docker on",
        "make eth0 a port of bridge docker",
        "set net/ipv4/conf/docker/ignore_routes_with_linkdown to 0",
        "take 10.0.0.9/24 from eth0",
    ];
    assert_eq!(told(&plan.prepare)[..expected.len()], expected);
}

#[test]
fn what_is_answered_lists_everything_in_order() {
    let plan = decide(&json!({}), &["10.0.0.2/24@2", "10.1.0.2/24@2"], &node(&[])).unwrap();
    let names: Vec<&str> = plan
        .result
        .interfaces
        .iter()
        .map(|it| it.name.as_str())
        .collect();
    assert_eq!(
        names,
        ["eth0", "v-h012345678-l0", "eth1", "v-h012345678-l1"]
    );
    let places: Vec<usize> = plan
        .result
        .ips
        .iter()
        .filter_map(|ip| ip.interface)
        .collect();
    assert_eq!(places, [0, 2]);
}

#[test]
fn arguments_of_a_runtime_are_enough() {
    let args: Args = r#"A=1;ipinfos=[{"ip":"10.0.0.2/24","vlan":0,"gateway":"10.0.0.1"}]"#
        .parse()
        .unwrap();
    assert_eq!(args.ip_infos().unwrap().unwrap(), infos(&["10.0.0.2/24"]));
}
