//! Marks, endings, sweeps and listings.

use std::collections::BTreeSet;

use super::*;
use crate::engine::{MarkRefusal, NotAdopted, Observed, WholeList};
use crate::query::{Filter, PageRequest, Sort};
use crate::record::Attachment;
use crate::record::{PoolRecord, Target};
use crate::refusal::Refusal;
use crate::testing::fixture;

const MINUTE: Duration = Duration::from_secs(60);

impl Lab {
    fn mark(&self, n: u32) -> Result<Result<(), Stuck>, MarkRefusal> {
        block_on(self.quarantine(ip(n), "seen twice".to_owned(), None, MINUTE))
    }

    async fn end_of(&self, name: &str) -> Result<(), Stuck> {
        let uid = pod(name).pod().uid;
        self.ended(&uid, &Ending::Certain).await
    }
}

#[test]
fn a_quarantined_address_is_given_to_nobody_until_the_mark_is_lifted() {
    for store in each_kind() {
        let lab = lab(store, addresses_to(2));
        assert_eq!(lab.mark(2), Ok(Ok(())));
        assert!(lab.is_exhausted_for("web"));
        assert_eq!(block_on(lab.lift(ip(2))), Ok(Ok(())));
        assert_eq!(
            block_on(lab.lift(ip(2))),
            Err(MarkRefusal::None { ip: ip(2) })
        );
        assert_eq!(block_on(lab.give("web")), Ok(vec![ip(2)]));
        lab.store().faults.next([Some(Fault::Before)]);
        assert_eq!(lab.mark(2), Ok(Err(Stuck::Unavailable)));
    }
}

#[test]
fn a_sweep_frees_a_mark_that_is_over() {
    for store in each_kind() {
        let lab = lab(store, addresses_to(2));
        assert_eq!(lab.mark(2), Ok(Ok(())));
        assert_eq!(block_on(lab.sweep()), Ok(0));
        lab.timer.advance(MINUTE);
        assert_eq!(block_on(lab.sweep()), Ok(1));
        assert_eq!(block_on(lab.give("web")), Ok(vec![ip(2)]));
    }
}

/// A lab with seven pods whose end nobody told; a sweep takes three slices.
fn unswept(store: MemoryStore) -> Lab {
    let limits = Limits {
        slice: 3,
        ..Limits::default()
    };
    let lab = lab_with(Net::to(store), addresses_to(9), limits);
    for n in 0..7 {
        let name = format!("web-{n}");
        block_on(lab.give(&name)).expect("there is room");
        lab.world.gone(&name);
    }
    lab
}

#[test]
fn a_sweep_of_many_slices_frees_what_every_missed_event_left_behind() {
    for store in each_kind() {
        let lab = unswept(store);
        block_on(lab.give("alive")).expect("there is room");
        assert_eq!(block_on(lab.sweep()), Ok(7));
        assert_eq!(lab.engine().len(), 1);
        assert_eq!(block_on(lab.sweep()), Ok(0));
    }
}

#[test]
fn a_sweep_goes_on_behind_what_the_store_did_not_do_and_says_so() {
    for store in each_kind() {
        let lab = unswept(store);
        lab.store().faults.next([Some(Fault::Before)]);
        assert_eq!(block_on(lab.sweep()), Err(Stuck::Unavailable));
        assert!(lab.engine().len() <= 3);
        block_on(lab.sweep()).expect("the store works again");
        assert!(lab.engine().is_empty());
    }
}

#[test]
fn a_sweep_that_is_not_certain_is_finished_by_the_next() {
    for store in each_kind() {
        let lab = unswept(store);
        lab.store().faults.always(Some(Fault::UnknownBefore));
        assert_eq!(block_on(lab.sweep()), Err(Stuck::Uncertain));
        lab.store().faults.always(None);
        assert_eq!(block_on(lab.sweep()), Ok(4));
        block_on(lab.tend());
        assert!(lab.engine().is_empty());
    }
}

