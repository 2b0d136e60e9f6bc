//! The networks of a pod: which ones are chosen, and what other plugins' answers come to together.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use floatingip_cni::meta::{
    Catalogue, Member, MetaConfig, Part, Pod, Selection, Selections, Wanted, choose, merged,
};
use floatingip_cni::spec::{Args, CniResult, InterfaceName, Version};
use serde_json::{Map, Value};

/// Takes, with empty lines between them: the annotation of the networks, galaxy's configuration, the annotation of the
/// binding, and a plugin's answer.
pub fn check(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let mut parts = text.splitn(4, "\n\n");
    let mut part = || parts.next().unwrap_or_default();
    let (networks, config, args, answer) = (part(), part(), part(), part());
    read_networks(networks);
    let members = catalogue(config).map(|catalogue| chosen(&catalogue, networks, args));
    if let Ok(result) = CniResult::read(answer.as_bytes(), Version::V1_0_0) {
        is_told_whole(&result);
        joined_answers(&members.flatten().unwrap_or_default(), &result);
    }
}

/// The list form is read as it is written.
fn read_networks(text: &str) {
    let Ok(selections) = text.parse::<Selections>() else {
        return;
    };
    assert!((1..=Selections::LIMIT).contains(&selections.as_slice().len()));
    let plain = |it: &&Selection| {
        let name = &it.name;
        let odd = |c: char| c.is_whitespace() || c == '/' || c == '@' || "[{\",".contains(c);
        it.wishes.is_empty() && it.arguments.is_none() && !name.contains(odd)
    };
    if selections.as_slice().iter().filter(plain).count() < selections.as_slice().len() {
        return;
    }
    let words = selections.as_slice().iter().map(|it| match &it.interface {
        Some(interface) => format!("{}@{interface}", it.name),
        None => it.name.clone(),
    });
    let listed = words.collect::<Vec<_>>().join(",");
    // An interface may have a character that ends a word.
    if let Ok(again) = listed.parse::<Selections>() {
        let names = |all: &Selections| -> Vec<String> {
            all.as_slice().iter().map(|it| it.name.clone()).collect()
        };
        if names(&again).len() == names(&selections).len() {
            assert_eq!(names(&again), names(&selections));
        }
    }
}

fn catalogue(text: &str) -> Option<Catalogue> {
    let mut fields: Map<String, Value> = serde_json::from_str(text).ok()?;
    // No file of this machine.
    fields.remove("networkConfFile");
    let config: MetaConfig = serde_json::from_value(fields.into()).ok()?;
    config.catalogue().ok()
}

fn chosen(catalogue: &Catalogue, networks: &str, args: &str) -> Option<Vec<Member>> {
    let annotations: BTreeMap<String, String> = [
        (
            "k8s.v1.cni.cncf.io/networks".to_owned(),
            networks.to_owned(),
        ),
        ("k8s.v1.cni.galaxy.io/args".to_owned(), args.to_owned()),
    ]
    .into();
    let pod = Pod {
        annotations,
        requests: None,
    };
    let interface: InterfaceName = "eth0".parse().expect("a name");
    let members = choose(&Wanted {
        catalogue,
        ignore_annotation: false,
        pod: &pod,
        interface: &interface,
        args: &Args::default(),
        runtime: &Map::new(),
    });
    let members = members.ok()?;
    keeps_promises(&members, &interface, &pod);
    Some(members)
}

/// Each has an interface of its own, the first the one that the runtime asks for, and all the pod's address.
fn keeps_promises(members: &[Member], interface: &InterfaceName, pod: &Pod) {
    assert_eq!(members.first().map(|it| &it.interface), Some(interface));
    let interfaces: BTreeSet<_> = members.iter().map(|it| &it.interface).collect();
    assert_eq!(interfaces.len(), members.len());
    let bound = pod.has_address().expect("it was read before");
    for member in members {
        let args: Args = member.args.parse().expect("what was put together is read");
        let infos = args.ip_infos().expect("addresses that were read before");
        assert_eq!(infos.is_some(), bound);
        assert_eq!(member.config["name"], member.network.as_str());
        let text = serde_json::to_string(member).expect("it can be written");
        let again: Member = serde_json::from_str(&text).expect("it is read as it was written");
        // Not all of it: numbers with a fraction come back a little different.
        let known = |it: &Member| (it.network.clone(), it.interface.clone(), it.args.clone());
        assert_eq!(known(&again), known(member));
    }
}

/// In each version that has room for it, a result is read as it was written.
fn is_told_whole(result: &CniResult) {
    for version in Version::ALL {
        let told = result.to_json(*version).to_string();
        let again =
            CniResult::read(told.as_bytes(), *version).expect("it is read as it was written");
        if *version >= Version::V0_3_0 {
            let known = |result: &CniResult| -> Vec<_> {
                let ips = result.ips.iter();
                ips.map(|ip| (ip.address, ip.gateway, ip.interface))
                    .collect()
            };
            assert_eq!(known(&again), known(result));
            assert_eq!(again.interfaces.len(), result.interfaces.len());
            assert_eq!(again.routes.len(), result.routes.len());
        }
        assert!(again.ips.len() <= result.ips.len());
    }
}

/// Every address and route is on an interface of the whole, and there is one default route of a family.
fn joined_answers(members: &[Member], result: &CniResult) {
    let parts = members.iter().map(|member| Part { member, result });
    let whole = merged(parts, Path::new("/run/netns/c1"));
    assert_eq!(whole.ips.len(), members.len() * result.ips.len());
    let interfaces = whole.ips.iter().map(|ip| ip.interface);
    let interfaces = interfaces.chain(whole.routes.iter().map(|route| route.interface));
    for interface in interfaces {
        assert!(interface.is_some_and(|it| it < whole.interfaces.len()));
    }
    for v4 in [true, false] {
        let defaults = whole.routes.iter().filter(|route| {
            route.destination.prefix_len() == 0 && route.destination.addr().is_ipv4() == v4
        });
        assert!(defaults.count() <= 1);
    }
}
