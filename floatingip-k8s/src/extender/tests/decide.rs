//! Filter, prioritize and preempt.

use super::*;

#[tokio::test(start_paused = true)]
async fn nodes_pass_where_the_pod_could_have_an_address() {
    let scene = Scene::new().await;
    let pod = scene.pod("web", &json!({}));
    let result = scene.filter(&pod, &["a-1", "b-1", "a-2", "c-1"]);
    assert_eq!(result["NodeNames"], json!(["a-1", "b-1", "a-2"]));
    let unknown = &result["FailedAndUnresolvableNodes"]["c-1"];
    assert_eq!(unknown, "floating IP: the node is not known here yet");
    assert_eq!(result["Error"], "");
    assert!(scene.extender.core.engine().is_empty(), "PURE-READ");
}

#[tokio::test(start_paused = true)]
async fn pods_that_ask_for_nothing_pass_everywhere() {
    let scene = Scene::new().await;
    let mut pod = scene.pod("web", &json!({}));
    pod["spec"] = json!({ "containers": [{}] });
    let result = scene.filter(&pod, &["a-1", "c-1"]);
    assert_eq!(result["NodeNames"], json!(["a-1", "c-1"]));
}

/// Trap 16: of many pods for the last addresses, so many pass as there are.
#[tokio::test(start_paused = true)]
async fn no_more_pods_pass_than_can_bind() {
    let scene = Scene::new().await;
    let passes = |n: usize| {
        let pod = scene.pod(&format!("p-{n}"), &json!({}));
        scene.filter(&pod, &["a-1", "a-2"])
    };
    for n in 0..2 {
        assert_eq!(passes(n)["NodeNames"], json!(["a-1", "a-2"]));
    }
    let third = passes(2);
    assert_eq!(third["NodeNames"], json!([]));
    let reason = third["FailedNodes"]["a-1"].as_str().unwrap();
    assert!(reason.contains("10.0.70.0/24"), "{reason}");
    assert_eq!(scene.extender.waiting.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_mistyped_policy_is_told_at_every_node_and_not_as_an_error() {
    let scene = Scene::new().await;
    let policy = json!({ "k8s.v1.cni.galaxy.io/release-policy": "imutable" });
    let pod = scene.pod("web", &policy);
    let result = scene.filter(&pod, &["a-1", "b-1"]);
    assert_eq!(result["NodeNames"], json!([]));
    let reasons = result["FailedAndUnresolvableNodes"].as_object().unwrap();
    assert_eq!(reasons.len(), 2);
    assert!(reasons["a-1"].as_str().unwrap().contains("imutable"));
    assert_eq!(result["Error"], "");
}

/// Trap 28: who sends whole nodes gets whole nodes, who sends names gets names.
#[tokio::test(start_paused = true)]
async fn whole_nodes_are_answered_with_whole_nodes() {
    let scene = Scene::new().await;
    let pod = scene.pod("web", &json!({}));
    let node = |name: &str| json!({ "metadata": { "name": name, "labels": { "x": "y" } } });
    let body = json!({ "Pod": pod, "Nodes": { "items": [node("a-1"), node("c-1")] } }).to_string();
    let args = wire::Args::read(body.as_bytes()).unwrap();
    let result = serde_json::to_value(scene.extender.filter(&args)).unwrap();
    assert_eq!(result["Nodes"]["items"], json!([node("a-1")]));
    assert!(result.get("NodeNames").is_none());
}

#[tokio::test(start_paused = true)]
async fn nodes_with_more_room_score_higher_and_the_pods_own_address_highest() {
    let scene = Scene::new().await;
    scene.pod("p-0", &json!({}));
    assert_eq!(scene.bind("p-0", "a-1").await, "");
    let pod = scene.pod("p-1", &json!({}));
    let body = json!({ "Pod": pod, "NodeNames": ["a-1", "b-1", "c-1"] }).to_string();
    let args = wire::Args::read(body.as_bytes()).unwrap();
    let scores: Vec<i64> = scene
        .extender
        .prioritize(&args)
        .iter()
        .map(|priority| priority.score)
        .collect();
    assert_eq!(scores, [4, 9, 0]);
}

/// A candidate stays only if the victims' end gives the pod an address there.
#[tokio::test(start_paused = true)]
async fn preemption_ends_pods_only_where_that_helps() {
    let scene = Scene::new().await;
    for (pod, policy) in [("p-0", "never"), ("p-1", "")] {
        scene.pod(
            pod,
            &json!({ "k8s.v1.cni.galaxy.io/release-policy": policy }),
        );
        assert_eq!(scene.bind(pod, "a-1").await, "");
    }
    let pod = scene.pod("high", &json!({}));
    let victims = |uid: &str| json!({ "Pods": [{ "UID": uid }], "NumPDBViolations": 0 });
    let body = json!({ "Pod": pod, "NodeNameToMetaVictims": {
        "a-1": victims("p-0-uid"), "a-2": victims("p-1-uid"), "c-1": victims("p-1-uid"),
    }});
    let body = body.to_string();
    let args = wire::PreemptionArgs::read(body.as_bytes()).unwrap();
    let result = scene.extender.preempt(&args);
    let kept: Vec<&&str> = result.node_name_to_meta_victims.keys().collect();
    assert_eq!(kept, [&"a-2"]);
}
