//! Format 1 of the values: what stands in the file, apart from core's types, which may change.
//!
//! Order and type of every field and variant are the format; `format/tests.rs` pins the bytes.

use std::collections::HashSet;
use std::time::Duration;

use floatingip_core::owner::{App, Pod, Slot, Tenant};
use floatingip_core::plan::Entry;
use floatingip_core::record::{Attachment, Mark, MarkKind, PlanId, PoolRecord, Version};
use floatingip_core::{Name, Owner, Record, ReleasePolicy, WallTime};
use serde::{Deserialize, Serialize};

use super::FormatError;

/// An address's record, as it stands in the file.
#[derive(Serialize, Deserialize)]
pub(in crate::store) struct AddressValue<'a> {
    version: u64,
    plan: Option<Plan>,
    policy: u8,
    updated_at: u64,
    #[serde(borrow)]
    owner: OwnerValue<'a>,
    mark: Option<MarkValue<'a>>,
    attachment: Option<AttachmentValue<'a>>,
}

/// A pool's record, as it stands in the file.
#[derive(Serialize, Deserialize)]
pub(in crate::store) struct PoolValue {
    version: u64,
    plan: Option<Plan>,
    size: u32,
    pre_allocate: bool,
    owed: bool,
}

/// A line of the journal, as it stands in the file.
#[derive(Serialize, Deserialize)]
pub(in crate::store) struct EntryValue<'a> {
    at: u64,
    // The event's name, not its number: the order of core's enum is no format.
    event: String,
    #[serde(borrow)]
    from: Option<OwnerValue<'a>>,
    to: Option<OwnerValue<'a>>,
}

type Plan = (u64, u64);

#[derive(Serialize, Deserialize)]
enum OwnerValue<'a> {
    #[serde(borrow)]
    Slot(TenantValue<'a>),
    Pool(&'a str),
    Administrator(&'a str),
    Nobody,
}

#[derive(Serialize, Deserialize)]
struct TenantValue<'a> {
    namespace: &'a str,
    #[serde(borrow)]
    app: Option<AppValue<'a>>,
    slot: SlotValue<'a>,
    pool: Option<&'a str>,
    pod: Option<PodValue<'a>>,
}

#[derive(Serialize, Deserialize)]
struct AppValue<'a> {
    group: &'a str,
    kind: &'a str,
    name: &'a str,
    uid: Option<&'a str>,
}

#[derive(Serialize, Deserialize)]
enum SlotValue<'a> {
    Any,
    Ordinal(u64),
    Node(&'a str),
    Pod(&'a str),
    Once(&'a str),
}

#[derive(Serialize, Deserialize)]
struct PodValue<'a> {
    name: &'a str,
    uid: &'a str,
    node: &'a str,
}

#[derive(Serialize, Deserialize)]
struct MarkValue<'a> {
    kind: MarkKindValue,
    reason: &'a str,
    mac: Option<&'a str>,
    node: Option<&'a str>,
    until: u64,
    lasts_seconds: u64,
    lasts_nanos: u32,
}

#[derive(Serialize, Deserialize)]
enum MarkKindValue {
    Quarantine,
    Rest,
}

#[derive(Serialize, Deserialize)]
struct AttachmentValue<'a> {
    node: &'a str,
    network: &'a str,
    container: &'a str,
    interface: &'a str,
}

/// Names that were read before: a million records share a few thousand namespaces, apps and nodes.
#[derive(Default)]
pub(in crate::store) struct Names(HashSet<Name>);

impl Names {
    fn shared(&mut self, text: &str) -> Name {
        if let Some(name) = self.0.get(text) {
            return name.clone();
        }
        let name = Name::from(text);
        self.0.insert(name.clone());
        name
    }
}

impl<'a> AddressValue<'a> {
    pub(super) fn new(version: Version, record: &'a Record) -> Self {
        Self {
            version: version.0,
            plan: record.plan.map(plan_value),
            policy: record.policy.code(),
            updated_at: record.updated_at.as_nanos(),
            owner: OwnerValue::from(&record.owner),
            mark: record.mark.as_ref().map(MarkValue::from),
            attachment: record.attachment.as_ref().map(AttachmentValue::from),
        }
    }