#[test]
fn a_pod_that_ends_while_its_address_is_on_its_way_keeps_nothing() {
    for store in each_kind() {
        // Its patience is over before the write is made, or the write was.
        for (hang, told) in [(1, UNCERTAIN), (2, Ok(vec![ip(2)]))] {
            let lab = lab(store.clone(), addresses_to(2));
            lab.store().hang(hang);
            let mut allocation = Box::pin(lab.give("web"));
            for _ in 0..5 {
                assert_eq!(poll_once(allocation.as_mut()), None);
            }
            assert_eq!(block_on(lab.end_of("web")), Err(Stuck::Uncertain));
            lab.store().hang(0);
            assert_eq!(block_on(allocation), told);
            block_on(lab.tend());
            assert_eq!((lab.holder(2), lab.store().holder(2)), (None, None));
        }
    }
}

/// A lab with a pod that ended while the outcome of its allocation was uncertain.
fn ended_in_doubt(store: MemoryStore) -> Lab {
    let lab = lab(store, addresses_to(2));
    lab.store().faults.always(Some(Fault::UnknownAfter));
    assert_eq!(block_on(lab.give("web")), UNCERTAIN);
    assert_eq!(block_on(lab.end_of("web")), Err(Stuck::Uncertain));
    lab.store().faults.always(None);
    lab
}

/// What is remembered in memory alone is lost with the process.
#[test]
fn an_end_is_confirmed_only_once_nothing_is_left_of_it() {
    for store in each_kind() {
        let timer = VirtualTimer::new();
        let net = Net::to(store);
        let lab = lab_in(timer.clone(), net, addresses_to(2), Limits::default());
        let cable = fixture::attachment("node-1", "cable");
        let request = request("web").with_attachment(cable.clone());
        block_on(lab.allocate(&request, &Place::Anywhere)).expect("there is room");
        lab.store().hang(1);
        let marking = lab.quarantine(ip(2), "seen twice".to_owned(), None, MINUTE);
        let mut marking = Box::pin(marking);
        assert_eq!(poll_once(marking.as_mut()), None);
        let mut end = Box::pin(lab.end_of("web"));
        let mut detachment = Box::pin(lab.detached(&cable));
        let nothing = BTreeSet::new();
        let mut collection = Box::pin(lab.gc(&cable.node, &cable.network, &nothing));
        for _ in 0..5 {
            timer.advance(Duration::from_millis(500));
            assert_eq!(poll_once(end.as_mut()), None);
            assert_eq!(poll_once(detachment.as_mut()), None);
            assert_eq!(poll_once(collection.as_mut()), None);
        }
        lab.store().hang(0);
        assert_eq!(block_on(marking), Ok(Ok(())));
        timer.advance(MINUTE);
        assert_eq!(block_on(end), Ok(()));
        timer.advance(MINUTE);
        assert_eq!(block_on(detachment), Ok(()));
        timer.advance(MINUTE);
        assert_eq!(block_on(collection), Ok(()));
        assert_eq!(lab.store().holder(2), None);
    }
}

/// An interface whose address is on its way while its end is told, and somebody waits for that.
struct Restart {
    lab: Lab,
    timer: VirtualTimer,
    cable: Attachment,
}

impl Restart {
    fn new(store: MemoryStore) -> Self {
        let timer = VirtualTimer::new();
        let net = Net::to(store);
        let lab = lab_in(timer.clone(), net, addresses_to(2), Limits::default());
        let cable = fixture::attachment("node-1", "cable");
        Self { lab, timer, cable }
    }

    fn request(&self) -> PodRequest {
        request("web").with_attachment(self.cable.clone())
    }

