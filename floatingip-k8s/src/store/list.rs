//! Lists: all objects of a kind as of one moment, page by page.

use std::borrow::Cow;
use std::net::IpAddr;
use std::time::Duration;

use floatingip_core::record::{PoolRecord, Target, Value, Version};
use floatingip_core::{PoolName, Record};
use http::{Request, StatusCode, header};
use kube::Client;
use serde::Deserialize;
use serde_json::value::RawValue;
use thiserror::Error;
use tracing::warn;

use super::StoreOptions;
use super::call::Kind;
use super::transport::{NoReply, exchange};
use crate::crd::{Found, Unreadable};

/// How long one page may take.
const PAGE_LIMIT: Duration = Duration::from_secs(30);
/// The largest page: a thousand objects of a size that no owner's names lead to.
const MOST: usize = 256 << 20;
/// How often a list is begun anew whose moment is too long ago for its next page.
const BEGINNINGS: u32 = 3;

/// Why there is no list.
#[derive(Debug, Error)]
#[error("{} cannot be listed", .kind.plural())]
pub struct ListError {
    /// Of what.
    pub kind: Kind,
    /// Why not.
    #[source]
    cause: Cause,
}

#[derive(Debug, Error)]
enum Cause {
    #[error(transparent)]
    NoReply(#[from] NoReply),
    #[error("the API server answers {status}: {message}")]
    Refused { status: StatusCode, message: String },
    #[error("the API server's answer is no list")]
    NoList(#[source] serde_json::Error),
    #[error("the request cannot be made")]
    Request(#[from] http::Error),
    #[error("the list has no resourceVersion that is a number")]
    NoVersion,
}

/// All objects of a kind.
#[derive(Debug)]
pub struct List {
    /// The kind.
    pub kind: Kind,
    /// The resourceVersion of the list.
    pub version: Version,
    /// Those that are records, some of them for an administrator because they cannot be read.
    pub found: Vec<Found>,
    /// Those that are passed over.
    pub unreadable: Vec<Unreadable>,
}

impl List {
    pub(super) fn into_addresses(self) -> Vec<(IpAddr, Version, Record)> {
        let found = self.found.into_iter();
        found
            .filter_map(|found| match (found.target, found.value) {
                (Target::Address(ip), Value::Address(record)) => Some((ip, found.version, record)),
                _ => None,
            })
            .collect()
    }

    pub(super) fn into_pools(self) -> Vec<(PoolName, Version, PoolRecord)> {
        let found = self.found.into_iter();
        found
            .filter_map(|found| match (found.target, found.value) {
                (Target::Pool(name), Value::Pool(record)) => Some((name, found.version, record)),
                _ => None,
            })
            .collect()
    }

    /// A line for every object that cannot be read.
    pub(super) fn report(&self, kind: Kind) {
        let kind = kind.plural();
        for unreadable in &self.unreadable {
            warn!(kind, name = unreadable.name, fault = %unreadable.fault, "an object is passed over");
        }
        for found in &self.found {
            if let Some(fault) = &found.fault {
                warn!(kind, target = %found.target, %fault, "an object cannot be read: its address is given to nobody");
            }
        }
    }
}

/// Lists all objects of a kind at one moment that is not before this call: no cache may answer with
/// what was before.
///
/// # Errors
/// What the API server says, or that it does not answer in time.
pub async fn list(client: &Client, kind: Kind, options: &StoreOptions) -> Result<List, ListError> {
    let mut beginnings = 0;
    let listed = loop {
        beginnings += 1;
        match pages(client, kind, options).await {
            Err(Cause::Refused { status, .. })
                if status == StatusCode::GONE && beginnings < BEGINNINGS => {}
            listed => break listed,
        }
    };
    let list = listed.map_err(|cause| ListError { kind, cause })?;
    list.report(kind);
    Ok(list)
}

async fn pages(client: &Client, kind: Kind, options: &StoreOptions) -> Result<List, Cause> {
    let mut list = List {
        kind,
        version: Version::default(),
        found: Vec::new(),
        unreadable: Vec::new(),
    };
    let mut next = String::new();
    loop {
        let body = page(client, kind, options, &next).await?;
        let page: Page<'_> = serde_json::from_slice(&body).map_err(Cause::NoList)?;
        let version = page.metadata.resource_version.parse().map(Version);
        list.version = version.map_err(|_| Cause::NoVersion)?;
        for item in page.items {
            match kind.read(item.get()) {
                Ok(found) => list.found.push(found),
                Err(unreadable) => list.unreadable.push(unreadable),
            }
        }
        next = page.metadata.next.into_owned();
        if next.is_empty() {
            return Ok(list);
        }
    }
}

async fn page(
    client: &Client,
    kind: Kind,
    options: &StoreOptions,
    token: &str,
) -> Result<Vec<u8>, Cause> {
    let path = kind.path(&options.pool_namespace);
    let go_on = match token {
        "" => String::new(),
        token => format!("&continue={}", escaped(token)),
    };
    let uri = format!("{path}?limit={}{go_on}", options.page.max(1));
    let request = Request::get(uri)
        .header(header::ACCEPT, "application/json")
        .body(Vec::new())?;
    let reply = exchange(client, request, PAGE_LIMIT, MOST).await?;
    if reply.status.is_success() {
        return Ok(reply.body);
    }
    Err(Cause::Refused {
        status: reply.status,
        message: message(&reply.body),
    })
}

/// The message of a Status, or the beginning of whatever it is.
pub(super) fn message(body: &[u8]) -> String {
    #[derive(Deserialize)]
    struct Status {
        message: String,
    }
    const SHOWN: usize = 200;
    serde_json::from_slice::<Status>(body).map_or_else(
        |_| String::from_utf8_lossy(body).chars().take(SHOWN).collect(),
        |status| status.message,
    )
}

/// A token as part of a query: tokens are base64 without padding, but nobody promises that.
fn escaped(token: &str) -> String {
    let plain =
        |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~');
    token
        .bytes()
        .map(|byte| match plain(byte) {
            true => char::from(byte).to_string(),
            false => format!("%{byte:02X}"),
        })
        .collect()
}

#[derive(Deserialize)]
struct Page<'a> {
    #[serde(borrow)]
    metadata: PageMetadata<'a>,
    #[serde(borrow)]
    items: Vec<&'a RawValue>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PageMetadata<'a> {
    #[serde(borrow, default)]
    resource_version: Cow<'a, str>,
    #[serde(borrow, default, rename = "continue")]
    next: Cow<'a, str>,
}
