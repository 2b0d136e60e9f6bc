//! Core's records as objects have them, and back.

use floatingip_core::key::{EncodedOwner, decode, encode};
use floatingip_core::record::{Attachment, Mark, MarkKind};
use floatingip_core::{Name, Owner, Record, ReleasePolicy, UnknownPolicy, WallTime};
use thiserror::Error;

use super::floating_ip::{AttachmentFields, FloatingIPSpec, MarkFields, MarkName};
use super::stamp::{duration_text, parse_duration, parse_time, time_text};

/// A record as an object has it: its fields, and whether it carries the label `reserved`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EncodedRecord {
    /// The object's fields.
    pub spec: FloatingIPSpec,
    /// Galaxy's label `reserved`: no pod gets the address, whatever the key says.
    pub reserved: bool,
}

/// Writes a record as its object has it. [`EncodedRecord::record`] gives the same record again.
///
/// ```
/// use floatingip_core::testing::fixture::{pod, record};
/// use floatingip_k8s::crd::encode_record;
///
/// let kept = record(pod("web-0").of_statefulset("web").reserve());
/// let encoded = encode_record(&kept);
/// assert_eq!(encoded.spec.key, "sts_default_web_web-0");
/// assert_eq!(encoded.record()?, kept);
/// # Ok::<(), floatingip_k8s::crd::RecordFault>(())
/// ```
pub fn encode_record(record: &Record) -> EncodedRecord {
    let owner = encode(&record.owner);
    let exact = decode(&owner) == record.owner;
    let text = |name: Option<Name>| name.map(|name| name.to_string());
    EncodedRecord {
        reserved: owner.reserved,
        spec: FloatingIPSpec {
            key: owner.key,
            attribute: owner.attribute,
            policy: record.policy.code(),
            update_time: Some(time_text(record.updated_at)),
            group: text(owner.group),
            app_uid: text(owner.app_uid),
            form: owner.form,
            exact_owner: (!exact).then(|| owner_text(&record.owner)).flatten(),
            plan: record.plan.map(String::from),
            mark: record.mark.as_ref().map(mark_fields),
            attachment: record.attachment.as_ref().map(attachment_fields),
        },
    }
}

/// Why a record cannot be read from its object; whoever wrote the object has to mend it.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum RecordFault {
    /// No such release policy.
    #[error(transparent)]
    Policy(#[from] UnknownPolicy),
    /// The end of a mark is no time.
    #[error("`{found}` is no time: write spec.mark.until like 2026-01-31T12:00:00Z")]
    Until {
        /// What stood there.
        found: String,
    },
    /// The length of a mark is no duration.
    #[error("`{found}` is no duration: write spec.mark.lasts like 600s")]
    Lasts {
        /// What stood there.
        found: String,
    },
}

impl EncodedRecord {
    /// The record.
    ///
    /// # Errors
    /// What makes no sense; [`EncodedRecord::held`] is what the address is to be taken for then.
    pub fn record(&self) -> Result<Record, RecordFault> {
        let spec = &self.spec;
        Ok(Record {
            owner: self.owner(),
            policy: ReleasePolicy::try_from(spec.policy)?,
            updated_at: self.updated_at(),
            mark: spec.mark.as_ref().map(mark).transpose()?,
            attachment: spec.attachment.as_ref().map(attachment),
            // A plan that cannot be read is none of ours.
            plan: spec.plan.as_ref().and_then(|plan| plan.parse().ok()),
        })
    }

    /// The record where it cannot be read: the address belongs to an administrator, under the key
    /// as it stands, and is given to nobody.
    pub fn held(&self) -> Record {
        Record {
            owner: Owner::Administrator(Name::from(self.spec.key.as_str())),
            policy: ReleasePolicy::Never,
            updated_at: self.updated_at(),
            mark: None,
            attachment: None,
            plan: None,
        }
    }

    fn owner(&self) -> Owner {
        let stored = self.encoded_owner();
        self.exact_owner(&stored).unwrap_or_else(|| decode(&stored))
    }

    /// The owner in full, unless somebody has changed the key since.
    fn exact_owner(&self, stored: &EncodedOwner) -> Option<Owner> {
        let exact = serde_json::from_str(self.spec.exact_owner.as_ref()?).ok()?;
        let now = encode(&exact);
        let same = now.key == stored.key
            && now.attribute == stored.attribute
            && now.reserved == stored.reserved;
        same.then_some(exact)
    }

    fn encoded_owner(&self) -> EncodedOwner {
        let name = |text: &Option<String>| text.as_deref().map(Name::from);
        EncodedOwner {
            key: self.spec.key.clone(),
            attribute: self.spec.attribute.clone(),
            reserved: self.reserved,
            group: name(&self.spec.group),
            app_uid: name(&self.spec.app_uid),
            form: self.spec.form,
        }
    }

    /// Only for people, hence never a reason to refuse the object.
    fn updated_at(&self) -> WallTime {
        let text = self.spec.update_time.as_deref();
        text.and_then(parse_time).unwrap_or_default()
    }
}

/// None where an owner cannot be written, which no owner's fields allow.
fn owner_text(owner: &Owner) -> Option<String> {
    serde_json::to_string(owner).ok()
}

fn mark_fields(mark: &Mark) -> MarkFields {
    MarkFields {
        kind: match mark.kind {
            MarkKind::Quarantine => MarkName::Quarantine,
            MarkKind::Rest => MarkName::Rest,
        },
        reason: mark.reason.clone(),
        mac: mark.mac.clone(),
        node: mark.node.as_ref().map(Name::to_string),
        until: time_text(mark.until),
        lasts: duration_text(mark.lasts),
    }
}

fn mark(fields: &MarkFields) -> Result<Mark, RecordFault> {
    let until = parse_time(&fields.until).ok_or_else(|| RecordFault::Until {
        found: fields.until.clone(),
    })?;
    let lasts = parse_duration(&fields.lasts).ok_or_else(|| RecordFault::Lasts {
        found: fields.lasts.clone(),
    })?;
    Ok(Mark {
        kind: match fields.kind {
            MarkName::Quarantine => MarkKind::Quarantine,
            MarkName::Rest => MarkKind::Rest,
        },
        reason: fields.reason.clone(),
        mac: fields.mac.clone(),
        node: fields.node.as_deref().map(Name::from),
        until,
        lasts,
    })
}

fn attachment_fields(attachment: &Attachment) -> AttachmentFields {
    AttachmentFields {
        node: attachment.node.to_string(),
        network: attachment.network.to_string(),
        container: attachment.container.to_string(),
        interface: attachment.interface.to_string(),
    }
}

fn attachment(fields: &AttachmentFields) -> Attachment {
    Attachment {
        node: Name::from(fields.node.as_str()),
        network: Name::from(fields.network.as_str()),
        container: Name::from(fields.container.as_str()),
        interface: Name::from(fields.interface.as_str()),
    }
}

#[cfg(test)]
mod tests;
