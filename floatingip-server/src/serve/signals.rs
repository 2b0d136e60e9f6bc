//! What the process is told from outside.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing::info;

/// SIGHUP, heard from the moment this is made: until then it ends the process.
#[derive(Debug)]
pub(crate) struct Hangups(Signal);

/// SIGTERM and SIGINT, heard from the moment this is made.
#[derive(Debug)]
pub(crate) struct Ending {
    term: Signal,
    keyboard: Signal,
}

impl Hangups {
    pub(crate) fn hear() -> io::Result<Self> {
        signal(SignalKind::hangup()).map(Self)
    }

    /// Waits for the next one.
    pub(crate) async fn next(&mut self) {
        // A signal that is heard is heard as long as the process lives.
        let _ = self.0.recv().await;
    }
}

impl Ending {
    pub(crate) fn hear() -> io::Result<Self> {
        Ok(Self {
            term: signal(SignalKind::terminate())?,
            keyboard: signal(SignalKind::interrupt())?,
        })
    }

    /// Waits until the process is told to end.
    pub(crate) async fn told(mut self) {
        let name = tokio::select! {
            _ = self.term.recv() => "SIGTERM",
            _ = self.keyboard.recv() => "SIGINT",
        };
        info!("{name}: finishing what is under way");
    }
}
