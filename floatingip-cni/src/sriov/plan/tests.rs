//! Decisions, without a kernel.

use std::path::Path;

use serde_json::{Value, json};

use super::*;
use crate::link::View;
use crate::spec::{Attachment, IpInfos, Network};

const FORMER: Mac = Mac([2, 0, 0, 0, 0, 9]);

fn link(index: u32, name: &str) -> Link {
    Link {
        index,
        name: name.to_owned(),
        mac: Some(FORMER),
        mtu: 1500,
        up: index == 2,
        ..Link::default()
    }
}

/// A node with the card `eth0` and as many functions, `vf0` and so on.
fn node(functions: u32) -> Facts {
    let numbers = 0..functions;
    let mut links = vec![link(1, "lo"), link(2, "eth0")];
    links.extend(numbers.clone().map(|it| link(10 + it, &format!("vf{it}"))));
    let slots = numbers.map(|index| Slot {
        index,
        bus: format!("0000:01:10.{index}"),
        link: format!("vf{index}").parse().ok(),
    });
    Facts {
        host: View {
            links,
            ..View::default()
        },
        total: Some(7),
        slots: slots.collect(),
        ..Facts::default()
    }
}

/// What a runtime asks, read.
struct Asked {
    config: SriovConfig,
    network: Network,
    attachment: Attachment,
    infos: IpInfos,
}

/// Each address with `@vlan`.
fn asked(fields: &Value, ips: &[&str]) -> Asked {
    let mut config = json!({"name": "lan", "cniVersion": "1.0.0", "device": "eth0"});
    for (key, value) in fields.as_object().unwrap() {
        config[key] = value.clone();
    }
    let input = config.to_string();
    let info = |text: &&str| {
        let (ip, vlan) = text.split_once('@').unwrap();
        let vlan: u16 = vlan.parse().unwrap();
        json!({"ip": format!("{ip}/24"), "vlan": vlan, "gateway": "10.0.0.1"})
    };
    let infos: Value = ips.iter().map(info).collect();
    Asked {
        config: Network::own(input.as_bytes()).unwrap(),
        network: Network::read(input.as_bytes()).unwrap(),
        attachment: Attachment {
            container: "c1".parse().unwrap(),
            interface: "eth0".parse().unwrap(),
        },
        infos: infos.to_string().parse().unwrap(),
    }
}

fn decide(fields: &Value, ips: &[&str], facts: &Facts) -> Result<Plan, SriovError> {
    let asked = asked(fields, ips);
    let wish = Wish {
        config: &asked.config,
        network: &asked.network,
        attachment: &asked.attachment,
        netns: Path::new("/run/netns/c1"),
        infos: &asked.infos,
    };
    plan(&wish, facts)
}

fn chosen(facts: &Facts) -> Result<String, SriovError> {
    let plan = decide(&json!({}), &["10.0.0.2@2"], facts)?;
    let function = plan.record.endpoints.into_iter().next();
    let function = function.and_then(|endpoint| endpoint.function);
    Ok(function.map(|it| it.bus).unwrap_or_default())
}

fn told(steps: &[Step]) -> Vec<String> {
    steps.iter().map(ToString::to_string).collect()
}

#[test]
fn a_function_is_handed_over_before_it_takes_its_hardware_address() {
    let plan = decide(&json!({}), &["10.0.0.2@2"], &node(1)).unwrap();
    assert_eq!(
        told(&plan.prepare),
        [
            "give function 0 of eth0 VLAN 2",
            "move vf0 to the other namespace as eth0",
            "set net/ipv4/conf/eth0/rp_filter to 2 in the container",
            "switch eth0 on in the container",
        ]
    );
    assert_eq!(
        told(&plan.finish)[..2],
        [
            "give eth0 the hardware address 02:42:0a:00:00:02 in the container",
            "give function 0 of eth0 the hardware address 02:42:0a:00:00:02",
        ]
    );
    assert_eq!(plan.probes[0].mac, FORMER);
    assert_eq!(plan.announcements[0].mac.to_string(), "02:42:0a:00:00:02");
    assert_eq!(plan.carriers[0].as_str(), "eth0");
}

#[test]
fn a_hold_on_the_hardware_address_is_taken_off_first_and_put_back_last() {
    let mut facts = node(1);
    facts.settings = vec![(0, Setting::Mac(FORMER)), (0, Setting::Vlan(5))];
    let plan = decide(&json!({}), &["10.0.0.2@2"], &facts).unwrap();
    let first = &told(&plan.finish)[0];
    assert_eq!(
        first,
        "give function 0 of eth0 the hardware address 00:00:00:00:00:00"
    );
    let function = plan.record.endpoints[0].function.as_ref().unwrap();
    let former = [Setting::Vlan(0), Setting::Mac(FORMER)];
    assert_eq!(function.former, former, "what a pod left is not kept");
}

