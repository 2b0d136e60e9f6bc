use std::borrow::Cow;

use kube::Resource;
use kube::core::ObjectMeta;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use thiserror::Error;

/// An object, or what is wrong with it: a list or watch that has one bad object in it can be read.
///
/// The text is looked at twice, once to find its end and once to read it, and is not copied into a
/// tree in between, as kube's `DeserializeGuard` does. It works with JSON text only, and, in a watch,
/// with the type before the object: so the API server prints events.
#[derive(Clone, Debug)]
pub struct Guarded<K>(pub Result<K, Unreadable>);

/// An object that cannot be read; whoever wrote it, or a newer API server, has to be looked at.
#[derive(Clone, Debug, Error)]
#[error("{} cannot be read: {detail}", label(.metadata))]
pub struct Unreadable {
    /// As much of the metadata as can be read.
    pub metadata: Box<ObjectMeta>,
    /// What the reader found.
    pub detail: String,
}

fn label(metadata: &ObjectMeta) -> String {
    let part = |text: &Option<String>| text.clone().unwrap_or_else(|| "?".to_owned());
    format!("{}/{}", part(&metadata.namespace), part(&metadata.name))
}

impl<'de, K: DeserializeOwned> Deserialize<'de> for Guarded<K> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <&RawValue>::deserialize(deserializer)?.get();
        Ok(Self(serde_json::from_str(text).map_err(|error| {
            Unreadable {
                metadata: Box::new(salvaged(text)),
                detail: error.to_string(),
            }
        })))
    }
}

/// Name, namespace and version, each where it is a text.
fn salvaged(text: &str) -> ObjectMeta {
    let object: serde_json::Value = serde_json::from_str(text).unwrap_or_default();
    let field = |name: &str| {
        let value = object.get("metadata")?.get(name)?;
        value.as_str().map(str::to_owned)
    };
    ObjectMeta {
        name: field("name"),
        namespace: field("namespace"),
        uid: field("uid"),
        resource_version: field("resourceVersion"),
        ..ObjectMeta::default()
    }
}

impl<K: Resource> Resource for Guarded<K> {
    type DynamicType = K::DynamicType;
    type Scope = K::Scope;

    fn kind(of: &Self::DynamicType) -> Cow<'_, str> {
        K::kind(of)
    }

    fn group(of: &Self::DynamicType) -> Cow<'_, str> {
        K::group(of)
    }

    fn version(of: &Self::DynamicType) -> Cow<'_, str> {
        K::version(of)
    }

    fn plural(of: &Self::DynamicType) -> Cow<'_, str> {
        K::plural(of)
    }

    fn metadata_api() -> bool {
        K::metadata_api()
    }

    fn meta(&self) -> &ObjectMeta {
        match &self.0 {
            Ok(object) => object.meta(),
            Err(unreadable) => &unreadable.metadata,
        }
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        match &mut self.0 {
            Ok(object) => object.meta_mut(),
            Err(unreadable) => &mut unreadable.metadata,
        }
    }
}
