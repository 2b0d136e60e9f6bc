//! The corpus of requests knows every body of the API: a new one joins it with an example that is accepted.

#![expect(clippy::unwrap_used, reason = "the helpers of a test")]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use axum::http::Method;
use floatingip_fuzz::requests::{Request, Server};
use serde_json::Value;

/// A method and a path with `{…}` in the place of what varies.
type Operation = (String, String);

/// What the OpenAPI document says takes a body.
fn operations_with_a_body() -> BTreeSet<Operation> {
    let request = Request::all("GET /openapi.json").remove(0);
    let document = Server::fresh(false).answer(&request).json.unwrap();
    let mut operations = BTreeSet::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        let methods = methods.as_object().unwrap().iter();
        let bodied = methods.filter(|(_, operation)| !operation["requestBody"].is_null());
        operations.extend(bodied.map(|(method, _)| (method.to_uppercase(), path.clone())));
    }
    operations
}

/// Whether a path is one of a template.
fn is_of(template: &str, path: &str) -> bool {
    let (wanted, found): (Vec<_>, Vec<_>) =
        (template.split('/').collect(), path.split('/').collect());
    let fits = |(wanted, found): (&&str, &&str)| wanted.starts_with('{') || wanted == found;
    wanted.len() == found.len() && wanted.iter().zip(&found).all(fits)
}

/// The requests with a body that the server accepts when it is given the corpus.
fn accepted() -> Vec<(Method, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus/requests");
    let mut accepted = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let text = fs::read(entry.unwrap().path()).unwrap();
        let server = Server::fresh(false);
        for request in Request::all(&String::from_utf8_lossy(&text)) {
            let read: Result<Value, _> = serde_json::from_str(&request.body);
            if server.answer(&request).status.is_success() && read.is_ok() {
                accepted.push((request.method, request.uri.path().to_owned()));
            }
        }
    }
    accepted
}

#[test]
fn every_body_of_the_api_has_an_example_in_the_corpus_that_is_accepted() {
    let accepted = accepted();
    let is_there = |(method, template): &Operation| {
        let fits =
            |(made, path): &(Method, String)| made == method.as_str() && is_of(template, path);
        accepted.iter().any(fits)
    };
    let operations = operations_with_a_body();
    assert!(operations.len() > 1, "{operations:?}");
    let missing: Vec<_> = operations.into_iter().filter(|it| !is_there(it)).collect();
    assert_eq!(missing, [], "add files to fuzz/corpus/requests");
}
