//! One question and its answer.

use std::fs::File;
use std::io::{self, Read as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST, HeaderValue};
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream, lookup_host};
use tokio::runtime;
use tokio::time::timeout;

use super::address::{Authority, ServerUrl};
use super::error::ServerError;
use crate::delegate::Limit;

/// The server, and what it knows this node by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    url: ServerUrl,
    token: Option<PathBuf>,
}

/// What is asked.
#[derive(Clone, Debug)]
pub(super) struct Question {
    pub(super) method: Method,
    /// From the slash on.
    pub(super) path: String,
    pub(super) body: Option<Value>,
}

/// More than any answer to these questions has, in bytes.
const LONGEST_ANSWER: usize = 256 * 1024;
/// More than any token has, in bytes.
const LONGEST_TOKEN: u64 = 16 * 1024;
/// The longest message that is passed on, in characters.
const LONGEST_MESSAGE: usize = 1000;
/// The longest word for a reason, in characters.
const LONGEST_REASON: usize = 64;
/// How long a question is repeated that may be: as long as a server takes to start again.
const PERSISTENCE: Duration = Duration::from_secs(3);
/// Between two attempts.
const PAUSE: Duration = Duration::from_millis(200);

impl Server {
    /// At a place, with the file whose content it knows this node by, where it wants one. The file is read for each
    /// question, as tokens expire.
    pub fn at(url: ServerUrl, token: Option<PathBuf>) -> Self {
        Self { url, token }
    }

    /// As two fields of a configuration say; an empty name of a file is none.
    pub(crate) fn configured(url: Option<&ServerUrl>, token: Option<&PathBuf>) -> Option<Self> {
        let token = token.filter(|path| !path.as_os_str().is_empty());
        Some(Self::at(url?.clone(), token.cloned()))
    }

    /// Where it is.
    pub fn url(&self) -> &ServerUrl {
        &self.url
    }

    /// The file with the token.
    pub fn token(&self) -> Option<&Path> {
        self.token.as_deref()
    }

    /// Asks what may be asked more than once, again for a while where there is no answer.
    pub(super) fn ask(&self, question: &Question, within: Limit) -> Result<Bytes, ServerError> {
        let since = Instant::now();
        let mut earlier = None;
        loop {
            let error = match self.ask_once(question, within) {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            let has_time = since.elapsed() + PAUSE <= PERSISTENCE && within.left() >= PAUSE;
            let again = error.is_passing() && has_time;
            let error = error.after(earlier.take());
            if !again {
                return Err(error);
            }
            earlier = Some(error);
            thread::sleep(PAUSE);
        }
    }

    /// Asks once.
    pub(super) fn ask_once(
        &self,
        question: &Question,
        within: Limit,
    ) -> Result<Bytes, ServerError> {
        let request = self.request(question)?;
        let runtime = runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(ServerError::Process)?;
        let answered = runtime.block_on(async {
            let answered = timeout(within.left(), self.exchange(request, within));
            answered.await.unwrap_or_else(|_| Err(self.silent(within)))
        });
        // A name that is still being looked up is not waited for.
        runtime.shutdown_background();
        answered
    }

    fn request(&self, question: &Question) -> Result<Request<Full<Bytes>>, ServerError> {
        let host = match &self.url {
            ServerUrl::Http(authority) => authority.to_string(),
            ServerUrl::Unix(_) => "localhost".to_owned(),
        };
        let mut request = Request::builder()
            .method(question.method.clone())
            .uri(&question.path)
            .header(HOST, host);
        if let Some(token) = &self.token {
            request = request.header(AUTHORIZATION, bearer(token)?);
        }
        let body = question.body.as_ref().map(Value::to_string);
        if body.is_some() {
            request = request.header(CONTENT_TYPE, "application/json");
        }
        let body = Full::from(body.unwrap_or_default());
        let request = request.body(body);
        request.map_err(|error| ServerError::Question(error.to_string()))
    }

    async fn exchange(
        &self,
        request: Request<Full<Bytes>>,
        within: Limit,
    ) -> Result<Bytes, ServerError> {
        let unreachable = |error| ServerError::Unreachable {
            url: self.url.clone(),
            error,
        };
        match &self.url {
            ServerUrl::Http(to) => {
                let stream = connect(to, within).await;
                self.talk(stream.map_err(unreachable)?, request).await
            }
            ServerUrl::Unix(path) => {
                let stream = UnixStream::connect(path).await;
                self.talk(stream.map_err(unreachable)?, request).await
            }
        }
    }

    async fn talk<S>(&self, stream: S, request: Request<Full<Bytes>>) -> Result<Bytes, ServerError>
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
            .await
            .map_err(|error| self.broken(&error))?;
        tokio::spawn(connection);
        let answer = sender.send_request(request).await;
        let answer = answer.map_err(|error| self.broken(&error))?;
        self.read(answer).await
    }

