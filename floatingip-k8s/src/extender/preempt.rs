//! Preempt: of the nodes where the scheduler would end other pods, those where the pod could have an
//! address then. Changes nothing.

use floatingip_core::Name;
use floatingip_core::{Store, Timer};

use super::Extender;
use super::wire::{PreemptionArgs, PreemptionResult, Victims};
use crate::index::PodEntry;
use crate::request::request_of;

impl<S: Store, T: Timer> Extender<S, T> {
    /// The candidates that stay.
    pub fn preempt<'a>(&self, args: &'a PreemptionArgs) -> PreemptionResult<'a> {
        let pod = PodEntry::try_from(&args.pod).ok();
        let pod = pod.filter(|pod| pod.wanted.is_some());
        let helps = |node: &str, victims: &Victims| {
            pod.as_ref()
                .is_none_or(|pod| self.would_fit(pod, node, victims))
        };
        let candidates = args.candidates.iter();
        let kept = candidates.filter(|(node, victims)| helps(node, victims));
        PreemptionResult {
            node_name_to_meta_victims: kept
                .map(|(node, victims)| (node.as_str(), victims.into()))
                .collect(),
        }
    }

    fn would_fit(&self, pod: &PodEntry, node: &str, victims: &Victims) -> bool {
        let (request, reach) = {
            let index = self.index().read();
            (
                request_of(pod, Some(node), &index),
                index.reach_of(node).cloned(),
            )
        };
        let (Ok(request), Some(reach)) = (request, reach) else {
            return false;
        };
        let victims: Vec<Name> = victims.uids.iter().map(|uid| Name::from(&**uid)).collect();
        let (now, world) = (self.core.now(), self.core.world());
        let engine = self.core.engine();
        let answers = engine.feasible_without(&request, &[reach], &victims, world, now);
        answers.iter().all(Result::is_ok)
    }
}
