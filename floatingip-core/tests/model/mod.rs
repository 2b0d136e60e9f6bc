//! The model: two engines over one store with faults, the world outside, and a naive oracle that
//! looks after every step whether the invariants of `docs/design.md` still hold.

#![expect(
    clippy::expect_used,
    clippy::unwrap_in_result,
    reason = "a test harness that is wrong has to fail"
)]
#![expect(
    dead_code,
    reason = "two tests share the model, and neither uses all of it"
)]

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::IpAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use proptest::prelude::*;

use floatingip_core::engine::{Ending, Engine, Settings};
use floatingip_core::memory::MemoryStore;
use floatingip_core::owner::SlotRef;
use floatingip_core::record::Target;
use floatingip_core::testing::{Counts, Fault, FaultyStore, block_on};
use floatingip_core::{Name, Now, PoolName, Store};

mod adapter;
mod administration;
mod allocation;
mod check;
mod leader;
mod life;
pub(crate) mod network;
pub(crate) mod ops;
mod quiet;
mod reads;
mod world;

use leader::{Leader, Ready};
use ops::Op;
use world::Truth;

/// What broke, or nothing.
pub(crate) type Checked = Result<(), String>;

/// Fails with a message unless something holds.
macro_rules! ensure {
    ($holds:expr, $($message:tt)*) => {
        if !$holds {
            return Err(format!($($message)*));
        }
    };
}
pub(crate) use ensure;

/// Bugs that are planted to see whether the model finds them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Planted {
    /// The end of a pod frees what the pod of that name has.
    ReleaseByName,
    /// A write that is not seen in the store is taken for one that was not made.
    SettledByAbsence,
    /// In the engine itself.
    Engine(floatingip_core::engine::Flaw),
}

/// One run of the model.
pub(crate) struct Model {
    planted: Option<Planted>,
    base: MemoryStore,
    store: FaultyStore<MemoryStore>,
    /// What goes wrong with the next writes.
    faults: Arc<Mutex<VecDeque<Option<Fault>>>>,
    truth: Truth,
    universe: Vec<IpAddr>,
    node_joined: Option<IpAddr>,
    leaders: [Leader; 2],
    active: usize,
    both_lead: bool,
    now: Now,
    incarnations: u64,
    /// Pods that ended, for leaders to hear of.
    events: Vec<(Name, Name, Ending)>,
    late_bindings: Vec<Ready>,
    /// Addresses whose records somebody deleted, and the pods that had them: nobody answers for them.
    robbed: BTreeMap<IpAddr, Option<Name>>,
    /// What slots must find again (STICKY).
    expected: BTreeMap<IpAddr, SlotRef>,
    reserved: BTreeSet<IpAddr>,
    /// How many operations there were.
    steps: u64,
    /// What was planned and became of it, where somebody wants to read it.
    story: Option<String>,
    /// How often something of each kind was really done.
    pub(crate) done: BTreeMap<String, u64>,
}

/// What a case happens in.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Setting {
    /// The store applies batches as a whole.
    pub(crate) atomic: bool,
    /// Where the apps of this case begin among those there are: a few, so that they get in each
    /// other's way.
    pub(crate) apps: u8,
}

pub(crate) fn settings() -> impl Strategy<Value = Setting> {
    (any::<bool>(), any::<u8>()).prop_map(|(atomic, apps)| Setting { atomic, apps })
}

/// Runs a sequence from an empty store to quiescence; what was done, or what broke.
pub(crate) fn run(setting: Setting, ops: &[Op], planted: Option<Planted>) -> Result<Tally, String> {
    let mut model = Model::new(setting, planted);
    model.play(ops)?;
    Ok(Tally {
        done: model.done,
        faults: model.store.counts(),
    })
}

/// Runs a sequence and tells what happened.
pub(crate) fn story(setting: Setting, ops: &[Op]) -> String {
    let mut model = Model::new(setting, None);
    model.story = Some(String::new());
    let broken = model.play(ops).err().unwrap_or_default();
    model.story.unwrap_or_default() + &broken
}

/// What a run did.
pub(crate) struct Tally {
    pub(crate) done: BTreeMap<String, u64>,
    pub(crate) faults: Counts,
}

