//! An API server that answers from a script.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use http::{Request, Response};
use kube::Client;
use kube::client::Body;
use tower::service_fn;

/// Answers, each to the first request whose address contains its key; requests without an answer wait for
/// ever.
#[derive(Clone, Default)]
pub(super) struct Script(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    answers: VecDeque<(String, u16, String)>,
    asked: Vec<String>,
}

impl Script {
    pub(super) fn answer(&self, key: &str, status: u16, body: impl Into<String>) {
        let answer = (key.to_owned(), status, body.into());
        self.0.lock().unwrap().answers.push_back(answer);
    }

    /// Every request so far.
    pub(super) fn asked(&self) -> Vec<String> {
        self.0.lock().unwrap().asked.clone()
    }

    fn next(&self, address: &str) -> Option<(u16, String)> {
        let mut state = self.0.lock().unwrap();
        state.asked.push(address.to_owned());
        let place = state
            .answers
            .iter()
            .position(|(key, ..)| address.contains(key.as_str()))?;
        state
            .answers
            .remove(place)
            .map(|(_, status, body)| (status, body))
    }

    pub(super) fn client(&self) -> Client {
        let script = self.clone();
        let service = service_fn(move |request: Request<Body>| {
            let answer = script.next(&request.uri().to_string());
            async move {
                let Some((status, body)) = answer else {
                    return std::future::pending().await;
                };
                let response = Response::builder()
                    .status(status)
                    .body(Body::from(body.into_bytes()));
                Ok::<_, Infallible>(response.unwrap())
            }
        });
        Client::new(service, "default")
    }
}

/// What the API server says of an object that is not there.
pub(super) fn not_found(name: &str) -> String {
    status(
        404,
        "NotFound",
        &format!(r#"{{"name":"{name}","kind":"deployments"}}"#),
    )
}

/// What it says of a kind that it does not serve: a 404 that names nothing.
pub(super) fn not_served() -> String {
    status(404, "NotFound", "{}")
}

pub(super) fn forbidden() -> String {
    status(403, "Forbidden", "{}")
}

fn status(code: u16, reason: &str, details: &str) -> String {
    format!(
        r#"{{"kind":"Status","apiVersion":"v1","status":"Failure","message":"no","reason":"{reason}","details":{details},"code":{code}}}"#
    )
}
