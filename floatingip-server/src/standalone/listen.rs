//! Where the API is served: TCP or a socket file.

use std::future::{Future, IntoFuture};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use axum::Router;
use tokio::net::{TcpListener, UnixListener, UnixStream};
use tokio::sync::oneshot;
use tracing::warn;

use crate::args::Listen;

/// A place that accepts connections.
pub(super) enum Listener {
    Tcp(TcpListener),
    Unix(UnixListener, PathBuf),
}

impl Listener {
    pub(super) async fn bind(place: &Listen) -> io::Result<Self> {
        match place {
            Listen::Tcp(address) => Ok(Self::Tcp(TcpListener::bind(address).await?)),
            Listen::Unix(path) => {
                clear(path).await?;
                Ok(Self::Unix(UnixListener::bind(path)?, path.clone()))
            }
        }
    }

    /// Where it listens, for people: with the port that was taken.
    pub(super) fn place(&self) -> String {
        match self {
            Self::Tcp(listener) => match listener.local_addr() {
                Ok(address) => format!("http://{address}"),
                Err(error) => format!("an address that cannot be told ({error})"),
            },
            Self::Unix(_, path) => format!("unix:{}", path.display()),
        }
    }

    /// The `HOST:PORT` that documents name where a request does not.
    pub(super) fn host(&self) -> String {
        let tcp = match self {
            Self::Tcp(listener) => listener.local_addr().ok(),
            Self::Unix(..) => None,
        };
        tcp.map_or_else(|| "localhost".to_owned(), |address| address.to_string())
    }

    /// Whether other hosts may reach it.
    pub(super) fn is_open_to_others(&self) -> bool {
        match self {
            Self::Tcp(listener) => listener
                .local_addr()
                .is_ok_and(|address| !address.ip().is_loopback()),
            Self::Unix(..) => false,
        }
    }

    /// Serves until `ended`; what is under way then has `drain` to finish.
    pub(super) async fn serve(
        self,
        app: Router,
        ended: impl Future<Output = ()> + Send + 'static,
        drain: Duration,
    ) -> io::Result<()> {
        let (tell, told) = oneshot::channel();
        let ended = async move {
            ended.await;
            // Nobody waits for it any more if serving failed meanwhile.
            let _ = tell.send(());
        };
        let late = async {
            // Cannot be dropped before it is sent: the future above lives as long as the server.
            let _ = told.await;
            tokio::time::sleep(drain).await;
        };
        let serving = async {
            match self {
                Self::Tcp(listener) => {
                    axum::serve(listener, app)
                        .with_graceful_shutdown(ended)
                        .into_future()
                        .await
                }
                Self::Unix(listener, path) => {
                    let served = axum::serve(listener, app).with_graceful_shutdown(ended);
                    let served = served.into_future().await;
                    std::fs::remove_file(path).and(served)
                }
            }
        };
        tokio::select! {
            served = serving => served,
            () = late => {
                warn!("some requests were not finished in time");
                Ok(())
            }
        }
    }
}

/// Takes away a socket file that nobody serves any more.
async fn clear(path: &Path) -> io::Result<()> {
    match UnixStream::connect(path).await {
        Ok(_) => Err(io::Error::new(
            io::ErrorKind::AddrInUse,
            "another process serves there",
        )),
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            std::fs::remove_file(path)
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

/// The place as the command line has it.
pub(super) fn text(place: &Listen) -> String {
    match place {
        Listen::Tcp(address) => address.clone(),
        Listen::Unix(path) => format!("unix:{}", path.display()),
    }
}
