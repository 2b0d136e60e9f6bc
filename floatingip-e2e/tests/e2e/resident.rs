//! The program that pods run, asked from the data centre's network.

use std::net::Ipv4Addr;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use floatingip_testkit::eventually;
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Where it answers.
pub(crate) const PORT: u16 = 8080;

const LIMIT: Duration = Duration::from_secs(30);
/// How long one question waits for its answer.
const ATTEMPT: Duration = Duration::from_secs(1);

/// Waits until `name` answers at an address.
pub(crate) async fn answers(address: Ipv4Addr, name: &str) -> Result<()> {
    let what = format!("{name} answers at {address}");
    eventually(LIMIT, &what, || async {
        let told = ask(address).await?;
        ensure!(told == name, "{told:?} answers");
        Ok(())
    })
    .await
}

/// Waits until nobody answers at an address.
pub(crate) async fn is_silent(address: Ipv4Addr) -> Result<()> {
    let what = format!("nobody answers at {address}");
    eventually(LIMIT, &what, || async {
        let told = ask(address).await;
        ensure!(told.is_err(), "{told:?}");
        Ok(())
    })
    .await
}

async fn ask(address: Ipv4Addr) -> Result<String> {
    let asked = async {
        let mut name = String::new();
        let mut stream = TcpStream::connect((address, PORT)).await?;
        stream.read_to_string(&mut name).await?;
        anyhow::Ok(name)
    };
    timeout(ATTEMPT, asked).await.context("no answer")?
}
