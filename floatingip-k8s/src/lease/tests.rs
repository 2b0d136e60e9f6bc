//! The lease against a modelled API server, on a clock that moves only when everybody waits.

use serde_json::{Value, json};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::*;
use crate::scripted::{Server, Silence, until};

const LEASE: &str = "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases/floatingip";

fn lease(server: &Server) -> Value {
    server.object(LEASE).unwrap()
}

/// A process that competes.
struct Candidate {
    gate: Gate,
    leadership: watch::Receiver<Leadership>,
    stop: oneshot::Sender<()>,
    task: JoinHandle<Elector>,
}

impl Candidate {
    fn start(server: &Server, identity: &str) -> Self {
        let gate = Gate::closed();
        let settings = LeaseSettings::new("kube-system", "floatingip", identity.to_owned());
        let mut elector = Elector::new(server.client(), settings, gate.clone());
        let leadership = elector.leadership();
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(async move {
            elector.run(async { _ = stopped.await }).await;
            elector
        });
        Self {
            gate,
            leadership,
            stop,
            task,
        }
    }

    async fn becomes(&mut self, what: Leadership) {
        let changed = self.leadership.wait_for(|now| *now == what);
        timeout(Duration::from_secs(60), changed)
            .await
            .unwrap()
            .unwrap();
    }

    async fn stop(self) -> Elector {
        self.stop.send(()).unwrap();
        self.task.await.unwrap()
    }
}

fn other(name: &str) -> Leadership {
    let places = Places::default();
    Leadership::Other(Holder {
        identity: name.to_owned(),
        places,
    })
}

#[tokio::test(start_paused = true)]
async fn the_first_one_leads_and_the_other_waits() {
    let server = Server::default();
    let mut first = Candidate::start(&server, "a");
    first.becomes(Leadership::Own).await;
    let mut second = Candidate::start(&server, "b");
    second.becomes(other("a")).await;
    sleep(Duration::from_secs(30)).await;
    assert!(first.leadership.borrow().is_own());
    assert!(first.gate.remaining().unwrap() > Duration::from_secs(4));
    assert_eq!(second.gate.remaining(), None);
    assert_eq!(lease(&server)["spec"]["leaseTransitions"], json!(1));
}

#[tokio::test(start_paused = true)]
async fn a_silent_holder_is_followed_when_its_lease_was_seen_to_last() {
    let server = Server::default();
    let mut first = Candidate::start(&server, "a");
    first.becomes(Leadership::Own).await;
    let mut second = Candidate::start(&server, "b");
    second.becomes(other("a")).await;
    first.stop().await;
    let silent = Instant::now();
    second.becomes(Leadership::Own).await;
    let waited = silent.elapsed();
    assert!(waited > Duration::from_secs(4), "{waited:?}");
    assert!(waited < Duration::from_secs(9), "{waited:?}");
}

#[tokio::test(start_paused = true)]
async fn whoever_gives_up_is_followed_at_the_next_look() {
    let server = Server::default();
    let mut first = Candidate::start(&server, "a");
    first.becomes(Leadership::Own).await;
    let mut second = Candidate::start(&server, "b");
    second.becomes(other("a")).await;
    let gate = first.gate.clone();
    first.stop().await.give_up().await;
    assert_eq!(gate.remaining(), None);
    assert_eq!(lease(&server)["spec"]["holderIdentity"], json!(""));
    let free = Instant::now();
    second.becomes(Leadership::Own).await;
    assert!(free.elapsed() < Duration::from_secs(2));
}

/// The gate is closed before anybody else could take the lease over.
#[tokio::test(start_paused = true)]
async fn who_cannot_renew_stops_before_others_begin() {
    let server = Server::default();
    let mut first = Candidate::start(&server, "a");
    first.becomes(Leadership::Own).await;
    let renewed = Instant::now();
    server.be_silent(Some(Silence::Deaf));
    first.becomes(Leadership::Unknown).await;
    assert!(
        renewed.elapsed() < Duration::from_secs(6),
        "{:?}",
        renewed.elapsed()
    );
    assert_eq!(first.gate.remaining(), None);
    server.be_silent(None);
    first.becomes(Leadership::Own).await;
}

