//! Plain HTTP requests to a server on loopback.

use std::fmt;

use anyhow::{Context as _, Result, ensure};
use http::Request;
use http_body_util::{BodyExt as _, Limited};
use kube::Client;
use kube::client::Body;
use kube::config::Config;
use serde_json::Value;

/// The largest answer that is read, in bytes.
const LARGEST: usize = 64 << 20;

/// A client of one port on loopback. Clones share their connections.
#[derive(Clone)]
pub struct Web {
    client: Client,
}

impl fmt::Debug for Web {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Web").finish_non_exhaustive()
    }
}

/// What a server answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// The body.
    pub body: String,
}

impl Web {
    /// A client of `127.0.0.1:PORT`; nothing is asked yet.
    ///
    /// # Errors
    /// The system's certificates cannot be set up, although none are used.
    pub fn at(port: u16) -> Result<Self> {
        let mut config = Config::new(format!("http://127.0.0.1:{port}").parse()?);
        // A refusal is an answer that tests want to see.
        config.default_retry = false;
        let client = Client::try_from(config)?;
        Ok(Self { client })
    }

    /// Asks for a path.
    ///
    /// # Errors
    /// There is no answer.
    pub async fn get(&self, path: &str) -> Result<Answer> {
        self.send(Request::get(path).body(Body::empty())?).await
    }

    /// Sends JSON to a path.
    ///
    /// # Errors
    /// There is no answer.
    pub async fn post(&self, path: &str, body: &Value) -> Result<Answer> {
        let request = Request::post(path).header("content-type", "application/json");
        self.send(request.body(Body::from(body.to_string().into_bytes()))?)
            .await
    }

    /// Deletes what is at a path.
    ///
    /// # Errors
    /// There is no answer.
    pub async fn delete(&self, path: &str) -> Result<Answer> {
        self.send(Request::delete(path).body(Body::empty())?).await
    }

    async fn send(&self, request: Request<Body>) -> Result<Answer> {
        let path = request.uri().to_string();
        let response = self.client.send(request).await;
        let response = response.with_context(|| format!("no answer to {path}"))?;
        let status = response.status().as_u16();
        let body = Limited::new(response.into_body(), LARGEST).collect().await;
        let body =
            body.map_err(|error| anyhow::anyhow!("the answer to {path} breaks off: {error}"))?;
        let body = String::from_utf8(body.to_bytes().to_vec())?;
        Ok(Answer { status, body })
    }
}

impl Answer {
    /// The body as JSON, of an answer with this status.
    ///
    /// # Errors
    /// It has another status, or is no JSON.
    pub fn json(&self, status: u16) -> Result<Value> {
        ensure!(
            self.status == status,
            "{} instead of {status}: {}",
            self.status,
            self.body
        );
        serde_json::from_str(&self.body).with_context(|| format!("no JSON: {}", self.body))
    }
}