    async fn read(&self, answer: Response<Incoming>) -> Result<Bytes, ServerError> {
        let status = answer.status();
        let body = Limited::new(answer.into_body(), LONGEST_ANSWER);
        let body = body.collect().await.map_err(|error| {
            if error.is::<LengthLimitError>() {
                let (url, limit) = (self.url.clone(), LONGEST_ANSWER);
                return ServerError::TooLong { url, limit };
            }
            self.broken(error.as_ref())
        });
        let body = body?.to_bytes();
        match status.is_success() {
            true => Ok(body),
            false => Err(self.refused(status.as_u16(), &body)),
        }
    }

    fn silent(&self, within: Limit) -> ServerError {
        ServerError::Silent {
            url: self.url.clone(),
            limit: within.length(),
        }
    }

    fn broken(&self, error: &dyn std::error::Error) -> ServerError {
        let cause = error.source().map(|cause| format!(": {cause}"));
        ServerError::Broken {
            url: self.url.clone(),
            error: format!("{error}{}", cause.unwrap_or_default()),
        }
    }

    fn refused(&self, status: u16, body: &[u8]) -> ServerError {
        #[derive(Default, Deserialize)]
        #[serde(default)]
        struct Told {
            message: String,
            reason: String,
        }
        let told: Told = serde_json::from_slice(body).unwrap_or_default();
        let message = match told.message.as_str() {
            "" => format!("status {status}"),
            text => text.chars().take(LONGEST_MESSAGE).collect(),
        };
        ServerError::Refused {
            url: self.url.clone(),
            status,
            reason: told.reason.chars().take(LONGEST_REASON).collect(),
            message,
        }
    }
}

/// To the first of the host's addresses that answers. Each has its share of the time, so that one whose packets get
/// lost leaves some for the others.
async fn connect(to: &Authority, within: Limit) -> io::Result<TcpStream> {
    let found = lookup_host((to.host.as_str(), to.port)).await?;
    connect_to_one(&found.collect::<Vec<_>>(), within).await
}

async fn connect_to_one(addresses: &[SocketAddr], within: Limit) -> io::Result<TcpStream> {
    let none = || io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    let (last, others) = addresses.split_last().ok_or_else(none)?;
    for (place, address) in others.iter().enumerate() {
        let left = u32::try_from(addresses.len().saturating_sub(place));
        let share = within.left() / left.unwrap_or(u32::MAX);
        if let Ok(Ok(stream)) = timeout(share, TcpStream::connect(address)).await {
            return Ok(stream);
        }
    }
    TcpStream::connect(last).await
}

/// What a server calls this node, unless somebody says otherwise: the kernel's host name.
pub(crate) fn node_name() -> String {
    let names = rustix::system::uname();
    names.nodename().to_string_lossy().into_owned()
}

/// The file's text as a header, which is not shown to anybody.
fn bearer(path: &Path) -> Result<HeaderValue, ServerError> {
    let failed = |error| ServerError::Token {
        path: path.to_owned(),
        error,
    };
    let mut text = String::new();
    let read = File::open(path).and_then(|file| file.take(LONGEST_TOKEN).read_to_string(&mut text));
    read.map_err(failed)?;
    let odd = |why: &str| failed(io::Error::new(io::ErrorKind::InvalidData, why));
    let token = Some(text.trim()).filter(|token| !token.is_empty());
    let token = token.ok_or_else(|| odd("it is empty"))?;
    let header = HeaderValue::from_str(&format!("Bearer {token}"));
    let mut header = header.map_err(|_| odd("it is not one line of plain characters"))?;
    header.set_sensitive(true);
    Ok(header)
}

#[cfg(test)]
mod tests;
