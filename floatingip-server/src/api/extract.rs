//! What handlers take from a request, with every refusal in the API's own form.

use std::net::IpAddr;

use axum::RequestExt;
use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::IntoResponse;
use floatingip_core::PoolName;
use serde::Deserialize;
use serde::de::{DeserializeOwned, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use super::error::ApiError;
use super::field::Object;
use super::params::{Params, decode_segment};

/// The longest body that is read, in bytes: a release of about ten thousand addresses.
pub(crate) const BODY_LIMIT: usize = 1 << 20;

impl<S: Send + Sync> FromRequestParts<S> for Params {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        Ok(Self::parse(parts.uri.query().unwrap_or_default())?)
    }
}

/// The pool that the last segment of the path names.
#[derive(Debug)]
pub(crate) struct PoolPath(pub(crate) PoolName);

impl<S: Send + Sync> FromRequestParts<S> for PoolPath {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        let segment = parts.uri.path().rsplit('/').next().unwrap_or_default();
        Ok(Self(decode_segment(segment)?.parse()?))
    }
}

/// The last `N` segments of the path, decoded.
#[derive(Debug)]
pub(crate) struct Segments<const N: usize>(pub(crate) [String; N]);

impl<S: Send + Sync, const N: usize> FromRequestParts<S> for Segments<N> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        let mut segments = parts.uri.path().rsplit('/');
        let mut decoded = [const { String::new() }; N];
        for text in decoded.iter_mut().rev() {
            *text = decode_segment(segments.next().unwrap_or_default())?;
        }
        Ok(Self(decoded))
    }
}

/// The pod that the last two segments of the path name.
#[derive(Debug)]
pub(crate) struct PodPath {
    pub(crate) namespace: String,
    pub(crate) pod: String,
}

impl<S: Send + Sync> FromRequestParts<S> for PodPath {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let Segments([namespace, pod]) = Segments::from_request_parts(parts, state).await?;
        Ok(Self { namespace, pod })
    }
}

/// The address that the last segment but one of the path names; an IPv4 one never as an IPv6 one.
#[derive(Debug)]
pub(crate) struct IpPath(pub(crate) IpAddr);

impl<S: Send + Sync> FromRequestParts<S> for IpPath {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        let segment = parts.uri.path().rsplit('/').nth(1).unwrap_or_default();
        let text = decode_segment(segment)?;
        match text.parse::<IpAddr>() {
            Ok(ip) => Ok(Self(ip.to_canonical())),
            Err(_) => Err(ApiError::Address(text)),
        }
    }
}

/// A body of JSON in which no key stands twice.
#[derive(Debug)]
pub(crate) struct Json(Value);

impl Json {
    /// The body, an object, as a `T`, or the place where it is none.
    pub(crate) fn read<T: DeserializeOwned>(self) -> Result<T, ApiError> {
        let read = serde_path_to_error::deserialize(self.0);
        read.map(|Object(body)| body)
            .map_err(|error| misfit(&error))
    }

    /// Treats objects as Go does: a key that differs from a known one in case alone is that one,
    /// unknown ones are dropped.
    pub(crate) fn leniently(self, known: &[&'static str]) -> Result<Self, ApiError> {
        lenient(self.0, known).map(Self)
    }
}

impl<S: Send + Sync> FromRequest<S> for Json {
    type Rejection = ApiError;

    async fn from_request(request: Request, _: &S) -> Result<Self, ApiError> {
        check_media_type(request.headers())?;
        let bytes = request.extract::<Bytes, _>().await;
        let bytes = bytes.map_err(|rejection| match rejection.into_response().status() {
            StatusCode::PAYLOAD_TOO_LARGE => ApiError::TooLong { limit: BODY_LIMIT },
            _ => ApiError::Body("the body could not be read".to_owned()),
        })?;
        parse(&bytes)
    }
}

/// Only JSON: a form that a browser sends across origins without asking is no JSON.
fn check_media_type(headers: &HeaderMap) -> Result<(), ApiError> {
    let found = headers.get(header::CONTENT_TYPE);
    let found = found.map_or("", |value| value.to_str().unwrap_or("not text"));
    let essence = found.split(';').next().unwrap_or_default().trim();
    if essence.eq_ignore_ascii_case("application/json") {
        return Ok(());
    }
    Err(ApiError::MediaType {
        found: found.to_owned(),
    })
}

fn parse(bytes: &[u8]) -> Result<Json, ApiError> {
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let parsed = serde_path_to_error::deserialize(&mut deserializer);
    let Unique(value) = parsed.map_err(|error| misfit(&error))?;
    let end = deserializer.end();
    end.map_err(|error| ApiError::Body(error.to_string()))?;
    Ok(Json(value))
}

fn misfit(error: &serde_path_to_error::Error<serde_json::Error>) -> ApiError {
    let place = error.path().to_string();
    ApiError::Body(match place.as_str() {
        "." => error.inner().to_string(),
        place => format!("{place}: {}", error.inner()),
    })
}

/// As deep as the value, which the parser has bounded.
fn lenient(value: Value, known: &[&'static str]) -> Result<Value, ApiError> {
    Ok(match value {
        Value::Array(items) => Value::Array(
            items
                .into_iter()
                .map(|item| lenient(item, known))
                .collect::<Result<_, _>>()?,
        ),
        Value::Object(fields) => Value::Object(lenient_fields(fields, known)?),
        leaf => leaf,
    })
}

fn lenient_fields(
    fields: Map<String, Value>,
    known: &[&'static str],
) -> Result<Map<String, Value>, ApiError> {
    let mut kept = Map::new();
    for (key, value) in fields {
        let name = known.iter().find(|name| name.eq_ignore_ascii_case(&key));
        if let Some(name) = name
            && kept
                .insert((*name).to_owned(), lenient(value, known)?)
                .is_some()
        {
            return Err(ApiError::Body(twice(name)));
        }
    }
    Ok(kept)
}

fn twice(key: &str) -> String {
    format!("key `{key}` stands there twice")
}

/// A JSON value in which no key stands twice: which of the two is meant, nobody can tell.
struct Unique(Value);

impl<'de> Deserialize<'de> for Unique {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(UniqueVisitor).map(Self)
    }
}

struct UniqueVisitor;

impl<'de> Visitor<'de> for UniqueVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut array = Vec::new();
        while let Some(Unique(item)) = items.next_element()? {
            array.push(item);
        }
        Ok(Value::Array(array))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some(key) = fields.next_key::<String>()? {
            if object.contains_key(&key) {
                return Err(A::Error::custom(twice(&key)));
            }
            let Unique(value) = fields.next_value()?;
            object.insert(key, value);
        }
        Ok(Value::Object(object))
    }
}
