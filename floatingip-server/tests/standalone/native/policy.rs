//! The table of policies, as far as it needs no cluster: what becomes of an address with each.

use serde_json::{Value, json};

use super::{Start, address, merged, reason};
use crate::server::{Home, SEED, Server, with_ips};

/// What becomes of a pod's address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// Nobody can keep it: the pod is not served.
    Refused,
    /// It is free once the pod has ended.
    Freed,
    /// It is kept for the next pod until the app is deleted.
    KeptForApp,
    /// It is kept for the next pod for ever.
    Kept,
}

use Fate::{Freed, Kept, KeptForApp, Refused};

/// The kind of an app, the names of a pod and of the one after it, and the fate under each policy.
type Case = (&'static str, [&'static str; 2], [Fate; 3]);

const TABLE: [Case; 11] = [
    (
        "deployment",
        ["web-7d9-x2k", "web-7d9-zzz"],
        [Freed, KeptForApp, Kept],
    ),
    (
        "replicaset",
        ["web-x2k", "web-zzz"],
        [Freed, KeptForApp, Kept],
    ),
    ("statefulset", ["web-0", "web-0"], [Freed, KeptForApp, Kept]),
    (
        "daemonset",
        ["web-x2k", "web-zzz"],
        [Freed, KeptForApp, Kept],
    ),
    ("tapp", ["web-0", "web-0"], [Freed, KeptForApp, Kept]),
    (
        "cloneset",
        ["web-x2k", "web-zzz"],
        [Freed, KeptForApp, Kept],
    ),
    (
        "rollout",
        ["web-7d9-x2k", "web-7d9-zzz"],
        [Freed, KeptForApp, Kept],
    ),
    ("job", ["web-x2k", "web-zzz"], [Freed, Refused, Refused]),
    ("cronjob", ["web-x2k", "web-zzz"], [Freed, Refused, Refused]),
    ("", ["solo", "solo"], [Freed, Kept, Kept]),
    ("", ["", ""], [Freed, Refused, Refused]),
];
const POLICIES: [&str; 3] = ["", "immutable", "never"];

/// A pod of a case, in a namespace of its own.
fn pod(kind: &str, name: &str, namespace: &str) -> Value {
    let named = json!({"namespace": namespace, "podName": name});
    match kind {
        "" => named,
        kind => merged(&named, &json!({"appType": kind, "appName": "web"})),
    }
}

#[test]
fn every_policy_does_what_the_table_says() {
    let home = Home::new(SEED);
    let server = home.start();
    for (n, (kind, names, fates)) in TABLE.into_iter().enumerate() {
        for (policy, fate) in POLICIES.into_iter().zip(fates) {
            let case = format!("{kind}-{n}-{policy}");
            let pods =
                names.map(|name| merged(&pod(kind, name, &case), &json!({"policy": policy})));
            meets(&server, &case, kind, &pods, fate);
        }
    }
}

#[track_caller]
fn meets(server: &Server, case: &str, kind: &str, [pod, next]: &[Value; 2], fate: Fate) {
    let filter = format!("namespace={case}");
    let first = server.attach_container(&format!("{case}-a"), pod);
    if fate == Refused {
        assert_eq!(reason(&first, 400), "policyNeedsSlot", "{case}");
        assert_eq!(server.rows(&filter), [Value::Null; 0], "{case}");
        return;
    }
    let ip = address(&first);
    server.detach("node-1", &format!("{case}-a"));
    let rows = server.rows(&filter);
    assert_eq!(rows.len(), usize::from(fate != Freed), "{case}");
    if fate == Freed {
        return;
    }
    assert_eq!(
        (&rows[0]["status"], &rows[0]["releasable"]),
        (&json!("Deleted"), &json!(true))
    );
    let second = server.attach_container(&format!("{case}-b"), next);
    assert_eq!(address(&second), ip, "{case}");
    server.detach("node-1", &format!("{case}-b"));
    let freed = u64::from(fate == KeptForApp);
    if !kind.is_empty() {
        let app = format!("/v1/app/{case}/{kind}/web");
        let answer = server.ask("DELETE", &app, "").json(200);
        assert_eq!(answer["freed"], freed, "{case}");
    }
    assert_eq!(server.rows(&filter).len() as u64, 1 - freed, "{case}");
}

#[test]
fn a_pool_keeps_the_addresses_of_all_kinds_and_is_never_larger_than_its_size() {
    let home = Home::new(SEED);
    let server = home.start();
    server.put_pool("blue", 2, 200);
    let mut before = server.ips("poolName=blue");
    let attach = |kind: &str, name: &str, container: &str| {
        let pod = merged(&pod(kind, name, "n"), &json!({"poolName": "blue"}));
        server.attach_container(container, &pod)
    };
    let mut given = vec![
        address(&attach("deployment", "web-a", "c1")),
        address(&attach("job", "once-b", "c2")),
    ];
    given.sort();
    before.sort();
    assert_eq!(given, before);
    let full = attach("", "solo", "c3");
    assert_eq!(reason(&full, 409), "poolFull");
    assert_eq!(
        full.json(409)["details"],
        json!({"poolName": "blue", "limit": 2, "inUse": 2})
    );
    server.detach("node-1", "c2");
    assert!(given.contains(&address(&attach("", "solo", "c3"))));
    for row in server.rows("poolName=blue") {
        assert_eq!(
            (&row["policy"], &row["status"]),
            (&json!(2), &json!("Running"))
        );
    }
}

