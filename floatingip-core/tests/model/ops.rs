//! Operations: everything that can happen, as plain data that shrinks.

use std::fmt;

use floatingip_core::testing::Fault;
use proptest::collection::vec;
use proptest::prelude::*;

/// Small numbers pick among what is there at that moment; `lag` says which facts are unknown (0: none).
#[derive(Clone, Debug)]
pub(crate) enum Op {
    Scale {
        app: u8,
        replicas: u8,
        start: u8,
        surge: u8,
    },
    DeleteApp {
        app: u8,
    },
    RecreateApp {
        app: u8,
    },
    ChangePolicy {
        app: u8,
        policy: u8,
    },
    CreatePod {
        app: u8,
        pick: u8,
    },
    Finish {
        pod: u8,
    },
    Delete {
        pod: u8,
        unreachable: bool,
    },
    NodeGone {
        node: u8,
    },
    NodeReady {
        node: u8,
        ready: bool,
    },
    NodeJoins {
        n: u8,
    },
    NodeLeaves,
    Filter {
        who: bool,
        pod: u8,
        node: u8,
        lag: u8,
    },
    Allocate {
        who: bool,
        pod: u8,
        node: u8,
        lag: u8,
    },
    /// Several pods of an app pass the filter one after the other, and all that passed allocate.
    /// Allocated, applied and bound without any trouble.
    Serve {
        who: bool,
        pod: u8,
        node: u8,
        lag: u8,
    },
    Burst {
        who: bool,
        app: u8,
        nodes: u8,
        lag: u8,
    },
    Apply {
        who: bool,
        plan: u8,
        faults: [Option<Fault>; 2],
    },
    Bind {
        who: bool,
        ready: u8,
        how: How,
    },
    LateBinding,
    /// The leader sees that a pod is bound.
    Notice {
        who: bool,
        pod: u8,
    },
    Ended {
        who: bool,
        event: u8,
        again: bool,
        lag: u8,
    },
    AppChanged {
        who: bool,
        app: u8,
        lag: u8,
    },
    Sweep {
        who: bool,
        slice: u8,
        lag: u8,
    },
    Echo {
        to: bool,
        change: u8,
        again: bool,
    },
    CaughtUp {
        to: bool,
    },
    /// A watch is cut, and begins anew with a list.
    Relist {
        to: bool,
        slice: u8,
    },
    Adopt {
        who: bool,
        pod: u8,
    },
    LateWrite,
    LoseWrites,
    Crash {
        who: bool,
    },
    SwitchLeader {
        lose: bool,
    },
    BothLead,
    Release {
        who: bool,
        ip: u8,
        wrong: bool,
    },
    Quarantine {
        who: bool,
        ip: u8,
    },
    Lift {
        who: bool,
        ip: u8,
    },
    Reserve {
        who: bool,
        ip: u8,
    },
    Unreserve {
        who: bool,
        ip: u8,
    },
    PutPool {
        who: bool,
        size: u8,
        fill: bool,
    },
    FillPool {
        who: bool,
    },
    TrimPool {
        who: bool,
    },
    DeletePool {
        who: bool,
    },
    Reconfigure {
        to: bool,
        config: u8,
    },
    /// Somebody deletes a record behind everybody's back.
    Rob {
        ip: u8,
    },
    Wait {
        long: bool,
    },
    Read {
        who: bool,
        pod: u8,
        node: u8,
        lag: u8,
    },
    Page {
        who: bool,
        query: u8,
        size: u8,
    },
    Reload {
        who: bool,
        pod: u8,
        node: u8,
    },
}

/// What becomes of a binding.
#[derive(Clone, Copy, Debug)]
pub(crate) enum How {
    Succeeds,
    Fails,
    /// It succeeds, but the leader does not hear of it.
    Unheard,
    /// The leader gives up, and it lands later, if it still can.
    Late,
}

