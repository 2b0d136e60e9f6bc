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
fn the_script_fills_a_pool_lists_and_releases() {
    if !curl_is_there() {
        return;
    }
    let home = Home::new(SEED);
    let server = home.start();
    let pool = ["pool", "blue", "3"];
    assert_eq!(answer(&server, &pool)["realPoolSize"], 3);
    assert_eq!(answer(&server, &pool)["realPoolSize"], 3);
    assert_eq!(
        answer(&server, &["release", "10.0.70.3", "blue"])["code"],
        200
    );
    let listed = answer(&server, &["list", "blue"]);
    assert_eq!(listed["totalElements"], 2);
    assert_eq!(answer(&server, &["list"]), listed);
    server.stop();
}

#[test]
fn the_script_says_what_was_refused_and_how_it_is_used() {
    if !curl_is_there() {
        return;
    }
    let home = Home::new(SEED);
    let server = home.start();
    let refused = run(&server, &["pool", "Blue", "1"]);
    assert_eq!(refused.status.code(), Some(22), "{refused:?}");
    let said: Value = serde_json::from_slice(&refused.stdout).unwrap();
    assert_eq!(said["code"], 400);
    for wrong in [
        &[][..],
        &["pool", "blue"],
        &["list", "a", "b"],
        &["list", "c\""],
    ] {
        let ran = run(&server, wrong);
        assert_eq!(ran.status.code(), Some(2), "{ran:?}");
        assert!(!ran.stderr.is_empty() && ran.stdout.is_empty(), "{ran:?}");
    }
}
