//! Keys: how stored records name their owners, in galaxy's format and read from galaxy's records.
//!
//! | owner | key | attribute |
//! |---|---|---|
//! | a pod | `KIND_NS_APP_POD` | node and UID |
//! | a slot kept for an ordinal or a pod name | `KIND_NS_APP_POD` | empty |
//! | a slot kept for a node | `daemonset_NS_APP_NODE` | empty |
//! | kept for any pod of an app | `KIND_NS_APP_` | empty |
//! | each of them in a pool | `pool__POOL_` before it | as above |
//! | the reserve of a pool | `pool__POOL_` | empty |
//!
//! KIND is `sts`, `dp`, or the kind in lower case; a bare pod has `NULL` for kind and app. Names of
//! Kubernetes objects have no `_`, so that keys are read from the right and a pool may be called
//! `a`, `a_b` or `dp_x`. A key in a pool that ends in `_` is always the pool's own reserve, its name
//! all between. Names that would be ambiguous (from outside Kubernetes) are escaped as `%` and two
//! hexadecimal digits.
//!
//! What galaxy's format cannot say stands in the extension fields of [`EncodedOwner`], so that
//! reading back what was written gives the same owner. Records without them are read in the way
//! that gives no address away; what cannot be read belongs to an administrator.

use serde::{Deserialize, Serialize};

use self::attribute::Attribute;
use self::escape::{escape, escape_kind, unescape, unescape_kind};
use crate::name::{Name, PoolName};
use crate::owner::{App, Owner, Pod, Slot, Tenant};
use crate::workload::{is_random_suffix, ordinal, usual_group};

mod attribute;
mod escape;

const POOL: &str = "pool__";
const BARE: &str = "NULL";
const NOBODY: &str = "nobody";

const STATEFUL_SET: &str = "statefulset";
const DEPLOYMENT: &str = "deployment";
const REPLICA_SET: &str = "replicaset";
const DAEMON_SET: &str = "daemonset";

/// An owner as a stored record has it: galaxy's fields, then the extensions.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct EncodedOwner {
    /// Galaxy's `spec.key`.
    pub key: String,
    /// Galaxy's `spec.attribute`: `{"NodeName":"a-2","Uid":"…"}`, both empty in reserve.
    pub attribute: String,
    /// Galaxy's label `reserved`: no pod gets the address, whatever the key says.
    pub reserved: bool,
    /// The app's API group, `""` where it is not known. `None` in galaxy's records: a group is then
    /// only assumed from the kind, and a same-named app of another group (OpenKruise) may be meant.
    pub group: Option<Name>,
    /// The app's UID, where known.
    pub app_uid: Option<Name>,
    /// What the last part of the key stands for. `None` in galaxy's records and without a slot.
    pub form: Option<Form>,
}

/// What the last part of a key stands for, which kind and name alone do not tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Form {
    /// A pod in a slot that any pod of the app may fill; nothing when there is no pod.
    Any,
    /// A pod in the slot of its ordinal.
    Ordinal,
    /// A pod in the slot of its node; the node when there is no pod.
    Node,
    /// A pod in the slot of its name.
    Pod,
    /// A pod that never comes back.
    Once,
    /// Nothing: the record is there for its mark alone.
    Nobody,
}

impl Form {
    fn of(slot: &Slot) -> Self {
        match slot {
            Slot::Any => Self::Any,
            Slot::Ordinal(_) => Self::Ordinal,
            Slot::Node(_) => Self::Node,
            Slot::Pod(_) => Self::Pod,
            Slot::Once(_) => Self::Once,
        }
    }
}