#[test]
fn what_a_smaller_app_has_too_many_is_freed_and_never_more_is_given_than_it_has_slots() {
    let home = Home::new(SEED);
    let server = home.start();
    let app = json!({"appType": "statefulset", "appName": "db"});
    assert_eq!(server.tell(&merged(&app, &json!({"replicas": 2}))), 0);
    let app_pod = merged(&app, &json!({"policy": "immutable"}));
    let start = |pod: &str, container: &str| {
        let more = merged(&app_pod, &json!({"podName": pod}));
        server.attach_container(container, &more)
    };
    let ips = ["db-0", "db-1"].map(|pod| address(&start(pod, pod)));
    let beyond = start("db-2", "db-2");
    assert_eq!(reason(&beyond, 409), "appFull");
    assert_eq!(beyond.json(409)["details"]["limit"], 2);
    server.detach("node-1", "db-0");
    server.detach("node-1", "db-1");
    assert_eq!(server.tell(&merged(&app, &json!({"replicas": 1}))), 1);
    assert_eq!(server.ips("appName=db"), [ips[0].clone()]);
    let shown = server.get("/v1/app/default/statefulset/db").json(200);
    let told = json!({
        "namespace": "default", "appType": "statefulset", "appGroup": "apps", "appName": "db",
        "replicas": 1, "start": 0, "surge": 0,
    });
    assert_eq!(shown["app"], told);
    assert_eq!(
        shown["status"],
        json!({"told": true, "deleted": false, "addresses": 1, "inUse": 0})
    );
}

/// It is remembered until its pods have ended, over a restart, and forgotten then.
#[test]
fn a_deleted_app_is_gone_for_its_last_pods_also_after_a_crash() {
    let home = Home::new(SEED);
    let server = home.start();
    let app = json!({"appType": "deployment", "appName": "web", "policy": "immutable"});
    let start = |server: &Server, container: &str| {
        let (pod, node) = (container, "node-1");
        server.start_pod(Start {
            app: &app,
            pod,
            node,
            container,
        })
    };
    let ip = start(&server, "c1");
    let path = "/v1/app/default/deployment/web";
    assert_eq!(server.ask("DELETE", path, "").json(200)["freed"], 0);
    server.kill();
    let server = home.start();
    assert_eq!(server.get(path).json(200)["status"]["deleted"], true);
    // Who asks once more for what it has does not say that the app is there again.
    assert_eq!(start(&server, "c1"), ip);
    assert_eq!(server.get(path).json(200)["status"]["deleted"], true);
    server.detach("node-1", "c1");
    assert_eq!(server.rows("appName=web"), [Value::Null; 0]);
    // The same app once more: kept again, because it is there again.
    start(&server, "c2");
    assert_eq!(server.get(path).json(200)["status"]["deleted"], false);
    server.detach("node-1", "c2");
    assert_eq!(server.rows("appName=web").len(), 1);
}

#[test]
fn a_daemonset_keeps_addresses_for_the_nodes_that_it_is_on() {
    let home = Home::new(&with_ips("10.0.70.2~10.0.70.5"));
    let server = home.start();
    let app = json!({"appType": "daemonset", "appName": "agent"});
    let on = |nodes: &[&str]| merged(&app, &json!({"nodes": nodes}));
    server.tell(&on(&["node-1", "node-2"]));
    for node in ["node-1", "node-2"] {
        let app = merged(&app, &json!({"policy": "immutable"}));
        server.start_pod(Start {
            app: &app,
            pod: &format!("agent-{node}"),
            node,
            container: node,
        });
        server.detach(node, node);
    }
    assert_eq!(server.tell(&on(&["node-2"])), 1);
    assert_eq!(server.ips("appName=agent"), ["10.0.70.3"]);
}

#[test]
fn a_rollout_moves_within_the_addresses_of_its_app_and_its_surge() {
    let home = Home::new(SEED);
    let server = home.start();
    let app = json!({"appType": "deployment", "appName": "web"});
    server.tell(&merged(&app, &json!({"replicas": 2, "surge": 1})));
    let pod = merged(&app, &json!({"policy": "immutable"}));
    let start = |name: &str| {
        let more = merged(&pod, &json!({"podName": name}));
        server.attach_container(name, &more)
    };
    let mut set = ["old-1", "old-2", "new-1"].map(|name| address(&start(name)));
    assert_eq!(reason(&start("new-2"), 409), "appFull");
    server.detach("node-1", "old-1");
    assert_eq!(address(&start("new-2")), set[0]);
    server.detach("node-1", "old-2");
    set.sort();
    assert_eq!(server.ips("appName=web"), set);
}

#[test]
fn ordinals_begin_where_the_app_says() {
    let home = Home::new(SEED);
    let server = home.start();
    let app = json!({"appType": "statefulset", "appName": "db", "replicas": 1});
    server.tell(&merged(&app, &json!({"start": 5})));
    let pod = json!({"appType": "statefulset", "appName": "db", "policy": "immutable"});
    for name in ["db-5", "db-0"] {
        let more = merged(&pod, &json!({"podName": name}));
        let answer = server.attach_container(name, &more);
        assert_eq!(answer.status == 200, name == "db-5", "{}", answer.body);
    }
    server.detach("node-1", "db-5");
    assert_eq!(server.rows("podName=db-5").len(), 1);
    assert_eq!(server.tell(&merged(&app, &json!({"start": 6}))), 1);
    assert_eq!(server.rows("appName=db"), [Value::Null; 0]);
}
