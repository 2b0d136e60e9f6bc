//! Explaining: why a pod gets an address or does not, subnet by subnet.

use std::net::IpAddr;
use std::time::Duration;

use super::Engine;
use super::as_if::AsIf;
use super::decide::Asking;
use crate::fact::World;
use crate::record::MarkKind;
use crate::refusal::{Refusal, SubnetRefusal};
use crate::request::PodRequest;
use crate::time::Now;
use crate::topology::Reach;

/// What a pod would be answered now, and how every subnet stands to it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Explanation {
    /// The addresses it would get, or why it gets none.
    pub verdict: Result<Vec<IpAddr>, Refusal>,
    /// For each want, in order: the subnets that have nothing fresh for it, and why. Those with room
    /// are left out.
    pub wants: Vec<Vec<SubnetRefusal>>,
    /// Addresses of the node's subnets that nobody, or nobody else, gets for a while: those whose
    /// marks end first, [`Explanation::MOST_MARKED`] at most.
    pub marked: Vec<Marked>,
}

/// An address that is out of use for a while.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Marked {
    /// The address.
    pub ip: IpAddr,
    /// What kind of care it asks for.
    pub kind: MarkKind,
    /// Why, for people.
    pub reason: String,
    /// How much longer.
    pub remaining: Duration,
}

impl Explanation {
    /// The most marked addresses that are named.
    pub const MOST_MARKED: usize = 16;
}

impl Engine {
    /// What a pod on a node of this reach would be answered now, and why. Changes nothing. Claims
    /// that ran out and were not dropped yet still count: [`Engine::openings`] drops them.
    pub fn explain(
        &self,
        request: &PodRequest,
        reach: &Reach,
        world: &dyn World,
        now: Now,
    ) -> Explanation {
        let asking = Asking {
            request,
            reach,
            world,
            now,
            heed_claims: true,
            as_if: &AsIf::default(),
        };
        let verdict = self.decide(&asking).map(|decision| decision.addresses);
        Explanation {
            verdict,
            wants: request
                .wants()
                .iter()
                .map(|want| self.subnet_refusals(&asking, Some(want)))
                .collect(),
            marked: self.marked_in(reach, now),
        }
    }

    fn marked_in(&self, reach: &Reach, now: Now) -> Vec<Marked> {
        const LOOKED_AT: usize = 1024;
        let ends = self.mark_ends.ahead().take(LOOKED_AT);
        let near = ends.filter(|(_, ip)| {
            let subnet = self.topology.subnet_of(*ip);
            subnet.is_some_and(|subnet| self.topology.is_reachable(subnet.id(), reach))
        });
        let marked = near.filter_map(|(end, ip)| {
            let remaining = end
                .checked_sub(now.elapsed)
                .filter(|left| !left.is_zero())?;
            let mark = self.record(*ip)?.mark.as_ref()?;
            Some(Marked {
                ip: *ip,
                kind: mark.kind,
                reason: mark.reason.clone(),
                remaining,
            })
        });
        marked.take(Explanation::MOST_MARKED).collect()
    }
}