/// Writes an owner as a record has it.
///
/// [`decode`] gives the same owner again, provided that the slot fits the pod: the pod of an ordinal
/// is named `APP-N`, the pod of a name or node has it, and a pod has a UID or a node. One owner has
/// no key of its own: the empty any-of-the-app slot in a pool is the pool's reserve.
///
/// [`Owner::Nobody`] gets the key `nobody` and the label `reserved`, by which galaxy too leaves the
/// address alone.
///
/// ```
/// use floatingip_core::Owner;
/// use floatingip_core::key::{decode, encode};
///
/// let owner = Owner::Pool("blue_green".parse()?);
/// let stored = encode(&owner);
/// assert_eq!(stored.key, "pool__blue_green_");
/// assert_eq!(stored.attribute, r#"{"NodeName":"","Uid":""}"#);
/// assert_eq!(decode(&stored), owner);
/// # Ok::<(), floatingip_core::PoolNameError>(())
/// ```
pub fn encode(owner: &Owner) -> EncodedOwner {
    let reserve = |key: String| EncodedOwner {
        key,
        attribute: Attribute::default().text(),
        ..EncodedOwner::default()
    };
    match owner {
        Owner::Pool(pool)
        | Owner::Slot(Tenant {
            slot: Slot::Any,
            pool: Some(pool),
            pod: None,
            ..
        }) => reserve(format!("{POOL}{pool}_")),
        Owner::Administrator(key) => EncodedOwner {
            reserved: true,
            ..reserve(key.to_string())
        },
        Owner::Nobody => EncodedOwner {
            reserved: true,
            form: Some(Form::Nobody),
            ..reserve(NOBODY.to_owned())
        },
        Owner::Slot(tenant) => encode_tenant(tenant),
    }
}

fn encode_tenant(tenant: &Tenant) -> EncodedOwner {
    let (kind, app) = tenant.app.as_ref().map_or_else(
        || (BARE.to_owned(), BARE.to_owned()),
        |app| (escape_kind(&app.kind), escape(&app.name)),
    );
    let pool = tenant.pool.as_ref().map(|pool| format!("{POOL}{pool}_"));
    let key = format!(
        "{}{kind}_{}_{app}_{}",
        pool.unwrap_or_default(),
        escape(&tenant.namespace),
        last_part(tenant)
    );
    EncodedOwner {
        key,
        attribute: tenant
            .pod
            .as_ref()
            .map(Attribute::of)
            .unwrap_or_default()
            .text(),
        reserved: false,
        group: tenant.app.as_ref().map(|app| app.group.clone()),
        app_uid: tenant.app.as_ref().and_then(|app| app.uid.clone()),
        form: Some(Form::of(&tenant.slot)),
    }
}

/// The pod, or what stands in its place while there is none.
fn last_part(tenant: &Tenant) -> String {
    if let Some(pod) = &tenant.pod {
        return escape(&pod.name);
    }
    let app = tenant.app.as_ref().map_or("", |app| &app.name);
    match &tenant.slot {
        Slot::Any => String::new(),
        Slot::Ordinal(ordinal) => escape(&format!("{app}-{ordinal}")),
        Slot::Node(name) | Slot::Pod(name) | Slot::Once(name) => escape(name),
    }
}

/// Reads the owner that a record names.
///
/// Records of galaxy have no extension fields; then:
/// - `sts`, `dp`, `replicaset` and `daemonset` are taken for the built-in kinds (see
///   [`EncodedOwner::group`]), the group of all others is not known;
/// - the slot is the ordinal of a pod `APP-N`, and the pod's own name where it is called otherwise;
///   any of the app's for `dp` and `replicaset`; the node for `daemonset`;
/// - an empty attribute means a reserve, except that a Deployment's key with a pod in it is taken
///   for a pod of unknown UID: galaxy's reserve has none, and another pod of the app must not get
///   the address before that one is gone.
///
/// A record that cannot be read, or that has the label `reserved`, belongs to
/// [`Owner::Administrator`] under its key as it stands: its address is never given away.
pub fn decode(stored: &EncodedOwner) -> Owner {
    let administrator = || Owner::Administrator(Name::from(stored.key.as_str()));
    match stored.form {
        Some(Form::Nobody) if stored.reserved && stored.key == NOBODY => Owner::Nobody,
        _ if stored.reserved => administrator(),
        _ => decode_key(stored).unwrap_or_else(administrator),
    }
}

fn decode_key(stored: &EncodedOwner) -> Option<Owner> {
    let Some(pooled) = stored.key.strip_prefix(POOL) else {
        return decode_tenant(&stored.key, None, stored);
    };
    if let Some(pool) = pooled.strip_suffix('_') {
        return Some(Owner::Pool(pool.parse().ok()?));
    }
    let (at, _) = pooled.rmatch_indices('_').nth(3)?;
    let (pool, rest) = pooled.split_at(at);
    decode_tenant(rest.strip_prefix('_')?, Some(pool.parse().ok()?), stored)
}

