//! Against bodies that a real scheduler sent, and against those that it might.

use super::*;

macro_rules! golden {
    ($name:literal) => {
        include_bytes!(concat!("../../../tests/golden/extender/", $name, ".json"))
    };
}

fn uid(pod: &PodObject) -> &str {
    pod.metadata.uid.as_deref().unwrap()
}

#[test]
fn both_forms_of_nodes_are_read() {
    for body in [
        &golden!("filter_names")[..],
        golden!("filter_whole"),
        golden!("priority_names"),
        golden!("priority_whole"),
    ] {
        let args = Args::read(body).unwrap();
        assert_eq!(args.pod.metadata.name.as_deref(), Some("low-0"));
        assert_eq!(args.pod.spec.wanted(), Some(1));
        assert_eq!(args.nodes.names(), ["node-a", "node-b"]);
    }
}

/// Who was sent whole nodes gets them back as they came.
#[test]
fn whole_nodes_go_back_unread() {
    let args = Args::read(golden!("filter_whole")).unwrap();
    let Nodes::Whole(nodes) = &args.nodes else {
        panic!("names");
    };
    let result = FilterResult {
        nodes: Some(Items {
            items: nodes.iter().map(|node| node.text).collect(),
        }),
        ..FilterResult::default()
    };
    let written: serde_json::Value = serde_json::to_value(&result).unwrap();
    let sent: serde_json::Value = serde_json::from_slice(golden!("filter_whole")).unwrap();
    assert_eq!(written["Nodes"]["items"], sent["Nodes"]["items"]);
    assert!(written.get("NodeNames").is_none());
}

#[test]
fn bindings_are_read() {
    let args = BindingArgs::read(golden!("bind_names")).unwrap();
    assert_eq!(args.pod_name, "low-0");
    assert_eq!(args.pod_namespace, "default");
    assert_eq!(args.node, "node-a");
    assert_eq!(args.pod_uid.len(), 36);
}

#[test]
fn victims_are_read_in_both_forms_and_handed_back_by_uid() {
    for body in [&golden!("preempt_names")[..], golden!("preempt_whole")] {
        let args = PreemptionArgs::read(body).unwrap();
        assert_eq!(args.pod.metadata.name.as_deref(), Some("high-0"));
        assert_eq!(uid(&args.pod).len(), 36);
        let (node, victims) = args.candidates.first_key_value().unwrap();
        assert!(node.starts_with("node-"));
        assert_eq!(victims.uids.len(), 1);
        let meta = MetaVictims::from(victims);
        let written = serde_json::to_value(&meta).unwrap();
        let expected = serde_json::json!({
            "Pods": [{ "UID": victims.uids[0] }], "NumPDBViolations": 0
        });
        assert_eq!(written, expected);
    }
}

#[test]
fn names_are_read_in_any_case_and_null_is_nothing() {
    let body = br#"{"pod":{"metadata":{"name":"a"}},"nodes":null,"nodenames":["x"]}"#;
    let args = Args::read(body).unwrap();
    assert_eq!(args.pod.metadata.name.as_deref(), Some("a"));
    assert_eq!(args.nodes.names(), ["x"]);
    for nothing in [
        &br#"{"Pod":null,"Nodes":null,"NodeNames":null}"#[..],
        br#"{"Pod":{},"Nodes":{"items":null}}"#,
        br"{}",
    ] {
        let args = Args::read(nothing).unwrap();
        assert!(args.nodes.names().is_empty());
        assert_eq!(args.pod.metadata.name, None);
    }
    let args = PreemptionArgs::read(br#"{"NodeNameToMetaVictims":{"n":null}}"#).unwrap();
    assert_eq!(args.candidates["n"], Victims::default());
    assert_eq!(BindingArgs::read(b"{}").unwrap(), BindingArgs::default());
}

/// As Go reads it: the last one counts.
#[test]
fn of_repeated_fields_the_last_one_counts() {
    let args = BindingArgs::read(br#"{"Node":"a","node":"b"}"#).unwrap();
    assert_eq!(args.node, "b");
}

#[test]
fn bodies_that_are_no_questions_are_errors_that_name_the_field() {
    for (body, field) in [
        (&b""[..], ""),
        (b"null", ""),
        (b"[]", ""),
        (br#"{"NodeNames":{}}"#, "field NodeNames"),
        (br#"{"NodeNames":[1]}"#, "field NodeNames"),
        (br#"{"Nodes":{"items":[{"metadata":{}}]}}"#, "field Nodes"),
        (br#"{"Pod":"x"}"#, "field Pod"),
    ] {
        let error = Args::read(body).unwrap_err().to_string();
        assert!(error.contains(field), "{error}");
    }
    let many: String = (0..=MOST_FIELDS).map(|n| format!("\"{n}\":0,")).collect();
    let many = format!("{{{}}}", many.trim_end_matches(','));
    assert!(Args::read(many.as_bytes()).is_err());
}

#[test]
fn answers_have_the_names_that_go_expects() {
    let result = FilterResult {
        node_names: Some(vec!["a"]),
        failed_nodes: BTreeMap::from([("b", Name::from("full"))]),
        ..FilterResult::default()
    };
    assert_eq!(
        serde_json::to_string(&result).unwrap(),
        r#"{"NodeNames":["a"],"FailedNodes":{"b":"full"},"FailedAndUnresolvableNodes":{},"Error":""}"#
    );
    let score = HostPriority {
        host: "a",
        score: 7,
    };
    assert_eq!(
        serde_json::to_string(&score).unwrap(),
        r#"{"Host":"a","Score":7}"#
    );
    assert_eq!(
        serde_json::to_string(&BindingResult::default()).unwrap(),
        r#"{"Error":""}"#
    );
    assert_eq!(
        serde_json::to_string(&PreemptionResult::default()).unwrap(),
        r#"{"NodeNameToMetaVictims":{}}"#
    );
}
