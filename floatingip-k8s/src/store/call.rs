//! Calls: writes and reads as requests to the API server.

use std::net::IpAddr;
use std::time::Duration;

use floatingip_core::plan::Write;
use floatingip_core::record::{PoolRecord, Target, Value, Version};
use floatingip_core::{PoolName, Record};
use http::{Method, Request, header};
use serde::{Serialize, Serializer};
use serde_json::{Map, Value as Json, json};
use thiserror::Error;

use super::metrics::Verb;
use crate::annotation::{FILLED, PLAN, RESERVED};
use crate::crd::{
    FloatingIPSpec, Found, GROUP, Label, Unreadable, VERSION, encode_record, filled_note,
    object_name, read_floating_ip, read_pool,
};

/// The field manager of everything that is written.
const MANAGER: &str = "floatingip";

/// The kinds of objects that are records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// FloatingIP: addresses.
    FloatingIp,
    /// Pool: pools with a size.
    Pool,
}

impl Kind {
    /// Both.
    pub const ALL: [Self; 2] = [Self::FloatingIp, Self::Pool];

    /// The name of the resource, as in URLs and in `kubectl get`.
    pub const fn plural(self) -> &'static str {
        match self {
            Self::FloatingIp => "floatingips",
            Self::Pool => "pools",
        }
    }

    /// The path of all objects of the kind that are records.
    pub(super) fn path(self, pool_namespace: &str) -> String {
        let namespace = match self {
            Self::FloatingIp => String::new(),
            Self::Pool => format!("namespaces/{pool_namespace}/"),
        };
        format!("/apis/{GROUP}/{VERSION}/{namespace}{}", self.plural())
    }

    /// Reads an object of the kind.
    pub(super) fn read(self, json: &str) -> Result<Found, Unreadable> {
        match self {
            Self::FloatingIp => read_floating_ip(json),
            Self::Pool => read_pool(json),
        }
    }
}

/// Why a write cannot be a request.
#[derive(Debug, Error)]
pub(super) enum CallError {
    /// The record is of another kind than its target.
    #[error("the record is of another kind than its target")]
    Kind,
    /// The pool's name is no object's.
    #[error("`{0}` cannot be the name of a Pool object: use an RFC 1123 label")]
    PoolName(PoolName),
    /// The record cannot be written as JSON.
    #[error("the record cannot be written")]
    Json(#[from] serde_json::Error),
    /// The URL is none.
    #[error("the request cannot be made")]
    Http(#[from] http::Error),
}

/// One write, ready to be sent as often as need be.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) kind: Kind,
    pub(super) verb: Verb,
    pub(super) name: String,
    /// The version that has to be there, for an update or a deletion.
    pub(super) expect: Version,
    collection: String,
    limit: Duration,
    body: Vec<u8>,
}

impl Call {
    pub(super) fn new(
        write: &Write,
        pool_namespace: &str,
        limit: Duration,
    ) -> Result<Self, CallError> {
        let (kind, name) = place(&write.target)?;
        let body = match (&write.target, &write.put) {
            (_, None) => deletion(write.expect)?,
            (Target::Address(ip), Some(Value::Address(record))) => {
                address_body(*ip, record, write.expect)?
            }
            (Target::Pool(name), Some(Value::Pool(record))) => {
                pool_body(name, pool_namespace, record, write.expect)?
            }
            _ => return Err(CallError::Kind),
        };
        Ok(Self {
            kind,
            verb: verb(write),
            name,
            expect: write.expect.unwrap_or_default(),
            collection: kind.path(pool_namespace),
            limit,
            body,
        })
    }

    /// The request of the write.
    pub(super) fn request(&self) -> Result<Request<Vec<u8>>, http::Error> {
        let query = format!("timeout={}s", self.limit.as_secs().max(1));
        let (path, name) = (&self.collection, &self.name);
        let managed = format!("fieldManager={MANAGER}&fieldValidation=Ignore");
        let (method, uri, content) = match self.verb {
            Verb::Create => (Method::POST, format!("{path}?{query}&{managed}"), JSON),
            Verb::Update => (
                Method::PATCH,
                format!("{path}/{name}?{query}&{managed}"),
                "application/merge-patch+json",
            ),
            Verb::Delete => (Method::DELETE, format!("{path}/{name}?{query}"), JSON),
            Verb::Look => (Method::GET, format!("{path}/{name}?{query}"), JSON),
        };
        Request::builder()
            .method(method)
            .uri(uri)
            .header(header::CONTENT_TYPE, content)
            .header(header::ACCEPT, JSON)
            .body(self.body.clone())
    }

