//! A client of the standalone server: keeps addresses for a pool, looks at them and gives one back, over
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
    println!(
        "pool example has {} addresses",
        client.put_pool("example", 3)?
    );
    let addresses = client.addresses("example")?;
    println!("they are {}", addresses.join(", "));
    let first = addresses.first().ok_or("the pool is empty")?;
    client.release(first, "example")?;
    assert!(!client.addresses("example")?.contains(first));
    println!("{first} is free again");
    Ok(())
}

/// A server, asked one request for each connection.
struct Client {
    server: SocketAddr,
}

/// A server answers within 30 s, or says that it took too long.
const PATIENCE: Duration = Duration::from_secs(35);

impl Client {
    /// Keeps so many addresses for a pool; answers with how many it has. Asked again, nothing changes.
    fn put_pool(&self, name: &str, size: u32) -> Result<u64, Box<dyn Error>> {
        let body = json!({ "name": name, "size": size, "preAllocateIP": true });
        let answer = self.ask("POST", "/v1/pool", &body.to_string())?;
        Ok(answer["realPoolSize"]
            .as_u64()
            .ok_or("an answer without a size")?)
    }

    /// The addresses of a pool, ascending.
    fn addresses(&self, pool: &str) -> Result<Vec<String>, Box<dyn Error>> {
        let page = self.ask("GET", &format!("/v1/ip?size=1000&poolName={pool}"), "")?;
        let rows = page["content"].as_array().ok_or("an answer without rows")?;
        let ips = rows.iter().filter_map(|row| row["ip"].as_str());
        Ok(ips.map(str::to_owned).collect())
    }

    /// Nobody needs the address any more. Its owner is named, so that it is not taken from another.
    fn release(&self, ip: &str, pool: &str) -> Result<(), Box<dyn Error>> {
        let body = json!({ "ips": [{ "ip": ip, "poolName": pool }] });
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
