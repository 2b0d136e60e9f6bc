//! What is known to go wrong: late ends, repeats, half-done work, restarts in between.

use std::collections::BTreeSet;
use std::io::Write;
use std::thread;

use serde_json::{Value, json};

use super::{Start, address, merged, reason};
use crate::client::{connect, request};
use crate::server::{Home, SEED, Server, wait_for, with_ips};

fn db() -> Value {
    json!({"appType": "statefulset", "appName": "db", "podName": "db-0", "policy": "immutable"})
}

/// Of another container, which is another UID: that proves nothing.
#[test]
fn a_late_end_of_the_former_pod_takes_nothing_from_the_new_one() {
    let home = Home::new(SEED);
    let server = home.start();
    let ip = address(&server.attach_container("c1", &db()));
    let new = merged(&db(), &json!({"nodeName": "node-2"}));
    let waits = server.attach_container("c2", &new);
    assert_eq!(reason(&waits, 409), "waitingFor");
    let former = json!({"ip": ip, "podName": "db-0", "podUID": "c1"});
    assert_eq!(waits.json(409)["details"], former);
    server.end_pod("c1");
    assert_eq!(address(&server.attach_container("c2", &new)), ip);
    server.end_pod("c1");
    server.detach("node-1", "c1");
    let gc = json!({"nodeName": "node-1", "network": "lan", "valid": []});
    server
        .ask("POST", "/v1/attachment/gc", &gc.to_string())
        .json(200);
    assert_eq!(server.rows("podName=db-0")[0]["status"], "Running");
    server.detach("node-2", "c2");
    assert_eq!(server.rows("podName=db-0")[0]["status"], "Deleted");
}

#[test]
fn a_pod_that_ends_twice_frees_its_address_once() {
    let home = Home::new(&with_ips("10.0.70.2"));
    let server = home.start();
    for container in ["c1", "c2"] {
        server.attach_container(container, &json!({})).json(200);
        server.detach("node-1", "c1");
        server.end_pod("node-1%2Fc1%2Feth0");
    }
    let rows = server.rows("");
    assert_eq!(rows[0]["podName"], "c2");
    assert_eq!((rows.len(), &rows[0]["status"]), (1, &json!("Running")));
    assert_eq!(rows[0].get("appType"), None);
}

#[test]
fn the_same_request_is_answered_the_same_at_once_later_and_after_a_crash() {
    let home = Home::new(SEED);
    let server = home.start();
    let two = merged(&db(), &json!({"count": 2}));
    let answers: Vec<Value> = thread::scope(|scope| {
        let ask = || server.attach_container("c1", &two).json(200);
        let all: Vec<_> = (0..8).map(|_| scope.spawn(ask)).collect();
        all.into_iter().map(|one| one.join().unwrap()).collect()
    });
    assert!(
        answers.iter().all(|answer| *answer == answers[0]),
        "{answers:?}"
    );
    assert_eq!(answers[0]["ipinfos"][0]["gateway"], "10.0.70.1");
    assert_eq!(server.rows("podName=db-0").len(), 2);
    server.kill();
    let server = home.start();
    assert_eq!(server.attach_container("c1", &two).json(200), answers[0]);
    let other = server.attach_container("c1", &db());
    assert_eq!(reason(&other, 409), "otherRequest");
    assert_eq!(server.rows("podName=db-0").len(), 2);
}

#[test]
fn an_answer_that_never_came_is_had_by_asking_again() {
    let home = Home::new(SEED);
    for container in ["c1", "c2", "c3"] {
        let server = home.start();
        let body = json!({"nodeName": "node-1", "network": "lan", "containerID": container, "interface": "eth0", "count": 2});
        let mut client = connect(server.port);
        let sent = request("POST", "/v1/attachment", "", &body.to_string());
        client.write_all(sent.as_bytes()).unwrap();
        wait_for("record", || {
            let commits = server.metric("floatingip_address_changes_total{event=\"allocate\"}");
            commits.filter(|commits| *commits > 0.0)
        });
        server.kill();
        let server = home.start();
        let before = server.ips(&format!("podName={container}"));
        let answer = server.attach(&body).json(200);
        let given = answer["ipinfos"].as_array().unwrap().iter();
        let given = given.map(|info| info["ip"].as_str().unwrap().replace("/24", ""));
        let given: BTreeSet<String> = given.collect();
        assert_eq!(given, before.into_iter().collect());
        assert_eq!(given.len(), 2);
        server.stop();
    }
}

