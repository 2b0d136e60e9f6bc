use serde_json::json;

use super::super::catalogue::WireCatalogue;
use super::*;

const INFOS: &str = r#"[{"gateway":"10.0.0.1","ip":"10.0.0.3/24","vlan":0}]"#;

fn catalogue() -> Catalogue {
    let wire: WireCatalogue = serde_json::from_value(json!({
        "NetworkConf": [
            {"name": "flannel", "type": "galaxy-flannel"},
            {"type": "galaxy-k8s-vlan", "device": "eth1"},
            {"name": "lan", "type": "bridge", "args": {"cni": {"own": 1}}, "capabilities": {"mac": true, "portMappings": true, "ips": false, "io.kubernetes.cri.pod-annotations": true}},
            {"name": "lent", "type": "macvlan", "ipam": {"type": "floatingip-ipam"}},
        ],
        "DefaultNetworks": ["flannel", "lan"],
        "ENIIPNetwork": "galaxy-k8s-vlan",
    }))
    .unwrap();
    Catalogue::try_from(wire).unwrap()
}

fn pod(networks: Option<&str>, bound: bool) -> Pod {
    let args = format!(r#"{{"common":{{"ipinfos":{INFOS},"more":7}}}}"#);
    let networks = networks.map(|text| (ANNOTATION.to_owned(), text.to_owned()));
    let args = bound.then(|| ("k8s.v1.cni.galaxy.io/args".to_owned(), args));
    Pod {
        annotations: networks.into_iter().chain(args).collect(),
        requests: None,
    }
}

/// What a test changes.
struct Case<'a> {
    pod: Pod,
    args: &'a str,
    ignore: bool,
    runtime: Map<String, Value>,
}

impl Case<'_> {
    fn of(pod: Pod) -> Self {
        Self {
            pod,
            args: "K8S_POD_NAME=a",
            ignore: false,
            runtime: Map::new(),
        }
    }

    fn choose(&self) -> Result<Vec<Member>, ChoiceError> {
        choose(&Wanted {
            catalogue: &catalogue(),
            ignore_annotation: self.ignore,
            pod: &self.pod,
            interface: &InterfaceName::chosen("eth0"),
            args: &told(self.args),
            runtime: &self.runtime,
        })
    }

    fn joined(&self) -> String {
        let members = self.choose().unwrap();
        let joined: Vec<_> = members
            .iter()
            .map(|member| format!("{}@{}", member.network, member.interface))
            .collect();
        joined.join(" ")
    }
}

fn told(args: &str) -> Args {
    args.parse().unwrap()
}

#[test]
fn a_pod_that_names_no_network_gets_the_defaults_or_that_of_floating_ips() {
    assert_eq!(Case::of(pod(None, false)).joined(), "flannel@eth0 lan@eth1");
    assert_eq!(
        Case::of(pod(Some(""), false)).joined(),
        "flannel@eth0 lan@eth1"
    );
    assert_eq!(Case::of(pod(None, true)).joined(), "galaxy-k8s-vlan@eth0");
    let told = format!("ipinfos={INFOS}");
    let case = Case {
        args: &told,
        ..Case::of(pod(None, false))
    };
    assert_eq!(case.joined(), "galaxy-k8s-vlan@eth0");
}