    /// Someone waits for the end of the first interface; it is made by somebody else, and the next one of
    /// the name is attached before the waiting one looks again.
    fn play<F: Future<Output = Result<(), Stuck>>>(
        &self,
        waiting: impl FnOnce() -> F,
        end: impl FnOnce(),
    ) {
        let request = self.request();
        self.lab.store().hang(1);
        let mut first = Box::pin(self.lab.allocate(&request, &Place::Anywhere));
        assert_eq!(poll_once(first.as_mut()), None);
        let mut waiting = Box::pin(waiting());
        assert_eq!(poll_once(waiting.as_mut()), None);
        self.lab.store().hang(0);
        assert_eq!(block_on(first), Ok(vec![ip(2)]));
        end();
        assert_eq!(self.lab.store().holder(2), None);
        let next = self.lab.allocate(&request, &Place::Anywhere);
        assert_eq!(block_on(next), Ok(vec![ip(2)]));
        self.timer.advance(MINUTE);
        assert_eq!(block_on(waiting), Ok(()));
        block_on(self.lab.tend());
        assert_eq!(self.lab.store().holder(2).as_deref(), Some("web"));
    }
}

#[test]
fn the_next_interface_of_a_name_keeps_its_address_whoever_waits_for_the_end_before_it() {
    for store in each_kind() {
        let restart = Restart::new(store);
        let (lab, cable) = (&restart.lab, &restart.cable);
        restart.play(|| lab.detached(cable), || block_on(lab.tend()));
    }
    for store in each_kind() {
        let restart = Restart::new(store);
        let (lab, cable) = (&restart.lab, &restart.cable);
        let again = || assert_eq!(block_on(lab.detached(cable)), Ok(()));
        restart.play(|| lab.detached(cable), again);
    }
}

#[test]
fn the_next_pod_of_a_uid_keeps_its_address_whoever_waits_for_the_end_before_it() {
    for store in each_kind() {
        let restart = Restart::new(store);
        let (lab, uid) = (&restart.lab, restart.request().pod().uid.clone());
        let tend = || block_on(lab.tend());
        restart.play(|| lab.ended(&uid, &Ending::Certain), tend);
    }
}

#[test]
fn what_is_attached_while_a_collection_waits_is_not_collected() {
    for store in each_kind() {
        let Restart { lab, timer, cable } = Restart::new(store);
        let request = request("web").with_attachment(cable.clone());
        block_on(lab.allocate(&request, &Place::Anywhere)).expect("there is room");
        lab.store().hang(1);
        let mut end = Box::pin(lab.detached(&cable));
        assert_eq!(poll_once(end.as_mut()), None);
        let nothing = BTreeSet::new();
        let mut collection = Box::pin(lab.gc(&cable.node, &cable.network, &nothing));
        assert_eq!(poll_once(collection.as_mut()), None);
        lab.store().hang(0);
        assert_eq!(block_on(end), Ok(()));
        let next = lab.allocate(&request, &Place::Anywhere);
        assert_eq!(block_on(next), Ok(vec![ip(2)]));
        timer.advance(MINUTE);
        assert_eq!(block_on(collection), Ok(()));
        assert_eq!(lab.store().holder(2).as_deref(), Some("web"));
    }
}

#[test]
fn an_end_that_had_to_wait_is_tried_again_until_the_store_does_it() {
    for store in each_kind() {
        let lab = ended_in_doubt(store);
        // The allocation becomes certain; the end does not get through, three times.
        let faults = [None, Some(Fault::Before), Some(Fault::Before)];
        lab.store().faults.next(faults);
        block_on(lab.tend());
        assert_eq!(lab.holder(2).as_deref(), Some("web"));
        block_on(lab.tend());
        assert_eq!(lab.holder(2).as_deref(), Some("web"));
        block_on(lab.tend());
        assert_eq!((lab.holder(2), lab.store().holder(2)), (None, None));
    }
}

#[test]
fn an_end_that_had_to_wait_survives_tending_that_is_dropped_at_any_point() {
    for polls in 0..12 {
        let lab = ended_in_doubt(MemoryStore::per_record());
        let mut tending = Box::pin(lab.tend());
        for _ in 0..polls {
            if poll_once(tending.as_mut()).is_some() {
                break;
            }
        }
        drop(tending);
        block_on(lab.tend());
        assert_eq!(lab.store().holder(2), None, "dropped after {polls} polls");
        assert_eq!(lab.open_plans(), 0);
    }
}

