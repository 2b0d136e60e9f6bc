//! What callers ask of the writer, and how they are answered.

use std::sync::Arc;

use floatingip_core::plan::Batch;
use floatingip_core::record::Version;
use floatingip_core::store::{Answer, Outcome};
use floatingip_core::{Topology, WallTime};
use tokio::sync::{OwnedSemaphorePermit, oneshot};

use super::super::apps::{AppChange, AppError};
use super::super::error::DocumentError;
use super::super::format;
use super::super::tables::Tables;
use super::app::{self, Shown};
use super::doubt::Doubt;
use super::drains::{Place, Round};
use super::{batch, drains};

/// Work with its place in the queue.
pub(super) struct Job {
    pub(super) work: Work,
    pub(super) _room: OwnedSemaphorePermit,
}

pub(super) enum Work {
    Batch(Batch, oneshot::Sender<Vec<Answer>>),
    Document {
        name: String,
        text: String,
        reply: oneshot::Sender<Result<(), DocumentError>>,
    },
    App(AppChange, oneshot::Sender<Result<(), AppError>>),
    Drains {
        topology: Arc<Topology>,
        at: WallTime,
        from: Place,
        reply: oneshot::Sender<Result<Round, DocumentError>>,
    },
}

/// What became of one job of a group.
#[derive(Clone, Debug)]
pub(super) enum Verdict {
    /// It was looked at; for a batch, write by write.
    Answers(Vec<Outcome>),
    /// Not written this time.
    Unavailable,
    /// Perhaps written.
    Unknown,
    /// Not written: there are as many as there may be.
    Full,
    /// Notes of draining addresses were looked at.
    Noted(Round),
}

impl Work {
    /// Does it within a transaction. `version` is the latest one in use.
    pub(super) fn perform(
        &self,
        tables: &mut Tables<'_>,
        version: &mut Version,
    ) -> Result<(Verdict, Option<Shown>), redb::Error> {
        Ok(match self {
            Self::Batch(batch, _) => (batch::perform(batch, tables, version)?, None),
            Self::Document { name, text, .. } => {
                let Ok(bytes) = format::document_bytes(name, text) else {
                    return Ok((Verdict::Unavailable, None));
                };
                tables.documents.insert(name.as_str(), bytes.as_slice())?;
                (Verdict::Answers(Vec::new()), None)
            }
            Self::App(change, _) => app::perform(change, tables, version)?,
            Self::Drains {
                topology, at, from, ..
            } => {
                let round = drains::perform(topology, *at, *from, tables, version)?;
                (Verdict::Noted(round), None)
            }
        })
    }

    /// Whether it writes without taking a version.
    pub(super) fn is_unversioned(&self) -> bool {
        matches!(self, Self::Document { .. })
    }

    /// Tells the caller. One that went away misses its answer, and nothing else.
    pub(super) fn answer(self, verdict: Verdict, doubt: &Doubt) {
        match self {
            Self::Batch(batch, reply) => drop(reply.send(verdict.of_batch(&batch, doubt))),
            Self::Document { reply, .. } => drop(reply.send(verdict.of_document())),
            Self::Drains { reply, .. } => drop(reply.send(verdict.of_drains())),
            Self::App(_, reply) => drop(reply.send(verdict.of_app())),
        }
    }
}

impl Verdict {
    /// Whether notes of draining addresses were changed, be it without an entry.
    pub(super) fn is_noted(&self) -> bool {
        matches!(self, Self::Noted(round) if round.changes > 0)
    }

    fn of_batch(self, batch: &Batch, doubt: &Doubt) -> Vec<Answer> {
        match self {
            Self::Answers(outcomes) => doubt.settled(batch, outcomes),
            Self::Unavailable | Self::Full | Self::Noted(_) => doubt.not_written(batch),
            Self::Unknown => doubt.unknown(batch),
        }
    }

    fn of_document(&self) -> Result<(), DocumentError> {
        match self {
            Self::Answers(_) | Self::Noted(_) => Ok(()),
            Self::Unavailable | Self::Full => Err(DocumentError::Unavailable),
            Self::Unknown => Err(DocumentError::Unknown),
        }
    }

    fn of_drains(&self) -> Result<Round, DocumentError> {
        match self {
            Self::Noted(round) => Ok(*round),
            Self::Unknown => Err(DocumentError::Unknown),
            _ => Err(DocumentError::Unavailable),
        }
    }

    fn of_app(&self) -> Result<(), AppError> {
        match self {
            Self::Answers(_) | Self::Noted(_) => Ok(()),
            Self::Unavailable => Err(AppError::Unavailable),
            Self::Unknown => Err(AppError::Unknown),
            Self::Full => Err(AppError::Full),
        }
    }
}
