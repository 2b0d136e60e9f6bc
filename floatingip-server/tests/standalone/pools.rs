//! Pools, and that what was acknowledged stays.

use serde_json::json;

use crate::server::{Home, SEED, Server, with_ips};

#[track_caller]
fn release(server: &Server, status: u16, ips: &str) -> serde_json::Value {
    let body = format!(r#"{{"ips":[{ips}]}}"#);
    server.ask("POST", "/v1/ip", &body).json(status)
}

#[test]
fn a_pool_is_filled_listed_shrunk_and_deleted() {
    let home = Home::new(SEED);
    let server = home.start();
    assert_eq!(server.put_pool("blue", 3, 200), 3);
    assert_eq!(
        server.ips("poolName=blue"),
        ["10.0.70.2", "10.0.70.3", "10.0.70.4"]
    );
    let shown = server.get("/v1/pool/blue").json(200);
    assert_eq!(
        shown["pool"],
        json!({"name": "blue", "size": 3, "preAllocateIP": true})
    );
    assert_eq!(server.put_pool("blue", 1, 200), 1);
    assert_eq!(server.ips("poolName=blue").len(), 1);
    server.ask("DELETE", "/v1/pool/blue", "").json(200);
    assert_eq!(server.ips(""), [""; 0]);
    for method in ["GET", "DELETE"] {
        let gone = server.ask(method, "/v1/pool/blue", "").json(404);
        assert_eq!(gone["message"], "pool not found");
    }
    server.stop();
}

#[test]
fn a_pool_that_cannot_be_filled_says_how_far_it_came() {
    let home = Home::new(&with_ips("10.0.70.2~10.0.70.4"));
    let server = home.start();
    let body = r#"{"name":"blue","size":9,"preAllocateIP":true}"#;
    let answer = server.ask("POST", "/v1/pool", body).json(202);
    assert_eq!(
        answer,
        json!({"code": 202, "message": "No enough IPs", "realPoolSize": 3})
    );
    assert_eq!(server.put_pool("green", 1, 202), 0);
    // What one pool gives back, the other one is owed.
    assert_eq!(server.put_pool("blue", 2, 200), 2);
    assert_eq!(server.put_pool("green", 1, 200), 1);
}

#[test]
fn names_of_pools_do_not_run_into_each_other() {
    let home = Home::new(SEED);
    let server = home.start();
    for (name, size) in [("a", 1), ("a-b", 2), ("aa", 3)] {
        assert_eq!(server.put_pool(name, size, 200), size);
    }
    server.ask("DELETE", "/v1/pool/a", "").json(200);
    assert_eq!(server.ips("poolName=a").len(), 0);
    assert_eq!(server.ips("poolName=a-b").len(), 2);
    assert_eq!(server.ips("poolName=aa").len(), 3);
    for name in ["", "A", "a_b", "-a", "a.b"] {
        let body = json!({"name": name, "size": 1}).to_string();
        server.ask("POST", "/v1/pool", &body).json(400);
    }
}

#[test]
fn an_address_is_released_by_its_pool_and_not_without() {
    let home = Home::new(SEED);
    let server = home.start();
    server.put_pool("blue", 2, 200);
    let unnamed = release(&server, 202, r#"{"ip":"10.0.70.2"}"#);
    assert_eq!(unnamed["unreleased"], json!(["10.0.70.2"]));
    let other = release(&server, 202, r#"{"ip":"10.0.70.2","poolName":"green"}"#);
    assert_eq!(other["unreleased"], json!(["10.0.70.2"]));
    assert_eq!(server.ips("poolName=blue").len(), 2);
    let answer = release(&server, 200, r#"{"ip":"10.0.70.2","poolName":"blue"}"#);
    assert_eq!(answer, json!({"code": 200, "message": ""}));
    assert_eq!(server.ips("poolName=blue"), ["10.0.70.3"]);
}

#[test]
fn what_was_acknowledged_survives_a_clean_end_and_a_kill() {
    let home = Home::new(SEED);
    let server = home.start();
    server.put_pool("blue", 3, 200);
    release(&server, 200, r#"{"ip":"10.0.70.3","poolName":"blue"}"#);
    server.put_pool("green", 1, 200);
    let before = server.get("/v1/ip").json(200);
    let pool = server.get("/v1/pool/blue").json(200);
    server.stop();

    let server = home.start();
    let listed = server.get("/v1/ip").json(200);
    assert_eq!(listed["content"][0], before["content"][0]);
    assert_eq!(server.get("/v1/pool/blue").json(200), pool);
    assert_eq!(server.put_pool("red", 4, 200), 4);
    server.ask("DELETE", "/v1/pool/green", "").json(200);
    let before = server.ips("size=100&poolName=red");
    server.kill();

    let server = home.start();
    assert_eq!(server.ips("size=100&poolName=red"), before);
    server.get("/v1/pool/green").json(404);
    server.stop();
}

#[test]
fn pre_allocation_leaves_as_much_room_as_it_is_told() {
    let home = Home::new(&with_ips("10.0.70.2~10.0.70.11"));
    let server = home.start_with(&["--pool-headroom", "3"]);
    assert_eq!(server.put_pool("blue", 9, 202), 7);
}

/// An address that is given while the configuration is exchanged is neither lost nor given twice.
#[test]
fn pools_that_grow_during_reloads_keep_what_they_were_told() {
    let home = Home::new(SEED);
    let server = home.start();
    std::thread::scope(|scope| {
        let writers: Vec<_> = (0..4)
            .map(|writer| {
                let server = &server;
                scope.spawn(move || {
                    for size in 1..=10 {
                        assert_eq!(server.put_pool(&format!("pool-{writer}"), size, 200), size);
                    }
                })
            })
            .collect();
        for last in (100..200).step_by(10).cycle() {
            if writers.iter().all(|writer| writer.is_finished()) {
                break;
            }
            home.configure(&with_ips(&format!("10.0.70.2~10.0.70.{last}")));
            server.signal("HUP");
        }
    });
    let before = owned(&server);
    server.kill();
    assert_eq!(owned(&home.start()), before);
}

fn owned(server: &Server) -> Vec<Vec<String>> {
    let pools = (0..4).map(|n| server.ips(&format!("size=100&poolName=pool-{n}")));
    let pools: Vec<_> = pools.collect();
    assert!(pools.iter().all(|pool| pool.len() == 10), "{pools:?}");
    let mut all = pools.concat();
    all.sort_unstable();
    all.dedup();
    assert_eq!(all.len(), 40, "{pools:?}");
    pools
}
