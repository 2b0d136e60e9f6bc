//! A call of the plugin on a node: what is accepted is decided as a whole, and keeps its promises.

use std::collections::BTreeSet;
use std::path::Path;

use floatingip_cni::connect::Plan;
use floatingip_cni::link::{Change, Link, Mac, View};
use floatingip_cni::spec::{Args, Attachment, IpInfos, Network, Version};
use floatingip_cni::state::Record;
use floatingip_cni::vlan::{Facts, VlanConfig, Wish, plan};

/// Takes `CNI_ARGS`, an empty line, and a network configuration.
pub fn check(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let (args, input) = text.split_once("\n\n").unwrap_or((&text, "{}"));
    let Some(infos) = addresses(args) else { return };
    let Ok(network) = Network::read(input.as_bytes()) else {
        return;
    };
    let Ok(config) = Network::own::<VlanConfig>(input.as_bytes()) else {
        return;
    };
    let attachment = Attachment {
        container: "c1".parse().expect("an id"),
        interface: "eth0".parse().expect("a name"),
    };
    let wish = Wish {
        config: &config,
        network: &network,
        attachment: &attachment,
        netns: Path::new("/run/netns/c1"),
        infos: &infos,
    };
    if let Ok(plan) = plan(&wish, &node(), &mut fastrand::Rng::with_seed(1)) {
        keeps_promises(&plan, &infos);
    }
}

fn addresses(args: &str) -> Option<IpInfos> {
    let args: Args = args.parse().ok()?;
    let infos = args.ip_infos().ok()??;
    for info in infos.as_slice() {
        assert!(info.ip.contains(&info.gateway) && info.ip.addr() != info.gateway);
    }
    Some(infos)
}

/// A node with one device.
fn node() -> Facts {
    let device = Link {
        index: 2,
        name: "eth0".to_owned(),
        mac: Some(Mac([2; 6])),
        mtu: 1500,
        up: true,
        ..Link::default()
    };
    Facts {
        host: View {
            links: vec![device],
            ..View::default()
        },
        ..Facts::default()
    }
}

fn keeps_promises(plan: &Plan, infos: &IpInfos) {
    let endpoints = &plan.record.endpoints;
    let given: BTreeSet<_> = endpoints.iter().flat_map(|it| &it.addresses).collect();
    let wanted: BTreeSet<_> = infos.as_slice().iter().map(|info| &info.ip).collect();
    assert_eq!(
        given, wanted,
        "every address has an interface, and only one"
    );
    let routes = || plan.result.routes.iter().map(|route| route.destination);
    for v4 in [true, false] {
        let defaults = routes().filter(|to| to.prefix_len() == 0 && to.addr().is_ipv4() == v4);
        assert!(defaults.count() <= 1, "one default route of a family");
    }
    let created = plan.prepare.iter().filter_map(|step| match &step.change {
        Change::Create { name, .. } => Some(name),
        _ => None,
    });
    let names: Vec<_> = created.collect();
    let different: BTreeSet<_> = names.iter().collect();
    assert_eq!(names.len(), different.len(), "no link is made twice");
    for step in &plan.prepare {
        let is_made = matches!(step.change, Change::Create { .. });
        assert!(
            !is_made || step.undo().is_some(),
            "what is made can be removed"
        );
    }
    is_told_and_remembered(plan);
}

fn is_told_and_remembered(plan: &Plan) {
    for version in Version::ALL {
        let told = plan.result.to_json(*version);
        assert_eq!(told["cniVersion"], version.as_str());
    }
    let written = serde_json::to_string(&plan.record).expect("a record can be written");
    let read: Record = serde_json::from_str(&written).expect("what was written can be read");
    assert_eq!(read, plan.record);
}
