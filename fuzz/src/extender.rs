//! What the scheduler asks the extender: filter, prioritize, preempt and bind. Each offered node gets one
//! answer, asking changes nothing, and what is read means the same however its JSON is written.

mod cluster;

use std::collections::BTreeSet;

use floatingip_k8s::extender::wire::{
    Args, BindingArgs, HostPriority, MetaVictims, PreemptionArgs, WireError,
};
use serde::Serialize;
use serde_json::{Value, json};

use cluster::Cluster;

/// The best score there is.
const BEST: i64 = 10;

/// Takes questions with a blank line between them: a line with the verb, then the body.
pub fn check(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let cluster = Cluster::new();
    for question in text.split("\n\n").take(8) {
        let (verb, body) = question.split_once('\n').unwrap_or((question, ""));
        if serde_json::from_str::<Value>(body).is_err() {
            read_alone(body.as_bytes());
            continue;
        }
        match verb {
            "filter" => check_filter(&cluster, body),
            "prioritize" => check_prioritize(&cluster, body),
            "preempt" => check_preempt(&cluster, body),
            "bind" => check_bind(&cluster, body),
            _ => return,
        }
    }
    cluster.check();
}

/// What is no JSON, or has a number that no answer could be compared with, is read and no more.
fn read_alone(body: &[u8]) {
    let _ = Args::read(body);
    let _ = PreemptionArgs::read(body);
    let _ = BindingArgs::read(body);
}

fn check_filter(cluster: &Cluster, body: &str) {
    let answer = asked_twice(cluster, body, |cluster, body| {
        let args = Args::read(body)?;
        let answer = cluster.extender.filter(&args);
        if answer.error.is_empty() {
            check_partition(&args, &printed(&answer));
        }
        Ok(printed(&answer))
    });
    let Some(answer) = answer else { return };
    assert!(answer["Error"].is_string(), "{answer}");
}

/// Each offered node has passed, or has failed for one kind of reason.
fn check_partition(args: &Args<'_>, answer: &Value) {
    let names = args.nodes.names();
    let whole = &answer["Nodes"]["items"];
    let passed = match answer["NodeNames"].as_array() {
        Some(names) => names.iter().filter_map(Value::as_str).collect(),
        None => names_of(whole),
    };
    let failed = keys(&answer["FailedNodes"]);
    let unresolvable = keys(&answer["FailedAndUnresolvableNodes"]);
    let of_all: BTreeSet<&str> = [&passed, &failed, &unresolvable]
        .into_iter()
        .flatten()
        .copied()
        .collect();
    assert_eq!(of_all, names.iter().copied().collect(), "{answer}");
    let distinct: BTreeSet<&str> = passed.iter().copied().collect();
    assert_eq!(
        distinct.len() + failed.len() + unresolvable.len(),
        of_all.len(),
        "a node with two answers: {answer}"
    );
}

fn names_of(nodes: &Value) -> Vec<&str> {
    let nodes = nodes.as_array().into_iter().flatten();
    nodes
        .filter_map(|node| node["metadata"]["name"].as_str())
        .collect()
}

fn keys(map: &Value) -> Vec<&str> {
    let keys = map.as_object().into_iter().flatten();
    keys.map(|(key, _)| key.as_str()).collect()
}

fn check_prioritize(cluster: &Cluster, body: &str) {
    asked_twice(cluster, body, |cluster, body| {
        let args = Args::read(body)?;
        let scores = cluster.extender.prioritize(&args);
        let hosts: Vec<&str> = scores.iter().map(|score| score.host).collect();
        assert!(hosts.is_empty() || hosts == args.nodes.names());
        let fits = |score: &HostPriority<'_>| (0..=BEST).contains(&score.score);
        assert!(scores.iter().all(fits), "{scores:?}");
        Ok(printed(&scores))
    });
}

fn check_preempt(cluster: &Cluster, body: &str) {
    asked_twice(cluster, body, |cluster, body| {
        let args = PreemptionArgs::read(body)?;
        check_short_form(&args);
        let answer = cluster.extender.preempt(&args);
        let kept = &answer.node_name_to_meta_victims;
        assert!(kept.keys().all(|node| args.candidates.contains_key(*node)));
        Ok(printed(&answer))
    });
}

/// Candidates in the form in which they are answered are read as the same ones.
fn check_short_form(args: &PreemptionArgs) {
    let short = args.candidates.iter();
    let short = short.map(|(node, victims)| (node.clone(), printed(&MetaVictims::from(victims))));
    let body = json!({ "NodeNameToMetaVictims": short.collect::<serde_json::Map<_, _>>() });
    let again = PreemptionArgs::read(body.to_string().as_bytes());
    assert_eq!(
        again.map(|again| again.candidates).ok().as_ref(),
        Some(&args.candidates)
    );
}

fn check_bind(cluster: &Cluster, body: &str) {
    let Ok(args) = BindingArgs::read(body.as_bytes()) else {
        return;
    };
    let again = json!({
        "podname": args.pod_name, "PODNAMESPACE": args.pod_namespace,
        "podUID": args.pod_uid, "Node": args.node,
    });
    let again = BindingArgs::read(again.to_string().as_bytes());
    assert_eq!(again.ok().as_ref(), Some(&args));
    let bound = cluster.bind(&args);
    let repeated = cluster.bind(&args);
    assert_eq!(bound, repeated, "{args:?}");
    let fits = bound.is_empty() || !cluster.has_bound(&args);
    assert!(fits, "bound, and answered `{bound}`");
}

/// The answer to a question that can be read: the same when it is asked again, and when it is printed anew.
fn asked_twice(
    cluster: &Cluster,
    body: &str,
    ask: impl Fn(&Cluster, &[u8]) -> Result<Value, WireError>,
) -> Option<Value> {
    let answer = ask(cluster, body.as_bytes()).ok()?;
    let again = ask(cluster, body.as_bytes()).ok();
    assert_eq!(again.as_ref(), Some(&answer), "asked again");
    if let Some(anew) = printed_anew(body) {
        let again = ask(cluster, anew.as_bytes()).ok();
        assert_eq!(again.as_ref(), Some(&answer), "printed anew: {anew}");
    }
    Some(answer)
}

/// The same JSON with other blanks, escapes and order of keys, where no key is there twice: of those the
/// last one counts, and their order is lost.
fn printed_anew(body: &str) -> Option<String> {
    let value: Value = serde_json::from_str(body).ok()?;
    let anew = value.to_string();
    let colons = |text: &str| text.matches("\":").count();
    let unique = no_key_twice(&value) && colons(&body.replace(' ', "")) == colons(&anew);
    unique.then_some(anew)
}

/// Whether keys differ in more than the case of letters.
fn no_key_twice(value: &Value) -> bool {
    match value {
        Value::Array(items) => items.iter().all(no_key_twice),
        Value::Object(fields) => {
            let folded: BTreeSet<String> = fields.keys().map(|key| key.to_lowercase()).collect();
            folded.len() == fields.len() && fields.values().all(no_key_twice)
        }
        _ => true,
    }
}

fn printed(answer: &impl Serialize) -> Value {
    serde_json::to_value(answer).expect("an answer that can be printed")
}