/// The runtime gave up on a node and starts the pod on another one, by the UID that it gave it.
#[test]
fn a_pod_takes_its_address_along_to_another_node_after_a_half_done_start() {
    let home = Home::new(SEED);
    let server = home.start();
    let pod = merged(&db(), &json!({"podUID": "u-1"}));
    let start = |node: &str, container: &str| {
        server.start_pod(Start {
            app: &pod,
            pod: "db-0",
            node,
            container,
        })
    };
    let ip = start("node-1", "c1");
    assert_eq!(start("node-2", "c2"), ip);
    server.detach("node-1", "c1");
    assert_eq!(server.rows("podName=db-0")[0]["status"], "Running");
    server.end_pod("u-1");
    assert_eq!(server.rows("podName=db-0")[0]["status"], "Deleted");
}

#[test]
fn a_change_of_policy_moves_the_slot_and_doubles_nothing() {
    let home = Home::new(SEED);
    let server = home.start();
    let ip = address(&server.attach_container("c1", &db()));
    server.detach("node-1", "c1");
    let never = merged(&db(), &json!({"policy": 2}));
    assert_eq!(address(&server.attach_container("c2", &never)), ip);
    let rows = server.rows("podName=db-0");
    assert_eq!((rows.len(), &rows[0]["policy"]), (1, &json!(2)));
}

#[test]
fn what_a_runtime_lost_is_collected_on_its_node_and_network_alone() {
    let home = Home::new(SEED);
    let server = home.start();
    let place = |node: &str, network: &str| json!({"nodeName": node, "network": network});
    for (container, place) in [
        ("valid", place("node-1", "lan")),
        ("lost", place("node-1", "lan")),
        ("other-network", place("node-1", "san")),
        ("other-node", place("node-2", "lan")),
    ] {
        server.attach_container(container, &place).json(200);
    }
    let valid = json!({"valid": [{"containerID": "valid", "interface": "eth0"}]});
    let gc = merged(&place("node-1", "lan"), &valid).to_string();
    for _ in 0..2 {
        server.ask("POST", "/v1/attachment/gc", &gc).json(200);
        let rows = server.rows("sort=podname");
        let left: Vec<_> = rows.iter().map(|row| &row["podName"]).collect();
        assert_eq!(left, ["other-network", "other-node", "valid"]);
    }
}

#[test]
fn a_container_in_two_networks_has_an_address_in_each() {
    let home = Home::new(SEED);
    let server = home.start();
    let attach = |network: &str, interface: &str, more: &Value| {
        let place = json!({"network": network, "interface": interface});
        server.attach_container("c", &merged(more, &place))
    };
    let ips = [
        attach("lan", "eth0", &json!({})),
        attach("san", "net1", &json!({})),
    ];
    let [first, second] = ips.each_ref().map(address);
    assert_ne!(first, second);
    server
        .ask("DELETE", "/v1/attachment/node-1/san/c/net1", "")
        .json(200);
    assert_eq!(server.ips(""), [first]);
    // By one name and UID it is one pod, whose address is at one interface.
    attach("lan", "eth1", &db()).json(200);
    assert_eq!(reason(&attach("san", "net1", &db()), 409), "otherInterface");
    let apart =
        json!({"podName": "db-san", "podUID": "u-san", "appType": "", "appName": "", "policy": 2});
    attach("san", "net1", &merged(&db(), &apart)).json(200);
}