/// The times in the object are another machine's, and may be anything.
#[tokio::test(start_paused = true)]
async fn times_in_the_object_decide_nothing() {
    let server = Server::default();
    let mut first = Candidate::start(&server, "a");
    first.becomes(Leadership::Own).await;
    first.stop().await;
    let mut old = lease(&server);
    old["spec"]["renewTime"] = json!("2001-01-01T00:00:00.000000Z");
    server.put(LEASE, old);
    let begun = Instant::now();
    let mut second = Candidate::start(&server, "b");
    second.becomes(Leadership::Own).await;
    assert!(begun.elapsed() > Duration::from_secs(6));
}

/// The holder renews while another's reading is under way, and is lost then: its time counts from the renewal,
/// not from when the reading was begun.
#[tokio::test(start_paused = true)]
async fn a_slow_reading_does_not_make_a_lease_older() {
    let server = Server::default();
    let elector = |identity: &str, gate: &Gate| {
        let settings = LeaseSettings::new("kube-system", "floatingip", identity.to_owned());
        Elector::new(server.client(), settings, gate.clone())
    };
    let (first, second) = (Gate::closed(), Gate::closed());
    let (mut holder, mut waits) = (elector("a", &first), elector("b", &second));
    holder.turn().await;
    server.read_slowly(Duration::from_millis(1900));
    let renew_meanwhile = async {
        sleep(Duration::from_millis(1800)).await;
        holder.turn().await;
    };
    tokio::join!(waits.turn(), renew_meanwhile);
    server.read_slowly(Duration::ZERO);
    while second.remaining().is_none() {
        sleep(Duration::from_millis(100)).await;
        waits.turn().await;
    }
    assert_eq!(first.remaining(), None);
}

/// What is asked of one that waits goes to where the holder says that it answers.
#[tokio::test(start_paused = true)]
async fn the_lease_says_where_its_holder_answers_and_nothing_of_former_ones() {
    let server = Server::default();
    let elector = |identity: &str, places: Places| {
        let settings = LeaseSettings {
            places,
            ..LeaseSettings::new("kube-system", "floatingip", identity.to_owned())
        };
        Elector::new(server.client(), settings, Gate::closed())
    };
    let there = Places {
        extender: Some("10.0.0.5:9040".to_owned()),
        api: Some("10.0.0.5:9041".to_owned()),
    };
    let mut first = elector("a", there.clone());
    let mut second = elector("b", Places::default());
    first.turn().await;
    second.turn().await;
    let seen = second.leadership().borrow().clone();
    let holder = Holder {
        identity: "a".to_owned(),
        places: there,
    };
    assert_eq!(seen, Leadership::Other(holder));
    first.give_up().await;
    second.turn().await;
    first.turn().await;
    assert_eq!(*first.leadership().borrow(), other("b"));
}

#[tokio::test(start_paused = true)]
async fn who_comes_second_to_a_free_lease_follows_who_was_faster() {
    let server = Server::default();
    let elector = |identity: &str| {
        let settings = LeaseSettings::new("kube-system", "floatingip", identity.to_owned());
        Elector::new(server.client(), settings, Gate::closed())
    };
    let (mut former, mut faster, mut slower) = (elector("a"), elector("b"), elector("c"));
    former.turn().await;
    former.give_up().await;
    server.read_slowly(Duration::from_millis(100));
    tokio::join!(faster.turn(), slower.turn());
    let states = [faster, slower].map(|elector| elector.leadership().borrow().clone());
    assert!(
        states.contains(&Leadership::Own)
            && states
                .iter()
                .any(|state| matches!(state, Leadership::Other(_))),
        "{states:?}"
    );
}

/// Told to end while it renews, it does not forget the version that its own renewal makes.
#[tokio::test(start_paused = true)]
async fn who_is_told_to_end_in_the_middle_of_a_renewal_gives_the_lease_back() {
    let server = Server::default();
    let mut first = Candidate::start(&server, "a");
    first.becomes(Leadership::Own).await;
    server.answer_slowly(Duration::from_millis(500));
    let version = || lease(&server)["metadata"]["resourceVersion"].clone();
    let former = version();
    until(|| version() != former).await;
    let mut elector = first.stop().await;
    server.answer_slowly(Duration::ZERO);
    elector.give_up().await;
    assert_eq!(lease(&server)["spec"]["holderIdentity"], json!(""));
}
