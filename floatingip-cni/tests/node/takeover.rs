//! The host's address moves to a bridge, and the host answers at every moment of that.

use floatingip_cni::connect::{Plan, carry_out};
use floatingip_cni::link::{Kernel, Netns};
use floatingip_cni::spec::{Args, Network};
use floatingip_cni::vlan::{Facts, VlanConfig, Wish, plan};
use serde_json::json;

use super::lab::{Call, DEVICE, HOST_IP, Lab, OUTSIDE_IP};
use super::space::{Space, assert_same};

/// The addresses that the tests' device has, all of which have to survive.
pub(crate) const SECOND_IP: &str = "10.9.0.11";
pub(crate) const ELSEWHERE: &str = "10.77.0.1";
pub(crate) const V6: &str = "fd09::10";
pub(crate) const OUTSIDE_V6: &str = "fd09::1";
const ELSEWHERE_V6: &str = "fd77::1";

/// A node with two addresses, and routes by a gateway; the gateway has an address elsewhere.
pub(crate) fn lab() -> Option<Lab> {
    let lab = Lab::new()?;
    lab.host
        .ip(&format!("address add {SECOND_IP}/24 dev {DEVICE}"));
    lab.host
        .ip(&format!("route add 10.77.0.0/16 via {OUTSIDE_IP} metric 5"));
    lab.outside
        .ip(&format!("address add {ELSEWHERE}/32 dev lo"));
    lab.host
        .ip(&format!("address add {V6}/64 dev {DEVICE} nodad"));
    lab.outside
        .ip(&format!("address add {OUTSIDE_V6}/64 dev out0 nodad"));
    lab.outside
        .ip(&format!("address add {ELSEWHERE_V6}/128 dev lo"));
    // None is before it.
    lab.host
        .ip(&format!("route add fd77::/64 via {OUTSIDE_V6} metric 1"));
    // As from a router's advertisement.
    lab.host.ip(&format!(
        "route add default via {OUTSIDE_V6} proto ra metric 1024 expires 1700"
    ));
    Some(lab)
}

/// What the plugin is about to do, as the library decides it.
pub(crate) fn decided(lab: &Lab, call: &Call<'_>) -> Plan {
    let input = call.config.to_string();
    let network = Network::read(input.as_bytes()).unwrap();
    let config: VlanConfig = Network::own(input.as_bytes()).unwrap();
    let args: Args = call.args.parse().unwrap();
    let attachment = Lab::attachment(call);
    let wish = Wish {
        config: &config,
        network: &network,
        attachment: &attachment,
        netns: call.netns.as_ref(),
        infos: &args.ip_infos().unwrap().unwrap(),
    };
    with_kernels(lab, call, |host, container| {
        let facts = Facts::gather(&config, host, container).unwrap();
        plan(&wish, &facts, &mut fastrand::Rng::with_seed(7)).unwrap()
    })
}

pub(crate) fn with_kernels<T: Send>(
    lab: &Lab,
    call: &Call<'_>,
    work: impl FnOnce(&mut Kernel, &mut Kernel) -> T + Send,
) -> T {
    lab.host.run(|| {
        let mut host = Kernel::here().unwrap();
        let netns = Netns::open(call.netns.as_ref()).unwrap();
        work(&mut host, &mut Kernel::inside(netns).unwrap())
    })
}

#[track_caller]
fn assert_host_answers(lab: &Lab, moment: &str) {
    for ip in [HOST_IP, SECOND_IP, V6] {
        assert!(lab.outside.reaches(&lab.host, ip), "{ip} {moment}");
    }
    for ip in [OUTSIDE_IP, ELSEWHERE, OUTSIDE_V6, ELSEWHERE_V6] {
        assert!(lab.host.reaches(&lab.outside, ip), "to {ip} {moment}");
    }
}

/// As if the plugin had been killed after each of its steps: the host answers without any further call, with nothing
/// known of its neighbours; then the next call comes to the end.
#[test]
fn the_host_answers_whenever_the_plugin_is_killed_and_the_next_call_finishes() {
    let mut killed_after = 0;
    loop {
        let Some(lab) = lab() else { return };
        let pod = Space::new();
        let call = lab.add("c1", &pod, &["10.9.0.20/24"], &json!({}));
        let plan = decided(&lab, &call);
        let steps = plan.prepare.get(..killed_after);
        let Some(steps) = steps else {
            assert!(killed_after > 15, "{killed_after} steps");
            return;
        };
        with_kernels(&lab, &call, |host, container| {
            carry_out(steps, host, container)
                .map_err(|it| it.error)
                .unwrap();
        });
        for space in [&lab.host, &lab.outside] {
            space.ip("neighbour flush all");
        }
        let moment = format!("after {:?}", steps.last().map(ToString::to_string));
        assert_host_answers(&lab, &moment);
        finish(&lab, &moment);
        killed_after += 1;
    }
}

