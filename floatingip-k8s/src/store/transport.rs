//! Requests and answers, and what is certain when there is no answer.

use std::error::Error as StdError;
use std::time::Duration;

use http::{HeaderMap, Request, StatusCode, header};
use http_body_util::{BodyExt as _, Limited};
use hyper_util::client::legacy;
use kube::client::Body;
use kube::{Client, Config};
use thiserror::Error;
use tokio::time::timeout;

/// A client as [`CrdStore`](super::CrdStore) wants it: each request is sent once and repeated by nobody
/// else, and every request under way has a connection of its own, kept for the next one.
///
/// # Errors
/// What is wrong with the configuration.
pub fn connect(mut config: Config) -> Result<Client, kube::Error> {
    config.default_retry = false;
    Client::try_from(config)
}

/// An answer.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) status: StatusCode,
    /// How long the API server asks to wait before the next attempt.
    pub(super) retry_after: Option<Duration>,
    pub(super) body: Vec<u8>,
}

/// Why there is no answer.
#[derive(Debug, Error)]
pub(super) enum NoReply {
    /// It was certainly not sent.
    #[error("the API server cannot be reached")]
    NotSent(#[source] kube::Error),
    /// It was sent, or may have been.
    #[error("the connection was lost before the answer")]
    Lost(#[source] Box<dyn StdError + Send + Sync>),
    /// The answer did not come in time.
    #[error("no answer within {0:?}")]
    Late(Duration),
}

/// Sends a request and reads its answer, at most `most` bytes, within `limit`.
pub(super) async fn exchange(
    client: &Client,
    request: Request<Vec<u8>>,
    limit: Duration,
    most: usize,
) -> Result<Reply, NoReply> {
    timeout(limit, converse(client, request, most))
        .await
        .unwrap_or(Err(NoReply::Late(limit)))
}

async fn converse(
    client: &Client,
    request: Request<Vec<u8>>,
    most: usize,
) -> Result<Reply, NoReply> {
    let response = client.send(request.map(Body::from)).await;
    let (head, body) = response.map_err(no_reply)?.into_parts();
    let body = Limited::new(body, most).collect().await;
    Ok(Reply {
        status: head.status,
        retry_after: retry_after(&head.headers),
        body: body.map_err(NoReply::Lost)?.to_bytes().to_vec(),
    })
}

/// A failure to connect, or to make the request, is certain to have sent nothing.
pub(super) fn no_reply(error: kube::Error) -> NoReply {
    let unsent = match &error {
        kube::Error::Auth(_) | kube::Error::BuildRequest(_) | kube::Error::HttpError(_) => true,
        kube::Error::Service(source) => is_connect(source.as_ref()),
        _ => false,
    };
    match unsent {
        true => NoReply::NotSent(error),
        false => NoReply::Lost(Box::new(error)),
    }
}

fn is_connect(error: &(dyn StdError + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(error) = error.downcast_ref::<legacy::Error>() {
            return error.is_connect();
        }
        next = error.source();
    }
    false
}

fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(header::RETRY_AFTER)?.to_str().ok()?;
    seconds.parse().ok().map(Duration::from_secs)
}
