//! Events: what people should know, told at the objects that it is about.
//!
//! Nobody waits for an event and nobody is flooded by them: a bounded queue, the same text at most once in
//! five minutes for each object and reason, another text after ten seconds, twenty events a second in all.

mod recent;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::ObjectReference;
use k8s_openapi::api::events::v1::Event;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};
use kube::api::{Api, PostParams};
use kube::{Client, Resource};
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};
use tracing::{debug, warn};

use crate::causes::Causes;
use recent::Recent;

/// How many events wait to be written.
const QUEUE: usize = 1024;
/// The pause between two of them.
const PACE: Duration = Duration::from_millis(50);
/// How long one may take to be written.
const LIMIT: Duration = Duration::from_secs(5);
/// The longest note that the API server takes, in bytes.
const LONGEST_NOTE: usize = 1024;
/// Who reports.
const CONTROLLER: &str = "floatingip";

/// What an event says.
#[derive(Clone, Debug, PartialEq)]
pub struct Notice {
    /// The object that it is about.
    pub regarding: ObjectReference,
    /// How bad it is.
    pub severity: Severity,
    /// What happened, one word in CamelCase; from a closed set.
    pub reason: &'static str,
    /// The same for people, with what to do.
    pub note: String,
}

/// How bad what happened is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// Nothing to worry about.
    Normal,
    /// Somebody should look.
    Warning,
}

/// A reference to a pod, for [`Notice::regarding`].
pub fn pod_reference(namespace: &str, name: &str, uid: &str) -> ObjectReference {
    reference_of::<k8s_openapi::api::core::v1::Pod>(Some(namespace), name, Some(uid))
}

/// A reference to any object of a type.
pub fn reference_of<K: Resource<DynamicType = ()>>(
    namespace: Option<&str>,
    name: &str,
    uid: Option<&str>,
) -> ObjectReference {
    ObjectReference {
        api_version: Some(K::api_version(&()).into_owned()),
        kind: Some(K::kind(&()).into_owned()),
        namespace: namespace.map(str::to_owned),
        name: Some(name.to_owned()),
        uid: uid.map(str::to_owned),
        ..ObjectReference::default()
    }
}

/// Takes notices from everywhere.
#[derive(Clone, Debug)]
pub struct Reporter {
    queue: mpsc::Sender<Notice>,
    recent: Arc<Mutex<Recent>>,
    lost: Arc<AtomicU64>,
}

/// Writes what reporters were told; to be run as long as they are used.
pub struct Publisher {
    client: Client,
    instance: String,
    queue: mpsc::Receiver<Notice>,
    lost: Arc<AtomicU64>,
}

impl fmt::Debug for Publisher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Publisher").finish_non_exhaustive()
    }
}

impl Reporter {
    /// A reporter, and the publisher that writes its notices in the name of `instance`.
    pub fn new(client: Client, instance: String) -> (Self, Publisher) {
        let (sender, queue) = mpsc::channel(QUEUE);
        let lost = Arc::<AtomicU64>::default();
        let reporter = Self {
            queue: sender,
            recent: Arc::default(),
            lost: Arc::clone(&lost),
        };
        let publisher = Publisher {
            client,
            instance,
            queue,
            lost,
        };
        (reporter, publisher)
    }

    /// Tells it, unless the same was told just before. Never waits: with a full queue the notice is lost,
    /// and counted.
    pub fn tell(&self, notice: Notice) {
        let news = {
            let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
            recent.is_news(&notice, Instant::now())
        };
        if news && self.queue.try_send(notice).is_err() {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// How many notices did not become events: the queue was full, or the API server did not take them.
    pub fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }
}

impl Publisher {
    /// Writes until the last reporter is gone.
    pub async fn run(mut self) {
        let mut pace = interval(PACE);
        pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while let Some(notice) = self.queue.recv().await {
            pace.tick().await;
            self.publish(notice).await;
        }
    }

    async fn publish(&self, notice: Notice) {
        let namespace = notice.regarding.namespace.as_deref().unwrap_or("default");
        let events: Api<Event> = Api::namespaced(self.client.clone(), namespace);
        let event = self.event_of(&notice, namespace);
        let params = PostParams::default();
        let failure = match timeout(LIMIT, events.create(&params, &event)).await {
            Ok(Ok(_)) => return,
            // Its namespace is being deleted, and takes the object along.
            Ok(Err(kube::Error::Api(status))) if status.is_not_found() => {
                return debug!("nobody is left to be told: {}", status.message);
            }
            Ok(Err(error)) => Causes(&error).to_string(),
            Err(_) => "the API server did not answer in time".to_owned(),
        };
        self.lost.fetch_add(1, Ordering::Relaxed);
        warn!(
            reason = notice.reason,
            note = notice.note,
            "an event was not written: {failure}"
        );
    }

    fn event_of(&self, notice: &Notice, namespace: &str) -> Event {
        let now = Timestamp::now();
        let name = notice.regarding.name.as_deref().unwrap_or(CONTROLLER);
        let severity = match notice.severity {
            Severity::Normal => "Normal",
            Severity::Warning => "Warning",
        };
        Event {
            metadata: ObjectMeta {
                name: Some(format!("{name}.{:x}", now.as_nanosecond())),
                namespace: Some(namespace.to_owned()),
                ..ObjectMeta::default()
            },
            action: Some("Allocate".to_owned()),
            event_time: Some(MicroTime(now)),
            note: Some(shortened(&notice.note)),
            reason: Some(notice.reason.to_owned()),
            regarding: Some(notice.regarding.clone()),
            reporting_controller: Some(CONTROLLER.to_owned()),
            reporting_instance: Some(self.instance.clone()),
            type_: Some(severity.to_owned()),
            ..Event::default()
        }
    }
}

/// The note as far as it may go, cut between characters.
fn shortened(note: &str) -> String {
    const MORE: &str = " …";
    if note.len() <= LONGEST_NOTE {
        return note.to_owned();
    }
    let end = note.floor_char_boundary(LONGEST_NOTE - MORE.len());
    let kept = note.get(..end).unwrap_or_default();
    format!("{kept}{MORE}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_notes_are_cut_between_characters() {
        let long = "é".repeat(1000);
        let short = shortened(&long);
        assert!(short.len() <= LONGEST_NOTE);
        assert!(short.ends_with("é …"));
        assert_eq!(shortened("full"), "full");
    }
}