#[test]
fn an_end_is_decided_anew_when_somebody_else_changed_the_record() {
    for store in each_kind() {
        let lab = lab(store.clone(), addresses_to(2));
        block_on(lab.give("web")).expect("there is room");
        let other = lab_with(
            Net::of_another(store.clone()),
            addresses_to(2),
            Limits::default(),
        );
        assert_eq!(other.mark(2), Ok(Ok(())));
        assert_eq!(block_on(lab.end_of("web")), Ok(()));
        assert_eq!((lab.holder(2), lab.store().holder(2)), (None, None));
    }
}

#[test]
fn a_listing_in_slices_is_the_listing_in_one_go() {
    let query = |include_free, sort: &str, page| Query {
        filter: Filter::default(),
        sort: sort.parse::<Sort>().expect("a sort in a test"),
        page: PageRequest::new(page, 4).expect("a page in a test"),
        include_free,
    };
    for slice in [1, 2, 7, 10_000] {
        let limits = Limits {
            slice,
            ..Limits::default()
        };
        let lab = lab_with(Net::to(MemoryStore::atomic()), addresses_to(30), limits);
        for n in 0..9 {
            block_on(lab.give(&format!("web-{n}"))).expect("there is room");
        }
        for sort in ["podname desc", "ip asc"] {
            for page in 0..9 {
                let query = query(true, sort, page);
                let mut listing = lab.engine().listing(query.clone()).expect("few are free");
                while lab.engine().advance(&mut listing, usize::MAX) == Progress::More {}
                let whole = listing.finish();
                assert_eq!(whole.total, 29);
                assert_eq!(lab.list(&query), Ok(whole));
            }
        }
        let indexed = lab
            .list(&query(false, "podname", 0))
            .expect("it is indexed");
        assert_eq!((indexed.total, indexed.content.len()), (9, 4));
    }
}

/// A pod of the Deployment `web`, whose address the app keeps.
fn replica(name: &str) -> PodFixture {
    pod(name).of_deployment("web")
}

impl Lab {
    async fn keep(&self, name: &str) -> Allocated {
        let request = request_of(&replica(name), ReleasePolicy::Immutable);
        self.allocate(&request, &Place::Anywhere).await
    }

    fn app_is(&self, app: Fact<AppState>) {
        self.world.app_is(app);
    }
}

#[test]
fn an_app_that_changed_is_gone_through_to_its_end_in_slices() {
    let app = replica("web-0").owner().app().expect("it has one");
    for store in each_kind() {
        let limits = Limits {
            slice: 2,
            ..Limits::default()
        };
        let lab = lab_with(Net::to(store), addresses_to(20), limits);
        for n in 0..9 {
            block_on(lab.keep(&format!("web-{n}"))).expect("there is room");
        }
        for n in 0..9 {
            block_on(lab.end_of(&format!("web-{n}"))).expect("the store works");
        }
        assert_eq!(block_on(lab.app_changed(&app)), Ok(0));
        lab.app_is(Fact::Known(AppState::new(Slots::Count(4))));
        assert_eq!(block_on(lab.app_changed(&app)), Ok(5));
        lab.app_is(Fact::Gone);
        lab.store().faults.next([Some(Fault::Before)]);
        assert_eq!(block_on(lab.app_changed(&app)), Err(Stuck::Unavailable));
        block_on(lab.app_changed(&app)).expect("the store works again");
        assert!(lab.engine().is_empty());
    }
}

/// Somebody writes to the store, and a watch tells.
fn others_write(lab: &Lab, write: crate::plan::Write) {
    let store = &lab.store().plain;
    let before = store.version();
    block_on(store.apply(&fixture::batch(9, [write])));
    for change in store.changes_since(before).expect("all are remembered") {
        let observed = Observed {
            target: change.target,
            version: change.version,
            value: change.value,
        };
        lab.engine().observe(observed, lab.now());
    }
}