impl Model {
    fn new(setting: Setting, planted: Option<Planted>) -> Self {
        let base = if setting.atomic {
            MemoryStore::atomic()
        } else {
            MemoryStore::per_record()
        };
        let base = base.with_history(usize::MAX);
        let faults: Arc<Mutex<VecDeque<Option<Fault>>>> = Arc::default();
        let script = Arc::clone(&faults);
        let next = move |_, _: &_| {
            script
                .lock()
                .expect("no test panics with it")
                .pop_front()
                .flatten()
        };
        let leader = |incarnation| started(&base, planted, 0, None, incarnation, Now::default());
        Self {
            planted,
            leaders: [leader(1), leader(2)],
            store: FaultyStore::new(base.clone(), next),
            base,
            faults,
            truth: Truth::new(setting.apps),
            universe: network::universe(),
            node_joined: None,
            active: 0,
            both_lead: false,
            now: Now::default(),
            incarnations: 2,
            events: Vec::new(),
            late_bindings: Vec::new(),
            robbed: BTreeMap::new(),
            expected: BTreeMap::new(),
            reserved: BTreeSet::new(),
            steps: 0,
            story: None,
            done: BTreeMap::new(),
        }
    }

    fn tell(&mut self, line: impl FnOnce() -> String) {
        if let Some(story) = &mut self.story {
            story.push_str(&line());
            story.push('\n');
        }
    }

    fn play(&mut self, ops: &[Op]) -> Checked {
        for (n, op) in ops.iter().enumerate() {
            let told = |broken| format!("{broken}\nat operation {n}: {op}");
            self.tell(|| format!("{n}: {op}"));
            self.step(op).map_err(told)?;
        }
        self.tell(|| "the end".to_owned());
        self.quiesce()
            .map_err(|broken| format!("{broken}\nat the end"))
    }

    fn step(&mut self, op: &Op) -> Checked {
        let probe = self.probe(op);
        self.pass(Duration::from_millis(10));
        if self.execute(op)? {
            *self.done.entry(op.kind()).or_default() += 1;
        }
        if let Some(probe) = probe {
            self.check_probe(&probe)?;
        }
        self.check()
    }

    /// Whether the operation found something to do.
    fn execute(&mut self, op: &Op) -> Result<bool, String> {
        match *op {
            Op::Scale { .. }
            | Op::DeleteApp { .. }
            | Op::RecreateApp { .. }
            | Op::ChangePolicy { .. }
            | Op::CreatePod { .. }
            | Op::Finish { .. }
            | Op::Delete { .. }
            | Op::NodeGone { .. }
            | Op::NodeReady { .. }
            | Op::NodeJoins { .. }
            | Op::NodeLeaves => Ok(self.change_world(op)),
            Op::Filter {
                who,
                pod,
                node,
                lag,
            } => self.filter(self.acting(who), pod, node, lag),
            Op::Allocate {
                who,
                pod,
                node,
                lag,
            } => self.allocate_any(self.acting(who), pod, node, lag),
            Op::Serve {
                who,
                pod,
                node,
                lag,
            } => self.serve(self.acting(who), pod, node, lag),
            Op::Burst {
                who,
                app,
                nodes,
                lag,
            } => self.burst(self.acting(who), app, nodes, lag),
            Op::Apply { who, plan, faults } => self.apply_any(self.acting(who), plan, faults),
            Op::Bind { who, ready, how } => self.bind_any(self.acting(who), ready, how),
            Op::LateBinding => self.land_binding(),
            Op::Notice { who, pod } => self.notice(self.acting(who), pod),
            Op::Ended {
                who,
                event,
                again,
                lag,
            } => self.ended(self.acting(who), event, again, lag),
            Op::AppChanged { who, app, lag } => self.app_changed(self.acting(who), app, lag),
            Op::Sweep { who, slice, lag } => self.sweep(self.acting(who), slice, lag),
            Op::Echo { to, change, again } => Ok(self.echo(usize::from(to), change, again)),
            Op::CaughtUp { to } => Ok(self.caught_up(usize::from(to))),
            Op::Relist { to, slice } => self.relist(usize::from(to), slice),
            Op::Adopt { who, pod } => self.adopt(self.acting(who), pod),
            Op::LateWrite => Ok(block_on(self.store.deliver_next())),
            Op::LoseWrites => Ok(self.lose_writes()),
            Op::Crash { who } => Ok(self.crash(self.acting(who))),
            Op::SwitchLeader { lose } => self.switch(lose),
            Op::BothLead => Ok(!std::mem::replace(&mut self.both_lead, true)),
            Op::Reconfigure { to, config } => Ok(self.reconfigure(usize::from(to), config)),
            Op::Rob { ip } => Ok(self.rob(ip)),
            Op::Wait { long } => Ok(self.wait(Duration::from_secs(if long { 130 } else { 20 }))),
            Op::Read {
                who,
                pod,
                node,
                lag,
            } => self.read(self.acting(who), pod, node, lag),
            Op::Page { who, query, size } => self.page(self.acting(who), query, size),
            Op::Reload { who, pod, node } => self.reload(self.acting(who), pod, node),
            _ => self.administer(op),
        }
    }

