//! Cluster objects, trimmed: of everything that the API server sends, only what this adapter looks at
//! survives the reading. So a list of many thousand objects costs little memory, also for a moment.
//!
//! The types implement [`kube::Resource`], so that kube's `Api` reads them. Fields that are absent and
//! fields that are `null` are alike, as Go prints them. What cannot be read at all is for
//! [`Guarded`] to catch, so that one bad object spoils no list.

pub use self::app::{
    AppSpec, DaemonSetObject, DeploymentObject, ReplicaSetObject, StatefulSetObject,
};
pub use self::guard::{Guarded, Unreadable};
pub(crate) use self::metadata::{Identity, KEPT};
pub use self::metadata::{Malformed, MetaObject, OwnerRef};
pub use self::node::NodeObject;
pub use self::pod::{PodObject, PodSpec, PodStatus};

mod app;
mod guard;
mod metadata;
mod node;
mod pod;

use serde::{Deserialize, Deserializer};

/// Makes a type with a field `metadata` a resource of version v1.
macro_rules! resource {
    ($type:ty, $scope:ident, $group:literal, $kind:literal, $plural:literal) => {
        impl kube::Resource for $type {
            type DynamicType = ();
            type Scope = k8s_openapi::$scope;

            fn kind((): &()) -> std::borrow::Cow<'_, str> {
                $kind.into()
            }

            fn group((): &()) -> std::borrow::Cow<'_, str> {
                $group.into()
            }

            fn version((): &()) -> std::borrow::Cow<'_, str> {
                "v1".into()
            }

            fn plural((): &()) -> std::borrow::Cow<'_, str> {
                $plural.into()
            }

            fn meta(&self) -> &kube::core::ObjectMeta {
                &self.metadata
            }

            fn meta_mut(&mut self) -> &mut kube::core::ObjectMeta {
                &mut self.metadata
            }
        }
    };
}
use resource;

/// A field that Go may print as `null`.
fn nullable<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(
    deserializer: D,
) -> Result<T, D::Error> {
    Option::deserialize(deserializer).map(Option::unwrap_or_default)
}
