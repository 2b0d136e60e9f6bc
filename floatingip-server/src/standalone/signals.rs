//! What the process is told from outside.

use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing::{error, info};

/// Waits until the process is told to end, by SIGTERM or from the keyboard.
pub(super) async fn ended() {
    let (mut term, mut keyboard) = (
        listen(SignalKind::terminate()),
        listen(SignalKind::interrupt()),
    );
    let name = tokio::select! {
        () = next(&mut term) => "SIGTERM",
        () = next(&mut keyboard) => "SIGINT",
    };
    info!("{name}: finishing what is under way");
}

/// Hears SIGHUP.
pub(super) fn hangups() -> Option<Signal> {
    listen(SignalKind::hangup())
}

/// Waits for the signal; for ever where it cannot be heard.
pub(super) async fn next(signal: &mut Option<Signal>) {
    match signal {
        Some(signal) => _ = signal.recv().await,
        None => std::future::pending().await,
    }
}

fn listen(kind: SignalKind) -> Option<Signal> {
    signal(kind)
        .inspect_err(|error| error!("a signal cannot be heard: {error}"))
        .ok()
}
