//! The end of container interfaces: one that is told, and those that ended unseen.

use std::collections::BTreeSet;
use std::net::IpAddr;

use super::Engine;
use super::lifecycle::{Ending, MOST_WRITES};
use super::stage::Draft;
use crate::fact::World;
use crate::name::Name;
use crate::plan::Plan;
use crate::record::Attachment;
use crate::time::Now;

impl Engine {
    /// One CNI attachment has ended. Its address is freed or kept as when its pod ends; an attachment
    /// that is not the address's latest changes nothing. What an open plan holds, or is about to attach,
    /// is dealt with once that is settled: [`Engine::due_ends`].
    pub fn plan_detached(&mut self, attachment: &Attachment, world: &dyn World, now: Now) -> Plan {
        let addresses = self.ledger.of_attachment(attachment);
        self.owe_detachment(attachment);
        let mut draft = self.draft(now);
        self.stage_detachment(&mut draft, addresses, world, now);
        self.finish(draft)
    }

    /// The attachments of a node's network that have ended unseen: all but those in `valid`. To be asked
    /// once, when those in `valid` were told of: their ends are owed from now on, and none of what is
    /// attached later. O(attachments of the network · log n).
    pub fn lost(
        &mut self,
        node: &Name,
        network: &Name,
        valid: &BTreeSet<Attachment>,
    ) -> BTreeSet<Attachment> {
        let all = self.ledger.attachments_of(node, network);
        let all = all.map(|(attachment, _)| attachment);
        let lost = all.filter(|attachment| !valid.contains(attachment));
        let lost: BTreeSet<Attachment> = lost.cloned().collect();
        for attachment in &lost {
            self.owe_detachment(attachment);
        }
        lost
    }

    /// Ends lost attachments. Those that have come to their end are taken out of the set: to be called
    /// again, once the plan is settled, until it is empty. One that an open plan changes has to wait for
    /// that.
    pub fn plan_gc(
        &mut self,
        lost: &mut BTreeSet<Attachment>,
        world: &dyn World,
        now: Now,
    ) -> Plan {
        lost.retain(|attachment| self.owes_detachment(attachment));
        let mut draft = self.draft(now);
        let mut room = MOST_WRITES;
        for attachment in lost.iter() {
            if room == 0 {
                break;
            }
            if !self.is_attachment_changing(attachment) {
                let addresses = self.ledger.of_attachment(attachment);
                room = room.saturating_sub(addresses.len());
                self.stage_detachment(&mut draft, addresses, world, now);
            }
        }
        self.finish(draft)
    }

    fn stage_detachment(
        &mut self,
        draft: &mut Draft,
        addresses: Vec<IpAddr>,
        world: &dyn World,
        now: Now,
    ) {
        for ip in addresses {
            self.stage_end(draft, ip, &Ending::Certain, world, now);
        }
    }
}
