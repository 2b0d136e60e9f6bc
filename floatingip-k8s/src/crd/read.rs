//! Objects as an API server sends them, read as far as they concern us.
//!
//! One object that makes no sense must not spoil the list or the watch it comes in, so objects are
//! read one by one, from the text.

use std::borrow::Cow;
use std::fmt;
use std::net::IpAddr;

use floatingip_core::record::{PlanId, PoolRecord, Target, Value, Version};
use floatingip_core::{Name, Owner, PoolName, PoolNameError, Record};
use serde::de::{IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use thiserror::Error;

use super::floating_ip::FloatingIPSpec;
use super::name::address_of;
use super::record::{EncodedRecord, RecordFault};
use crate::annotation::RESERVED;

/// An object, as far as it could be read.
#[derive(Debug)]
pub struct Found {
    /// Which record it is.
    pub target: Target,
    /// Its resourceVersion; of a deletion, that of the deletion.
    pub version: Version,
    /// What it says.
    pub value: Value,
    /// Its UID, by which events refer to it.
    pub uid: Name,
    /// Why its address is taken for an administrator's, where it is because it cannot be read.
    pub fault: Option<Fault>,
}

/// An object that is no record at all, and is passed over.
#[derive(Debug, Error)]
#[error("the object `{name}` is passed over: {fault}")]
pub struct Unreadable {
    /// Its name, empty where not even that can be read.
    pub name: String,
    /// What is wrong with it.
    #[source]
    pub fault: Fault,
}

/// What is wrong with an object; whoever made it has to mend or delete it.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Fault {
    /// It is no object, or a field is of the wrong type.
    #[error("it is not written as its kind asks: {0}")]
    Json(#[source] serde_json::Error),
    /// Its name is no address.
    #[error(
        "its name is no address: name it like 10.0.0.7, or for IPv6 by eight groups of four hexadecimal digits joined by `-`"
    )]
    Name,
    /// Its name is no pool's.
    #[error("its name is no pool's")]
    PoolName(#[source] PoolNameError),
    /// It has no version that can be compared.
    #[error("its resourceVersion `{found}` is no number")]
    Version {
        /// What stood there.
        found: String,
    },
    /// Its key names no owner, and it has no label `reserved`.
    #[error(
        "its key `{key}` names no owner: mend it, or give the object the label `reserved` if nobody is to have the address"
    )]
    Key {
        /// The key.
        key: String,
    },
    /// One of its fields makes no sense.
    #[error(transparent)]
    Record(#[from] RecordFault),
    /// No pool has that size.
    #[error("its size is {found}: use 0 to 2147483647")]
    Size {
        /// What stood there.
        found: i64,
    },
}

/// Reads a FloatingIP. What cannot be understood belongs to an administrator.
///
/// # Errors
/// Where not even its address is certain.
pub fn read_floating_ip(json: &str) -> Result<Found, Unreadable> {
    let (head, ip) = read::<Head<'_>, IpAddr>(
        json,
        |head| &head.metadata,
        |name| address_of(name).ok_or(Fault::Name),
    )?;
    let version = head.metadata.version()?;
    let (record, fault) = record_of(&head);
    Ok(Found {
        target: Target::Address(ip),
        version,
        value: Value::Address(record),
        uid: Name::from(&*head.metadata.uid),
        fault,
    })
}

/// Reads a Pool.
///
/// # Errors
/// What makes it no pool with a size.
pub fn read_pool(json: &str) -> Result<Found, Unreadable> {
    let (pool, name) = read::<PoolObject<'_>, PoolName>(
        json,
        |pool| &pool.metadata,
        |name| name.parse().map_err(Fault::PoolName),
    )?;
    let version = pool.metadata.version()?;
    let record = pool
        .record()
        .map_err(|fault| pool.metadata.unreadable(fault))?;
    Ok(Found {
        target: Target::Pool(name),
        version,
        value: Value::Pool(record),
        uid: Name::from(&*pool.metadata.uid),
        fault: None,
    })
}

/// Reads an object and its name, or at least its name where that is all there is to be read.
fn read<'a, T: Deserialize<'a>, N>(
    json: &'a str,
    metadata: impl Fn(&T) -> &Metadata<'a>,
    parse: impl Fn(&str) -> Result<N, Fault>,
) -> Result<(T, N), Unreadable> {
    let object: T = serde_json::from_str(json).map_err(|error| Unreadable {
        name: bare_name(json),
        fault: Fault::Json(error),
    })?;
    let name = parse(&metadata(&object).name);
    match name {
        Ok(name) => Ok((object, name)),
        Err(fault) => Err(metadata(&object).unreadable(fault)),
    }
}

fn bare_name(json: &str) -> String {
    #[derive(Deserialize)]
    struct Named {
        metadata: NameOnly,
    }
    #[derive(Deserialize)]
    struct NameOnly {
        name: String,
    }
    serde_json::from_str::<Named>(json).map_or_else(|_| String::new(), |named| named.metadata.name)
}