/// The call that comes next may be for any container.
#[track_caller]
fn finish(lab: &Lab, moment: &str) {
    let other = Space::new();
    let next = lab.add("other", &other, &["10.9.0.21/24"], &json!({}));
    let added = lab.call(&next);
    assert!(added.success, "{moment}: {}", added.text);
    assert!(lab.outside.reaches(&other, "10.9.0.21"), "{moment}");
    assert_host_answers(lab, moment);
    let device = lab.host.ip(&format!("-4 -o address show dev {DEVICE}"));
    assert_eq!(device, "", "{moment}: nothing is left on the device");
    assert_eq!(
        lab.host.ip(&format!("-4 route show dev {DEVICE}")),
        "",
        "{moment}"
    );
    assert_eq!(routes_v6(lab, DEVICE), [] as [&str; 0], "{moment}");
    let routes = [
        "default via fd09::1 proto ra metric 1024 expires pref medium",
        "fd09::/64 proto kernel metric 256 pref medium",
        "fd77::/64 via fd09::1 metric 1 pref medium",
    ];
    assert_eq!(routes_v6(lab, "docker"), routes, "{moment}");
    let bridge = lab.host.ip("-4 -o address show dev docker");
    assert_eq!(bridge.lines().count(), 2, "{moment}: {bridge}");
    assert_eq!(
        lab.host
            .setting("ipv4/conf/docker/ignore_routes_with_linkdown"),
        "0"
    );
}

/// Those that can be moved; of lifetimes that there is one, and not much shorter than before.
#[track_caller]
fn routes_v6(lab: &Lab, link: &str) -> Vec<String> {
    let word = |word: &str| match word.strip_suffix("sec") {
        Some(left) => {
            let left: u32 = left.parse().unwrap();
            assert!((1500..=1700).contains(&left), "{left} s");
            None
        }
        None => Some(word.to_owned()),
    };
    let text = lab.host.ip(&format!("-6 route show dev {link}"));
    let lines = text.lines().filter(|line| !line.starts_with("fe80::/64"));
    let line = |line: &str| line.split_whitespace().filter_map(word).collect::<Vec<_>>();
    let mut lines: Vec<String> = lines.map(|it| line(it).join(" ")).collect();
    lines.sort();
    lines
}

#[test]
fn what_fails_on_the_way_is_taken_back() {
    let Some(lab) = lab() else { return };
    // As of an address that was asked for when it was given: without the flag that kept the kernel from it.
    lab.host.ip(&format!("address change {V6}/64 dev {DEVICE}"));
    let pod = Space::new();
    let call = lab.add("c1", &pod, &["10.9.0.20/24"], &json!({}));
    let mut plan = decided(&lab, &call);
    let before = lab.host.snapshot();
    // A step that cannot work, at the end.
    let again = plan
        .prepare
        .iter()
        .find(|step| step.to_string().starts_with("create veth"));
    let again = again.unwrap().clone();
    plan.prepare.push(again);
    let broken = with_kernels(&lab, &call, |host, container| {
        carry_out(&plan.prepare, host, container).unwrap_err()
    });
    let asked = format!("-6 -o address show dev {DEVICE} to {V6} tentative");
    assert_eq!(lab.host.ip(&asked), "", "it answers at once");
    assert_eq!(broken.left, [] as [&str; 0]);
    assert_same(&lab.host.snapshot(), &before, "taken back");
    assert_host_answers(&lab, "after it was taken back");
}

#[test]
fn a_second_container_leaves_the_host_as_it_is() {
    let Some(lab) = lab() else { return };
    let pods = [Space::new(), Space::new()];
    lab.call(&lab.add("a1", &pods[0], &["10.9.0.20/24"], &json!({})))
        .succeeds();
    let second = lab.add("b1", &pods[1], &["10.9.0.21/24"], &json!({}));
    let changes: Vec<String> = decided(&lab, &second)
        .prepare
        .iter()
        .map(ToString::to_string)
        .collect();
    assert!(changes[0].starts_with("create veth"), "{changes:?}");
    lab.call(&second).succeeds();
    assert!(pods[0].reaches(&pods[1], "10.9.0.21"));
}

#[test]
fn what_cannot_be_moved_without_a_gap_is_left_alone() {
    let Some(lab) = lab() else { return };
    let pod = Space::new();
    lab.host.ip("link add docker type bridge");
    lab.host.ip("link add other type veth peer name rehto");
    lab.host.ip("link set other master docker up");
    lab.host.ip("link set rehto up");
    lab.host.ip("link set docker up");
    lab.host.await_carrier("docker");
    let before = lab.host.snapshot();
    let call = lab.add("c1", &pod, &["10.9.0.20/24"], &json!({}));
    lab.call(&call)
        .fails_with(7, "bridge docker has ports already");
    let routes = format!(
        "10.88.0.0/16 nexthop via {OUTSIDE_IP} dev {DEVICE} nexthop via 10.9.0.2 dev {DEVICE}"
    );
    lab.host.ip("link set other nomaster");
    lab.host.ip("link delete docker");
    lab.host.ip(&format!("route add {routes}"));
    lab.call(&call)
        .fails_with(7, "10.88.0.0/16, which has several next hops");
    lab.host.ip("route delete 10.88.0.0/16");
    lab.host
        .ip(&format!("nexthop add id 7 via {OUTSIDE_IP} dev {DEVICE}"));
    lab.host.ip("route add 10.88.0.0/16 nhid 7");
    lab.call(&call)
        .fails_with(7, "10.88.0.0/16 by 10.9.0.1, whose next hop is an object");
    lab.host.ip("route delete 10.88.0.0/16");
    assert!(before.contains("docker"));
    assert_host_answers(&lab, "after refusals");
}
