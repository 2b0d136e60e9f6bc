//! Why a pod has an address or has none.

use serde_json::json;

use super::reason;
use crate::server::{Home, with_ips};

#[test]
fn a_pod_that_was_refused_is_told_why_now() {
    let home = Home::new(&with_ips("10.0.70.2"));
    let server = home.start();
    let explain = |pod: &str| server.get(&format!("/v1/explain/default/{pod}"));
    assert_eq!(explain("first").status, 404);
    server
        .attach_container("c1", &json!({"podName": "first"}))
        .json(200);
    let has = explain("first").json(200);
    assert_eq!(has["pod"]["addresses"], json!(["10.0.70.2"]));
    assert_eq!(
        (&has["pod"]["uid"], &has["pod"]["node"]),
        (&json!("c1"), &json!("node-1"))
    );

    let second = json!({"podName": "second", "policy": "never"});
    let refused = server.attach_container("c2", &second);
    assert_eq!(reason(&refused, 409), "exhausted");
    let full = json!([{"subnet": "10.0.70.0/24", "reason": "full"}]);
    assert_eq!(refused.json(409)["details"]["subnets"], full);
    let has_none = explain("second").json(200);
    assert_eq!(has_none["pod"]["addresses"], json!([]));
    assert_eq!(has_none["nodes"][0]["examples"], json!(["node-1"]));
    assert_eq!(has_none["nodes"][0]["subnets"][0][0]["reason"], "is full");
    assert!(has_none["nodes"][0]["reason"].is_string());
    assert_eq!(has_none["pod"]["slot"], "pod name second");
    assert_eq!(has_none["pod"]["policy"], 2);
    let pooled =
        json!({"appType": "statefulset", "appName": "db", "podName": "db-3", "poolName": "blue"});
    server.attach_container("c3", &pooled).json(409);
    let pod = &explain("db-3").json(200)["pod"];
    assert_eq!(
        (&pod["slot"], &pod["poolName"]),
        (&json!("ordinal 3"), &json!("blue"))
    );
    assert!(
        pod["app"].as_str().is_some_and(|app| app.contains("db")),
        "{pod}"
    );

    server.detach("node-1", "c1");
    let would = explain("second").json(200);
    assert_eq!(would["nodes"][0]["addresses"], json!(["10.0.70.2"]));
    server.attach_container("c2", &second).json(200);
    assert_eq!(explain("second").json(200)["nodes"], json!([]));
    server.end_pod("c2");
    let kept = explain("second").json(200);
    assert_eq!(kept["pod"]["addresses"], json!(["10.0.70.2"]));
    assert_eq!(kept["pod"]["uid"], "");
    assert_eq!(explain("first").status, 404);
    server
        .attach_container("c3", &json!({"podName": "third"}))
        .json(409);
    assert_eq!(explain("third").status, 200);
    server.end_pod("c3");
    assert_eq!(explain("third").status, 404);
}
