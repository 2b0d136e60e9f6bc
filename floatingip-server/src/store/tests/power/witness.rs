//! Who listens to what the store is asked and what it answers.

use std::sync::{Arc, Mutex, MutexGuard};

use floatingip_core::plan::Batch;
use floatingip_core::store::{Answer, LoadError, Snapshot};
use floatingip_core::{Store, Topology, WallTime};

use super::notes::{Notes, app_of};
use crate::store::{AppChange, DocumentError, EmbeddedStore};

/// The one document that is written again and again, each time with a higher number.
pub(super) const DOCUMENT: &str = "number";

/// The embedded store with somebody who takes notes of what it is asked and what it answers.
#[derive(Debug)]
pub(super) struct Witness {
    store: EmbeddedStore,
    notes: Mutex<Notes>,
}

impl Witness {
    pub(super) fn new(store: EmbeddedStore, notes: Notes) -> Self {
        Self {
            store,
            notes: Mutex::new(notes),
        }
    }

    pub(super) fn notes(&self) -> Notes {
        self.lock().clone()
    }

    /// Writes the next number.
    pub(super) async fn put_document(&self) {
        let number = self.lock().begin_document();
        let put = self.store.put_document(DOCUMENT, &number.to_string()).await;
        match put {
            Ok(()) => self.lock().end_document(number),
            Err(error) => assert_ne!(error, DocumentError::Unavailable, "before the cut"),
        }
    }

    /// Whether it was done. Nobody changes the same app meanwhile.
    pub(super) async fn change_app(&self, change: AppChange) -> bool {
        self.lock().begin_app(&change);
        let done = self.store.change_app(change.clone()).await.is_ok();
        if done {
            let app = app_of(&change);
            // Shown by the store from the commit on.
            self.lock().end_app(app, self.store.apps.told(app));
        }
        done
    }

    /// Tells the journal what drains; nobody else does meanwhile.
    pub(super) async fn note_drains(&self, topology: &Arc<Topology>, at: WallTime) {
        let drains = self.lock().begin_drains(topology);
        if self
            .store
            .note_drains(|| Arc::clone(topology), at)
            .await
            .is_ok()
        {
            self.lock().end_drains(drains);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Notes> {
        self.notes.lock().unwrap()
    }
}

impl Store for Witness {
    fn atomic(&self) -> bool {
        self.store.atomic()
    }

    async fn load(&self) -> Result<Snapshot, LoadError> {
        self.store.load().await
    }

    async fn apply(&self, batch: &Batch) -> Vec<Answer> {
        self.lock().ask(batch);
        let answers = self.store.apply(batch).await;
        self.lock().answer(batch, &answers);
        answers
    }
}
