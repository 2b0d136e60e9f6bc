//! How long nobody decides, as the scheduler finds it: its question is asked all the time.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use floatingip_testkit::Workload;
use floatingip_testkit::web::Web;
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

/// The pause between two questions, and how long one may take.
const PAUSE: Duration = Duration::from_millis(20);
const PATIENCE: Duration = Duration::from_millis(500);
/// What a server says that does not decide.
const REFUSALS: [&str; 3] = [
    "another process leads",
    "the server is starting",
    "has begun to lead",
];

/// Questions at a port, until this is dropped.
pub(crate) struct Gap {
    seen: Arc<Mutex<Seen>>,
    _asking: JoinSet<()>,
}

#[derive(Debug, Default)]
struct Seen {
    decided: Option<Instant>,
    longest: Duration,
    decisions: usize,
}

impl Gap {
    pub(crate) fn watch(port: u16) -> Result<Self> {
        let web = Web::at(port)?;
        let seen = Arc::<Mutex<Seen>>::default();
        let tell = Arc::clone(&seen);
        let mut asking = JoinSet::new();
        asking.spawn(async move {
            let question = question();
            loop {
                let answer = timeout(PATIENCE, web.post("/v1/filter", &question)).await;
                if answer.is_ok_and(|it| it.is_ok_and(|it| is_decision(&it.body))) {
                    lock(&tell).decided();
                }
                sleep(PAUSE).await;
            }
        });
        Ok(Self {
            seen,
            _asking: asking,
        })
    }

    /// The longest time between two decisions so far.
    pub(crate) fn longest(self) -> Result<Duration> {
        let mut seen = lock(&self.seen);
        ensure!(seen.decisions > 10, "hardly anything was decided: {seen:?}");
        // One that still lasts counts too.
        let lasts = seen
            .decided
            .map_or(Duration::MAX, |decided| decided.elapsed());
        seen.longest = seen.longest.max(lasts);
        Ok(seen.longest)
    }
}

impl Seen {
    fn decided(&mut self) {
        let gap = self.decided.replace(Instant::now());
        let gap = gap.map_or(Duration::ZERO, |decided| decided.elapsed());
        self.longest = self.longest.max(gap);
        self.decisions += 1;
    }
}

fn lock(seen: &Mutex<Seen>) -> std::sync::MutexGuard<'_, Seen> {
    seen.lock().unwrap_or_else(PoisonError::into_inner)
}

/// About a pod that does not exist: it costs nothing, and only who decides says that it is not known.
pub(crate) fn question() -> Value {
    let pod = Workload::pod("default", "question");
    json!({"Pod": pod.manifest(), "NodeNames": ["node-1"]})
}

pub(crate) fn is_decision(answer: &str) -> bool {
    !answer.is_empty() && !REFUSALS.iter().any(|refusal| answer.contains(refusal))
}
