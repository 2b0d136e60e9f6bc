//! An API server in memory: objects by path, with the rules for versions and bindings that matter here.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use http::{Method, Request, Response, StatusCode};
use kube::Client;
use kube::client::Body;
use serde_json::{Value, json};
use tokio::time::sleep;

/// Objects by path, and the requests that came.
#[derive(Clone, Default)]
pub(crate) struct Server(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    objects: BTreeMap<String, Value>,
    requests: Vec<(Method, String, Value)>,
    version: u64,
    /// Requests of this method fail.
    broken: Option<Method>,
    silence: Option<Silence>,
    /// How long a reading waits before it looks.
    slow: Duration,
    /// How long answers are on their way once everything is done.
    late: Duration,
}

/// What becomes of requests that are not answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Silence {
    /// None is heard.
    Deaf,
    /// What is posted is done.
    Mute,
}

impl Server {
    pub(crate) fn client(&self) -> Client {
        let server = self.clone();
        let service = tower::service_fn(move |request| {
            let server = server.clone();
            async move { Ok::<_, Infallible>(server.answer(request).await) }
        });
        Client::new(service, "default")
    }

    pub(crate) fn put(&self, path: &str, object: Value) {
        self.state().objects.insert(path.to_owned(), object);
    }

    pub(crate) fn remove(&self, path: &str) {
        self.state().objects.remove(path);
    }

    pub(crate) fn object(&self, path: &str) -> Option<Value> {
        self.state().objects.get(path).cloned()
    }

    pub(crate) fn break_down(&self, method: Option<Method>) {
        self.state().broken = method;
    }

    pub(crate) fn be_silent(&self, silence: Option<Silence>) {
        self.state().silence = silence;
    }

    pub(crate) fn read_slowly(&self, slow: Duration) {
        self.state().slow = slow;
    }

    pub(crate) fn answer_slowly(&self, late: Duration) {
        self.state().late = late;
    }

    /// The paths of the requests of a method, in order.
    pub(crate) fn paths(&self, method: &Method) -> Vec<String> {
        let state = self.state();
        let requests = state.requests.iter().filter(|(of, ..)| of == method);
        requests.map(|(_, path, _)| path.clone()).collect()
    }

    /// The bindings that came, also those that were not answered.
    pub(crate) fn bindings(&self) -> Vec<Value> {
        let state = self.state();
        let requests = state.requests.iter();
        let bindings = requests.filter(|(_, path, _)| path.ends_with(BINDING));
        bindings.map(|(.., body)| body.clone()).collect()
    }

    /// The notes of the events that came.
    pub(crate) fn notes(&self) -> Vec<String> {
        let state = self.state();
        let notes = state.requests.iter().map(|(.., body)| &body["note"]);
        notes
            .filter_map(|note| note.as_str().map(str::to_owned))
            .collect()
    }

    async fn answer(&self, request: Request<Body>) -> Response<Body> {
        let (parts, body) = request.into_parts();
        if self.is(Silence::Deaf) {
            std::future::pending::<()>().await;
        }
        if parts.method == Method::GET {
            let slow = self.state().slow;
            sleep(slow).await;
        }
        let body = body.collect_bytes().await.unwrap();
        let body: Value = serde_json::from_slice(&body).unwrap_or_default();
        let (status, answer) = self.state().take(&parts.method, parts.uri.path(), body);
        if self.is(Silence::Mute) && parts.method == Method::POST {
            std::future::pending::<()>().await;
        }
        let late = self.state().late;
        sleep(late).await;
        let body = Body::from(serde_json::to_vec(&answer).unwrap());
        Response::builder().status(status).body(body).unwrap()
    }

    fn is(&self, silence: Silence) -> bool {
        self.state().silence == Some(silence)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }
}

type Answer = (StatusCode, Value);

const BINDING: &str = "/binding";

impl State {
    fn take(&mut self, method: &Method, path: &str, body: Value) -> Answer {
        self.requests
            .push((method.clone(), path.to_owned(), body.clone()));
        if self.broken.as_ref() == Some(method) {
            return refusal(500, "InternalError", "");
        }
        match (method, path.strip_suffix(BINDING)) {
            (&Method::POST, Some(pod)) => self.bind(pod, &body),
            (&Method::POST, None) => self.create(path, body),
            (&Method::PUT, _) => self.replace(path, body),
            _ => self.get(path),
        }
    }

    fn get(&self, path: &str) -> Answer {
        match self.objects.get(path) {
            Some(object) => (StatusCode::OK, object.clone()),
            None => refusal(404, "NotFound", path),
        }
    }

    fn create(&mut self, collection: &str, object: Value) -> Answer {
        let name = object["metadata"]["name"].as_str().unwrap_or_default();
        let path = format!("{collection}/{name}");
        match self.objects.contains_key(&path) {
            true => refusal(409, "AlreadyExists", &path),
            false => (StatusCode::CREATED, self.store(&path, object)),
        }
    }

    /// Who names an old version is refused.
    fn replace(&mut self, path: &str, object: Value) -> Answer {
        let version = |object: &Value| object["metadata"]["resourceVersion"].clone();
        match self.objects.get(path) {
            Some(former) if version(former) == version(&object) => {
                (StatusCode::OK, self.store(path, object))
            }
            _ => refusal(409, "Conflict", path),
        }
    }

    fn bind(&mut self, path: &str, binding: &Value) -> Answer {
        let Some(mut pod) = self.objects.get(path).cloned() else {
            return refusal(404, "NotFound", path);
        };
        let bound = pod["spec"]["nodeName"].is_string();
        if bound || binding["metadata"]["uid"] != pod["metadata"]["uid"] {
            return refusal(409, "Conflict", path);
        }
        pod["spec"]["nodeName"] = binding["target"]["name"].clone();
        pod["metadata"]["annotations"] = binding["metadata"]["annotations"].clone();
        self.store(path, pod);
        let status =
            json!({ "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success" });
        (StatusCode::CREATED, status)
    }

    fn store(&mut self, path: &str, mut object: Value) -> Value {
        // Tests give their own objects versions below this.
        self.version += 1;
        object["metadata"]["resourceVersion"] = json!((1000 + self.version).to_string());
        self.objects.insert(path.to_owned(), object.clone());
        object
    }
}

fn refusal(code: u16, reason: &str, path: &str) -> Answer {
    let name = path.rsplit('/').next().unwrap_or_default();
    let status = json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "message": reason, "reason": reason, "code": code, "details": { "name": name },
    });
    (StatusCode::from_u16(code).unwrap(), status)
}
