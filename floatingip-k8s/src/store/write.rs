//! The writer: one write from its beginning to an answer.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use floatingip_core::plan::Write;
use floatingip_core::record::PlanId;
use floatingip_core::store::{Answer, Outcome};
use kube::Client;
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep, timeout};
use tracing::{error, info, warn};

use super::StoreOptions;
use super::answer::{Verdict, looked, verdict};
use super::call::Call;
use super::doubt::{Before, Doubts};
use super::gate::Gate;
use super::metrics::{Counts, Meter};
use super::transport::{NoReply, Reply, exchange};

/// The longest wait for one of the places in flight.
const LONGEST_QUEUE: Duration = Duration::from_secs(10);
/// The first pause between attempts that did nothing.
const FIRST_PAUSE: Duration = Duration::from_millis(20);
/// The largest answer to a write: an object of the size that etcd takes.
const MOST: usize = 4 << 20;

pub(super) struct Writer {
    client: Client,
    options: Arc<StoreOptions>,
    gate: Gate,
    places: Semaphore,
    doubts: Doubts,
    meter: Meter,
    not_begun: AtomicU64,
    /// Whether the latest request failed for reasons of the API server, and that was told.
    troubled: AtomicBool,
}

impl Writer {
    pub(super) fn new(client: Client, options: Arc<StoreOptions>, gate: Gate) -> Self {
        Self {
            places: Semaphore::new(options.in_flight.max(1)),
            client,
            options,
            gate,
            doubts: Doubts::default(),
            meter: Meter::default(),
            not_begun: AtomicU64::new(0),
            troubled: AtomicBool::new(false),
        }
    }

    pub(super) fn counts(&self) -> Counts {
        let places = self.options.in_flight.max(1);
        Counts {
            requests: self.meter.tallies(),
            in_flight: places.saturating_sub(self.places.available_permits()),
            in_doubt: self.doubts.len(),
            not_begun: self.not_begun.load(Relaxed),
        }
    }

    pub(super) async fn write(&self, plan: PlanId, write: &Write) -> Answer {
        let options = &self.options;
        let call = match Call::new(write, &options.pool_namespace, options.server_limit) {
            Ok(call) => call,
            Err(error) => {
                let target = &write.target;
                error!(%plan, %target, error = &error as &dyn std::error::Error, "a record cannot be stored");
                return Answer::Definite(Outcome::Unavailable);
            }
        };
        let Some(before) = self.doubts.begin(plan, &write.target) else {
            warn!(%plan, "nothing more is written while so much has no certain outcome");
            return Answer::Definite(Outcome::Unavailable);
        };
        let answer = self.pursue(&call, write, before).await;
        if matches!(answer, Answer::Definite(_)) {
            self.doubts.end(plan, &write.target);
        }
        answer
    }

    /// Tries until there is an answer, or trying is of no use.
    async fn pursue(&self, call: &Call, write: &Write, before: Before) -> Answer {
        for attempt in 1..=self.options.attempts.max(1) {
            match self.attempt(call, write).await {
                Verdict::Applied(version) => return Answer::Definite(Outcome::Applied(version)),
                Verdict::Refused(there) => return Answer::Definite(Outcome::Refused(there)),
                // Whoever is in the way could be this write itself.
                Verdict::Unknown(_) | Verdict::Conflict => return Answer::Unknown,
                Verdict::Later(after, _) if attempt < self.options.attempts => {
                    sleep(self.pause(attempt, after)).await;
                }
                Verdict::Later(..) | Verdict::Rejected(_) | Verdict::NotBegun => break,
            }
        }
        match before {
            Before::Fresh => Answer::Definite(Outcome::Unavailable),
            // That this attempt did nothing says nothing of the one before.
            Before::Doubtful => Answer::Unknown,
        }
    }

    /// One attempt, with a look at the object where its expectation does not hold.
    async fn attempt(&self, call: &Call, write: &Write) -> Verdict {
        let limit = self.options.write_limit();
        let first = self
            .ask(
                call,
                || self.gate.outlasts(limit),
                |reply| verdict(call, reply),
            )
            .await;
        let verdict = match first {
            Verdict::Conflict => self.look(call, write).await,
            verdict => verdict,
        };
        self.tell(call, &verdict);
        verdict
    }

    /// Reading needs no gate.
    async fn look(&self, call: &Call, write: &Write) -> Verdict {
        let put = write.put.as_ref();
        let look = call.look();
        let found = self
            .ask(&look, || true, |reply| looked(call, put, reply))
            .await;
        match found {
            Verdict::NotBegun => Verdict::Unknown("not looked at".to_owned()),
            verdict => verdict,
        }
    }

    /// Sends one request, if there is a place for it and `allowed` says so then.
    async fn ask(
        &self,
        call: &Call,
        allowed: impl FnOnce() -> bool,
        judge: impl FnOnce(Result<Reply, NoReply>) -> Verdict,
    ) -> Verdict {
        let place = timeout(LONGEST_QUEUE, self.places.acquire()).await;
        let (Ok(Ok(_place)), true) = (place, allowed()) else {
            self.not_begun.fetch_add(1, Relaxed);
            return Verdict::NotBegun;
        };
        let start = Instant::now();
        let verdict = judge(self.send(call).await);
        self.meter
            .count(call.verb, verdict.result(), start.elapsed());
        verdict
    }

    async fn send(&self, call: &Call) -> Result<Reply, NoReply> {
        let request = call.request().map_err(kube::Error::HttpError);
        let request = request.map_err(NoReply::NotSent)?;
        exchange(&self.client, request, self.options.write_limit(), MOST).await
    }

    /// One line when the API server begins to fail, one when it is well again; each rejection, for
    /// somebody has to mend something.
    fn tell(&self, call: &Call, verdict: &Verdict) {
        let (kind, name) = (call.kind.plural(), call.name.as_str());
        match verdict {
            Verdict::Rejected(reason) => {
                error!(
                    kind,
                    name,
                    reason,
                    "the API server does not take a write: grant what it asks for, or apply deploy/crds"
                );
            }
            Verdict::Later(_, reason) | Verdict::Unknown(reason) => {
                if !self.troubled.swap(true, Relaxed) {
                    error!(
                        kind,
                        name,
                        reason,
                        "writes to the API server fail; they are repeated until their outcome is certain"
                    );
                }
            }
            Verdict::Applied(_) | Verdict::Refused(_) | Verdict::Conflict => {
                if self.troubled.swap(false, Relaxed) {
                    info!("the API server takes writes again");
                }
            }
            Verdict::NotBegun => {}
        }
    }

    /// A pause that doubles from attempt to attempt, not the same for any two writers.
    fn pause(&self, attempt: u32, asked: Option<Duration>) -> Duration {
        let grown = FIRST_PAUSE.saturating_mul(1 << attempt.min(10));
        let pause = grown.max(asked.unwrap_or_default());
        let pause = pause.min(self.options.longest_pause);
        pause.mul_f64(fastrand::f64().mul_add(0.5, 0.5))
    }
}
