use super::*;
use crate::memory::MemoryStore;
use crate::plan::Write;
use crate::record::Version;
use crate::testing::fixture::{at, batch, create, delete, ip, pod, record};
use crate::testing::{block_on, contract};

fn applied(version: u64) -> Answer {
    Answer::Definite(Outcome::Applied(Version(version)))
}

const UNAVAILABLE: Answer = Answer::Definite(Outcome::Unavailable);

fn take(n: u32, name: &str) -> Write {
    create(ip(n), record(pod(name).owner()))
}

/// Per record, with faults for the first writes.
fn scripted<const N: usize>(faults: [Fault; N]) -> FaultyStore<MemoryStore> {
    FaultyStore::scripted(MemoryStore::per_record(), faults.map(Some))
}

fn apply<S: Store>(store: &FaultyStore<S>, batch: &Batch) -> Vec<Answer> {
    block_on(store.apply(batch))
}

fn is_there(store: &FaultyStore<MemoryStore>, n: u32) -> bool {
    store.inner().current(&at(ip(n))).is_some()
}

#[test]
fn each_fault_answers_and_applies_as_it_says() {
    let cases = [
        (Fault::Before, UNAVAILABLE, false, 0),
        (Fault::UnknownBefore, Answer::Unknown, false, 0),
        (Fault::UnknownAfter, Answer::Unknown, true, 0),
        (Fault::Late, Answer::Unknown, false, 1),
        (Fault::Twice, applied(1), true, 1),
    ];
    for (fault, answer, there, held) in cases {
        let store = scripted([fault]);
        assert_eq!(
            apply(&store, &batch(1, [take(1, "web")])),
            [answer],
            "{fault:?}"
        );
        assert_eq!(
            (is_there(&store, 1), store.held()),
            (there, held),
            "{fault:?}"
        );
        assert_eq!(store.counts().of(fault), 1, "{fault:?}");
        assert_eq!(store.counts().0.iter().sum::<u64>(), 1, "{fault:?}");
    }
}

#[test]
fn a_late_write_meets_the_store_as_it_is_when_it_lands() {
    let store = scripted([Fault::Late]);
    let late = batch(1, [take(1, "late")]);
    apply(&store, &late);
    assert_eq!(apply(&store, &batch(2, [take(1, "quick")])), [applied(1)]);
    assert_eq!(block_on(store.deliver()), 1);
    let (version, value) = store.inner().current(&at(ip(1))).unwrap();
    assert_eq!((version, value.plan()), (Version(1), Some(batch(2, []).id)));
    assert!(matches!(
        apply(&store, &late)[..],
        [Answer::Definite(Outcome::Refused(Some(_)))]
    ));
}

#[test]
fn a_second_landing_takes_effect_again_where_its_expectation_holds_again() {
    let store = scripted([Fault::Twice]);
    apply(&store, &batch(1, [take(1, "web")]));
    apply(&store, &batch(2, [delete(ip(1), Version(1))]));
    assert!(!is_there(&store, 1));
    assert!(block_on(store.deliver_next()));
    assert!(
        is_there(&store, 1),
        "a create lands again after the deletion"
    );
    assert!(!block_on(store.deliver_next()));
}

#[test]
fn a_reordered_write_overtakes_those_held_back_before() {
    let store = scripted([Fault::Late, Fault::Reordered]);
    apply(&store, &batch(1, [take(1, "first")]));
    apply(&store, &batch(2, [take(1, "second")]));
    assert_eq!(block_on(store.deliver()), 2);
    let (_, value) = store.inner().current(&at(ip(1))).unwrap();
    assert_eq!(value.plan(), Some(batch(2, []).id));
    assert_eq!(store.counts().of(Fault::Reordered), 1);

    let alone = scripted([Fault::Reordered]);
    apply(&alone, &batch(1, [take(1, "web")]));
    assert_eq!(
        alone.counts().of(Fault::Reordered),
        0,
        "there was nothing to overtake"
    );
    assert_eq!(alone.counts().of(Fault::Late), 1);
}

#[test]
fn what_is_lost_never_lands() {
    let store = scripted([Fault::Late]);
    apply(&store, &batch(1, [take(1, "web")]));
    store.lose();
    assert_eq!(block_on(store.deliver()), 0);
    assert!(!is_there(&store, 1));
}

#[test]
fn faults_hit_single_writes_of_a_batch_and_whole_batches_of_an_atomic_store() {
    let writes = || batch(1, [1, 2, 3].map(|n| take(n, "web")));
    let script = [None, Some(Fault::UnknownBefore)];
    let each = FaultyStore::scripted(MemoryStore::per_record(), script);
    assert_eq!(
        apply(&each, &writes()),
        [applied(1), Answer::Unknown, applied(2)]
    );

    let whole = FaultyStore::scripted(MemoryStore::atomic(), script);
    assert_eq!(
        apply(&whole, &writes()),
        [applied(1), applied(2), applied(3)]
    );
    assert_eq!(apply(&whole, &writes()), vec![Answer::Unknown; 3]);
}

#[test]
fn ordered_writes_stop_at_a_fault() {
    let store = scripted([Fault::UnknownAfter]);
    let ordered = Batch {
        in_order: true,
        ..batch(1, [take(1, "web"), take(2, "web")])
    };
    assert_eq!(apply(&store, &ordered), [Answer::Unknown, UNAVAILABLE]);
    assert!(is_there(&store, 1) && !is_there(&store, 2));
}

#[test]
fn the_script_sees_every_write_and_its_number_from_every_handle() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let notes = Arc::clone(&seen);
    let store = FaultyStore::new(MemoryStore::per_record(), move |number, batch: &Batch| {
        notes
            .lock()
            .unwrap()
            .push((number, batch.writes[0].target.clone()));
        None
    });
    let other = store.clone();
    apply(&store, &batch(1, [take(1, "web"), take(2, "web")]));
    apply(&other, &batch(2, [take(3, "web")]));
    let expected = [(0, at(ip(1))), (1, at(ip(2))), (2, at(ip(3)))];
    assert_eq!(*seen.lock().unwrap(), expected);
}

#[test]
fn without_faults_it_is_the_store_inside() {
    block_on(contract::check_all(&mut async || {
        FaultyStore::scripted(MemoryStore::per_record(), [])
    }))
    .unwrap();
    block_on(contract::check_all(&mut async || {
        FaultyStore::scripted(MemoryStore::atomic(), [])
    }))
    .unwrap();
}

#[test]
fn whoever_repeats_unknown_writes_sees_a_store_that_keeps_its_contract() {
    const UNKNOWN: [Fault; 4] = [
        Fault::UnknownBefore,
        Fault::UnknownAfter,
        Fault::Late,
        Fault::Reordered,
    ];
    for rotation in 0..UNKNOWN.len() {
        let make = || {
            FaultyStore::new(MemoryStore::atomic(), move |number, _| {
                let step = usize::try_from(number).unwrap();
                // Two faults, then one write that goes through.
                (step % 3 < 2).then(|| UNKNOWN[(step + rotation) % UNKNOWN.len()])
            })
        };
        block_on(contract::check_all(&mut async || make())).unwrap();
    }
}