#[test]
fn what_is_said_of_all_functions_is_set_and_put_back() {
    let mut facts = node(1);
    facts.settings = vec![(0, Setting::SpoofCheck(true)), (0, Setting::Trust(true))];
    let fields = json!({"spoofchk": "off", "trust": "on", "max_tx_rate": 100});
    let plan = decide(&fields, &["10.0.0.2@0"], &facts).unwrap();
    let told = told(&plan.prepare);
    assert!(told.contains(&"give function 0 of eth0 spoof check off".to_owned()));
    assert!(told.contains(&"give function 0 of eth0 a rate of 0 to 100 Mbit/s".to_owned()));
    let trust = told.iter().find(|step| step.contains("trust"));
    assert_eq!(trust, None, "it is so already");
    let function = plan.record.endpoints[0].function.as_ref().unwrap();
    assert!(function.former.contains(&Setting::SpoofCheck(true)));
}

#[test]
fn what_is_claimed_elsewhere_or_used_by_the_node_is_not_free() {
    let mut facts = node(5);
    facts.claimed.insert("0000:01:10.0".to_owned());
    facts.slots[1].link = None;
    facts.host.links[4].master = Some(3);
    assert_eq!(chosen(&facts).unwrap(), "0000:01:10.3");
    facts.claimed.insert("0000:01:10.3".to_owned());
    facts.claimed.insert("0000:01:10.4".to_owned());
    let error = chosen(&facts).unwrap_err().to_string();
    assert!(error.contains("of 5, 3 are used by pods"), "{error}");
}

#[test]
fn two_networks_are_two_functions() {
    let plan = decide(&json!({}), &["10.0.0.2@2", "10.0.0.3@3"], &node(2)).unwrap();
    let buses: Vec<&str> = plan
        .record
        .endpoints
        .iter()
        .map(|it| it.function.as_ref().unwrap().bus.as_str())
        .collect();
    assert_eq!(buses, ["0000:01:10.0", "0000:01:10.1"]);
    assert_eq!(plan.record.endpoints[1].inside.name.as_str(), "eth1");
    let error = decide(&json!({}), &["10.0.0.2@2", "10.0.0.3@3"], &node(1));
    assert!(matches!(error, Err(SriovError::NoneFree { .. })));
}

#[test]
fn a_card_that_is_off_is_switched_on_first() {
    let mut facts = node(1);
    facts.host.links[1].up = false;
    let plan = decide(&json!({}), &["10.0.0.2@0"], &facts).unwrap();
    assert_eq!(
        told(&plan.prepare)[..2],
        ["let eth0 ignore IPv6 advertisements", "switch eth0 on"]
    );
}

#[test]
fn what_cannot_be_is_refused_before_any_function_is_enabled() {
    let refused = |fields: &Value, facts: &Facts| {
        let refused = decide(fields, &["10.0.0.2@0"], facts);
        refused.unwrap_err().to_string()
    };
    assert!(refused(&json!({"device": ""}), &node(1)).contains("set `device`"));
    assert!(refused(&json!({"device": "eth9"}), &node(1)).contains("no link eth9"));
    assert!(refused(&json!({}), &node(0)).contains("set `vf_num`"));
    let mut facts = node(1);
    facts.total = None;
    assert!(refused(&json!({}), &facts).contains("eth0 has no virtual functions"));
    let mut facts = node(1);
    facts.container.links.push(link(2, "eth0"));
    assert!(refused(&json!({}), &facts).contains("an interface eth0 already"));
}

#[test]
fn an_address_of_the_node_is_refused_before_any_function_is_enabled() {
    let mut facts = node(0);
    let own = "10.0.0.2/32".parse().unwrap();
    facts.host.addresses.push(crate::link::Address::of(own));
    let refused = decide(&json!({"vf_num": 4}), &["10.0.0.2@0"], &facts).unwrap_err();
    assert_eq!(refused, SriovError::NodesOwn("10.0.0.2".parse().unwrap()));
    assert!(
        crate::spec::Failure::from(refused)
            .to_json(crate::spec::Version::LATEST)
            .contains(r#""code":100"#)
    );
}

#[test]
fn a_card_may_be_named_by_another_name_of_its() {
    let mut facts = node(1);
    facts.host.links[1].alternatives = vec!["enp5s0".to_owned()];
    let plan = decide(&json!({"device": "enp5s0"}), &["10.0.0.2@0"], &facts).unwrap();
    let function = plan.record.endpoints[0].function.as_ref().unwrap();
    assert_eq!(function.card.as_str(), "eth0");
}
