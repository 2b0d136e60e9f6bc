//! The bounds of the journal, and what its answers say of what was dropped.

use std::sync::atomic::{AtomicU64, Ordering};

use floatingip_core::Now;

use super::*;

const HOUR: u64 = 60 * 60;
const AGE: u64 = 10 * HOUR;

/// A clock that is set by hand, in seconds.
#[derive(Clone, Default)]
struct Hands {
    wall: Arc<AtomicU64>,
    elapsed: Arc<AtomicU64>,
}

impl Hands {
    fn run(&self, seconds: u64) {
        self.wall.fetch_add(seconds, Ordering::Relaxed);
        self.elapsed.fetch_add(seconds, Ordering::Relaxed);
    }

    /// The calendar alone.
    fn jump_to(&self, seconds: u64) {
        self.wall.store(seconds, Ordering::Relaxed);
    }

    fn wall(&self) -> WallTime {
        WallTime::from_nanos(self.wall.load(Ordering::Relaxed) * 1_000_000_000)
    }

    fn open(&self, folder: &TempDir, options: Options) -> EmbeddedStore {
        let hands = self.clone();
        let clock = RunningClock::new(move || Now {
            wall: hands.wall(),
            elapsed: Duration::from_secs(hands.elapsed.load(Ordering::Relaxed)),
        });
        let file = DatabaseFile::in_folder(folder.path()).unwrap();
        EmbeddedStore::start_at(file, options, clock).unwrap()
    }

    /// The owner `web` gets an address, now.
    async fn create(&self, store: &EmbeddedStore, n: u32) {
        let mut batch = web(n);
        for write in &mut batch.writes {
            write.entry.as_mut().unwrap().at = self.wall();
        }
        let answers = store.apply(&batch).await;
        assert!(matches!(
            answers[..],
            [Answer::Definite(Outcome::Applied(_))]
        ));
    }
}

fn aged() -> Options {
    Options {
        journal_age: Some(Duration::from_secs(AGE)),
        ..Options::default()
    }
}

fn kept(store: &EmbeddedStore, addresses: u32) -> usize {
    let lines = |n| store.history(ip(n), 9).unwrap().len();
    (1..=addresses).map(lines).sum()
}

fn told(store: &EmbeddedStore, n: u32, at: Option<WallTime>) -> History {
    let question = HistoryQuestion {
        ip: ip(n),
        before: None,
        at,
        most: 9,
    };
    store.journal(&question).unwrap()
}

#[tokio::test]
async fn what_is_too_old_goes_with_the_next_change() {
    let (folder, hands) = (folder(), Hands::default());
    let store = hands.open(&folder, aged());
    hands.create(&store, 1).await;
    hands.run(AGE);
    hands.create(&store, 2).await;
    assert_eq!(kept(&store, 2), 2, "not older than it may be");
    hands.run(1);
    hands.create(&store, 3).await;
    assert_eq!(kept(&store, 3), 2);
    assert!(store.history(ip(1), 9).unwrap().is_empty());
}

/// Asks for what is refused, so often.
async fn ask_in_vain(store: &EmbeddedStore, times: u64) {
    for n in 0..times {
        let taken = batch(1_000_000 + n, [create(ip(1), record(pod("db").owner()))]);
        let answers = store.apply(&taken).await;
        assert!(matches!(
            answers[..],
            [Answer::Definite(Outcome::Refused(_))]
        ));
    }
}

#[tokio::test]
async fn what_is_too_old_goes_within_the_hour_though_all_that_is_asked_changes_nothing() {
    let (folder, hands) = (folder(), Hands::default());
    let store = hands.open(&folder, aged());
    let writes = (1..=600).map(|n| create(ip(n), record(pod("web").owner())));
    store.apply(&batch(1, writes)).await;
    hands.run(AGE + 1);
    // Each time so many that no commit becomes slow.
    ask_in_vain(&store, 3).await;
    assert_eq!(kept(&store, 600), 0);
}

#[tokio::test]
async fn a_journal_with_nothing_too_old_is_looked_after_once_an_hour() {
    let (folder, hands) = (folder(), Hands::default());
    let store = hands.open(&folder, aged());
    hands.create(&store, 1).await;
    hands.run(HOUR);
    ask_in_vain(&store, 5).await;
    assert_eq!(store.counts().commits, 2);
}

#[tokio::test]
async fn a_calendar_that_jumps_does_not_wipe_the_journal() {
    let (folder, hands) = (folder(), Hands::default());
    let store = hands.open(&folder, aged());
    hands.create(&store, 1).await;
    for wall in [1000 * AGE, 0, 2000 * AGE] {
        hands.jump_to(wall);
        hands
            .create(&store, 2 + u32::try_from(wall / AGE).unwrap())
            .await;
    }
    assert_eq!(kept(&store, 2002), 4);
}