    /// The reading of the object that the write is about.
    pub(super) fn look(&self) -> Self {
        Self {
            verb: Verb::Look,
            body: Vec::new(),
            name: self.name.clone(),
            collection: self.collection.clone(),
            ..*self
        }
    }
}

const JSON: &str = "application/json";

const fn verb(write: &Write) -> Verb {
    match (&write.put, &write.expect) {
        (None, _) => Verb::Delete,
        (Some(_), None) => Verb::Create,
        (Some(_), Some(_)) => Verb::Update,
    }
}

/// The kind and name of the object of a record.
fn place(target: &Target) -> Result<(Kind, String), CallError> {
    match target {
        Target::Address(ip) => Ok((Kind::FloatingIp, object_name(*ip))),
        Target::Pool(pool) if pool.is_dns_label() => Ok((Kind::Pool, pool.to_string())),
        Target::Pool(pool) => Err(CallError::PoolName(pool.clone())),
    }
}

fn deletion(expect: Option<Version>) -> serde_json::Result<Vec<u8>> {
    let version = expect.unwrap_or_default().to_string();
    serde_json::to_vec(&json!({
        "apiVersion": "v1",
        "kind": "DeleteOptions",
        "preconditions": { "resourceVersion": version },
    }))
}

fn address_body(
    ip: IpAddr,
    record: &Record,
    expect: Option<Version>,
) -> serde_json::Result<Vec<u8>> {
    let encoded = encode_record(record);
    let reserved = encoded.reserved.then(|| "true".to_owned());
    let labels = Label::ALL.map(|label| (label.key(), label.value_of(record)));
    let labels = labels.into_iter().chain([(RESERVED, reserved)]);
    match expect {
        None => serde_json::to_vec(&NewAddress {
            api_version: API_VERSION,
            kind: "FloatingIP",
            metadata: NewMetadata {
                name: &object_name(ip),
                labels: Some(Texts(labels.filter(|(_, value)| value.is_some()).collect())),
                ..NewMetadata::default()
            },
            spec: &encoded.spec,
        }),
        Some(version) => serde_json::to_vec(&AddressPatch {
            metadata: PatchMetadata {
                resource_version: version.to_string(),
                labels: Some(Texts(labels.collect())),
                annotations: None,
            },
            spec: whole(&encoded.spec)?,
        }),
    }
}

fn pool_body(
    name: &PoolName,
    namespace: &str,
    record: &PoolRecord,
    expect: Option<Version>,
) -> serde_json::Result<Vec<u8>> {
    let notes = [
        (PLAN, record.plan.map(String::from)),
        (FILLED, filled_note(record)),
    ];
    match expect {
        None => serde_json::to_vec(&NewPool {
            api_version: API_VERSION,
            kind: "Pool",
            metadata: NewMetadata {
                name: name.as_str(),
                namespace: Some(namespace),
                annotations: Some(Texts(
                    notes
                        .into_iter()
                        .filter(|(_, note)| note.is_some())
                        .collect(),
                )),
                ..NewMetadata::default()
            },
            size: record.size,
            pre_allocate: record.pre_allocate,
        }),
        Some(version) => serde_json::to_vec(&PoolPatch {
            metadata: PatchMetadata {
                resource_version: version.to_string(),
                labels: None,
                annotations: Some(Texts(notes.into())),
            },
            size: record.size,
            pre_allocate: record.pre_allocate,
        }),
    }
}

const API_VERSION: &str = "galaxy.k8s.io/v1alpha1";

/// The optional fields of a FloatingIP's spec, and of its mark.
const OPTIONAL: [&str; 8] = [
    "updateTime",
    "group",
    "appUid",
    "form",
    "exactOwner",
    "plan",
    "mark",
    "attachment",
];
const OPTIONAL_OF_MARK: [&str; 2] = ["mac", "node"];

/// A spec with a null for every field that it lacks: a merge patch leaves alone what it does not name.
fn whole(spec: &FloatingIPSpec) -> serde_json::Result<Json> {
    let mut spec = serde_json::to_value(spec)?;
    if let Some(fields) = spec.as_object_mut() {
        name_all(fields, &OPTIONAL);
        if let Some(mark) = fields.get_mut("mark").and_then(Json::as_object_mut) {
            name_all(mark, &OPTIONAL_OF_MARK);
        }
    }
    Ok(spec)
}

fn name_all(fields: &mut Map<String, Json>, names: &[&str]) {
    for name in names {
        fields.entry(*name).or_insert(Json::Null);
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct NewAddress<'a> {
    api_version: &'static str,
    kind: &'static str,
    metadata: NewMetadata<'a>,
    spec: &'a FloatingIPSpec,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct NewPool<'a> {
    api_version: &'static str,
    kind: &'static str,
    metadata: NewMetadata<'a>,
    size: u32,
    #[serde(rename = "preAllocateIP")]
    pre_allocate: bool,
}

#[derive(Default, Serialize)]
struct NewMetadata<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    namespace: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    labels: Option<Texts>,
    #[serde(skip_serializing_if = "Option::is_none")]
    annotations: Option<Texts>,
}

#[derive(Serialize)]
struct AddressPatch {
    metadata: PatchMetadata,
    spec: Json,
}

#[derive(Serialize)]
struct PoolPatch {
    metadata: PatchMetadata,
    size: u32,
    #[serde(rename = "preAllocateIP")]
    pre_allocate: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PatchMetadata {
    resource_version: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    labels: Option<Texts>,
    #[serde(skip_serializing_if = "Option::is_none")]
    annotations: Option<Texts>,
}

/// Labels or annotations; a patch takes off those that are none.
struct Texts(Vec<(&'static str, Option<String>)>);

impl Serialize for Texts {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(key, value)| (key, value)))
    }
}

#[cfg(test)]
mod tests;
