use std::collections::BTreeSet;

use axum::body::Body;
use axum::http::StatusCode;
use floatingip_server::app::paths;
use serde_json::{Map, Value, json};

use crate::support::{Fake, Server, request};

const METHODS: [&str; 8] = [
    "get", "head", "post", "put", "delete", "patch", "options", "trace",
];

fn contract() -> Value {
    serde_json::from_str(include_str!("../../assets/swagger-1.2.json")).unwrap()
}

async fn swagger(host: Option<&str>) -> Value {
    let mut request = request("GET", "/apidocs.json/v1");
    if let Some(host) = host {
        request = request.header("host", host);
    }
    let server = Server::standard(Fake::default());
    server
        .send(request.body(Body::empty()).unwrap())
        .await
        .json()
}

async fn openapi() -> Value {
    Server::standard(Fake::default())
        .get("/openapi.json")
        .await
        .json()
}

fn object(value: &Value) -> &Map<String, Value> {
    value.as_object().unwrap()
}

#[tokio::test]
async fn the_swagger_document_is_the_contract_but_for_its_base() {
    let mut served = swagger(Some("ipam.example:9041")).await;
    let base = served["basePath"].take();
    assert_eq!(base, "http://ipam.example:9041");
    let mut contract = contract();
    assert_eq!(contract["basePath"].take(), "http://192.168.99.100:32761");
    for (field, value) in object(&contract) {
        assert_eq!(served[field], *value, "{field}");
    }
    assert_eq!(object(&served).len(), object(&contract).len());
}

#[tokio::test]
async fn the_base_is_where_the_client_asked_or_the_server_listens() {
    for (host, base) in [
        (Some("[fd00::1]:32761"), "http://[fd00::1]:32761"),
        (Some("\"><script>"), "http://127.0.0.1:32761"),
        (Some("user@host"), "http://127.0.0.1:32761"),
        (None, "http://127.0.0.1:32761"),
    ] {
        assert_eq!(swagger(host).await["basePath"], base, "{host:?}");
    }
}

#[tokio::test]
async fn the_swagger_listing_leads_to_the_document() {
    let server = Server::standard(Fake::default());
    let listing = server.get("/apidocs.json").await.json();
    assert_eq!(listing["swaggerVersion"], "1.2");
    let path = listing["apis"][0]["path"].as_str().unwrap();
    let document = server.get(&format!("/apidocs.json{path}")).await;
    assert_eq!(document.status, StatusCode::OK);
}

#[tokio::test]
async fn openapi_has_every_path_that_is_served_and_no_other() {
    let openapi = openapi().await;
    let described: BTreeSet<&str> = object(&openapi["paths"])
        .keys()
        .map(String::as_str)
        .collect();
    let served: BTreeSet<&str> = paths::<Fake>().into_iter().collect();
    assert_eq!(described, served);
    assert_eq!(openapi["info"]["version"], env!("CARGO_PKG_VERSION"));
}

#[tokio::test]
async fn openapi_has_every_method_that_is_served_and_no_other() {
    let openapi = openapi().await;
    let server = Server::standard(Fake::default());
    for (template, item) in object(&openapi["paths"]) {
        let path = template.replace("{name}", "x").replace("{ip}", "10.0.70.2");
        for method in METHODS {
            let answer = server.ask(&method.to_uppercase(), &path).await;
            let described = item.get(if method == "head" { "get" } else { method });
            let refused = answer.status == StatusCode::METHOD_NOT_ALLOWED;
            assert_eq!(refused, described.is_none(), "{method} {path}");
            if let Some(operation) = described {
                let status = answer.status.as_str();
                assert!(
                    operation["responses"].get(status).is_some(),
                    "{method} {path} {status}"
                );
            }
        }
    }
}

#[tokio::test]
async fn openapi_refers_only_to_what_it_has() {
    fn refs<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
        match value {
            Value::Array(items) => items.iter().for_each(|item| refs(item, found)),
            Value::Object(fields) => {
                found.extend(fields.get("$ref").and_then(Value::as_str));
                fields.values().for_each(|field| refs(field, found));
            }
            _ => {}
        }
    }
    let openapi = openapi().await;
    let mut found = Vec::new();
    refs(&openapi, &mut found);
    assert!(found.len() > 50);
    for reference in found {
        let pointer = reference.strip_prefix('#').unwrap();
        assert!(openapi.pointer(pointer).is_some(), "{reference}");
    }
}

#[tokio::test]
async fn openapi_extends_the_contract_and_takes_nothing_from_it() {
    let (contract, openapi) = (contract(), openapi().await);
    for api in contract["apis"].as_array().unwrap() {
        let path = &openapi["paths"][api["path"].as_str().unwrap()];
        for operation in api["operations"].as_array().unwrap() {
            let method = operation["method"].as_str().unwrap().to_lowercase();
            let ours = &path[&method];
            assert_ne!(*ours, Value::Null, "{method} {}", api["path"]);
            for code in operation["responseMessages"].as_array().unwrap() {
                let code = code["code"].to_string();
                assert!(ours["responses"].get(&code).is_some(), "{method} {code}");
            }
            let in_query = |p: &&Value| p["paramType"] == "query";
            for parameter in operation["parameters"]
                .as_array()
                .unwrap()
                .iter()
                .filter(in_query)
            {
                let ours = ours["parameters"].as_array().unwrap();
                assert!(
                    ours.iter().any(|p| p["name"] == parameter["name"]),
                    "{parameter}"
                );
            }
        }
    }
    let fields = |model: &Value| object(model).keys().cloned().collect::<Vec<_>>();
    for (theirs, ours) in [
        ("api.FloatingIP", "FloatingIP"),
        ("api.ListIPResp", "ListIPResp"),
    ] {
        let theirs = &contract["models"][theirs]["properties"];
        let ours = &openapi["components"]["schemas"][ours]["properties"];
        // Only present where there is a mark.
        let ours = fields(ours).into_iter().filter(|field| field != "mark");
        assert_eq!(fields(theirs), ours.collect::<Vec<_>>());
    }
    let page = &openapi["components"]["schemas"]["ListIPResp"]["required"];
    assert_eq!(page.as_array().unwrap().len(), 8);
    assert!(page.as_array().unwrap().contains(&json!("content")));
}

#[tokio::test]
async fn the_page_asks_no_other_server() {
    let server = Server::standard(Fake::default());
    let page = server.get("/docs/").await;
    assert_eq!(page.headers["content-type"], "text/html; charset=utf-8");
    let policy = page.headers["content-security-policy"].to_str().unwrap();
    assert!(policy.starts_with("default-src 'none'; script-src 'self'"));
    let script = server.get("/docs/docs.js").await;
    assert_eq!(
        script.headers["content-type"],
        "text/javascript; charset=utf-8"
    );
    for text in [page.text(), script.text()] {
        assert!(!text.contains("://"), "{text}");
    }
    let redirect = server.get("/docs").await;
    assert_eq!(redirect.status, StatusCode::PERMANENT_REDIRECT);
    assert_eq!(redirect.headers["location"], "/docs/");
}
