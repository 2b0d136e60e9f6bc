//! Command lines that documents print, run as they stand there.

use std::fs;
use std::process::Command;

use serde_json::Value;

use crate::server::repository;
use crate::session::Session;

/// Whether commands can be run as printed. Where that must be so, it is no excuse that they cannot.
pub(crate) fn curl_is_there() -> bool {
    let found = Command::new("curl").arg("--version").output();
    let found = found.is_ok_and(|answer| answer.status.success());
    let must = std::env::var("CI").is_ok_and(|ci| ci == "true");
    assert!(found || !must, "curl is missing");
    if !found {
        eprintln!("SKIPPED: curl is missing, so the printed command lines were NOT run");
    }
    found
}

fn document(name: &str) -> String {
    fs::read_to_string(repository().join(name)).unwrap()
}

#[test]
fn readme_try_it() {
    if !curl_is_there() {
        return;
    }
    for name in ["README.md", "README.zh-CN.md"] {
        let text = document(name);
        let (_, section) = text.split_once("<!-- try-it: begin -->").expect(name);
        let (section, _) = section.split_once("<!-- try-it: end -->").expect(name);
        assert!(Session::with_a_server().follow(section) > 2, "{name}");
    }
}

#[test]
fn the_tutorial_can_be_followed() {
    if !curl_is_there() {
        return;
    }
    let blocks = Session::in_an_empty_folder().follow(&document("docs/tutorial.md"));
    assert!(blocks > 10, "{blocks}");
}

#[test]
fn a_document_is_followed_in_order_and_what_it_prints_is_compared() {
    if !curl_is_there() {
        return;
    }
    let document = "```sh\ncurl -H 'Content-type: application/json' \\\n  -d '{\"name\":\"blue\",\"size\":1,\
         \"preAllocateIP\":true}' http://127.0.0.1:32761/v1/pool\n```\n\nIt answers\n\n```json\n{\n \"code\": \
         200,\n \"message\": \"\",\n \"realPoolSize\": 1\n}\n```\n\n```sh\ncurl -o /dev/null \
         http://127.0.0.1:32761/v1/ip\n```\n";
    assert_eq!(Session::with_a_server().follow(document), 2);
    let wrong = document.replace("Size\": 1", "Size\": 2");
    let followed = std::panic::catch_unwind(|| Session::with_a_server().follow(&wrong));
    assert!(followed.is_err());
}

/// The lines of the seed document, but for their host.
#[test]
fn the_documented_curl_lines_are_understood() {
    if !curl_is_there() {
        return;
    }
    let session = Session::with_a_server();
    let run = |line: &str| -> Value {
        let line = line.replace("192.168.99.100:32761", "127.0.0.1:32761");
        serde_json::from_str(&session.run(&line)).unwrap()
    };
    let listed = run(
        r#"curl "http://192.168.99.100:32761/v1/ip?namespace=default&appName=nginx-deployment&appType=tapp""#,
    );
    let empty = serde_json::json!({
        "last": true, "totalElements": 0, "totalPages": 0, "first": true,
        "numberOfElements": 0, "size": 10, "number": 0, "content": [],
    });
    assert_eq!(listed, empty);
    let answer = run(
        r#"curl -v -H 'Content-type: application/json' -d '{"ips":[{"ip":"10.0.70.169", "namespace":"default", "appName":"nginx-deployment", "appType":"tapp", "podName": "nginx-deployment-1"}]}' "http://192.168.99.100:32761/v1/ip""#,
    );
    // Nobody has it, which is 202 as the API document says.
    assert_eq!(answer["code"], 202);
    assert_eq!(answer["reasons"], serde_json::json!(["already free"]));
}