#[test]
fn a_pool_whose_size_others_changed_is_repaired_as_one_operation() {
    let blue = fixture::pool("blue");
    for store in each_kind() {
        let lab = lab(store.clone(), addresses_to(20));
        block_on(lab.put_pool(&blue, 6, true)).expect("there is room");
        for (size, owed) in [(3, false), (8, true)] {
            let there = store
                .current(&Target::Pool(blue.clone()))
                .map(|(version, _)| version);
            let record = PoolRecord {
                owed,
                ..fixture::pool_record(size)
            };
            others_write(&lab, fixture::put_pool("blue", there, record));
            assert_eq!(block_on(lab.repair_pool(&blue)), Ok(()));
            let state = lab.engine().pool(&blue).expect("it is there");
            assert_eq!((state.addresses, state.owed), (u64::from(size), false));
        }
    }
}

#[test]
fn an_administrator_reserves_a_free_address_and_gives_it_back() {
    for store in each_kind() {
        let lab = lab(store, addresses_to(2));
        assert_eq!(block_on(lab.reserve(ip(2), "boss".into())), Ok(Ok(())));
        let owned = MarkRefusal::Owned { ip: ip(2) };
        assert_eq!(block_on(lab.reserve(ip(2), "boss".into())), Err(owned));
        assert!(lab.is_exhausted_for("web"));
        lab.store().faults.next([Some(Fault::Before)]);
        assert_eq!(block_on(lab.unreserve(ip(2))), Ok(Err(Stuck::Unavailable)));
        assert_eq!(block_on(lab.unreserve(ip(2))), Ok(Ok(())));
        let none = MarkRefusal::None { ip: ip(2) };
        assert_eq!(block_on(lab.unreserve(ip(2))), Err(none));
        assert_eq!(block_on(lab.give("web")), Ok(vec![ip(2)]));
    }
}

#[test]
fn a_record_that_is_deleted_under_a_live_pod_is_restored_at_once() {
    for store in each_kind() {
        let lab = lab(store.clone(), addresses_to(9));
        block_on(lab.give("web")).expect("there is room");
        lab.world.runs("web", &pod("web").pod().uid);
        let there = store.current(&at(ip(2))).expect("it was written").0;
        others_write(&lab, fixture::delete(ip(2), there));
        assert_eq!(lab.holder(2), None);
        assert_eq!(block_on(lab.restore(ip(2))), Ok(()));
        assert_eq!(lab.store().holder(2).as_deref(), Some("web"));
        assert_eq!(block_on(lab.restore(ip(2))), Ok(()));
    }
}

#[test]
fn an_adoption_is_written_once_and_reports_what_others_own() {
    for store in each_kind() {
        let lab = lab(store, addresses_to(9));
        block_on(lab.give("other")).expect("there is room");
        lab.store().faults.next([Some(Fault::UnknownAfter)]);
        let report = block_on(lab.adopt(&request("web"), &[ip(2), ip(5)])).expect("it is written");
        assert_eq!(report.adopted, [ip(5)]);
        assert!(matches!(
            report.refused[..],
            [(_, NotAdopted::OthersOwn { .. })]
        ));
        let again = block_on(lab.adopt(&request("web"), &[ip(5)]));
        assert_eq!(again, Ok(AdoptReport::default()));
        assert_eq!(lab.store().holder(5).as_deref(), Some("web"));
    }
}

#[test]
fn an_address_that_somebody_else_takes_at_the_same_moment_is_not_adopted() {
    let store = MemoryStore::per_record().with_history(usize::MAX);
    let lab = lab(store.clone(), addresses_to(9));
    let other = lab_with(Net::of_another(store), addresses_to(9), Limits::default());
    assert_eq!(block_on(other.give("other")), Ok(vec![ip(2)]));
    let report = block_on(lab.adopt(&request("web"), &[ip(2)])).expect("it is certain");
    assert_eq!((report.adopted.len(), report.refused.len()), (0, 1));
}

