//! Filter: on which of the offered nodes the pod could have its addresses. Claims, and writes nothing.

use std::collections::BTreeSet;

use floatingip_core::Name;
use floatingip_core::{Store, Timer};

use super::Extender;
use super::judge::Judgement;
use super::reason::Reason;
use super::wire::{Args, FilterResult, Items, Nodes};
use crate::event::{Notice, Severity, pod_reference};
use crate::index::PodEntry;
use crate::waiting::Offered;

/// So many different reasons are told in an event.
const MOST_REASONS: usize = 4;

impl<S: Store, T: Timer> Extender<S, T> {
    /// Which nodes will do, and why the others will not. O(nodes), and one question to the engine for each
    /// kind of node.
    pub fn filter<'a>(&self, args: &'a Args<'a>) -> FilterResult<'a> {
        let pod = match PodEntry::try_from(&args.pod) {
            Ok(pod) => pod,
            Err(error) => return FilterResult::unable(&error),
        };
        let names = args.nodes.names();
        if pod.wanted.is_none() {
            return passed(&args.nodes, |_| true);
        }
        let judged = self.judge(&pod, &names);
        self.remember(&pod, &names, &judged);
        answer(&args.nodes, &names, &judged)
    }

    /// A pod that passes nowhere waits to be woken, and its owner is told why.
    fn remember(&self, pod: &PodEntry, names: &[&str], judged: &Judgement) {
        if judged.each().any(Result::is_ok) {
            return self.waiting.passed(&pod.uid);
        }
        let offered = Offered {
            nodes: self.one_of_each_kind(names),
            generation: self.core.engine().topology().generation(),
        };
        self.waiting.refused(pod, offered);
        let used: BTreeSet<usize> = judged.of_node.iter().copied().collect();
        let used = used.into_iter().filter_map(|n| judged.verdicts.get(n));
        let reasons: Vec<&Reason> = used.filter_map(|verdict| verdict.as_ref().err()).collect();
        self.tell(pod, &reasons);
    }

    pub(super) fn tell(&self, pod: &PodEntry, reasons: &[&Reason]) {
        // Without any, no node was offered: others refused the pod.
        let Some(event) = reasons.iter().find_map(|reason| reason.event) else {
            return;
        };
        let texts = reasons.iter().map(|reason| reason.text.as_str());
        let shown: Vec<&str> = texts.take(MOST_REASONS).collect();
        self.reporter.tell(Notice {
            regarding: pod_reference(&pod.namespace, &pod.name, &pod.uid),
            severity: Severity::Warning,
            reason: event,
            note: shown.join("; "),
        });
    }
}

/// The nodes for which `keep` says so at their place, in the form in which they came.
fn passed<'a>(nodes: &'a Nodes<'a>, keep: impl Fn(usize) -> bool) -> FilterResult<'a> {
    match nodes {
        Nodes::Names(names) => FilterResult {
            node_names: Some(kept(names.iter().map(AsRef::as_ref), keep)),
            ..FilterResult::default()
        },
        Nodes::Whole(nodes) => FilterResult {
            nodes: Some(Items {
                items: kept(nodes.iter().map(|node| node.text), keep),
            }),
            ..FilterResult::default()
        },
    }
}

fn kept<T>(all: impl Iterator<Item = T>, keep: impl Fn(usize) -> bool) -> Vec<T> {
    let kept = all.enumerate().filter(|(place, _)| keep(*place));
    kept.map(|(_, item)| item).collect()
}

fn answer<'a>(nodes: &'a Nodes<'a>, names: &[&'a str], judged: &Judgement) -> FilterResult<'a> {
    let verdicts: Vec<_> = judged.each().collect();
    let good = |place: usize| verdicts.get(place).is_some_and(|verdict| verdict.is_ok());
    let mut result = passed(nodes, good);
    for (name, verdict) in names.iter().zip(&verdicts) {
        if let Err(Reason {
            text, resolvable, ..
        }) = verdict
        {
            let failed = match resolvable {
                true => &mut result.failed_nodes,
                false => &mut result.failed_and_unresolvable_nodes,
            };
            failed.insert(*name, Name::clone(text));
        }
    }
    result
}
