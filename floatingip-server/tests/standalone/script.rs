//! examples/client.sh, which scripts are told to start from.

use std::process::{Command, Output};

use serde_json::Value;

use crate::server::{Home, SEED, Server, repository};
use crate::transcript::curl_is_there;

fn run(server: &Server, arguments: &[&str]) -> Output {
    let mut command = Command::new(repository().join("examples/client.sh"));
    let place = format!("http://127.0.0.1:{}", server.port);
    command.env("FLOATINGIP_API", place).args(arguments);
    command.output().unwrap()
}

#[track_caller]
fn answer(server: &Server, arguments: &[&str]) -> Value {
    let ran = run(server, arguments);
    assert!(ran.status.success(), "{ran:?}");
    serde_json::from_slice(&ran.stdout).unwrap()
}

#[test]
fn the_script_attaches_lists_and_detaches() {
    if !curl_is_there() {
        return;
    }
    let home = Home::new(SEED);
    let server = home.start();
    let attach = ["attach", "node-1", "lan", "c1", "eth0", "web", "never"];
    let first = answer(&server, &attach);
    assert_eq!(first["ipinfos"][0]["ip"], "10.0.70.2/24");
    assert_eq!(answer(&server, &attach), first);
    let other = answer(&server, &["attach", "node-1", "lan", "c2", "eth0"]);
    assert_eq!(other["ipinfos"][0]["ip"], "10.0.70.3/24");
    for container in ["c1", "c2"] {
        let detach = ["detach", "node-1", "lan", container, "eth0"];
        assert_eq!(answer(&server, &detach)["code"], 200);
    }
    let listed = answer(&server, &["list"]);
    assert_eq!(listed["totalElements"], 1);
    assert_eq!(listed["content"][0]["podName"], "web");
    server.stop();
}

#[test]
fn the_script_says_what_was_refused_and_how_it_is_used() {
    if !curl_is_there() {
        return;
    }
    let home = Home::new(SEED);
    let server = home.start();
    let refused = run(
        &server,
        &["attach", "node-1", "lan", "c1", "eth0", "web", "mine"],
    );
    assert_eq!(refused.status.code(), Some(22), "{refused:?}");
    let said: Value = serde_json::from_slice(&refused.stdout).unwrap();
    assert_eq!(said["code"], 400);
    for wrong in [
        &[][..],
        &["attach", "node-1"],
        &["list", "all"],
        &["detach", "a", "b", "c\"", "d"],
    ] {
        let ran = run(&server, wrong);
        assert_eq!(ran.status.code(), Some(2), "{ran:?}");
        assert!(!ran.stderr.is_empty() && ran.stdout.is_empty(), "{ran:?}");
    }
}