#[tokio::test]
async fn the_journal_grows_older_over_restarts() {
    let (folder, hands) = (folder(), Hands::default());
    for n in 1..=4 {
        let store = hands.open(&folder, aged());
        hands.create(&store, n).await;
        store.close();
        hands.run(4 * HOUR);
    }
    let store = hands.open(&folder, aged());
    hands.create(&store, 5).await;
    let lines = |n| store.history(ip(n), 9).unwrap().len();
    assert_eq!([1, 2, 3, 4, 5].map(lines), [0, 0, 1, 1, 1]);
}

#[tokio::test]
async fn the_journal_is_bounded_by_bytes() {
    let (folder, hands) = (folder(), Hands::default());
    let options = Options {
        journal_bytes: 2000,
        journal_age: None,
        ..Options::default()
    };
    let store = hands.open(&folder, options);
    let mut most = 0;
    for n in 1..=100 {
        hands.create(&store, n).await;
        most = most.max(kept(&store, n));
    }
    assert!((10..40).contains(&most), "{most}");
    assert!(kept(&store, 100) > 9);
    assert_eq!(store.history(ip(100), 9).unwrap().len(), 1);
}

#[tokio::test]
async fn a_bound_that_was_lowered_is_reached_step_by_step() {
    let (folder, hands) = (folder(), Hands::default());
    let store = hands.open(&folder, aged());
    let writes = (1..=600).map(|n| create(ip(n), record(pod("web").owner())));
    store.apply(&batch(1, writes)).await;
    store.close();
    let options = Options {
        journal_limit: 10,
        ..aged()
    };
    let store = hands.open(&folder, options);
    let mut left = Vec::new();
    for n in 601..=603 {
        hands.create(&store, n).await;
        left.push(kept(&store, 603));
    }
    assert_eq!(left, [601 - 258, 602 - 2 * 258, 10]);
}

#[tokio::test]
async fn what_was_dropped_is_dated_and_what_it_came_to_is_known() {
    let (folder, hands) = (folder(), Hands::default());
    let options = Options {
        journal_limit: 1,
        ..aged()
    };
    let store = hands.open(&folder, options);
    hands.run(100);
    hands.create(&store, 1).await;
    assert_eq!(told(&store, 1, None).since, None);
    hands.run(100);
    hands.create(&store, 2).await;
    let dropped = WallTime::from_nanos(100_000_000_000);
    let list = told(&store, 1, None);
    assert_eq!((list.complete, list.since), (false, Some(dropped)));
    let then = told(&store, 1, Some(dropped));
    let owner = then.owner.map(|owner| owner.pod_name().to_string());
    assert_eq!((then.complete, owner.as_deref()), (true, Some("web")));
    let before = told(&store, 1, Some(WallTime::from_nanos(99_000_000_000)));
    assert_eq!((before.complete, before.owner), (false, None));
}

#[tokio::test]
async fn a_moment_is_found_over_many_segments_also_where_the_clock_was_set_back() {
    let (folder, hands) = (folder(), Hands::default());
    let store = hands.open(
        &folder,
        Options {
            journal_age: Some(Duration::from_secs(1000 * HOUR)),
            ..Options::default()
        },
    );
    let mut version = None;
    // The dates of five segments: the calendar is set back in the third.
    for (n, at) in [100, 200, 50, 300, 400].into_iter().enumerate() {
        hands.run(2 * HOUR);
        let owner = record(pod(&format!("pod-{n}")).owner());
        let write = match version {
            None => create(ip(1), owner),
            Some(version) => update(ip(1), version, owner),
        };
        let mut batch = batch(n as u64 + 1, [write]);
        batch.writes[0].entry.as_mut().unwrap().at = WallTime::from_nanos(at);
        store.apply(&batch).await;
        version = Some(Version(n as u64 + 1));
    }
    let owner = |at| {
        let told = told(&store, 1, Some(WallTime::from_nanos(at)));
        assert!(told.complete);
        told.owner.map(|owner| owner.pod_name().to_string())
    };
    let told = [49, 50, 150, 250, 300, 399, 400].map(owner);
    let told: Vec<&str> = told.iter().map(|o| o.as_deref().unwrap_or("")).collect();
    assert_eq!(
        told,
        ["", "pod-2", "pod-2", "pod-2", "pod-3", "pod-3", "pod-4"]
    );
}

#[tokio::test]
async fn a_journal_without_segments_is_divided_when_it_is_opened() {
    let (folder, hands) = (folder(), Hands::default());
    let store = hands.open(&folder, aged());
    hands.create(&store, 1).await;
    hands.create(&store, 2).await;
    store.close();
    tamper(&folder, |transaction| {
        let segments = TableDefinition::<u64, &[u8]>::new("journal_segments");
        let kept = TableDefinition::<&str, u64>::new("journal_kept");
        assert!(transaction.delete_table(segments).unwrap());
        assert!(transaction.delete_table(kept).unwrap());
    });
    let store = hands.open(&folder, aged());
    assert!(told(&store, 1, Some(WallTime::default())).complete);
    assert_eq!(kept(&store, 2), 2);
    hands.run(AGE + 1);
    hands.create(&store, 3).await;
    assert_eq!(kept(&store, 3), 1, "they grow old as the others do");
}
