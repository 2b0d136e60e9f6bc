//! Judging: for each node that is offered, whether the pod could have its addresses there.

use floatingip_core::Name;
use floatingip_core::refusal::Refusal;
use floatingip_core::request::PodRequest;
use floatingip_core::topology::Reach;
use floatingip_core::{Store, Timer};

use super::Extender;
use super::reason::Reason;
use crate::index::PodEntry;
use crate::request::{RequestFault, request_of};

/// What is said of nodes.
#[derive(Debug)]
pub(super) struct Judgement {
    /// The different verdicts.
    pub(super) verdicts: Vec<Result<(), Reason>>,
    /// For each node, in the order in which they were offered, which of them holds.
    pub(super) of_node: Vec<usize>,
}

/// Nodes that are alike.
pub(super) struct Groups {
    pub(super) reaches: Vec<Reach>,
    /// For each node, which reach it has; none where no watch has shown the node yet.
    pub(super) of_node: Vec<Option<usize>>,
}

/// Of so many kinds of nodes is remembered that they were offered.
const MOST_KINDS: usize = 64;
/// How often the nodes are grouped anew when the configuration changes meanwhile.
const TRIES: usize = 3;

impl<S: Store, T: Timer> Extender<S, T> {
    /// Asks for the pod's sake, and claims where it could go.
    pub(super) fn judge(&self, pod: &PodEntry, nodes: &[&str]) -> Judgement {
        let request = request_of(pod, None, &self.index().read());
        match request {
            Ok(request) => self.judge_alike(&request, nodes),
            Err(RequestFault::NoNode) => self.judge_each(pod, nodes),
            Err(fault) => Judgement::all(nodes.len(), Err(Reason::from(&fault))),
        }
    }

    /// The request is the same on every node.
    fn judge_alike(&self, request: &PodRequest, nodes: &[&str]) -> Judgement {
        let mut tries = 1;
        loop {
            let groups = self.group(nodes);
            let answers = self.claim(request, &groups.reaches);
            if tries < TRIES && answers.contains(&Err(Refusal::StaleReach)) {
                tries += 1;
                continue;
            }
            return Judgement::of(&answers, groups.of_node);
        }
    }

    /// The slot is the node's, so that each node is a request of its own. The scheduler offers such a pod
    /// the one node that it is pinned to.
    fn judge_each(&self, pod: &PodEntry, nodes: &[&str]) -> Judgement {
        let judge = |node: &&str| {
            let request = request_of(pod, Some(node), &self.index().read());
            let request = request.map_err(|fault| Reason::from(&fault))?;
            let judged = self.judge_alike(&request, &[node]);
            judged.each().next().cloned().unwrap_or(Ok(()))
        };
        Judgement {
            verdicts: nodes.iter().map(judge).collect(),
            of_node: (0..nodes.len()).collect(),
        }
    }

    pub(super) fn group(&self, nodes: &[&str]) -> Groups {
        let index = self.index().read();
        let grouped = index.group(nodes);
        let mut of_node = vec![None; nodes.len()];
        let mut reaches = Vec::with_capacity(grouped.groups.len());
        for (reach, members) in grouped.groups {
            for member in members {
                if let Some(group) = of_node.get_mut(member) {
                    *group = Some(reaches.len());
                }
            }
            reaches.push(reach);
        }
        Groups { reaches, of_node }
    }

    /// A node of each kind among these, and each that nobody knows yet; none where there are too many.
    pub(super) fn one_of_each_kind(&self, nodes: &[&str]) -> Vec<Name> {
        let groups = self.group(nodes);
        let mut seen = vec![false; groups.reaches.len()];
        let mut first = |group: &Option<usize>| {
            let seen = group.and_then(|group| seen.get_mut(group));
            seen.is_none_or(|seen| !std::mem::replace(seen, true))
        };
        let kinds = nodes.iter().zip(&groups.of_node);
        let kinds = kinds.filter(|(_, group)| first(group));
        let kinds: Vec<Name> = kinds
            .map(|(node, _)| Name::from(*node))
            .take(MOST_KINDS + 1)
            .collect();
        match kinds.len() > MOST_KINDS {
            true => Vec::new(),
            false => kinds,
        }
    }

    fn claim(&self, request: &PodRequest, reaches: &[Reach]) -> Vec<Result<(), Refusal>> {
        let now = self.core.now();
        let answers = {
            let mut engine = self.core.engine();
            engine.claim(request, reaches, self.core.world(), now)
        };
        let took = self.core.now().elapsed.saturating_sub(now.elapsed);
        self.core.decisions().add(took);
        self.note_failure(&answers);
        answers
    }

    /// Counts a pod that would do nowhere once, by what another pod's end could mend if there is such.
    fn note_failure(&self, answers: &[Result<(), Refusal>]) {
        if answers.iter().any(Result::is_ok) {
            return;
        }
        let refusals = || answers.iter().filter_map(|answer| answer.as_ref().err());
        let told = refusals().find(|refusal| !refusal.is_about_the_node());
        if let Some(refusal) = told.or_else(|| refusals().next()) {
            self.core.engine().note_failure(refusal.into());
        }
    }
}

impl Judgement {
    /// The same for all.
    fn all(nodes: usize, verdict: Result<(), Reason>) -> Self {
        Self {
            verdicts: vec![verdict],
            of_node: vec![0; nodes],
        }
    }

    fn of(answers: &[Result<(), Refusal>], of_node: Vec<Option<usize>>) -> Self {
        let verdict = |answer: &Result<(), Refusal>| answer.as_ref().copied().map_err(Reason::from);
        let mut verdicts: Vec<_> = answers.iter().map(verdict).collect();
        let unknown = verdicts.len();
        verdicts.push(Err(Reason::unknown_node()));
        let of_node = of_node.into_iter().map(|group| group.unwrap_or(unknown));
        Self {
            of_node: of_node.collect(),
            verdicts,
        }
    }

    /// What is said of each node, in the order in which they were offered.
    pub(super) fn each(&self) -> impl Iterator<Item = &Result<(), Reason>> {
        self.of_node
            .iter()
            .filter_map(|verdict| self.verdicts.get(*verdict))
    }
}
