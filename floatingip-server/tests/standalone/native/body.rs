//! Bodies and paths that cannot be meant: refused with their place, and nothing is changed.

use serde_json::{Value, json};

use super::{merged, reason};
use crate::client::{connect, exchange};
use crate::server::{Home, SEED};

const PATHS: [&str; 3] = ["/v1/attachment", "/v1/attachment/gc", "/v1/app"];

fn place() -> Value {
    json!({"nodeName": "node-1", "network": "lan", "containerID": "c1", "interface": "eth0"})
}

#[test]
fn what_is_no_request_is_refused_by_every_path_and_changes_nothing() {
    let home = Home::new(SEED);
    let server = home.start();
    let deep = format!("{}{}", "[".repeat(200), "]".repeat(200));
    let long = format!("\"{}\"", "x".repeat(1 << 20));
    let whole = place().to_string();
    for path in PATHS {
        for (body, status) in [
            ("", 400),
            ("null", 400),
            ("[]", 400),
            ("{", 400),
            ("{}", 400),
            (&deep, 400),
            (&format!("{{\"nodeName\":{deep}}}"), 400),
            (r#"{"nodeName":"a","nodeName":"b"}"#, 400),
            (r#"["node-1","lan","c1","eth0"]"#, 400),
            (&long, 413),
        ] {
            let told = server.ask("POST", path, body).json(status);
            assert_eq!(told["code"], status, "{path} {body:.40}");
        }
        let form = format!(
            "POST {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: \
             application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{whole}",
            whole.len()
        );
        exchange(connect(server.port), &form).json(415);
    }
    assert_eq!(server.metric("floatingip_store_batches_total"), Some(0.0));
    assert_eq!(server.rows("").len(), 0);
}

/// A field, what is wrong with it, and the reason for programs; none where it is no such type at all.
#[test]
fn a_field_that_cannot_be_meant_is_named() {
    let home = Home::new(SEED);
    let server = home.start();
    let many = |n: usize| json!(vec!["10.0.0.1"; n]);
    let (long, invalid) = ("x".repeat(254), "invalidField");
    for (field, value, expected) in [
        ("nodeName", json!(""), invalid),
        ("nodeName", json!("a b"), invalid),
        ("nodeName", json!(long), invalid),
        ("nodeName", json!(7), ""),
        ("nodeName", json!(null), ""),
        ("interface", json!("a/b"), invalid),
        ("interface", json!(".."), invalid),
        ("interface", json!("sixteen-letters-"), invalid),
        ("nodeIPs", json!(["10.0.0.010"]), invalid),
        ("nodeIPs", json!([]), invalid),
        ("nodeIPs", many(65), invalid),
        ("nodeIPs", json!([null]), ""),
        ("policy", json!("Never"), "unknownPolicy"),
        ("policy", json!(3), "unknownPolicy"),
        ("policy", json!(-1), "unknownPolicy"),
        ("policy", json!(1.5), ""),
        ("polcy", json!("never"), ""),
        ("podUID", json!("u"), invalid),
        ("appType", json!("deployment"), invalid),
        ("appUID", json!("u"), invalid),
        ("poolName", json!("two words"), invalid),
        ("count", json!(0), invalid),
        ("count", json!(17), invalid),
        ("count", json!(1.5), ""),
        ("count", json!(1e30), ""),
        ("ipFamilies", json!(["IPv5"]), invalid),
        ("ipFamilies", json!(["IPv4", "IPv4"]), invalid),
        ("requestIPRange", json!([["10.0.70.9~10.0.70.2"]]), invalid),
        ("requestIPRange", json!([[]]), invalid),
        ("requestIPRange", json!([many(257)]), invalid),
        ("requestIPRange", json!(vec![["10.0.70.9"]; 17]), invalid),
    ] {
        let answer = server.attach(&merged(&place(), &json!({field: value})));
        assert_eq!(
            reason(&answer, 400),
            expected,
            "{field} {value}: {}",
            answer.body
        );
        assert!(answer.body.contains(field), "{}", answer.body);
    }
    let named = json!({"appType": "statefulset", "appName": "db", "podName": "db-x"});
    let answer = server.attach(&merged(&place(), &named));
    assert_eq!(reason(&answer, 400), "notAnOrdinal");
    assert_eq!(server.metric("floatingip_store_batches_total"), Some(0.0));
}

#[test]
fn an_app_is_told_of_with_the_fields_of_its_kind() {
    let home = Home::new(SEED);
    let server = home.start();
    let tell = |app: &Value| server.ask("POST", "/v1/app", &app.to_string());
    for (app, field) in [
        (json!({"appType": "deployment", "appName": "a"}), "replicas"),
        (
            json!({"appType": "deployment", "appName": "a", "replicas": 1, "start": 1}),
            "start",
        ),
        (
            json!({"appType": "deployment", "appName": "a", "replicas": 1, "nodes": []}),
            "nodes",
        ),
        (
            json!({"appType": "daemonset", "appName": "a", "replicas": 1}),
            "replicas",
        ),
        (
            json!({"appType": "daemonset", "appName": "a", "nodes": ["a b"]}),
            "nodes",
        ),
        (
            json!({"appType": "daemonset", "appName": "a", "nodes": vec!["n"; 5001]}),
            "nodes",
        ),
        (
            json!({"appType": "deployment", "appName": "", "replicas": 1}),
            "appType",
        ),
        (
            json!({"appType": "", "appName": "a", "replicas": 1}),
            "appType",
        ),
    ] {
        let answer = tell(&app);
        assert_eq!(
            reason(&answer, 400),
            "invalidField",
            "{:.80}",
            app.to_string()
        );
        assert_eq!(answer.json(400)["details"]["field"], field);
    }
    for bad in ["-1", "4294967296", "1.5", "\"1\"", "null"] {
        let app = format!(r#"{{"appType":"deployment","appName":"a","replicas":{bad}}}"#);
        let answer = server.ask("POST", "/v1/app", &app);
        assert!(
            answer.json(400)["message"]
                .as_str()
                .unwrap()
                .contains("replicas")
        );
    }
    tell(&json!({"appType": "Deployments", "appName": "a", "replicas": 4.0})).json(200);
    let path = "/v1/app/default/deployment/a";
    assert_eq!(server.get(path).json(200)["app"]["replicas"], 4);
    assert_eq!(server.get(&format!("{path}?appGroup=other")).status, 404);
    server.get(&format!("{path}?group=x")).json(400);
    server.get("/v1/app/default/%FF/a").json(400);
}

/// galaxy-ipam has no such paths, so nobody relies on its leniency here.
#[test]
fn with_galaxy_compat_a_mistyped_field_is_refused_all_the_same() {
    let home = Home::new(SEED);
    let server = home.start_with(&["--galaxy-compat"]);
    let mistyped = server.attach(&merged(&place(), &json!({"polcy": "never"})));
    assert!(
        mistyped.json(400)["message"]
            .as_str()
            .unwrap()
            .contains("polcy")
    );
    server.attach(&place()).json(200);
    assert_eq!(server.rows("keyword=c1").len(), 1);
}
