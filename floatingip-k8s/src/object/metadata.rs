use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use floatingip_core::Name;
use floatingip_core::annotation as users;
use floatingip_core::owner::AppRef;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{OwnerReference, Time};
use kube::core::{ApiResource, DynamicResourceScope, ObjectMeta};
use serde::de::{IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use thiserror::Error;

/// The annotations that are kept; all others are skipped while they are read.
pub(crate) const KEPT: [&str; 5] = [
    users::RELEASE_POLICY,
    users::POOL,
    users::IP_FAMILIES,
    users::SURGE,
    users::ARGS,
];

/// The metadata without labels, managed fields, foreign annotations, and owners that control nothing.
pub(super) fn trimmed<'de, D: Deserializer<'de>>(deserializer: D) -> Result<ObjectMeta, D::Error> {
    let read = Option::<Trimmed>::deserialize(deserializer)?.unwrap_or_default();
    let mut owners = read.owner_references.unwrap_or_default();
    owners.retain(|owner| owner.controller == Some(true));
    Ok(ObjectMeta {
        name: read.name,
        namespace: read.namespace,
        uid: read.uid,
        resource_version: read.resource_version,
        generation: read.generation,
        creation_timestamp: read.creation_timestamp,
        deletion_timestamp: read.deletion_timestamp,
        annotations: read.annotations.0,
        owner_references: (!owners.is_empty()).then_some(owners),
        ..ObjectMeta::default()
    })
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Trimmed {
    name: Option<String>,
    namespace: Option<String>,
    uid: Option<String>,
    resource_version: Option<String>,
    generation: Option<i64>,
    creation_timestamp: Option<Time>,
    deletion_timestamp: Option<Time>,
    annotations: Ours,
    owner_references: Option<Vec<OwnerReference>>,
}

/// The annotations of [`KEPT`].
#[derive(Default)]
struct Ours(Option<BTreeMap<String, String>>);

impl<'de> Deserialize<'de> for Ours {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_option(Picking).map(Self)
    }
}

struct Picking;

impl<'de> Visitor<'de> for Picking {
    type Value = Option<BTreeMap<String, String>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("annotations")
    }

    fn visit_none<E>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut ours = BTreeMap::new();
        while let Some(Key(kept)) = map.next_key()? {
            match kept {
                Some(name) => drop(ours.insert(name.to_owned(), map.next_value()?)),
                None => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok((!ours.is_empty()).then_some(ours))
    }
}

/// A name of [`KEPT`], or any other.
struct Key(Option<&'static str>);

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Text<'a>(#[serde(borrow)] Cow<'a, str>);
        let text = Text::deserialize(deserializer)?.0;
        Ok(Self(KEPT.into_iter().find(|kept| *kept == text)))
    }
}

/// Any object's metadata; the API server is asked for no more.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct MetaObject {
    /// The trimmed metadata.
    #[serde(deserialize_with = "trimmed")]
    pub metadata: ObjectMeta,
}

impl kube::Resource for MetaObject {
    type DynamicType = ApiResource;
    type Scope = DynamicResourceScope;

    fn kind(of: &ApiResource) -> Cow<'_, str> {
        of.kind.as_str().into()
    }

    fn group(of: &ApiResource) -> Cow<'_, str> {
        of.group.as_str().into()
    }

    fn version(of: &ApiResource) -> Cow<'_, str> {
        of.version.as_str().into()
    }

    fn plural(of: &ApiResource) -> Cow<'_, str> {
        of.plural.as_str().into()
    }

    fn metadata_api() -> bool {
        true
    }

    fn meta(&self) -> &ObjectMeta {
        &self.metadata
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.metadata
    }
}

/// What controls an object, as its owner reference with `controller: true` says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnerRef {
    /// The API group without the version, `""` for the core group.
    pub group: Name,
    /// The kind in lower case, as core's apps have it.
    pub kind: Name,
    /// The name.
    pub name: Name,
    /// The UID.
    pub uid: Name,
}

impl OwnerRef {
    /// The controller of the object with this metadata.
    #[must_use]
    pub fn of(metadata: &ObjectMeta) -> Option<Self> {
        let mut owners = metadata.owner_references.iter().flatten();
        let owner = owners.find(|owner| owner.controller == Some(true))?;
        let group = owner.api_version.split_once('/');
        Some(Self {
            group: Name::from(group.map_or("", |(group, _)| group)),
            kind: Name::from(owner.kind.to_lowercase()),
            name: Name::from(owner.name.as_str()),
            uid: Name::from(owner.uid.as_str()),
        })
    }

    /// The app of that name, in the namespace of what it controls.
    #[must_use]
    pub fn app(&self, namespace: &Name) -> AppRef {
        AppRef {
            namespace: namespace.clone(),
            group: self.group.clone(),
            kind: self.kind.clone(),
            name: self.name.clone(),
        }
    }
}

/// What every object has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(crate) namespace: Name,
    pub(crate) name: Name,
    pub(crate) uid: Name,
    pub(crate) version: u64,
}

impl Identity {
    pub(crate) fn of(metadata: &ObjectMeta) -> Result<Self, Malformed> {
        let text = |field: &'static str, text: &Option<String>| {
            let text = text.as_deref().filter(|text| !text.is_empty());
            text.map(Name::from).ok_or(Malformed::Missing { field })
        };
        let version = metadata.resource_version.as_deref().unwrap_or_default();
        Ok(Self {
            namespace: Name::from(metadata.namespace.as_deref().unwrap_or_default()),
            name: text("name", &metadata.name)?,
            uid: text("uid", &metadata.uid)?,
            version: version.parse().map_err(|_| Malformed::Version {
                found: version.to_owned(),
            })?,
        })
    }
}

/// An object that lacks what the API server gives to every object; whoever made it is no API server.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Malformed {
    /// A field is not there.
    #[error("metadata.{field} is missing: the object does not come from an API server")]
    Missing {
        /// The field.
        field: &'static str,
    },
    /// The version is no number, so that nobody can tell what is newer.
    #[error("metadata.resourceVersion {found:?} is no number, so nobody can tell what is newer")]
    Version {
        /// What stood there.
        found: String,
    },
}