impl Op {
    /// Its kind, for counting.
    pub(crate) fn kind(&self) -> String {
        let text = format!("{self:?}");
        let end = text.find(|c: char| !c.is_alphanumeric());
        text[..end.unwrap_or(text.len())].to_owned()
    }

    /// Every kind.
    pub(crate) const KINDS: &'static str = "Scale DeleteApp RecreateApp ChangePolicy CreatePod Finish Delete \
        NodeGone NodeReady NodeJoins NodeLeaves Filter Allocate Serve Burst Apply Bind LateBinding Notice \
        Ended AppChanged Sweep Echo CaughtUp Relist Adopt LateWrite LoseWrites Crash SwitchLeader BothLead Release \
        Quarantine Lift Reserve Unreserve PutPool FillPool TrimPool DeletePool Reconfigure Rob Wait \
        Read Page Reload";
}

impl fmt::Display for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:?}")
    }
}

/// What happens in a case, printed line by line.
#[derive(Clone)]
pub(crate) struct Sequence(pub(crate) Vec<Op>);

impl fmt::Debug for Sequence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|op| writeln!(f, "{op}"))
    }
}

/// Sequences of at least a hundred operations. Each of them shrinks to nothing first, so that what is
/// left of a failing sequence is short.
pub(crate) fn sequences() -> impl Strategy<Value = Sequence> {
    let step = prop_oneof![1 => Just(None), 199 => op().prop_map(Some)];
    let full =
        vec(step, 110..300).prop_map(|steps| Sequence(steps.into_iter().flatten().collect()));
    full.boxed()
}

fn lag() -> impl Strategy<Value = u8> {
    prop_oneof![3 => Just(0), 1 => 1..=6u8]
}

fn fault() -> impl Strategy<Value = Option<Fault>> {
    prop_oneof![
        5 => Just(None),
        1 => prop::sample::select(Fault::ALL.to_vec()).prop_map(Some),
    ]
}

fn how() -> impl Strategy<Value = How> {
    prop_oneof![
        6 => Just(How::Succeeds),
        1 => Just(How::Fails),
        1 => Just(How::Unheard),
        1 => Just(How::Late),
    ]
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        30 => pods(),
        70 => leading(),
        12 => echoes(),
        8 => upheaval(),
        12 => administration(),
        4 => reads(),
    ]
}

fn pods() -> BoxedStrategy<Op> {
    let n = any::<u8>;
    let b = any::<bool>;
    prop_oneof![
        34 => (n(), n()).prop_map(|(app, pick)| Op::CreatePod { app, pick }),
        4 => n().prop_map(|pod| Op::Finish { pod }),
        10 => (n(), prop::bool::weighted(0.2)).prop_map(|(pod, unreachable)| Op::Delete { pod, unreachable }),
        5 => (n(), 0..4u8, 0..3u8, 0..2u8).prop_map(|(app, replicas, start, surge)| Op::Scale { app, replicas, start, surge }),
        1 => n().prop_map(|app| Op::DeleteApp { app }),
        2 => n().prop_map(|app| Op::RecreateApp { app }),
        1 => (n(), 0..3u8).prop_map(|(app, policy)| Op::ChangePolicy { app, policy }),
        1 => n().prop_map(|node| Op::NodeGone { node }),
        1 => (n(), b()).prop_map(|(node, ready)| Op::NodeReady { node, ready }),
        1 => n().prop_map(|n| Op::NodeJoins { n }),
        1 => Just(Op::NodeLeaves),
    ]
    .boxed()
}

