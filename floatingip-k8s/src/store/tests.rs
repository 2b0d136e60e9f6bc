//! The store against an API server that says what a test tells it to.

mod script;

use floatingip_core::plan::Write;
use floatingip_core::record::Value;
use floatingip_core::testing::fixture::plan;
use floatingip_core::testing::fixture::{
    batch, create, delete, ip, pod, pool_record, put_pool, record, update,
};
use tokio::time::Instant;

use super::*;
use script::{Reply, Script, object, status};

const CREATED: u16 = 201;

/// The one write of plan 7.
fn one(write: Write) -> Batch {
    batch(7, [write])
}

fn create_web() -> Batch {
    one(create(ip(7), record(pod("web").owner())))
}

fn written(batch: &Batch) -> Value {
    batch.writes[0].put.clone().unwrap()
}

fn applied(version: u64) -> Vec<Answer> {
    vec![Answer::Definite(Outcome::Applied(Version(version)))]
}

fn unavailable() -> Vec<Answer> {
    vec![Answer::Definite(Outcome::Unavailable)]
}

fn refused(there: Option<(Version, Value)>) -> Vec<Answer> {
    vec![Answer::Definite(Outcome::Refused(there))]
}

#[tokio::test]
async fn a_write_in_the_ordinary_case_is_one_request() {
    let writes = [
        (create_web(), CREATED, 41),
        (
            one(update(ip(7), Version(41), record(pod("web").owner()))),
            200,
            42,
        ),
        (one(put_pool("blue", None, pool_record(3))), CREATED, 43),
    ];
    for (batch, code, version) in writes {
        let script = Script::of([Reply::says(code, &object(version, &written(&batch)))]);
        assert_eq!(script.store().apply(&batch).await, applied(version));
        assert_eq!(script.asked().len(), 1);
    }
    let script = Script::of([Reply::says(200, r#"{"kind":"Status","status":"Success"}"#)]);
    let deletion = one(delete(ip(7), Version(41)));
    assert_eq!(script.store().apply(&deletion).await, applied(41));
    assert_eq!(script.asked().len(), 1);
}

#[tokio::test]
async fn a_conflict_tells_who_is_there() {
    let mine = create_web();
    let other = batch(8, [create(ip(7), record(pod("other").owner()))]);
    let there = written(&other);
    let script = Script::of([
        Reply::says(409, &status(409, "10.0.0.7")),
        Reply::says(200, &object(50, &there)),
    ]);
    let answers = script.store().apply(&mine).await;
    assert_eq!(answers, refused(Some((Version(50), there))));
    assert!(
        script.asked()[1].starts_with("GET /apis/galaxy.k8s.io/v1alpha1/floatingips/10.0.0.7?")
    );
}

#[tokio::test]
async fn a_conflict_with_its_own_work_is_recognised() {
    let mine = create_web();
    let script = Script::of([
        Reply::says(409, &status(409, "10.0.0.7")),
        Reply::says(200, &object(50, &written(&mine))),
    ]);
    assert_eq!(script.store().apply(&mine).await, applied(50));
}

#[tokio::test]
async fn its_own_work_that_somebody_has_edited_since_is_refused() {
    let mine = create_web();
    let Value::Address(mut edited) = written(&mine) else {
        panic!("no address");
    };
    edited.owner = pod("other").owner();
    let edited = Value::Address(edited);
    assert_eq!(edited.plan(), Some(plan(7)), "an edit leaves the plan's id");
    let script = Script::of([
        Reply::says(409, &status(409, "10.0.0.7")),
        Reply::says(200, &object(50, &edited)),
    ]);
    let answers = script.store().apply(&mine).await;
    assert_eq!(answers, refused(Some((Version(50), edited))));
}

#[tokio::test(start_paused = true)]
async fn what_was_in_the_way_and_is_gone_again_is_tried_again() {
    let mine = create_web();
    let script = Script::of([
        Reply::says(409, &status(409, "10.0.0.7")),
        Reply::says(404, &status(404, "10.0.0.7")),
        Reply::says(CREATED, &object(51, &written(&mine))),
    ]);
    assert_eq!(script.store().apply(&mine).await, applied(51));
}

#[tokio::test]
async fn nothing_there_refuses_an_update_and_answers_a_deletion() {
    let gone = || Script::of([Reply::says(404, &status(404, "10.0.0.7"))]);
    let change = one(update(ip(7), Version(41), record(pod("web").owner())));
    assert_eq!(gone().store().apply(&change).await, refused(None));
    let deletion = one(delete(ip(7), Version(41)));
    assert_eq!(gone().store().apply(&deletion).await, applied(41));
}

#[tokio::test]
async fn a_kind_that_is_not_served_says_nothing_of_what_is_stored() {
    let deletion = one(delete(ip(7), Version(41)));
    for body in ["404 page not found", &status(404, "")] {
        let script = Script::of([Reply::says(404, body)]);
        assert_eq!(script.store().apply(&deletion).await, unavailable());
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_turned_away_is_tried_again_after_a_pause() {
    let mine = create_web();
    let script = Script::of([
        Reply::says(429, "").after(1),
        Reply::says(503, "").after(1),
        Reply::says(CREATED, &object(51, &written(&mine))),
    ]);
    let start = Instant::now();
    assert_eq!(script.store().apply(&mine).await, applied(51));
    assert!(
        start.elapsed() >= Duration::from_secs(1),
        "half of each pause at least"
    );
}

#[tokio::test(start_paused = true)]
async fn what_is_turned_away_again_and_again_is_unavailable() {
    let script = Script::of((0..9).map(|_| Reply::says(429, "").after(100)));
    let start = Instant::now();
    assert_eq!(script.store().apply(&create_web()).await, unavailable());
    assert_eq!(script.asked().len(), 4, "bounded");
    assert!(
        start.elapsed() <= Duration::from_secs(3),
        "however long it asks for"
    );
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_does_not_come_in_time_is_unknown_and_its_repetition_finds_it() {
    let mine = create_web();
    let script = Script::of([
        Reply::Nothing,
        Reply::says(429, ""),
        Reply::says(429, ""),
        Reply::says(429, ""),
        Reply::says(429, ""),
        Reply::says(409, &status(409, "10.0.0.7")),
        Reply::says(200, &object(50, &written(&mine))),
    ]);
    let store = script.store();
    let start = Instant::now();
    assert_eq!(store.apply(&mine).await, [Answer::Unknown]);
    assert_eq!(start.elapsed(), StoreOptions::default().write_limit());
    assert_eq!(store.counts().in_doubt, 1);

    // That the repetition certainly does nothing says nothing of the first attempt.
    assert_eq!(store.apply(&mine).await, [Answer::Unknown]);
    assert_eq!(store.apply(&mine).await, applied(50));
    assert_eq!(store.counts().in_doubt, 0);
}

#[tokio::test]
async fn failures_of_the_server_are_unknown_and_rejections_are_not() {
    for code in [500, 502, 503, 504, 408] {
        let script = Script::of([Reply::says(code, "")]);
        assert_eq!(
            script.store().apply(&create_web()).await,
            [Answer::Unknown],
            "{code}"
        );
    }
    for code in [400, 401, 403, 413, 422] {
        let script = Script::of([Reply::says(code, &status(code, "10.0.0.7"))]);
        assert_eq!(
            script.store().apply(&create_web()).await,
            unavailable(),
            "{code}"
        );
        assert_eq!(script.asked().len(), 1, "{code}");
    }
    let script = Script::of([Reply::says(CREATED, "what?")]);
    assert_eq!(script.store().apply(&create_web()).await, [Answer::Unknown]);
}

#[tokio::test]
async fn a_look_that_fails_leaves_it_unknown_who_is_there() {
    let script = Script::of([
        Reply::says(409, &status(409, "10.0.0.7")),
        Reply::says(500, ""),
    ]);
    assert_eq!(script.store().apply(&create_web()).await, [Answer::Unknown]);
}

#[tokio::test]
async fn an_object_that_a_finalizer_keeps_is_not_deleted() {
    let there = written(&batch(8, [create(ip(7), record(pod("other").owner()))]));
    let script = Script::of([Reply::says(200, &object(50, &there))]);
    let deletion = one(delete(ip(7), Version(41)));
    let answers = script.store().apply(&deletion).await;
    assert_eq!(answers, refused(Some((Version(50), there))));
}

#[tokio::test(start_paused = true)]
async fn nothing_is_begun_that_the_lease_may_not_outlive() {
    let script = Script::of([Reply::says(CREATED, &object(41, &written(&create_web())))]);
    let gate = Gate::closed();
    let store = script.store_behind(gate.clone());
    assert_eq!(store.apply(&create_web()).await, unavailable());
    let limit = StoreOptions::default().write_limit();
    gate.open_until(Instant::now() + limit - Duration::from_millis(1));
    assert_eq!(store.apply(&create_web()).await, unavailable());
    assert_eq!((script.asked().len(), store.counts().not_begun), (0, 2));

    gate.open_until(Instant::now() + limit);
    assert_eq!(store.apply(&create_web()).await, applied(41));
}

#[tokio::test(start_paused = true)]
async fn what_is_in_doubt_stays_unknown_while_the_gate_is_closed() {
    let script = Script::of([Reply::Nothing]);
    let gate = Gate::open();
    let store = script.store_behind(gate.clone());
    assert_eq!(store.apply(&create_web()).await, [Answer::Unknown]);
    gate.close();
    assert_eq!(store.apply(&create_web()).await, [Answer::Unknown]);
    assert_eq!(script.asked().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_write_whose_caller_goes_away_is_in_doubt() {
    let script = Script::of([Reply::Nothing]);
    let gate = Gate::open();
    let store = script.store_behind(gate.clone());
    let dropped = tokio::time::timeout(Duration::from_millis(1), store.apply(&create_web())).await;
    assert!(dropped.is_err());
    gate.close();
    assert_eq!(store.apply(&create_web()).await, [Answer::Unknown]);
}

#[tokio::test]
async fn ordered_writes_wait_for_each_other_and_stop() {
    let writes = [1, 2, 3].map(|n| create(ip(n), record(pod("web").owner())));
    let ordered = Batch {
        in_order: true,
        ..batch(7, writes)
    };
    let script = Script::of([
        Reply::says(CREATED, &object(41, &written(&ordered))),
        Reply::says(500, ""),
    ]);
    let answers = script.store().apply(&ordered).await;
    let [first, second, third] = [applied(41), vec![Answer::Unknown], unavailable()];
    assert_eq!(answers, [first, second, third].concat());
    assert_eq!(script.asked().len(), 2);
}

#[tokio::test]
async fn no_connection_is_unavailable_and_a_lost_one_unknown() {
    let closed = script::closed_port().await;
    assert_eq!(closed.apply(&create_web()).await, unavailable());
    let lost = script::hangs_up().await;
    assert_eq!(lost.apply(&create_web()).await, [Answer::Unknown]);
}
