//! Shortage: why a subnet has nothing to give.

use super::Engine;
use super::decide::Asking;
use super::supply::ranges_for;
use crate::refusal::{Refusal, SubnetReason, SubnetRefusal};
use crate::request::Want;
use crate::topology::PodSubnet;

impl Engine {
    pub(super) fn exhausted(&self, asking: &Asking<'_>, want: Option<&Want>) -> Refusal {
        Refusal::Exhausted(self.subnet_refusals(asking, want))
    }

    /// The subnets that have nothing fresh for `want`, and why.
    pub(super) fn subnet_refusals(
        &self,
        asking: &Asking<'_>,
        want: Option<&Want>,
    ) -> Vec<SubnetRefusal> {
        let any = Want::default();
        let want = want.unwrap_or(&any);
        let refusal = |subnet: &PodSubnet| {
            let reason = self.subnet_reason(asking, subnet, want)?;
            Some(SubnetRefusal {
                entry: subnet.id().index(),
                subnet: subnet.net(),
                reason,
            })
        };
        self.topology.subnets().iter().filter_map(refusal).collect()
    }

    fn subnet_reason(
        &self,
        asking: &Asking<'_>,
        subnet: &PodSubnet,
        want: &Want,
    ) -> Option<SubnetReason> {
        if !asking.reach.contains(subnet.id()) {
            return Some(SubnetReason::WrongNodeSubnet);
        }
        if subnet.disabled() {
            return Some(SubnetReason::Disabled);
        }
        if ranges_for(subnet, want).is_empty() && !subnet.usable().is_empty() {
            return Some(SubnetReason::NotAskedFor);
        }
        if self.fresh_in(asking, subnet, want, 1).is_empty() {
            return Some(SubnetReason::Full);
        }
        (self.free_for(asking, subnet) == 0).then_some(SubnetReason::Claimed)
    }
}
