//! The process: its end, its log, clients that misbehave.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Command, Stdio};

use redb::{Database, ReadableDatabase, ReadableTableMetadata, TableDefinition};
use serde_json::Value;

use crate::client::{connect, request, rest};
use crate::server::{Home, SEED, served_at, wait_for};

const POOL: &str = r#"{"name":"blue","size":2,"preAllocateIP":true}"#;

#[test]
fn a_request_under_way_is_finished_before_the_end() {
    let home = Home::new(SEED);
    let mut server = home.start();
    let mut client = connect(server.port);
    let whole = request("POST", "/v1/pool", "Expect: 100-continue\r\n", POOL);
    let (head, body) = whole.split_at(whole.len() - POOL.len());
    client.write_all(head.as_bytes()).unwrap();
    let mut told = [0; 25];
    client.read_exact(&mut told).unwrap();
    assert_eq!(&told, b"HTTP/1.1 100 Continue\r\n\r\n");
    server.signal("TERM");
    server.logged("finishing what is under way");
    client.write_all(body.as_bytes()).unwrap();
    assert_eq!(rest(client).json(200)["realPoolSize"], 2);
    assert_eq!(server.wait().code(), Some(0), "{}", server.log());
    assert_eq!(home.start().ips("poolName=blue").len(), 2);
}

#[test]
fn a_write_of_a_client_that_has_gone_is_done_whole() {
    let home = Home::new(SEED);
    let server = home.start();
    let ask = |n| {
        let body = POOL.replace("blue", &format!("pool-{n}"));
        let mut client = connect(server.port);
        let sent = request("POST", "/v1/pool", "", &body);
        client.write_all(sent.as_bytes()).unwrap();
        client
    };
    let clients: Vec<_> = (0..20).map(ask).collect();
    wait_for("write", || {
        server
            .metric("floatingip_store_batches_total")
            .filter(|batches| *batches > 0.0)
    });
    drop(clients);
    server.stop();
    // As it was left: a server would give the pools what is owed to them.
    let database = Database::open(home.path("data/floatingip.redb")).unwrap();
    let read = database.begin_read().unwrap();
    let pools = TableDefinition::<&str, &[u8]>::new("pools");
    let pools = read.open_table(pools).unwrap().len().unwrap();
    let addresses = TableDefinition::<&[u8; 17], &[u8]>::new("addresses");
    let addresses = read.open_table(addresses).unwrap().len().unwrap();
    assert!(pools > 0);
    assert_eq!(addresses, pools * 2);
}

#[test]
fn more_clients_than_open_files_are_survived() {
    let home = Home::new(SEED);
    let ordinary = home.command(&[]);
    let mut scarce = Command::new("sh");
    scarce.args(["-c", "ulimit -n 48 && exec \"$0\" \"$@\""]);
    scarce.arg(ordinary.get_program()).args(ordinary.get_args());
    scarce.current_dir(home.path(""));
    scarce.env("FLOATINGIP_LISTEN", "127.0.0.1:0");
    let server = home.spawn(scarce).serving();
    let crowd: Vec<_> = (0..64).map(|_| connect(server.port)).collect();
    server.logged("raise the limit of open files");
    drop(crowd);
    assert_eq!(server.put_pool("blue", 2, 200), 2);
    server.stop();
}

#[test]
fn both_signals_end_it_cleanly_also_with_idle_clients() {
    let home = Home::new(SEED);
    for signal in ["TERM", "INT"] {
        let mut server = home.start();
        let _silent = connect(server.port);
        let mut idle = connect(server.port);
        idle.write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
            .unwrap();
        let mut head = [0; 15];
        idle.read_exact(&mut head).unwrap();
        assert_eq!(&head, b"HTTP/1.1 200 OK");
        server.signal(signal);
        assert_eq!(server.wait().code(), Some(0), "{}", server.log());
        assert!(server.log().contains("ended"));
        assert!(!server.log().contains("not finished in time"));
    }
}

#[test]
fn what_is_no_http_harms_nobody() {
    let home = Home::new(SEED);
    let server = home.start();
    let long = format!("GET /{} HTTP/1.1\r\n\r\n", "x".repeat(1 << 20));
    for nonsense in [
        "\0\0\0\0\r\n\r\n",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        &long,
    ] {
        let mut client = connect(server.port);
        // The server may hang up before it has heard everything.
        let _ = client.write_all(nonsense.as_bytes());
        let mut answer = Vec::new();
        let _ = client.read_to_end(&mut answer);
        let answer = String::from_utf8_lossy(&answer);
        assert!(
            answer.is_empty() || answer.starts_with("HTTP/1.1 4"),
            "{answer}"
        );
        assert_eq!(server.get("/healthz").body, "ok");
    }
    assert!(!server.log().contains("ERROR"), "{}", server.log());
}

#[test]
fn it_lives_on_when_nobody_reads_its_log() {
    let home = Home::new(SEED);
    let mut command = home.command(&["--log", "debug"]);
    command.stderr(Stdio::piped());
    let mut process = Reaped(command.spawn().unwrap());
    let mut log = BufReader::new(process.0.stderr.take().unwrap()).lines();
    let place = log
        .find_map(|line| served_at(&(line.unwrap() + "\n")))
        .unwrap();
    let port = place.rsplit_once(':').unwrap().1.parse().unwrap();
    drop(log);
    let ask = |method: &str, path: &str, body: &str| {
        crate::client::exchange(connect(port), &request(method, path, "", body))
    };
    for size in ["1", "2", "3"] {
        let body = POOL.replace('2', size);
        assert_eq!(ask("POST", "/v1/pool", &body).status, 200);
    }
    home.configure("bad, which is logged");
    wait_for("word of the bad configuration", || {
        let ready = ask("GET", "/readyz?verbose", "");
        ready.body.contains("[-]config").then_some(())
    });
    home.configure(SEED);
    wait_for("word of the good one", || {
        let ready = ask("GET", "/readyz?verbose", "");
        ready.body.contains("[+]config").then_some(())
    });
}

struct Reaped(std::process::Child);

impl Drop for Reaped {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn as_json_every_line_of_the_log_is_an_object() {
    let home = Home::new(SEED);
    let server = home.start_with(&["--log-format", "json"]);
    server.signal("HUP");
    server.logged("was read again");
    let log = server.log();
    for line in log.lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        assert!(line["level"].is_string() && line["timestamp"].is_string());
        assert!(line["fields"]["message"].is_string());
    }
    assert!(log.lines().count() >= 2);
}

#[test]
fn an_ordinary_life_leaves_few_lines_in_the_log() {
    let home = Home::new(SEED);
    let mut server = home.start();
    for size in 1..10 {
        server.put_pool("blue", size, 200);
        server.get("/v1/ip?page=x").json(400);
    }
    server.signal("TERM");
    server.wait();
    let log = server.log();
    assert_eq!(log.lines().count(), 3, "{log}");
    assert!(log.lines().all(|line| line.contains("INFO")), "{log}");
}
