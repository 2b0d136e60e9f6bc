//! A client of the standalone server: addresses for a container that comes, goes, and comes again, over
//! HTTP with nothing but the standard library and a JSON parser.
//!
//! `cargo run -p floatingip-examples --example client HOST:PORT` asks a server that runs; without an
//! address it asks one that it starts itself, in memory.
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::error::Error;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use floatingip_core::config::{Config, Strictness};
use floatingip_server::app::Settings;
use floatingip_server::standalone::in_memory;
use serde_json::{Value, json};

const CONFIG: &str = r#"[{"routableSubnet":"10.0.0.0/16","ips":["10.0.70.2~10.0.70.241"],
    "subnet":"10.0.70.0/24","gateway":"10.0.70.1","vlan":2}]"#;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let server = match std::env::args().nth(1) {
        Some(place) => place.parse()?,
        None => serve().await?,
    };
    // The client blocks, and the server may run in this process.
    let shown =
        tokio::task::spawn_blocking(move || show(&Client { server }).map_err(|e| e.to_string()));
    Ok(shown.await??)
}

fn show(client: &Client) -> Result<(), Box<dyn Error>> {
    let first = client.attach("example-1")?;
    println!("the first container of pod example got {first}");
    client.detach("example-1")?;
    let again = client.attach("example-2")?;
    println!("the next one got {again}");
    assert_eq!(first, again, "policy `never` keeps the address for the pod");
    client.detach("example-2")?;
    client.release(&again)?;
    println!("released");
    Ok(())
}

/// A server, asked one request for each connection.
struct Client {
    server: SocketAddr,
}

/// A server answers within 30 s, or says that it took too long.
const PATIENCE: Duration = Duration::from_secs(35);

impl Client {
    /// The address of a container's interface. Asked again, the same one.
    fn attach(&self, container: &str) -> Result<String, Box<dyn Error>> {
        let body = json!({
            "nodeName": "node-1", "network": "lan", "containerID": container, "interface": "eth0",
            "podName": "example", "policy": "never",
        });
        let answer = self.ask("POST", "/v1/attachment", &body.to_string())?;
        let ip = answer["ipinfos"][0]["ip"].as_str().unwrap_or_default();
        let (address, _prefix) = ip.split_once('/').ok_or("an answer without an address")?;
        Ok(address.to_owned())
    }

    /// The interface is no more. Said again, nothing happens.
    fn detach(&self, container: &str) -> Result<(), Box<dyn Error>> {
        let path = format!("/v1/attachment/node-1/lan/{container}/eth0");
        self.ask("DELETE", &path, "").map(drop)
    }

    /// Nobody needs the address any more. Its owner is named, so that it is not taken from another.
    fn release(&self, ip: &str) -> Result<(), Box<dyn Error>> {
        let body = json!({ "ips": [{ "ip": ip, "namespace": "default", "podName": "example" }] });
        let answer = self.ask("POST", "/v1/ip", &body.to_string())?;
        match answer["code"].as_u64() {
            Some(200) => Ok(()),
            _ => Err(format!("not released: {}", answer["reasons"]).into()),
        }
    }

    fn ask(&self, method: &str, path: &str, body: &str) -> Result<Value, Box<dyn Error>> {
        let mut stream = TcpStream::connect(self.server)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            self.server,
            body.len()
        )?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        let (head, body) = answer
            .split_once("\r\n\r\n")
            .ok_or("the answer was cut off")?;
        let answer: Value = serde_json::from_str(body)?;
        match head.split(' ').nth(1) {
            Some(status) if status.starts_with('2') => Ok(answer),
            _ => Err(format!("{method} {path}: {}", answer["message"]).into()),
        }
    }
}

/// Starts a server in this process, at any free port.
async fn serve() -> Result<SocketAddr, Box<dyn Error>> {
    let topology = Config::parse(CONFIG, Strictness::Strict)?.into_topology();
    let router = in_memory(topology, Settings::default()).await?;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let place = listener.local_addr()?;
    tokio::spawn(async move { axum::serve(listener, router).await });
    Ok(place)
}