    /// Who of the two acts.
    fn acting(&self, who: bool) -> usize {
        if self.both_lead {
            usize::from(who)
        } else {
            self.active
        }
    }

    fn pass(&mut self, time: Duration) {
        self.now.elapsed += time;
        self.now.wall = self.now.wall.plus(time);
    }

    /// Longer than any request to the store or the API server lives.
    fn wait(&mut self, time: Duration) -> bool {
        self.pass(time);
        self.store.lose();
        let now = self.now.elapsed;
        self.late_bindings.retain(|late| late.until > now);
        for leader in &mut self.leaders {
            leader.ready.retain(|ready| ready.until > now);
        }
        true
    }

    fn lose_writes(&self) -> bool {
        let held = self.store.held() > 0;
        self.store.lose();
        held
    }

    fn echo(&mut self, to: usize, change: u8, again: bool) -> bool {
        let (now, leader) = (self.now, &mut self.leaders[to]);
        leader.listen(&self.base);
        let from = if again {
            &mut leader.delivered
        } else {
            &mut leader.pending
        };
        if from.is_empty() {
            return false;
        }
        let change = from.remove(usize::from(change) % from.len());
        leader.echo(&change, now);
        leader.delivered.push(change);
        true
    }

    fn caught_up(&mut self, to: usize) -> bool {
        self.leaders[to].catch_up(&self.base, self.now);
        true
    }

    /// The process dies and comes back with nothing but what the store has. What it had on the way
    /// may still land.
    fn crash(&mut self, who: usize) -> bool {
        self.incarnations += 1;
        self.leaders[who] = started(
            &self.base,
            self.planted,
            self.leaders[who].config,
            self.node_joined,
            self.incarnations,
            self.now,
        );
        true
    }

    /// One stands down, and only then the other begins, with everything seen.
    fn switch(&mut self, lose: bool) -> Result<bool, String> {
        if lose {
            self.store.lose();
        }
        block_on(self.store.deliver());
        self.late_bindings.clear();
        for who in [0, 1] {
            self.settle_all(who)?;
            self.leaders[who].ready.clear();
        }
        self.both_lead = false;
        let config = self.leaders[self.active].config;
        self.active = 1 - self.active;
        self.caught_up(self.active);
        if self.leaders[self.active].config != config {
            self.reconfigure_to(self.active, config);
        }
        Ok(true)
    }

    fn reconfigure(&mut self, to: usize, config: u8) -> bool {
        self.reconfigure_to(to, usize::from(config) % network::CONFIGS);
        true
    }

    fn reconfigure_to(&mut self, to: usize, config: usize) {
        let leader = &mut self.leaders[to];
        leader.config = config;
        leader.engine.reconfigure(network::topology(config));
    }
}

/// A process that has just started and read the store.
fn started(
    base: &MemoryStore,
    planted: Option<Planted>,
    config: usize,
    node_joined: Option<IpAddr>,
    incarnation: u64,
    now: Now,
) -> Leader {
    let mut settings = Settings {
        incarnation,
        shared_store: true,
        ..Settings::default()
    };
    if let Some(Planted::Engine(flaw)) = planted {
        settings.flaw = Some(flaw);
    }
    let mut engine = Engine::new(settings);
    engine.reconfigure(network::topology(config));
    let snapshot = block_on(base.load()).expect("memory can always be read");
    let seen = snapshot.version;
    engine.load(snapshot, now);
    if let Some(ip) = node_joined {
        engine.observe_node(&JOINED.into(), &[ip]);
    }
    Leader {
        engine,
        config,
        open: Vec::new(),
        uncertain: BTreeSet::new(),
        ready: Vec::new(),
        pending: Vec::new(),
        delivered: Vec::new(),
        seen,
    }
}

/// The node whose address lies in a pod range.
const JOINED: &str = "joined";

/// The pool that may have a size.
fn blue() -> PoolName {
    "blue".parse().expect("a pool's name")
}

fn at(ip: IpAddr) -> Target {
    Target::Address(ip)
}

/// The `n`-th of them, going round.
fn pick<T>(all: &[T], n: u8) -> Option<&T> {
    all.get(usize::from(n).checked_rem(all.len())?)
}