fn record_of(head: &Head<'_>) -> (Record, Option<Fault>) {
    let reserved = head.metadata.labels.reserved;
    let text = head.spec.map_or("{}", RawValue::get);
    let spec = match serde_json::from_str::<FloatingIPSpec>(text) {
        Ok(spec) => spec,
        Err(error) => return (unread(text, reserved).held(), Some(Fault::Json(error))),
    };
    let encoded = EncodedRecord { spec, reserved };
    match encoded.record() {
        Ok(record) => {
            let unnamed = !reserved && matches!(record.owner, Owner::Administrator(_));
            let key = encoded.spec.key;
            (record, unnamed.then_some(Fault::Key { key }))
        }
        Err(fault) => (encoded.held(), Some(fault.into())),
    }
}

/// What can be kept of a spec with a wrong field: the key, if that is a text.
fn unread(text: &str, reserved: bool) -> EncodedRecord {
    #[derive(Deserialize)]
    struct Keyed {
        key: String,
    }
    let key = serde_json::from_str::<Keyed>(text).map_or_else(|_| String::new(), |keyed| keyed.key);
    EncodedRecord {
        spec: FloatingIPSpec {
            key,
            ..FloatingIPSpec::default()
        },
        reserved,
    }
}

#[derive(Deserialize)]
struct Head<'a> {
    #[serde(borrow)]
    metadata: Metadata<'a>,
    /// Read apart, so that a wrong field in it is no reason to lose the address.
    #[serde(borrow, default)]
    spec: Option<&'a RawValue>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Metadata<'a> {
    #[serde(borrow)]
    name: Cow<'a, str>,
    #[serde(borrow, default)]
    resource_version: Cow<'a, str>,
    #[serde(borrow, default)]
    uid: Cow<'a, str>,
    #[serde(default)]
    labels: Labels,
    #[serde(default)]
    annotations: Option<Notes>,
}

impl Metadata<'_> {
    fn version(&self) -> Result<Version, Unreadable> {
        let number = self.resource_version.parse().map(Version);
        number.map_err(|_| {
            self.unreadable(Fault::Version {
                found: self.resource_version.to_string(),
            })
        })
    }

    fn unreadable(&self, fault: Fault) -> Unreadable {
        Unreadable {
            name: self.name.to_string(),
            fault,
        }
    }
}

/// Of all labels only that one says anything that `spec` does not.
#[derive(Default)]
struct Labels {
    reserved: bool,
}

impl<'de> Deserialize<'de> for Labels {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(LabelsVisitor)
    }
}

struct LabelsVisitor;

impl<'de> Visitor<'de> for LabelsVisitor {
    type Value = Labels;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("labels")
    }

    fn visit_unit<E>(self) -> Result<Labels, E> {
        Ok(Labels::default())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Labels, A::Error> {
        let mut labels = Labels::default();
        while let Some((key, _)) = map.next_entry::<Cow<'_, str>, IgnoredAny>()? {
            labels.reserved |= key == RESERVED;
        }
        Ok(labels)
    }
}

/// What we note on pools.
#[derive(Default, Deserialize)]
struct Notes {
    #[serde(rename = "floatingip.galaxy.k8s.io/plan")]
    plan: Option<String>,
    #[serde(rename = "floatingip.galaxy.k8s.io/filled")]
    filled: Option<String>,
}

#[derive(Deserialize)]
struct PoolObject<'a> {
    #[serde(borrow)]
    metadata: Metadata<'a>,
    #[serde(default)]
    size: Option<i64>,
    #[serde(default, rename = "preAllocateIP")]
    pre_allocate: Option<bool>,
}

impl PoolObject<'_> {
    fn record(&self) -> Result<PoolRecord, Fault> {
        let found = self.size.unwrap_or(0);
        let size = u32::try_from(found)
            .ok()
            .filter(|size| *size <= PoolRecord::MAX_SIZE);
        let size = size.ok_or(Fault::Size { found })?;
        let pre_allocate = self.pre_allocate.unwrap_or(false);
        Ok(PoolRecord {
            size,
            pre_allocate,
            owed: self.owed(size, pre_allocate),
            plan: self.plan(),
        })
    }

    /// A note for another size says nothing of this one: the specification has changed since.
    fn owed(&self, size: u32, pre_allocate: bool) -> bool {
        let note = self.metadata.annotations.as_ref();
        match note.and_then(|notes| notes.filled.as_deref()) {
            Some(filled) if filled == size.to_string() => false,
            Some(NOT_FILLED) => true,
            _ => pre_allocate,
        }
    }

    fn plan(&self) -> Option<PlanId> {
        let notes = self.metadata.annotations.as_ref()?;
        notes.plan.as_ref()?.parse().ok()
    }
}

/// The note on a pool that is owed addresses although it does not ask to be filled.
pub(crate) const NOT_FILLED: &str = "no";

/// The note on a pool of what it is owed; none where the specification says it by itself.
pub(crate) fn filled_note(record: &PoolRecord) -> Option<String> {
    match (record.pre_allocate, record.owed) {
        (true, false) => Some(record.size.to_string()),
        (false, true) => Some(NOT_FILLED.to_owned()),
        (true, true) | (false, false) => None,
    }
}

#[cfg(test)]
mod tests;