/// Names that are not unique: nothing is used twice.
#[test]
fn containers_of_one_name_on_two_nodes_have_addresses_of_their_own() {
    let home = Home::new(SEED);
    let server = home.start();
    let on = |node: &str, more: &Value| {
        server.attach_container("c", &merged(&json!({"nodeName": node}), more))
    };
    let ips = ["node-1", "node-2"].map(|node| address(&on(node, &json!({}))));
    assert_ne!(ips[0], ips[1]);
    server.detach("node-1", "c");
    assert_eq!(server.ips(""), [ips[1].clone()]);
    on("node-1", &db()).json(200);
    assert_eq!(reason(&on("node-3", &db()), 409), "waitingFor");
    let other = json!({"podName": "solo"});
    assert_eq!(reason(&on("node-3", &other), 409), "uidTaken");
    on("node-3", &json!({"podName": "solo", "podUID": "u-solo"})).json(200);
}

#[test]
fn a_node_gets_what_its_own_addresses_may_use() {
    let home = Home::new(SEED);
    let server = home.start();
    let at = |ips: &[&str]| server.attach_container("c", &json!({"nodeIPs": ips}));
    assert_eq!(reason(&at(&["192.168.0.1"]), 409), "noSubnet");
    assert_eq!(server.rows("").len(), 0);
    address(&at(&["192.168.0.1", "10.0.3.4"]));
}

#[test]
fn a_container_id_may_have_a_slash_and_be_short() {
    let home = Home::new(SEED);
    let server = home.start();
    let ids = [
        ("a", "a"),
        ("containerd://9", "containerd:%2F%2F9"),
        ("é", "%C3%A9"),
    ];
    for (id, _) in ids {
        server.attach_container(id, &json!({})).json(200);
    }
    for (_, escaped) in ids {
        server.detach("node-1", escaped);
    }
    assert_eq!(server.rows("").len(), 0);
}

#[test]
fn the_end_of_what_nobody_knows_changes_nothing_and_is_confirmed() {
    let home = Home::new(SEED);
    let server: Server = home.start();
    server.detach("node-9", "never-seen");
    server.end_pod("never-seen");
    let deleted = server.ask("DELETE", "/v1/app/default/tapp/never-seen", "");
    assert_eq!(deleted.json(200)["freed"], 0);
    assert_eq!(server.get("/v1/app/default/tapp/never-seen").status, 404);
    assert_eq!(server.metric("floatingip_store_commits_total"), Some(1.0));
}

#[test]
fn of_many_that_ask_at_once_as_many_are_served_as_there_are_addresses() {
    let home = Home::new(&with_ips("10.0.70.2~10.0.70.5"));
    let server = home.start();
    let ask = |n: usize| server.attach_container(&format!("c{n}"), &json!({}));
    let answers: Vec<_> = thread::scope(|scope| {
        let all: Vec<_> = (0..16).map(|n| scope.spawn(move || ask(n))).collect();
        all.into_iter().map(|one| one.join().unwrap()).collect()
    });
    let (served, refused): (Vec<_>, Vec<_>) = answers.iter().partition(|it| it.status == 200);
    let ips: BTreeSet<String> = served.into_iter().map(address).collect();
    assert_eq!(ips.len(), 4);
    assert!(
        refused
            .iter()
            .all(|answer| reason(answer, 409) == "exhausted")
    );
    assert_eq!(server.rows("").len(), 4);
}

#[test]
fn of_many_containers_of_one_pod_one_is_served_and_the_others_wait_for_it() {
    let home = Home::new(SEED);
    let server = home.start();
    let ask = |n: usize| server.attach_container(&format!("c{n}"), &db());
    let answers: Vec<_> = thread::scope(|scope| {
        let all: Vec<_> = (0..8).map(|n| scope.spawn(move || ask(n))).collect();
        all.into_iter().map(|one| one.join().unwrap()).collect()
    });
    let (served, refused): (Vec<_>, Vec<_>) = answers.iter().partition(|it| it.status == 200);
    assert_eq!((served.len(), server.rows("podName=db-0").len()), (1, 1));
    assert!(
        refused
            .iter()
            .all(|answer| reason(answer, 409) == "waitingFor")
    );
}
