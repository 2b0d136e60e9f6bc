//! Connections: how many, and how long each may take for what.
//!
//! `axum::serve` has no such bounds: clients that say nothing would keep their connections, and with
//! them the file descriptors, for ever.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tracing::{debug, warn};

/// What a connection may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Limits {
    /// How many there are at once; more wait to be accepted. With the files that the server needs
    /// itself below 1024, the customary limit of open files.
    pub(crate) most: u32,
    /// How long the head of the next request may take, the pause before it included.
    pub(crate) head: Duration,
    /// From which age it is closed as soon as no request is under way.
    pub(crate) age: Duration,
    /// How long a request under way may take then: more than the API gives a request.
    pub(crate) last_request: Duration,
    /// The same once the server is told to end.
    pub(crate) drain: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            most: 512,
            head: Duration::from_secs(30),
            age: Duration::from_secs(600),
            last_request: Duration::from_secs(60),
            drain: Duration::from_secs(10),
        }
    }
}

/// The longest head of a request.
const HEAD_BYTES: usize = 64 << 10;

/// All connections of a server.
#[derive(Debug)]
pub(crate) struct Connections {
    app: Router,
    limits: Limits,
    places: Arc<Semaphore>,
    end: watch::Sender<bool>,
}

/// The right to have one connection more.
pub(crate) type Place = OwnedSemaphorePermit;

impl Connections {
    pub(crate) fn new(app: Router, limits: Limits) -> Self {
        Self {
            app,
            limits,
            places: Arc::new(Semaphore::new(limits.most as usize)),
            end: watch::Sender::new(false),
        }
    }

    /// Waits until there is room for one more.
    pub(crate) async fn place(&self) -> Place {
        match Arc::clone(&self.places).acquire_owned().await {
            Ok(place) => place,
            // Nobody closes it.
            Err(_) => std::future::pending().await,
        }
    }

    /// Serves a connection beside the others.
    pub(crate) fn begin<S>(&self, stream: S, place: Place)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let (app, limits, end) = (self.app.clone(), self.limits, self.end.subscribe());
        tokio::spawn(async move {
            attend(stream, app, limits, end).await;
            drop(place);
        });
    }

    /// Ends them all: idle ones at once, the others after the answer they are about.
    pub(crate) async fn end(self) {
        self.end.send_replace(true);
        let all = self.places.acquire_many(self.limits.most);
        if tokio::time::timeout(self.limits.drain, all).await.is_err() {
            warn!("some requests were not finished in time");
        }
    }
}

async fn attend<S>(stream: S, app: Router, limits: Limits, mut end: watch::Receiver<bool>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new());
    builder.header_read_timeout(limits.head);
    builder.max_buf_size(HEAD_BYTES);
    let service = TowerToHyperService::new(app);
    let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), service));
    tokio::select! {
        served = connection.as_mut() => return note(served),
        // The sender lives until all connections have ended, or nothing matters any more.
        _ = end.wait_for(|end| *end) => {}
        () = tokio::time::sleep(limits.age) => {}
    }
    connection.as_mut().graceful_shutdown();
    match tokio::time::timeout(limits.last_request, connection).await {
        Ok(served) => note(served),
        Err(_) => debug!("a connection was cut off: its client did not take the answer"),
    }
}

fn note(served: hyper::Result<()>) {
    if let Err(error) = served {
        debug!("a connection ended early: {error}");
    }
}

#[cfg(test)]
mod tests;
