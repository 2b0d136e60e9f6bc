//! Requests under way: an end that is told while one waits for its decision is that one's end too.
//!
//! Whoever gives up waiting ends what it asked for. There is nothing to end yet, so it is confirmed at once; decided
//! afterwards, the request would give addresses to nobody, which nobody ends a second time.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use crate::name::Name;
use crate::owner::Pod;
use crate::record::Attachment;
use crate::refusal::Refusal;
use crate::request::PodRequest;

/// A request that was announced, until this is dropped: see [`Orchestrator::announce`].
///
/// [`Orchestrator::announce`]: super::Orchestrator::announce
#[derive(Debug)]
pub struct Announced {
    pod: Pod,
    attachment: Option<Attachment>,
    ended: AtomicBool,
}

impl Announced {
    /// Whether it may still be decided. To be asked with the engine's lock held, under which ends are told.
    ///
    /// # Errors
    /// The pod or the container interface has ended since the request was announced.
    pub fn check(&self) -> Result<(), Refusal> {
        match self.ended.load(Ordering::Relaxed) {
            false => Ok(()),
            true => Err(Refusal::PodEnded {
                pod: self.pod.name.clone(),
                uid: self.pod.uid.clone(),
            }),
        }
    }

    fn end(&self) {
        self.ended.store(true, Ordering::Relaxed);
    }
}

/// The requests under way, which are few.
#[derive(Debug, Default)]
pub(super) struct Announcements(Mutex<Vec<Weak<Announced>>>);

impl Announcements {
    pub(super) fn add(&self, request: &PodRequest) -> Arc<Announced> {
        let announced = Arc::new(Announced {
            pod: request.pod().clone(),
            attachment: request.attachment().cloned(),
            ended: AtomicBool::new(false),
        });
        let mut all = self.lock();
        all.retain(|one| one.strong_count() > 0);
        all.push(Arc::downgrade(&announced));
        announced
    }

    /// A pod has ended.
    pub(super) fn end_pod(&self, uid: &Name) {
        self.end(|one| one.pod.uid == *uid);
    }

    /// A container interface has ended.
    pub(super) fn end_attachment(&self, attachment: &Attachment) {
        self.end(|one| one.attachment.as_ref() == Some(attachment));
    }

    fn end(&self, concerned: impl Fn(&Announced) -> bool) {
        let all = self.lock();
        let all = all.iter().filter_map(Weak::upgrade);
        all.filter(|one| concerned(one)).for_each(|one| one.end());
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Weak<Announced>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
