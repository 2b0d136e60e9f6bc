//! Where it listens, and what it keeps to itself.

use std::fs;
use std::net::TcpListener;
use std::os::unix::net::UnixListener;

use redb::TableDefinition;

use crate::client::{connect_to_socket, exchange, request};
use crate::server::{Home, SEED, Server};

fn at_socket(home: &Home) -> Server {
    home.start_with(&["--listen", "unix:socket"])
}

/// Starts a server that has to give up with exit code 1.
#[track_caller]
fn gives_up(home: &Home, more: &[&str]) -> String {
    let mut server = home.spawn(home.command(more));
    let code = server.wait().code();
    assert_eq!(code, Some(1), "{}", server.log());
    server.log()
}

#[test]
fn a_socket_file_serves_and_goes_at_the_end() {
    let home = Home::new(SEED);
    let server = at_socket(&home);
    let stream = connect_to_socket(&home.path("socket"));
    let answer = exchange(stream, &request("GET", "/v1/ip", "", ""));
    assert_eq!(answer.json(200)["totalElements"], 0);
    server.stop();
    assert!(!home.path("socket").exists());
}

#[test]
fn a_socket_file_that_nobody_serves_is_replaced() {
    let home = Home::new(SEED);
    at_socket(&home).kill();
    assert!(home.path("socket").exists());
    let server = at_socket(&home);
    let stream = connect_to_socket(&home.path("socket"));
    assert_eq!(
        exchange(stream, &request("GET", "/healthz", "", "")).body,
        "ok"
    );
    server.stop();
}

#[test]
fn a_socket_that_is_served_and_a_file_that_is_none_are_left_alone() {
    let home = Home::new(SEED);
    let served = UnixListener::bind(home.path("served")).unwrap();
    let said = gives_up(&home, &["--listen", "unix:served"]);
    assert!(said.contains("another process serves there"), "{said}");
    served.set_nonblocking(true).unwrap();
    assert!(served.accept().is_ok());
    fs::write(home.path("letter"), "dear").unwrap();
    let said = gives_up(&home, &["--listen", "unix:letter"]);
    assert!(said.contains("there is a file of that name"), "{said}");
    assert_eq!(fs::read_to_string(home.path("letter")).unwrap(), "dear");
}

#[test]
fn a_port_that_is_taken_is_told_with_the_remedy() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let place = taken.local_addr().unwrap().to_string();
    let home = Home::new(SEED);
    let said = gives_up(&home, &["--listen", &place]);
    assert!(said.contains(&place) && said.contains("--listen"), "{said}");
}

#[test]
fn a_port_that_others_reach_is_warned_of() {
    let home = Home::new(SEED);
    let open = home.start_with(&["--listen", "0.0.0.0:0"]);
    assert!(open.log().contains("open to every host"), "{}", open.log());
    open.stop();
    assert!(!home.start().log().contains("open to every host"));
}

#[test]
fn a_second_server_on_the_same_data_is_refused() {
    let home = Home::new(SEED);
    let first = home.start();
    let said = gives_up(&home, &[]);
    assert!(said.contains("in use by another server"), "{said}");
    assert!(said.contains("--data-dir"), "{said}");
    assert_eq!(first.put_pool("blue", 1, 200), 1);
    first.stop();
    home.start().stop();
}

#[test]
fn data_of_a_later_version_is_refused() {
    let home = Home::new(SEED);
    home.start().stop();
    let database = redb::Database::open(home.path("data/floatingip.redb")).unwrap();
    let write = database.begin_write().unwrap();
    let meta = TableDefinition::<&str, u64>::new("meta");
    write
        .open_table(meta)
        .unwrap()
        .insert("format", 1_000)
        .unwrap();
    write.commit().unwrap();
    drop(database);
    let said = gives_up(&home, &[]);
    assert!(said.contains("has format 1000"), "{said}");
    assert!(said.contains("start the version that wrote it"), "{said}");
}
