//! Ends that are owed: told, and to be planned until nothing is left of what they end.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use super::{Ending, Engine};
use crate::fact::World;
use crate::name::Name;
use crate::plan::Plan;
use crate::record::Attachment;
use crate::time::Now;

/// Ends that are owed. An entry counts only while the engine knows of something that it ends: whoever
/// comes afterwards under the same name has not ended.
#[derive(Debug, Default)]
pub(super) struct Owed {
    pods: BTreeMap<Name, Ending>,
    attachments: BTreeSet<Attachment>,
}

/// An end that was told.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum End {
    /// The end of a pod, by its UID.
    Pod(Name, Ending),
    /// The end of a container interface.
    Attachment(Attachment),
}

impl Engine {
    /// Ends that are owed and that no open plan is in the way of: one was when they were told, or the
    /// store did not make them. They stay due until what they end is gone: [`Engine::plan_due`].
    /// O(owed ends · log n).
    pub fn due_ends(&mut self) -> Vec<End> {
        self.strike_done();
        let (pods, attachments) = (self.owed.pods.iter(), self.owed.attachments.iter());
        let pods = pods.filter(|(uid, _)| !self.is_pod_changing(uid));
        let pods = pods.map(|(uid, ending)| End::Pod(uid.clone(), ending.clone()));
        let attachments = attachments.filter(|attachment| !self.is_attachment_changing(attachment));
        let attachments = attachments.map(|attachment| End::Attachment(attachment.clone()));
        pods.chain(attachments).collect()
    }

    /// Plans an end that was told before. The plan is empty where it is not owed any more, or an open plan
    /// is in its way: what it ended may be gone, and something else be there under the same name.
    pub fn plan_due(&mut self, end: &End, world: &dyn World, now: Now) -> Plan {
        match end {
            End::Pod(uid, ending) if self.owes_ending(uid) && !self.is_pod_changing(uid) => {
                self.plan_ended(uid, ending, world, now)
            }
            End::Attachment(attachment)
                if self.owes_detachment(attachment) && !self.is_attachment_changing(attachment) =>
            {
                self.plan_detached(attachment, world, now)
            }
            _ => {
                let nothing = self.draft(now);
                self.finish(nothing)
            }
        }
    }

    /// Whether an open plan gives the pod an address, or changes one that it has. An end that is planned
    /// meanwhile is remembered in memory alone for what that plan holds.
    pub fn is_pod_changing(&self, uid: &Name) -> bool {
        self.change_of(uid).is_some()
    }

    /// An address that an open plan gives to the pod, or changes.
    pub(super) fn change_of(&self, uid: &Name) -> Option<IpAddr> {
        let held = || {
            self.ledger
                .of_uid(uid)
                .into_iter()
                .find(|ip| self.is_held(*ip))
        };
        self.arrival_of(uid).or_else(held)
    }

    /// Whether an open plan gives the attachment an address, or changes one that it has; see
    /// [`Engine::is_pod_changing`].
    pub fn is_attachment_changing(&self, attachment: &Attachment) -> bool {
        let mut open = self.open.values();
        let held = |ip: &IpAddr| self.is_held(*ip);
        open.any(|open| open.attaches(attachment).is_some())
            || self.ledger.of_attachment(attachment).iter().any(held)
    }

    /// Whether an end that was told has not come to its end yet.
    pub fn owes(&self, end: &End) -> bool {
        match end {
            End::Pod(uid, _) => self.owes_ending(uid),
            End::Attachment(attachment) => self.owes_detachment(attachment),
        }
    }

    /// Remembers a pod's end until it has come to its end.
    pub(super) fn owe_ending(&mut self, uid: &Name, ending: &Ending) {
        if self.is_pod_left(uid) {
            self.owed.pods.insert(uid.clone(), ending.clone());
        }
    }

    /// The same of an attachment.
    pub(super) fn owe_detachment(&mut self, attachment: &Attachment) {
        if self.is_attachment_left(attachment) {
            self.owed.attachments.insert(attachment.clone());
        }
    }

    /// Whether a pod's end is owed, and there is something left that it ends.
    pub(super) fn owes_ending(&self, uid: &Name) -> bool {
        self.owed.pods.contains_key(uid) && self.is_pod_left(uid)
    }

    /// The same of an attachment.
    pub(super) fn owes_detachment(&self, attachment: &Attachment) -> bool {
        self.owed.attachments.contains(attachment) && self.is_attachment_left(attachment)
    }

    fn is_pod_left(&self, uid: &Name) -> bool {
        !self.ledger.of_uid(uid).is_empty() || self.is_pod_changing(uid)
    }

    fn is_attachment_left(&self, attachment: &Attachment) -> bool {
        !self.ledger.of_attachment(attachment).is_empty() || self.is_attachment_changing(attachment)
    }

    /// Something new begins under these names, of which nothing is left that was to end.
    pub(super) fn strike_owed(&mut self, uid: &Name, attachment: Option<&Attachment>) {
        self.owed.pods.remove(uid);
        if let Some(attachment) = attachment {
            self.owed.attachments.remove(attachment);
        }
    }

    /// Forgets the ends that came to their end.
    fn strike_done(&mut self) {
        let mut owed = std::mem::take(&mut self.owed);
        owed.pods.retain(|uid, _| self.is_pod_left(uid));
        owed.attachments
            .retain(|attachment| self.is_attachment_left(attachment));
        self.owed = owed;
    }
}