#[test]
fn a_node_that_is_ready_again_ends_the_rests_on_it() {
    for store in each_kind() {
        let lab = lab(store, addresses_to(9));
        for name in ["a", "b"] {
            block_on(lab.give(name)).expect("there is room");
            let rest = Ending::Unreachable { rest: MINUTE };
            block_on(lab.ended(&pod(name).pod().uid, &rest)).expect("the store works");
        }
        let node = pod("a").pod().node;
        assert_eq!(block_on(lab.node_ready(&node)), Ok(()));
        assert_eq!(lab.engine().len(), 2, "nobody says that it is ready");
        lab.world.ready(&node);
        assert_eq!(block_on(lab.node_ready(&node)), Ok(()));
        assert!(lab.engine().is_empty());
    }
}

#[test]
fn a_whole_list_is_taken_in_in_slices() {
    let limits = Limits {
        slice: 2,
        ..Limits::default()
    };
    let store = MemoryStore::per_record();
    let lab = lab_with(Net::to(store.clone()), addresses_to(20), limits);
    let other = lab_with(
        Net::of_another(store.clone()),
        addresses_to(20),
        Limits::default(),
    );
    for n in 0..7 {
        block_on(other.give(&format!("web-{n}"))).expect("there is room");
    }
    let list = || {
        let snapshot = block_on(store.load()).expect("memory can be read");
        WholeList::of_addresses(snapshot.version, snapshot.addresses)
    };
    assert_eq!(lab.observe_all(list()).taken.len(), 7);
    block_on(other.end_of("web-3")).expect("the store works");
    lab.world.gone("web-3");
    let found = lab.observe_all(list());
    assert_eq!((found.taken.len(), found.deleted), (0, vec![at(ip(5))]));
    assert_eq!(lab.engine().len(), 6);
}

impl Restart {
    /// The interface is asked for anew while its former end is being written, and waits; this end is told meanwhile,
    /// and confirmed.
    fn end_of_who_waits<F: Future<Output = Result<(), Stuck>>>(
        &self,
        end: impl FnOnce() -> F,
    ) -> Result<Vec<IpAddr>, AllocateError> {
        let (lab, request) = (&self.lab, self.request());
        let first = block_on(lab.allocate(&request, &Place::Anywhere));
        assert_eq!(first, Ok(vec![ip(2)]));
        lab.store().hang(1);
        let mut former = Box::pin(lab.detached(&self.cable));
        assert_eq!(poll_once(former.as_mut()), None);
        let mut waiting = Box::pin(lab.allocate(&request, &Place::Anywhere));
        assert_eq!(poll_once(waiting.as_mut()), None);
        let mut end = Box::pin(end());
        assert_eq!(poll_once(end.as_mut()), None);
        lab.store().hang(0);
        assert_eq!(block_on(former), Ok(()));
        self.timer.advance(MINUTE);
        assert_eq!(block_on(end), Ok(()));
        block_on(waiting)
    }
}

/// A runtime gives up waiting for an interface, and ends it: there is nothing to end yet.
#[test]
fn who_waits_for_a_decision_gets_nothing_once_its_end_was_told() {
    for store in each_kind() {
        let restart = Restart::new(store);
        let (lab, cable) = (&restart.lab, &restart.cable);
        let refused = restart.end_of_who_waits(|| lab.detached(cable));
        let ended = AllocateError::Refused(Refusal::PodEnded {
            pod: restart.request().pod().name.clone(),
            uid: restart.request().pod().uid.clone(),
        });
        assert_eq!(refused, Err(ended));
        assert_eq!(lab.store().holder(2), None);
        let next = block_on(lab.allocate(&restart.request(), &Place::Anywhere));
        assert_eq!(
            next,
            Ok(vec![ip(2)]),
            "who asks afterwards is somebody else"
        );
    }
}

#[test]
fn who_waits_for_a_decision_gets_nothing_once_its_pod_has_ended() {
    for store in each_kind() {
        let restart = Restart::new(store);
        let (lab, uid) = (&restart.lab, restart.request().pod().uid.clone());
        let refused = restart.end_of_who_waits(|| lab.ended(&uid, &Ending::Certain));
        assert!(refused.is_err(), "{refused:?}");
        assert_eq!(lab.store().holder(2), None);
    }
}
