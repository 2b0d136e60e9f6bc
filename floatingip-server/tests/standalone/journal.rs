//! The journal, quarantines and metrics of the real process.

use std::collections::BTreeSet;
use std::fs;

use crate::server::{Home, SEED, Server, repository, with_ips};

fn events(server: &Server, question: &str) -> Vec<String> {
    let answer = server.get(&format!("/v1/ip/10.0.70.2/history{question}"));
    let answer = answer.json(200);
    let entries = answer["entries"].as_array().unwrap().iter();
    entries
        .map(|entry| entry["event"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn the_journal_tells_who_had_an_address_also_after_a_kill() {
    let home = Home::new(SEED);
    let server = home.start();
    server.put_pool("blue", 1, 200);
    server.kill();
    let server = home.start();
    server.ask("DELETE", "/v1/pool/blue", "").json(200);
    assert_eq!(events(&server, ""), ["release", "pre-allocate"]);
    assert_eq!(events(&server, "?limit=1"), ["release"]);
    let page = server.get("/v1/ip/10.0.70.2/history?limit=1").json(200);
    let next = page["next"].as_str().unwrap();
    assert_eq!(
        events(&server, &format!("?before={next}")),
        ["pre-allocate"]
    );
    let whole = server.get("/v1/ip/10.0.70.2/history").json(200);
    let filled = whole["entries"][1]["time"].as_str().unwrap();
    let then = server.get(&format!("/v1/ip/10.0.70.2/history?at={filled}"));
    assert_eq!(then.json(200)["owner"]["poolName"], "blue");
    let before = server.get("/v1/ip/10.0.70.2/history?at=2001-01-01T00:00:00Z");
    let before = before.json(200);
    assert_eq!(before["complete"], true);
    assert!(before["owner"].is_null(), "{before}");
    let never = server.get("/v1/ip/192.0.2.1/history").json(200);
    assert_eq!(never["entries"].as_array().unwrap().len(), 0);
}

#[test]
fn what_has_been_dropped_from_the_journal_is_said_to_be_unknown() {
    let home = Home::new(SEED);
    let server = home.start_with(&["--journal-limit", "1"]);
    server.put_pool("blue", 1, 200);
    server.ask("DELETE", "/v1/pool/blue", "").json(200);
    let answer = server.get("/v1/ip/10.0.70.2/history").json(200);
    assert_eq!(answer["complete"], false);
    assert_eq!(answer["entries"][0]["event"], "release");
    let then = server.get("/v1/ip/10.0.70.2/history?at=2001-01-01T00:00:00Z");
    let then = then.json(200);
    assert_eq!(
        (&then["complete"], &then["owner"]),
        (&false.into(), &serde_json::Value::Null)
    );
}

#[test]
fn a_quarantined_address_is_listed_given_to_nobody_and_can_be_lifted() {
    let home = Home::new(&with_ips("10.0.70.2~10.0.70.3"));
    let server = home.start();
    let quarantine = "/v1/ip/10.0.70.2/quarantine";
    let body = r#"{"reason":"seen twice","mac":"02:00:5E:10:00:01"}"#;
    server.ask("POST", quarantine, body).json(200);
    let gauge = |state: &str| {
        let labels = format!("state=\"{state}\",subnet=\"10.0.70.0/24\",first_ip=\"10.0.70.2\"");
        server.metric(&format!("floatingip_addresses{{{labels}}}"))
    };
    assert_eq!(
        (gauge("quarantined"), gauge("free")),
        (Some(1.0), Some(1.0))
    );
    server.put_pool("blue", 2, 202);
    assert_eq!(server.ips("poolName=blue"), ["10.0.70.3"]);
    let row = server
        .get("/v1/ip?includeFree=true&keyword=10.0.70.2")
        .json(200);
    let mark = &row["content"][0]["mark"];
    assert_eq!(
        (&mark["kind"], &mark["mac"]),
        (&"quarantine".into(), &"02:00:5e:10:00:01".into())
    );
    server.ask("DELETE", quarantine, "").json(200);
    server.ask("DELETE", quarantine, "").json(404);
    server
        .ask("POST", "/v1/ip/192.0.2.1/quarantine", "{}")
        .json(404);
    assert_eq!(events(&server, "")[..1], ["lift".to_owned()]);
    server.put_pool("blue", 2, 200);
}

#[test]
fn the_documented_metrics_are_those_that_there_are() {
    let home = Home::new(SEED);
    let text = home.start().get("/metrics").body;
    let shown: BTreeSet<&str> = text
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next())
        .collect();
    let page = fs::read_to_string(repository().join("docs/api.md")).unwrap();
    let rows = page.lines().filter_map(|line| line.strip_prefix("| `"));
    let series = rows.filter_map(|row| row.split(['{', '`']).next());
    let named: BTreeSet<&str> = series
        .filter(|name| name.starts_with("floatingip_") || name.starts_with("galaxy_"))
        .collect();
    assert_eq!(named, shown);
}

#[test]
fn a_subnet_that_fills_up_is_warned_of_once_before_it_is_full() {
    let home = Home::new(&with_ips("10.0.70.2~10.0.70.11"));
    let server = home.start();
    let nearly_full = || server.metric("floatingip_subnets_nearly_full").unwrap();
    let warned = || server.log().matches("is nearly full").count();
    server.put_pool("blue", 8, 200);
    assert_eq!((nearly_full(), warned()), (0.0, 0));
    server.put_pool("blue", 9, 200);
    server.logged(
        "10.0.70.0/24 (from 10.0.70.2) is nearly full: 90 % of its addresses are taken, 1 are free",
    );
    server.put_pool("green", 1, 200);
    assert_eq!(nearly_full(), 1.0);
    server.ask("DELETE", "/v1/pool/blue", "").json(200);
    server.logged("10.0.70.0/24 (from 10.0.70.2) has room again");
    assert_eq!((nearly_full(), warned()), (0.0, 1));
}
