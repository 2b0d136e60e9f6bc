//! What drains, looked at round by round: by one caller at a time, and not again where nothing has changed.

use std::sync::Arc;

use floatingip_core::record::Version;
use floatingip_core::{Topology, WallTime};
use tokio::sync::Mutex;
use tokio::time::timeout;

use super::drains::{Place, Round};
use super::work::Work;
use super::{PATIENCE, Silence, Writer};
use crate::store::error::DocumentError;

/// Who is at it has the lock: two callers of whom one has a former configuration would undo each other's
/// notes.
#[derive(Debug, Default)]
pub(super) struct Rounds(Mutex<Option<Seen>>);

/// What was there when everything was last looked at.
#[derive(Debug)]
struct Seen {
    topology: Arc<Topology>,
    /// Of the latest write before the first round: what was written since may have to be looked at.
    version: Version,
}

impl Writer {
    /// Notes what drains under the configuration in force, which is asked for before each round. Answers
    /// with how many notes were changed.
    pub(in crate::store) async fn note_drains(
        &self,
        in_force: impl Fn() -> Arc<Topology>,
        at: WallTime,
    ) -> Result<usize, DocumentError> {
        let alone = timeout(PATIENCE, self.rounds.0.lock()).await;
        let mut seen = alone.map_err(|_| Silence::NotQueued)?;
        let topology = in_force();
        if seen
            .as_ref()
            .is_some_and(|seen| self.is_still(seen, &topology))
        {
            return Ok(0);
        }
        *seen = None;
        let (changes, all) = self.look_at_all(topology, in_force, at).await?;
        *seen = Some(all);
        Ok(changes)
    }

    fn is_still(&self, seen: &Seen, topology: &Arc<Topology>) -> bool {
        Arc::ptr_eq(&seen.topology, topology) && self.counters.latest() == Some(seen.version)
    }

    async fn look_at_all(
        &self,
        mut topology: Arc<Topology>,
        in_force: impl Fn() -> Arc<Topology>,
        at: WallTime,
    ) -> Result<(usize, Seen), DocumentError> {
        let mut place = Place::START;
        let mut changes = 0;
        let mut before = None;
        loop {
            let round = self.note_some(&topology, place, at).await?;
            changes += round.changes;
            let version = *before.get_or_insert(round.version);
            let Some(next) = round.next else {
                return Ok((changes, Seen { topology, version }));
            };
            let now = in_force();
            place = match Arc::ptr_eq(&now, &topology) {
                true => next,
                false => Place::START,
            };
            topology = now;
        }
    }

    /// One round; see [`super::drains::perform`].
    pub(in crate::store) async fn note_some(
        &self,
        topology: &Arc<Topology>,
        from: Place,
        at: WallTime,
    ) -> Result<Round, DocumentError> {
        let topology = Arc::clone(topology);
        self.ask(|reply| Work::Drains {
            topology,
            at,
            from,
            reply,
        })
        .await
    }
}
