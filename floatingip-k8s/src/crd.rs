//! The custom resources `floatingips.galaxy.k8s.io` and `pools.galaxy.k8s.io`: their types, their
//! definitions, and what core's records look like in them.
//!
//! Objects of galaxy read as they are, and what is written is galaxy's format with more fields.
//! `spec` wins over labels, which are there to select by. What cannot be read is never given away:
//! an address whose object makes no sense belongs to an administrator.

#[expect(
    unreachable_pub,
    reason = "what KubeSchema derives repeats the type, privately"
)]
mod floating_ip;
mod install;
mod label;
mod name;
#[expect(
    unreachable_pub,
    reason = "what KubeSchema derives repeats the type, privately"
)]
mod pool;
mod read;
mod record;
mod stamp;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::CustomResourceExt as _;

pub use floating_ip::{AttachmentFields, FloatingIP, FloatingIPSpec, MarkFields, MarkName};
pub use install::{InstallError, check_crds, install_crds};
pub use label::{Label, label_value};
pub use name::{address_of, object_name};
pub use pool::{Pool, PoolFields, PoolStatus};
pub(crate) use read::filled_note;
pub use read::{Fault, Found, Unreadable, read_floating_ip, read_pool};
pub use record::{EncodedRecord, RecordFault, encode_record};

/// The API group of both kinds.
pub const GROUP: &str = "galaxy.k8s.io";
/// The version of both kinds.
pub const VERSION: &str = "v1alpha1";
/// The namespace of Pool objects, as galaxy has it.
pub const POOL_NAMESPACE: &str = "kube-system";

/// The definitions of both kinds, as they are installed and as `deploy/crds` has them.
pub fn definitions() -> [CustomResourceDefinition; 2] {
    [FloatingIP::crd(), Pool::crd()].map(|mut definition| {
        // Galaxy's definitions may have been made without a schema, for which this is true.
        definition.spec.preserve_unknown_fields = Some(false);
        definition
    })
}
