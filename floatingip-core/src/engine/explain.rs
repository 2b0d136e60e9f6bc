//! Explaining: why a pod gets an address or does not, subnet by subnet.

use std::net::IpAddr;

use super::Engine;
use super::as_if::AsIf;
use super::decide::Asking;
use crate::fact::World;
use crate::refusal::{Refusal, SubnetRefusal};
use crate::request::PodRequest;
use crate::time::Now;
use crate::topology::Reach;

/// What a pod would be answered now, and how every subnet stands to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// The addresses it would get, or why it gets none.
    pub verdict: Result<Vec<IpAddr>, Refusal>,
    /// The subnets that have nothing fresh for it, and why. Those with room are left out.
    pub subnets: Vec<SubnetRefusal>,
}

impl Engine {
    /// What a pod on a node of this reach would be answered now, and why. Changes nothing.
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
            subnets: self.subnet_refusals(&asking, request.wants().first()),
        }
    }
}
