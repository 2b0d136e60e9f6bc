//! Marks and reservations: addresses that are taken out of use by people or by what was seen.

use std::net::IpAddr;
use std::time::Duration;

use thiserror::Error;

use super::Engine;
use super::lifecycle::stricter;
use super::stage::Staged;
use crate::name::Name;
use crate::owner::Owner;
use crate::plan::{Event, Plan};
use crate::policy::ReleasePolicy;
use crate::record::{Mark, MarkKind, Record};
use crate::time::Now;

/// Why an address cannot be marked or reserved.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum MarkRefusal {
    /// The configuration does not have it and nobody owns it.
    #[error("{ip} is not within any configured range")]
    OutOfRange {
        /// The address.
        ip: IpAddr,
    },
    /// Somebody has it.
    #[error("{ip} has an owner: release it first")]
    Owned {
        /// The address.
        ip: IpAddr,
    },
    /// It has no such mark or reservation.
    #[error("{ip} has none")]
    None {
        /// The address.
        ip: IpAddr,
    },
    /// A change of it is under way.
    #[error("a change of {ip} is under way: try again")]
    Busy {
        /// The address.
        ip: IpAddr,
    },
}

impl Engine {
    /// Keeps everybody from an address for a while, beside its owner if it has one.
    ///
    /// # Errors
    /// An address that nobody has and the configuration does not know, or one under change.
    pub fn plan_quarantine(
        &mut self,
        ip: IpAddr,
        reason: String,
        mac: Option<String>,
        lasts: Duration,
        now: Now,
    ) -> Result<Plan, MarkRefusal> {
        let record = self.markable(ip)?.unwrap_or_else(|| nobody(Owner::Nobody));
        let until = now.wall.plus(lasts);
        let mark = Mark {
            kind: MarkKind::Quarantine,
            reason,
            mac,
            node: None,
            until,
            lasts,
        };
        let former = self.lasting_mark(ip, &record, now);
        let marked = Staged::same_owner(Record {
            mark: stricter(former, Some(mark)),
            ..record
        });
        let mut draft = self.draft(now);
        self.stage(&mut draft, ip, Event::Quarantine, Some(marked));
        Ok(self.finish(draft))
    }

    /// Takes the mark off an address.
    ///
    /// # Errors
    /// An address without one, or under change.
    pub fn plan_lift(&mut self, ip: IpAddr, now: Now) -> Result<Plan, MarkRefusal> {
        let record = self.markable(ip)?.filter(|record| record.mark.is_some());
        let record = record.ok_or(MarkRefusal::None { ip })?;
        let mut draft = self.draft(now);
        self.stage_lift(&mut draft, ip, &record);
        Ok(self.finish(draft))
    }

    pub(super) fn stage_lift(
        &mut self,
        draft: &mut super::stage::Draft,
        ip: IpAddr,
        record: &Record,
    ) {
        let owned = record.owner != Owner::Nobody;
        let put = owned.then(|| {
            Staged::same_owner(Record {
                mark: None,
                ..record.clone()
            })
        });
        self.stage(draft, ip, Event::Lift, put);
    }

    /// Reserves a free address for an administrator: it is not given to pods.
    ///
    /// # Errors
    /// An address that somebody has, that is not configured, or under change.
    pub fn plan_reserve(&mut self, ip: IpAddr, key: Name, now: Now) -> Result<Plan, MarkRefusal> {
        if self.markable(ip)?.is_some() {
            return Err(MarkRefusal::Owned { ip });
        }
        let mut draft = self.draft(now);
        let record = nobody(Owner::Administrator(key));
        self.stage(
            &mut draft,
            ip,
            Event::AdminReserve,
            Some(Staged::new(record)),
        );
        Ok(self.finish(draft))
    }

    /// Ends an administrator's reservation.
    ///
    /// # Errors
    /// An address without one, or under change.
    pub fn plan_unreserve(&mut self, ip: IpAddr, now: Now) -> Result<Plan, MarkRefusal> {
        let record = self.markable(ip)?;
        if !record.is_some_and(|record| matches!(record.owner, Owner::Administrator(_))) {
            return Err(MarkRefusal::None { ip });
        }
        let mut draft = self.draft(now);
        self.stage(&mut draft, ip, Event::Release, None);
        Ok(self.finish(draft))
    }

    /// The record of an address that may be changed now.
    fn markable(&self, ip: IpAddr) -> Result<Option<Record>, MarkRefusal> {
        if self.is_held(ip) || self.missing.contains_key(&ip) {
            return Err(MarkRefusal::Busy { ip });
        }
        let record = self.ledger.record(ip).map(|record| (**record).clone());
        if record.is_none() && self.topology.subnet_of(ip).is_none() {
            return Err(MarkRefusal::OutOfRange { ip });
        }
        Ok(record)
    }
}

fn nobody(owner: Owner) -> Record {
    Record {
        owner,
        policy: ReleasePolicy::PodDelete,
        updated_at: crate::WallTime::default(),
        mark: None,
        attachment: None,
        plan: None,
    }
}