fn decode_tenant(key: &str, pool: Option<PoolName>, stored: &EncodedOwner) -> Option<Owner> {
    let parts: Vec<&str> = key.split('_').collect();
    let &[kind, namespace, app, last] = parts.as_slice() else {
        return None;
    };
    let app = match (kind, app) {
        (BARE, BARE) => None,
        (BARE, _) => return None,
        _ => Some(decode_app(kind, app, stored)?),
    };
    let last = if last.is_empty() {
        None
    } else {
        Some(unescape(last)?)
    };
    let attribute = Attribute::parse(&stored.attribute)?;
    let form = stored.form.or_else(|| usual_form(app.as_ref()));
    let (slot, pod) = occupancy(form, app.as_ref(), last, attribute)?;
    Some(Owner::Slot(Tenant {
        namespace: unescape(namespace)?,
        app,
        slot,
        pool,
        pod,
    }))
}

fn decode_app(kind: &str, name: &str, stored: &EncodedOwner) -> Option<App> {
    let kind = unescape_kind(kind)?;
    let assumed = || Name::from(usual_group(&kind));
    Some(App {
        group: stored.group.clone().unwrap_or_else(assumed),
        kind,
        name: unescape(name)?,
        uid: stored.app_uid.clone(),
    })
}

/// What the last part stands for in records that do not say; none where its text has to tell.
fn usual_form(app: Option<&App>) -> Option<Form> {
    match app?.kind.as_str() {
        DEPLOYMENT | REPLICA_SET => Some(Form::Any),
        STATEFUL_SET => Some(Form::Ordinal),
        DAEMON_SET => Some(Form::Node),
        _ => None,
    }
}

/// The slot, and the pod in it. A form that does not fit the name, as somebody's edit of the key
/// may leave it, gives the slot of that name: nobody else's.
fn occupancy(
    form: Option<Form>,
    app: Option<&App>,
    last: Option<Name>,
    attribute: Attribute,
) -> Option<(Slot, Option<Pod>)> {
    let Some(last) = last else {
        let any = app.is_some() && matches!(form, None | Some(Form::Any));
        return any.then_some((Slot::Any, None));
    };
    let live = form == Some(Form::Any) || !attribute.is_empty();
    let counted = ordinal(app.map_or("", |app| &app.name), &last);
    let slot = match form {
        Some(Form::Any) => Slot::Any,
        Some(Form::Once) => Slot::Once(last.clone()),
        Some(Form::Node) if !live => Slot::Node(last.clone()),
        Some(Form::Node) if !attribute.node.is_empty() => Slot::Node(attribute.node.clone()),
        Some(Form::Ordinal) => counted.map_or_else(|| Slot::Pod(last.clone()), Slot::Ordinal),
        None if app.is_some() => counted
            .filter(|&ordinal| !is_random_suffix(ordinal))
            .map_or_else(|| Slot::Pod(last.clone()), Slot::Ordinal),
        Some(Form::Node | Form::Pod) | None => Slot::Pod(last.clone()),
        Some(Form::Nobody) => return None,
    };
    let pod = live.then_some(Pod {
        name: last,
        uid: attribute.uid,
        node: attribute.node,
    });
    Some((slot, pod))
}

/// The `appType` that the HTTP API shows for an owner: the kind in lower case; `""` without an app.
pub fn app_type(owner: &Owner) -> &str {
    owner
        .tenant()
        .and_then(|tenant| tenant.app.as_ref())
        .map_or("", |app| &app.kind)
}

/// The kind that an `appType` of the HTTP API names, in any case; Deployment and StatefulSet also
/// in the plural. None for an empty text.
///
/// A bare ReplicaSet is a kind of its own here; galaxy took `replicaset` for `deployment`.
///
/// ```
/// use floatingip_core::key::kind_of;
///
/// assert_eq!(kind_of("StatefulSets"), Some("statefulset".into()));
/// assert_eq!(kind_of("TApp"), Some("tapp".into()));
/// assert_eq!(kind_of(""), None);
/// ```
pub fn kind_of(app_type: &str) -> Option<Name> {
    let kind = app_type.to_lowercase();
    match kind.as_str() {
        "" => None,
        "deployments" => Some(Name::from(DEPLOYMENT)),
        "statefulsets" => Some(Name::from(STATEFUL_SET)),
        _ => Some(Name::from(kind)),
    }
}

/// The API's older `isDeployment`: whether the owner belongs to a Deployment.
pub fn is_deployment(owner: &Owner) -> bool {
    app_type(owner) == DEPLOYMENT
}

#[cfg(test)]
mod tests;