    pub(in crate::store) fn version(&self) -> Version {
        Version(self.version)
    }

    pub(in crate::store) fn plan(&self) -> Option<PlanId> {
        self.plan.map(plan_id)
    }

    pub(in crate::store) fn record(&self, names: &mut Names) -> Result<Record, FormatError> {
        Ok(Record {
            owner: self.owner.owner(names)?,
            policy: ReleasePolicy::try_from(self.policy)?,
            updated_at: WallTime::from_nanos(self.updated_at),
            mark: self.mark.as_ref().map(MarkValue::mark),
            attachment: self
                .attachment
                .as_ref()
                .map(|value| value.attachment(names)),
            plan: self.plan(),
        })
    }
}

impl PoolValue {
    pub(super) fn new(version: Version, record: &PoolRecord) -> Self {
        Self {
            version: version.0,
            plan: record.plan.map(plan_value),
            size: record.size,
            pre_allocate: record.pre_allocate,
            owed: record.owed,
        }
    }

    pub(in crate::store) fn version(&self) -> Version {
        Version(self.version)
    }

    pub(in crate::store) fn plan(&self) -> Option<PlanId> {
        self.plan.map(plan_id)
    }

    pub(in crate::store) fn record(&self) -> PoolRecord {
        PoolRecord {
            size: self.size,
            pre_allocate: self.pre_allocate,
            owed: self.owed,
            plan: self.plan(),
        }
    }
}

impl<'a> EntryValue<'a> {
    pub(super) fn new(entry: &'a Entry) -> Result<Self, FormatError> {
        let Ok(serde_json::Value::String(event)) = serde_json::to_value(entry.event) else {
            return Err(FormatError::Event {
                found: format!("{:?}", entry.event),
            });
        };
        Ok(Self {
            at: entry.at.as_nanos(),
            event,
            from: entry.from.as_ref().map(OwnerValue::from),
            to: entry.to.as_ref().map(OwnerValue::from),
        })
    }

    pub(in crate::store) const fn at(&self) -> WallTime {
        WallTime::from_nanos(self.at)
    }

    pub(in crate::store) fn entry(&self, names: &mut Names) -> Result<Entry, FormatError> {
        let event =
            serde_json::from_value(self.event.as_str().into()).map_err(|_| FormatError::Event {
                found: self.event.clone(),
            })?;
        let mut owner =
            |value: &Option<OwnerValue<'_>>| value.as_ref().map(|v| v.owner(names)).transpose();
        Ok(Entry {
            at: WallTime::from_nanos(self.at),
            event,
            from: owner(&self.from)?,
            to: owner(&self.to)?,
        })
    }
}

fn plan_value(id: PlanId) -> Plan {
    (id.incarnation, id.serial)
}

fn plan_id((incarnation, serial): Plan) -> PlanId {
    PlanId {
        incarnation,
        serial,
    }
}

impl<'a> From<&'a Owner> for OwnerValue<'a> {
    fn from(owner: &'a Owner) -> Self {
        match owner {
            Owner::Slot(tenant) => Self::Slot(tenant.into()),
            Owner::Pool(pool) => Self::Pool(pool.as_str()),
            Owner::Administrator(name) => Self::Administrator(name),
            Owner::Nobody => Self::Nobody,
        }
    }
}

impl OwnerValue<'_> {
    fn owner(&self, names: &mut Names) -> Result<Owner, FormatError> {
        Ok(match self {
            Self::Slot(tenant) => Owner::Slot(tenant.tenant(names)?),
            Self::Pool(pool) => Owner::Pool(pool.parse()?),
            Self::Administrator(name) => Owner::Administrator(names.shared(name)),
            Self::Nobody => Owner::Nobody,
        })
    }
}

impl<'a> From<&'a Tenant> for TenantValue<'a> {
    fn from(tenant: &'a Tenant) -> Self {
        Self {
            namespace: &tenant.namespace,
            app: tenant.app.as_ref().map(AppValue::from),
            slot: SlotValue::from(&tenant.slot),
            pool: tenant.pool.as_ref().map(|pool| pool.as_str()),
            pod: tenant.pod.as_ref().map(PodValue::from),
        }
    }
}