#[test]
fn a_pod_that_names_networks_gets_these_whatever_it_was_bound_with() {
    for bound in [true, false] {
        let named = |text| Case::of(pod(Some(text), bound)).joined();
        assert_eq!(named("lan"), "lan@eth0");
        assert_eq!(
            named("lan,ns/flannel,galaxy-k8s-vlan"),
            "lan@eth0 flannel@eth1 galaxy-k8s-vlan@eth2"
        );
        assert_eq!(named("lan@net7,flannel@net1"), "lan@eth0 flannel@net1");
        assert_eq!(
            named(r#"[{"name":"lan"},{"name":"flannel","interface":"net1"}]"#),
            "lan@eth0 flannel@net1"
        );
    }
}

#[test]
fn an_annotation_that_is_for_somebody_else_is_left_alone() {
    let case = Case {
        ignore: true,
        ..Case::of(pod(Some("nothing-here"), true))
    };
    assert_eq!(case.joined(), "galaxy-k8s-vlan@eth0");
}

#[test]
fn every_network_gets_what_the_pod_was_bound_with() {
    for member in Case::of(pod(Some("lan,galaxy-k8s-vlan"), true))
        .choose()
        .unwrap()
    {
        assert_eq!(
            member.args,
            format!("IgnoreUnknown=1;K8S_POD_NAME=a;ipinfos={INFOS};more=7")
        );
    }
    let members = Case::of(pod(None, false)).choose().unwrap();
    assert_eq!(members[0].args, "K8S_POD_NAME=a");
}

#[test]
fn networks_that_cannot_be_joined_are_told_before_the_first_one_is() {
    for (text, expected) in [
        ("lan,nowhere", "\"nowhere\""),
        ("lan,flannel@eth0", "interface eth0"),
        ("lan,flannel@eth2,galaxy-k8s-vlan", "interface eth2"),
        (
            r#"[{"name":"flannel","mac":"02:00:00:00:00:07"}]"#,
            "mac on network flannel",
        ),
        (
            r#"[{"name":"lan","ips":["10.0.0.7"]}]"#,
            "ips on network lan",
        ),
        ("[", "k8s.v1.cni.cncf.io/networks"),
    ] {
        let error = Case::of(pod(Some(text), false))
            .choose()
            .unwrap_err()
            .to_string();
        assert!(error.contains(expected), "{text}: {error}");
    }
}

/// The second one would find the pod's own address in use.
#[test]
fn a_floating_ip_is_for_one_network() {
    let two = "galaxy-k8s-vlan,lent";
    let error = Case::of(pod(Some(two), true)).choose().unwrap_err();
    let text = error.to_string();
    assert!(text.contains("galaxy-k8s-vlan and lent"), "{text}");
    let told = format!("ipinfos={INFOS}");
    let case = Case {
        args: &told,
        ..Case::of(pod(Some("lent,lan,galaxy-k8s-vlan"), false))
    };
    let text = case.choose().unwrap_err().to_string();
    assert!(text.contains("lent and galaxy-k8s-vlan"), "{text}");
    let twice = "galaxy-k8s-vlan,galaxy-k8s-vlan";
    assert!(Case::of(pod(Some(twice), true)).choose().is_err());
    assert!(Case::of(pod(Some(two), false)).choose().is_ok());
}

#[test]
fn a_node_without_default_networks_or_with_too_many_says_so() {
    let chosen = |defaults: usize| {
        let mut catalogue = catalogue();
        catalogue.defaults = vec!["lan".to_owned(); defaults];
        choose(&Wanted {
            catalogue: &catalogue,
            ignore_annotation: false,
            pod: &Pod::default(),
            interface: &InterfaceName::chosen("eth0"),
            args: &Args::default(),
            runtime: &Map::new(),
        })
    };
    assert!(matches!(chosen(0), Err(ChoiceError::None)));
    assert_eq!(chosen(Selections::LIMIT).unwrap().len(), Selections::LIMIT);
    let many = chosen(Selections::LIMIT + 1);
    assert!(matches!(many, Err(ChoiceError::TooMany(17))));
}

#[test]
fn what_a_pod_wishes_reaches_the_plugin_that_can_do_it() {
    let text = r#"[{"name":"lan","mac":"02:00:00:00:00:07","cni-args":{"a":2}}]"#;
    let members = Case::of(pod(Some(text), false)).choose().unwrap();
    assert_eq!(
        members[0].config["runtimeConfig"],
        json!({"mac": "02:00:00:00:00:07"})
    );
    assert_eq!(
        members[0].config["args"],
        json!({"cni": {"own": 1, "a": 2}})
    );
    assert_eq!(members[0].config["name"], "lan");
}

#[test]
fn what_the_runtime_adds_is_for_the_first_network_but_annotations_are_for_all() {
    let annotations = json!({"a": "b"});
    let runtime = json!({
        "portMappings": [{"hostPort": 80}],
        "ips": ["10.0.0.7"],
        "io.kubernetes.cri.pod-annotations": annotations,
    });
    let case = |networks| Case {
        runtime: runtime.as_object().unwrap().clone(),
        ..Case::of(pod(Some(networks), false))
    };
    let first = case("lan,flannel").choose().unwrap();
    assert_eq!(
        first[0].config["runtimeConfig"],
        json!({"portMappings": [{"hostPort": 80}], "io.kubernetes.cri.pod-annotations": annotations})
    );
    assert!(!first[1].config.contains_key("runtimeConfig"));
    let second = case("flannel,lan").choose().unwrap();
    assert_eq!(
        second[1].config["runtimeConfig"],
        json!({"io.kubernetes.cri.pod-annotations": annotations})
    );
}
