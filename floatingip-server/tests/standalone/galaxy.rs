//! `--galaxy-compat` in a real server.

use serde_json::json;

use crate::server::{Home, SEED, Server, with_ips};

fn server(home: &Home, galaxy: bool) -> Server {
    let server = match galaxy {
        true => home.start_with(&["--galaxy-compat"]),
        false => home.start(),
    };
    server.put_pool("blue", 10, 200);
    server
}

#[test]
fn addresses_are_sorted_as_numbers_or_as_text() {
    let home = Home::new(SEED);
    let standard = server(&home, false);
    let first = standard.ips("poolName=blue&size=3");
    assert_eq!(first, ["10.0.70.2", "10.0.70.3", "10.0.70.4"]);
    standard.stop();
    let galaxy = server(&home, true);
    let first = galaxy.ips("poolName=blue&size=3");
    assert_eq!(first, ["10.0.70.10", "10.0.70.11", "10.0.70.2"]);
}

#[test]
fn what_is_out_of_range_or_unknown_is_refused_or_mended() {
    let home = Home::new(&with_ips("10.0.70.2~10.0.70.21"));
    let odd = [
        "/v1/ip?page=-1",
        "/v1/ip?size=0",
        "/v1/ip?sort=colour",
        "/v1/ip?colour=red",
    ];
    let standard = server(&home, false);
    for path in odd {
        let refused = standard.get(path).json(400);
        let parameter = path.split(['?', '=']).nth(1).unwrap();
        let message = refused["message"].as_str().unwrap();
        assert!(message.contains(parameter), "{path}: {message}");
    }
    assert_eq!(standard.get("/v1/ip").json(200)["totalElements"], 10);
    let gone = standard.get("/v1/pool/green").json(404);
    assert_eq!(gone["message"], "pool not found");
    standard.stop();

    let galaxy = server(&home, true);
    for path in odd {
        let page = galaxy.get(path).json(200);
        assert_eq!(page["size"], 10, "{path}");
        // Free addresses are listed as well.
        assert_eq!(page["totalElements"], 20, "{path}");
    }
    let gone = galaxy.get("/v1/pool/green").json(404);
    assert_eq!(gone["message"], "not found: pool green");
    let body = json!({"Name": "green", "SIZE": 1, "colour": "green"}).to_string();
    galaxy.ask("POST", "/v1/pool", &body).json(200);
}

#[test]
fn an_unknown_field_of_the_configuration_is_a_fault_or_a_warning() {
    let text = SEED.replace("\"vlan\"", "\"vlann\"");
    let home = Home::new(&text);
    let mut refused = home.spawn(home.command(&[]));
    assert_eq!(refused.wait().code(), Some(2));
    assert!(refused.log().contains("did you mean `vlan`"));
    let galaxy = home.start_with(&["--galaxy-compat"]);
    assert!(galaxy.log().contains("did you mean `vlan`"));
    assert_eq!(galaxy.total(), 240.0);
}