impl TenantValue<'_> {
    fn tenant(&self, names: &mut Names) -> Result<Tenant, FormatError> {
        Ok(Tenant {
            namespace: names.shared(self.namespace),
            app: self.app.as_ref().map(|app| app.app(names)),
            slot: self.slot.slot(names),
            pool: self.pool.map(str::parse).transpose()?,
            pod: self.pod.as_ref().map(|pod| pod.pod(names)),
        })
    }
}

impl<'a> From<&'a App> for AppValue<'a> {
    fn from(app: &'a App) -> Self {
        Self {
            group: &app.group,
            kind: &app.kind,
            name: &app.name,
            uid: app.uid.as_deref(),
        }
    }
}

impl AppValue<'_> {
    fn app(&self, names: &mut Names) -> App {
        App {
            group: names.shared(self.group),
            kind: names.shared(self.kind),
            name: names.shared(self.name),
            uid: self.uid.map(|uid| names.shared(uid)),
        }
    }
}

impl<'a> From<&'a Slot> for SlotValue<'a> {
    fn from(slot: &'a Slot) -> Self {
        match slot {
            Slot::Any => Self::Any,
            Slot::Ordinal(ordinal) => Self::Ordinal(*ordinal),
            Slot::Node(name) => Self::Node(name),
            Slot::Pod(name) => Self::Pod(name),
            Slot::Once(name) => Self::Once(name),
        }
    }
}

impl SlotValue<'_> {
    fn slot(&self, names: &mut Names) -> Slot {
        match self {
            Self::Any => Slot::Any,
            Self::Ordinal(ordinal) => Slot::Ordinal(*ordinal),
            Self::Node(name) => Slot::Node(names.shared(name)),
            Self::Pod(name) => Slot::Pod(Name::from(*name)),
            Self::Once(name) => Slot::Once(Name::from(*name)),
        }
    }
}

impl<'a> From<&'a Pod> for PodValue<'a> {
    fn from(pod: &'a Pod) -> Self {
        Self {
            name: &pod.name,
            uid: &pod.uid,
            node: &pod.node,
        }
    }
}

impl PodValue<'_> {
    fn pod(&self, names: &mut Names) -> Pod {
        Pod {
            name: Name::from(self.name),
            uid: Name::from(self.uid),
            node: names.shared(self.node),
        }
    }
}

impl<'a> From<&'a Mark> for MarkValue<'a> {
    fn from(mark: &'a Mark) -> Self {
        Self {
            kind: match mark.kind {
                MarkKind::Quarantine => MarkKindValue::Quarantine,
                MarkKind::Rest => MarkKindValue::Rest,
            },
            reason: &mark.reason,
            mac: mark.mac.as_deref(),
            node: mark.node.as_deref(),
            until: mark.until.as_nanos(),
            lasts_seconds: mark.lasts.as_secs(),
            lasts_nanos: mark.lasts.subsec_nanos(),
        }
    }
}

impl MarkValue<'_> {
    fn mark(&self) -> Mark {
        let rest = Duration::from_nanos(self.lasts_nanos.into());
        Mark {
            kind: match self.kind {
                MarkKindValue::Quarantine => MarkKind::Quarantine,
                MarkKindValue::Rest => MarkKind::Rest,
            },
            reason: self.reason.to_owned(),
            mac: self.mac.map(str::to_owned),
            node: self.node.map(Name::from),
            until: WallTime::from_nanos(self.until),
            lasts: Duration::from_secs(self.lasts_seconds).saturating_add(rest),
        }
    }
}

impl<'a> From<&'a Attachment> for AttachmentValue<'a> {
    fn from(attachment: &'a Attachment) -> Self {
        Self {
            node: &attachment.node,
            network: &attachment.network,
            container: &attachment.container,
            interface: &attachment.interface,
        }
    }
}

impl AttachmentValue<'_> {
    fn attachment(&self, names: &mut Names) -> Attachment {
        Attachment {
            node: names.shared(self.node),
            network: names.shared(self.network),
            container: Name::from(self.container),
            interface: names.shared(self.interface),
        }
    }
}
