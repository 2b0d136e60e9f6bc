//! Addresses that somebody else uses, and what the real server hears of them.

use serde_json::json;

use super::lab::{Lab, OUTSIDE_MAC};
use super::server::Server;
use super::space::Space;

#[test]
fn an_address_that_is_in_use_is_kept_from_everybody_by_the_server() {
    let Some(lab) = Lab::new() else { return };
    let Some(mut server) = Server::start("10.9.0.20~10.9.0.29", "10.9.0.0/24", 0) else {
        return;
    };
    lab.outside.ip("address add 10.9.0.20/24 dev out0");
    let pod = Space::new();
    let fields = json!({"switch": "macvlan", "serverURL": server.url()});
    let call = lab.add("c1", &pod, &["10.9.0.20/24"], &fields);
    let silent = lab.add("c1", &pod, &["10.9.0.20/24"], &json!({"switch": "macvlan"}));
    let untold = lab.call(&silent).json();
    let told = lab.call(&call);
    told.fails_with(100, "reported: the server gives it to nobody for 600 s");
    assert_eq!(told.json()["msg"], untold["msg"]);
    let rows = server.ask("GET", "/v1/ip?includeFree=true&size=100", None);
    let mut rows = rows["content"].as_array().unwrap().iter();
    let row = rows.find(|row| row["ip"] == "10.9.0.20").unwrap();
    assert_eq!(row["mark"]["kind"], "quarantine", "{row}");
    assert_eq!(row["mark"]["mac"], OUTSIDE_MAC);
    server.kill();
    let down = lab.call(&call);
    down.fails_with(100, "could not be reported");
    assert_eq!(down.json()["msg"], untold["msg"]);
    assert_eq!(lab.remembered(), 0);
}

/// As with two networks of one wire that a pod names.
#[test]
fn a_pod_that_gets_its_address_twice_is_not_kept_from_it_by_the_server() {
    let Some(lab) = Lab::new() else { return };
    let Some(server) = Server::start("10.9.0.20~10.9.0.29", "10.9.0.0/24", 0) else {
        return;
    };
    let pod = Space::new();
    let fields = json!({"switch": "macvlan", "serverURL": server.url()});
    let first = lab.add("c1", &pod, &["10.9.0.20/24"], &fields);
    lab.call(&first).succeeds();
    let mut second = first.clone();
    second.interface = "eth1";
    second.config["name"] = json!("lan2");
    let told = lab.call(&second);
    told.fails_with(100, "not reported: that is interface eth0 of container c1");
    let rows = server.ask("GET", "/v1/ip?includeFree=true&size=100", None);
    let mut rows = rows["content"].as_array().unwrap().iter();
    assert!(rows.all(|row| row["mark"].is_null()), "{rows:?}");
}

/// The kernel asks for IPv6 addresses, and does not tell who answered.
#[test]
fn an_ipv6_address_that_is_in_use_is_reported_too() {
    let Some(lab) = Lab::new() else { return };
    let Some(server) = Server::start("10.9.0.20~10.9.0.29", "10.9.0.0/24", 0) else {
        return;
    };
    lab.outside.ip("address add fd09::20/64 dev out0 nodad");
    let pod = Space::new();
    let fields = json!({"switch": "macvlan", "serverURL": server.url()});
    let call = lab.add("c1", &pod, &["fd09::20/64"], &fields);
    // This server has no such address: it says so, and the answer is the same but for that.
    lab.call(&call).fails_with(100, "could not be reported");
}
