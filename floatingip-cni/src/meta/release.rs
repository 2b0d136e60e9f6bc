//! `DEL`: undoing what was written down.

use std::path::Path;

use super::Task;
use super::add::{PATIENCE, UNDO};
use super::record::{Joined, Member};
use crate::delegate::Limit;
use crate::link::Netns;
use crate::spec::{Attachment, Failure, Verb};
use crate::state::{Lock, Remembered as _};

impl Task<'_> {
    /// What was made for this attachment is no longer there. `netns` is what the runtime says of its namespace.
    pub(super) fn del(&self, attachment: &Attachment, netns: Option<&Path>) -> Result<(), Failure> {
        let records = self.config.records();
        if records.read(&self.network.name, attachment)?.is_none() {
            return Ok(());
        }
        let _lock = Lock::of(self.config.state_folder(), &attachment.container, PATIENCE)?;
        match records.read(&self.network.name, attachment)? {
            Some(joined) => self.release(&joined, netns),
            None => Ok(()),
        }
    }

    /// All members in reverse, on after a failure, and forgets them where all are undone. A plugin that was never
    /// called has nothing to do.
    pub(super) fn release(&self, joined: &Joined, netns: Option<&Path>) -> Result<(), Failure> {
        let within = Limit::starting_now(UNDO);
        let netns = netns.filter(|path| joined.is_at(path));
        let members = joined.members.iter().rev();
        let undone = members.map(|member| self.leave(joined, member, netns, within));
        let failed: Vec<Failure> = undone.filter_map(Result::err).collect();
        first(failed)?;
        let (network, attachment) = joined.of();
        Ok(self.config.records().forget(network, &attachment)?)
    }

    fn leave(
        &self,
        joined: &Joined,
        member: &Member,
        netns: Option<&Path>,
        within: Limit,
    ) -> Result<(), Failure> {
        let call = member.call(&joined.container, netns);
        let delegate = self.path.find(&member.kind)?;
        Ok(delegate.tell(Verb::Del, &call, &member.config_after(), within)?)
    }
}

impl Joined {
    /// Is it still the container's namespace? A path may have gone to another container's, whose interfaces would be
    /// taken for this one's.
    pub(super) fn is_at(&self, path: &Path) -> bool {
        Netns::open(path).is_ok_and(|space| space.identity() == self.space)
    }
}

/// # Errors
/// There was a failure; the first is told, with the others behind it.
pub(super) fn first(failed: Vec<Failure>) -> Result<(), Failure> {
    let mut failed = failed.into_iter();
    let Some(first) = failed.next() else {
        return Ok(());
    };
    let others: Vec<String> = failed.map(|failure| failure.to_string()).collect();
    if others.is_empty() {
        return Err(first);
    }
    let told = [first.details.clone()]
        .into_iter()
        .filter(|text| !text.is_empty());
    let details: Vec<String> = told.chain(others).collect();
    Err(first.with_details(details.join("; ")))
}
