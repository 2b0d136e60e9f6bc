//! What a Service does in a cluster: connections go to any server that was ready a moment ago.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use floatingip_testkit::Server;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

/// How often each server is probed, and how long it may take to answer.
const PROBE: Duration = Duration::from_millis(200);
const PATIENCE: Duration = Duration::from_millis(500);

/// A port at which the extender of every ready server is reached.
pub(crate) struct Service {
    listener: TcpListener,
    pub(crate) port: u16,
}

impl Service {
    pub(crate) async fn listen() -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let port = listener.local_addr()?.port();
        Ok(Self { listener, port })
    }

    /// Serves until the answer is dropped.
    pub(crate) fn serve(self, servers: &Arc<Vec<Server>>) -> JoinSet<()> {
        let (tell, ready) = watch::channel(Vec::new());
        let mut serving = JoinSet::new();
        serving.spawn(probe(Arc::clone(servers), tell));
        serving.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = self.listener.accept().await {
                let ready = ready.clone();
                // A connection that breaks is the scheduler's to repeat.
                connections.spawn(async move { drop(pass_on(stream, ready).await) });
                while connections.try_join_next().is_some() {}
            }
        });
        serving
    }
}

/// Tells the ports of those that are ready, again and again.
async fn probe(servers: Arc<Vec<Server>>, tell: watch::Sender<Vec<u16>>) {
    loop {
        let probes = servers.iter().map(|server| async {
            let ready = is_ready(server).await;
            ready.then(|| server.extender_port())
        });
        let ready = futures::future::join_all(probes).await;
        tell.send_replace(ready.into_iter().flatten().collect());
        sleep(PROBE).await;
    }
}

async fn is_ready(server: &Server) -> bool {
    let answer = timeout(PATIENCE, server.api().get("/readyz")).await;
    answer.is_ok_and(|answer| answer.is_ok_and(|answer| answer.status == 200))
}

/// To one of them by chance; to the next where nobody listens.
async fn pass_on(mut from: TcpStream, ready: watch::Receiver<Vec<u16>>) -> Result<()> {
    let mut ports = ready.borrow().clone();
    fastrand::shuffle(&mut ports);
    for port in ports {
        if let Ok(mut to) = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await {
            copy_bidirectional(&mut from, &mut to).await?;
            return Ok(());
        }
    }
    Ok(())
}
