//! Where the API is served: TCP or a socket file.

use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::time::Duration;

use axum::Router;
use tokio::net::{TcpListener, UnixListener, UnixStream};
use tracing::{debug, error, warn};

use super::connection::{Connections, Limits, Place};
use crate::args::Listen;

/// How long nothing is accepted after the system had no means to: it may have some again then.
const RESPITE: Duration = Duration::from_secs(1);

/// A place that accepts connections.
#[derive(Debug)]
pub(crate) enum Listener {
    Tcp(TcpListener),
    Unix(UnixListener, PathBuf),
}

impl Listener {
    pub(crate) async fn bind(place: &Listen) -> io::Result<Self> {
        match place {
            Listen::Tcp(address) => Ok(Self::Tcp(TcpListener::bind(address).await?)),
            Listen::Unix(path) => {
                clear(path).await?;
                Ok(Self::Unix(UnixListener::bind(path)?, path.clone()))
            }
        }
    }

    /// Where it listens, for people: with the port that was taken.
    pub(crate) fn place(&self) -> String {
        match self {
            Self::Tcp(listener) => match listener.local_addr() {
                Ok(address) => format!("http://{address}"),
                Err(error) => format!("an address that cannot be told ({error})"),
            },
            Self::Unix(_, path) => format!("unix:{}", path.display()),
        }
    }

    /// The `HOST:PORT` that documents name where a request does not.
    pub(crate) fn host(&self) -> String {
        let tcp = match self {
            Self::Tcp(listener) => listener.local_addr().ok(),
            Self::Unix(..) => None,
        };
        tcp.map_or_else(|| "localhost".to_owned(), |address| address.to_string())
    }

    /// Where other processes reach it, as `HOST:PORT`: at an address that was told, else at the one that it is bound
    /// to. None where that is any address, and for a socket file.
    pub(crate) fn reached_at(&self, told: Option<IpAddr>) -> Option<String> {
        let Self::Tcp(listener) = self else {
            return None;
        };
        let bound = listener.local_addr().ok()?;
        let ip = told.or_else(|| Some(bound.ip()).filter(|ip| !ip.is_unspecified()))?;
        Some(SocketAddr::new(ip, bound.port()).to_string())
    }

    /// Whether other hosts may reach it.
    pub(crate) fn is_open_to_others(&self) -> bool {
        match self {
            Self::Tcp(listener) => listener
                .local_addr()
                .is_ok_and(|address| !address.ip().is_loopback()),
            Self::Unix(..) => false,
        }
    }

    /// Serves until `ended`; what is under way then has the limits' time to finish.
    pub(crate) async fn serve(self, app: Router, ended: impl Future<Output = ()>, limits: Limits) {
        let connections = Connections::new(app, limits);
        let mut ended = pin!(ended);
        loop {
            tokio::select! {
                () = ended.as_mut() => break,
                place = connections.place() => tokio::select! {
                    () = ended.as_mut() => break,
                    () = self.accept(&connections, place) => {}
                },
            }
        }
        self.close();
        connections.end().await;
    }

    /// Accepts one connection, or finds that it cannot.
    async fn accept(&self, connections: &Connections, place: Place) {
        let accepted = match self {
            Self::Tcp(listener) => listener.accept().await.map(|(stream, _)| {
                if let Err(error) = stream.set_nodelay(true) {
                    debug!("answers may be delayed: {error}");
                }
                connections.begin(stream, place);
            }),
            Self::Unix(listener, _) => listener
                .accept()
                .await
                .map(|(stream, _)| connections.begin(stream, place)),
        };
        match accepted {
            Ok(()) => {}
            Err(error) if is_of_the_client(&error) => debug!("a client was gone: {error}"),
            Err(error) => {
                error!(
                    "no connection can be accepted for now: raise the limit of open files: {error}"
                );
                tokio::time::sleep(RESPITE).await;
            }
        }
    }

    /// Accepts no more.
    fn close(self) {
        if let Self::Unix(listener, path) = self {
            drop(listener);
            if let Err(error) = std::fs::remove_file(&path) {
                warn!("the socket {} is left behind: {error}", path.display());
            }
        }
    }
}

/// Whether the fault is one connection's and not the listener's.
fn is_of_the_client(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionRefused
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
    )
}

/// Takes away a socket file that nobody serves any more. Never another file: connecting to one of
/// those is refused as well.
async fn clear(path: &Path) -> io::Result<()> {
    let taken = |what: &str| Err(io::Error::new(io::ErrorKind::AddrInUse, what));
    match std::fs::symlink_metadata(path) {
        Ok(file) if !file.file_type().is_socket() => return taken("there is a file of that name"),
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    }
    match UnixStream::connect(path).await {
        Ok(_) => taken("another process serves there"),
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            std::fs::remove_file(path)
        }
        Err(error) => Err(error),
    }
}

/// The place as the command line has it.
pub(crate) fn text(place: &Listen) -> String {
    match place {
        Listen::Tcp(address) => address.clone(),
        Listen::Unix(path) => format!("unix:{}", path.display()),
    }
}
