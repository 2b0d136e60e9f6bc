//! Command lines that documents print, run as they stand there.

use std::fs;
use std::process::Command;

use crate::server::{Home, SEED, Server, repository};

/// Whether commands can be run as printed. Where that must be so, it is no excuse that they cannot.
fn curl_is_there() -> bool {
    let found = Command::new("curl").arg("--version").output();
    let found = found.is_ok_and(|answer| answer.status.success());
    let must = std::env::var("CI").is_ok_and(|ci| ci == "true");
    assert!(found || !must, "curl is missing");
    if !found {
        eprintln!("SKIPPED: curl is missing, so the printed command lines were NOT run");
    }
    found
}

/// What the commands print on standard output.
fn run(server: &Server, commands: &str, place: &str) -> String {
    let here = format!("127.0.0.1:{}", server.port);
    let commands = commands.replace(place, &here);
    assert!(commands.contains(&here), "{commands}");
    let script = format!("curl() {{ command curl --max-time 30 -sS \"$@\"; }}\n{commands}");
    let ran = Command::new("sh").args(["-ec", &script]).output().unwrap();
    assert!(ran.status.success(), "{commands}\n{ran:?}");
    String::from_utf8(ran.stdout).unwrap()
}

/// A fenced block of a document.
#[derive(Debug, PartialEq, Eq)]
struct Block<'a> {
    language: &'a str,
    text: &'a str,
}

fn blocks(document: &str) -> Vec<Block<'_>> {
    let fenced = document.split("```").skip(1).step_by(2);
    let blocks = fenced.filter_map(|block| block.split_once('\n'));
    blocks
        .map(|(language, text)| Block { language, text })
        .collect()
}

/// The same with every time replaced.
fn masked(text: &str) -> String {
    const KEY: &str = "\"updateTime\": \"";
    let mut parts = text.trim().split(KEY);
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |masked, part| {
        let rest = part.split_once('"').map_or("", |(_, rest)| rest);
        format!("{masked}{KEY}TIME\"{rest}")
    })
}

const BEGIN: &str = "<!-- try-it: begin -->";
const END: &str = "<!-- try-it: end -->";

/// Runs every block of curl lines, and compares what it prints with the block after it.
fn replay(document: &str, place: &str) -> usize {
    let (_, section) = document.split_once(BEGIN).expect(BEGIN);
    let (section, _) = section.split_once(END).expect(END);
    let blocks = blocks(section);
    let home = Home::new(SEED);
    let server = home.start();
    let mut ran = 0;
    for (at, block) in blocks.iter().enumerate() {
        if block.language != "sh" || !block.text.contains("curl") {
            continue;
        }
        let printed = run(&server, block.text, place);
        let next = blocks.get(at + 1).filter(|next| next.language != "sh");
        let expected = next.map_or("", |next| next.text);
        assert_eq!(masked(&printed), masked(expected), "{}", block.text);
        ran += 1;
    }
    ran
}

const PLACE: &str = "127.0.0.1:32761";

#[test]
fn readme_try_it() {
    if !curl_is_there() {
        return;
    }
    for name in ["README.md", "README.zh-CN.md"] {
        let text = fs::read_to_string(repository().join(name)).unwrap();
        assert!(replay(&text, PLACE) > 2, "{name}");
    }
}

#[test]
fn a_transcript_is_replayed_in_order() {
    if !curl_is_there() {
        return;
    }
    let document = format!(
        "{BEGIN}\n```sh\ncurl -H 'Content-type: application/json' \\\n  -d '{{\"name\":\"blue\",\"size\":1,\
         \"preAllocateIP\":true}}' http://{PLACE}/v1/pool\n```\n\nIt answers\n\n```json\n{{\n \"code\": \
         200,\n \"message\": \"\",\n \"realPoolSize\": 1\n}}\n```\n\n```sh\ncurl -o /dev/null \
         http://{PLACE}/v1/ip\n```\n{END}"
    );
    assert_eq!(replay(&document, PLACE), 2);
    let wrong = document.replace("Size\": 1", "Size\": 2");
    assert!(std::panic::catch_unwind(|| replay(&wrong, PLACE)).is_err());
}

#[test]
fn times_are_masked() {
    let text = " {\"updateTime\": \"2019-10-10T08:37:13Z\", \"updateTime\": \"x\"}\n";
    let masked_text = "{\"updateTime\": \"TIME\", \"updateTime\": \"TIME\"}";
    assert_eq!(masked(text), masked_text);
}

/// The lines of the seed document, but for their host.
#[test]
fn the_documented_curl_lines_are_understood() {
    const HOST: &str = "192.168.99.100:32761";
    if !curl_is_there() {
        return;
    }
    let home = Home::new(SEED);
    let server = home.start();
    let list = r#"curl "http://192.168.99.100:32761/v1/ip?namespace=default&appName=nginx-deployment&appType=tapp""#;
    let listed: serde_json::Value = serde_json::from_str(&run(&server, list, HOST)).unwrap();
    let empty = serde_json::json!({
        "last": true, "totalElements": 0, "totalPages": 0, "first": true,
        "numberOfElements": 0, "size": 10, "number": 0, "content": [],
    });
    assert_eq!(listed, empty);
    let release = r#"curl -v -H 'Content-type: application/json' -d '{"ips":[{"ip":"10.0.70.169", "namespace":"default", "appName":"nginx-deployment", "appType":"tapp", "podName": "nginx-deployment-1"}]}' "http://192.168.99.100:32761/v1/ip""#;
    let answer: serde_json::Value = serde_json::from_str(&run(&server, release, HOST)).unwrap();
    // Nobody has it, which is 202 as the API document says.
    assert_eq!(answer["code"], 202);
    assert_eq!(answer["reasons"], serde_json::json!(["already free"]));
}
