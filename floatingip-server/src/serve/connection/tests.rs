//! In stopped time, over pipes instead of sockets.

use axum::routing::get;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::time::{Instant, sleep};

use super::*;

const SLOW: Duration = Duration::from_secs(20);
/// Larger than the pipe: its sender has to wait for the reader.
const LARGE: usize = 1 << 20;

fn connections(most: u32) -> Connections {
    let slow = || async {
        sleep(SLOW).await;
        "slow"
    };
    let app = Router::new()
        .route("/", get(|| async { "quick" }))
        .route("/slow", get(slow))
        .route("/large", get(|| async { "x".repeat(LARGE) }));
    let limits = Limits {
        most,
        ..Limits::default()
    };
    Connections::new(app, limits)
}

async fn open(connections: &Connections) -> DuplexStream {
    let (client, server) = duplex(4096);
    connections.begin(server, connections.place().await);
    client
}

async fn send(client: &mut DuplexStream, text: &str) {
    client.write_all(text.as_bytes()).await.unwrap();
}

async fn rest(client: &mut DuplexStream) -> String {
    let mut text = String::new();
    client.read_to_string(&mut text).await.unwrap();
    text
}

const QUICK: &str = "GET / HTTP/1.1\r\nhost: x\r\n\r\n";

#[tokio::test(start_paused = true)]
async fn a_client_that_says_nothing_or_little_is_sent_away() {
    let connections = connections(1);
    let limits = connections.limits;
    for said in ["", "G", "GET / HTTP/1.1\r\nhost: x\r\n"] {
        let start = Instant::now();
        let mut client = open(&connections).await;
        send(&mut client, said).await;
        rest(&mut client).await;
        assert_eq!(start.elapsed().as_secs(), limits.head.as_secs(), "{said:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_byte_now_and_then_does_not_keep_a_connection() {
    let connections = connections(1);
    let start = Instant::now();
    let mut client = open(&connections).await;
    for _ in 0..200 {
        if client.write_all(b"G").await.is_err() {
            break;
        }
        sleep(Duration::from_secs(1)).await;
    }
    assert!(start.elapsed() <= connections.limits.head + Duration::from_secs(2));
}

#[tokio::test(start_paused = true)]
async fn a_connection_without_a_next_request_is_closed() {
    let connections = connections(1);
    let start = Instant::now();
    let mut client = open(&connections).await;
    send(&mut client, QUICK).await;
    assert!(rest(&mut client).await.ends_with("quick"));
    let elapsed = start.elapsed().as_secs();
    assert_eq!(elapsed, connections.limits.head.as_secs());
}

#[tokio::test(start_paused = true)]
async fn a_client_that_does_not_take_its_answer_is_cut_off() {
    let connections = connections(1);
    let limits = connections.limits;
    let start = Instant::now();
    let mut client = open(&connections).await;
    send(&mut client, "GET /large HTTP/1.1\r\nhost: x\r\n\r\n").await;
    let _next = open(&connections).await;
    let elapsed = start.elapsed().as_secs();
    assert_eq!(elapsed, (limits.age + limits.last_request).as_secs());
    assert!(rest(&mut client).await.len() < LARGE);
}

#[tokio::test(start_paused = true)]
async fn no_more_connections_than_allowed_are_served() {
    let connections = connections(2);
    let first = open(&connections).await;
    let _second = open(&connections).await;
    assert_eq!(connections.places.available_permits(), 0);
    drop(first);
    let mut third = open(&connections).await;
    send(&mut third, "GET / HTTP/1.0\r\n\r\n").await;
    assert!(rest(&mut third).await.ends_with("quick"));
}

#[tokio::test(start_paused = true)]
async fn at_the_end_idle_connections_go_at_once() {
    let connections = connections(8);
    let mut fresh = open(&connections).await;
    let mut used = open(&connections).await;
    send(&mut used, QUICK).await;
    let mut head = [0; 12];
    used.read_exact(&mut head).await.unwrap();
    assert_eq!(&head, b"HTTP/1.1 200");
    let start = Instant::now();
    connections.end().await;
    assert_eq!(start.elapsed().as_secs(), 0);
    rest(&mut fresh).await;
    rest(&mut used).await;
}

#[tokio::test(start_paused = true)]
async fn at_the_end_a_request_under_way_is_answered() {
    let mut connections = connections(8);
    connections.limits.drain = SLOW * 2;
    let mut client = open(&connections).await;
    send(&mut client, "GET /slow HTTP/1.1\r\nhost: x\r\n\r\n").await;
    sleep(SLOW / 2).await;
    let start = Instant::now();
    connections.end().await;
    assert_eq!(start.elapsed(), SLOW / 2);
    assert!(rest(&mut client).await.ends_with("slow"));
}

#[tokio::test(start_paused = true)]
async fn the_end_does_not_wait_longer_than_it_may() {
    let connections = connections(8);
    let drain = connections.limits.drain;
    let mut client = open(&connections).await;
    send(&mut client, "GET /large HTTP/1.1\r\nhost: x\r\n\r\n").await;
    sleep(SLOW).await;
    let start = Instant::now();
    connections.end().await;
    assert_eq!(start.elapsed().as_secs(), drain.as_secs());
}