fn leading() -> BoxedStrategy<Op> {
    let n = any::<u8>;
    let b = any::<bool>;
    prop_oneof![
        4 => (b(), n(), n(), lag()).prop_map(|(who, pod, node, lag)| Op::Filter { who, pod, node, lag }),
        14 => (b(), n(), n(), lag()).prop_map(|(who, pod, node, lag)| Op::Allocate { who, pod, node, lag }),
        10 => (b(), n(), n(), lag()).prop_map(|(who, pod, node, lag)| Op::Serve { who, pod, node, lag }),
        6 => (b(), n(), n(), lag()).prop_map(|(who, app, nodes, lag)| Op::Burst { who, app, nodes, lag }),
        30 => (b(), n(), [fault(), fault()]).prop_map(|(who, plan, faults)| Op::Apply { who, plan, faults }),
        16 => (b(), n(), how()).prop_map(|(who, ready, how)| Op::Bind { who, ready, how }),
        2 => Just(Op::LateBinding),
        2 => (b(), n()).prop_map(|(who, pod)| Op::Notice { who, pod }),
        10 => (b(), n(), prop::bool::weighted(0.2), lag()).prop_map(|(who, event, again, lag)| Op::Ended { who, event, again, lag }),
        4 => (b(), n(), lag()).prop_map(|(who, app, lag)| Op::AppChanged { who, app, lag }),
        5 => (b(), n(), lag()).prop_map(|(who, slice, lag)| Op::Sweep { who, slice, lag }),
        3 => prop::bool::weighted(0.3).prop_map(|long| Op::Wait { long }),
    ]
    .boxed()
}

fn echoes() -> BoxedStrategy<Op> {
    let b = any::<bool>;
    prop_oneof![
        12 => (b(), prop_oneof![3 => Just(0u8), 1 => any::<u8>()], prop::bool::weighted(0.2))
            .prop_map(|(to, change, again)| Op::Echo { to, change, again }),
        3 => b().prop_map(|to| Op::CaughtUp { to }),
        2 => (b(), any::<u8>()).prop_map(|(to, slice)| Op::Relist { to, slice }),
        1 => (b(), any::<u8>()).prop_map(|(who, pod)| Op::Adopt { who, pod }),
        4 => Just(Op::LateWrite),
        1 => Just(Op::LoseWrites),
    ]
    .boxed()
}

fn upheaval() -> BoxedStrategy<Op> {
    let b = any::<bool>;
    prop_oneof![
        3 => b().prop_map(|who| Op::Crash { who }),
        3 => b().prop_map(|lose| Op::SwitchLeader { lose }),
        2 => Just(Op::BothLead),
        2 => (b(), any::<u8>()).prop_map(|(to, config)| Op::Reconfigure { to, config }),
        1 => any::<u8>().prop_map(|ip| Op::Rob { ip }),
    ]
    .boxed()
}

fn administration() -> BoxedStrategy<Op> {
    let n = any::<u8>;
    let b = any::<bool>;
    prop_oneof![
        3 => (b(), n(), prop::bool::weighted(0.2)).prop_map(|(who, ip, wrong)| Op::Release { who, ip, wrong }),
        1 => (b(), n()).prop_map(|(who, ip)| Op::Quarantine { who, ip }),
        1 => (b(), n()).prop_map(|(who, ip)| Op::Lift { who, ip }),
        1 => (b(), n()).prop_map(|(who, ip)| Op::Reserve { who, ip }),
        1 => (b(), n()).prop_map(|(who, ip)| Op::Unreserve { who, ip }),
        2 => (b(), 0..6u8, b()).prop_map(|(who, size, fill)| Op::PutPool { who, size, fill }),
        2 => b().prop_map(|who| Op::FillPool { who }),
        2 => b().prop_map(|who| Op::TrimPool { who }),
        1 => b().prop_map(|who| Op::DeletePool { who }),
    ]
    .boxed()
}

fn reads() -> BoxedStrategy<Op> {
    let n = any::<u8>;
    let b = any::<bool>;
    prop_oneof![
        (b(), n(), n(), lag()).prop_map(|(who, pod, node, lag)| Op::Read {
            who,
            pod,
            node,
            lag
        }),
        (b(), n(), 1..8u8).prop_map(|(who, query, size)| Op::Page { who, query, size }),
        (b(), n(), n()).prop_map(|(who, pod, node)| Op::Reload { who, pod, node }),
    ]
    .boxed()
}
