//! `DEL`: undoing what was written down.

use std::path::Path;

use super::Task;
use super::add::{PATIENCE, UNDO};
use super::record::{Joined, Member};
use crate::delegate::{Call, Limit};
use crate::link::Netns;
use crate::spec::{Attachment, Failure, Verb};
use crate::state::{Lock, Remembered as _};

impl Task<'_> {
    /// What was made for this attachment is no longer there. The runtime tells of the namespace and its arguments.
    pub(super) fn del(&self, attachment: &Attachment, told: &Call) -> Result<(), Failure> {
        let records = self.config.records();
        records.make()?;
        let _lock = Lock::of(self.config.state_folder(), &attachment.container, PATIENCE)?;
        let within = Limit::starting_now(UNDO);
        match records.read(&self.network.name, attachment)? {
            Some(joined) => self.release(&joined, told.netns.as_deref(), within),
            None => {
                self.ask_usual(attachment, &told.args, within);
                Ok(())
            }
        }
    }

    /// All members in reverse, each with a fair share of the time, on after a failure, and forgets them where all are
    /// undone. A plugin that was never called has nothing to do. A runtime need not tell the namespace.
    pub(super) fn release(
        &self,
        joined: &Joined,
        netns: Option<&Path>,
        within: Limit,
    ) -> Result<(), Failure> {
        let netns = netns.unwrap_or(&joined.netns);
        let netns = Some(netns).filter(|path| joined.is_at(path));
        let members = joined.members.iter().rev();
        let failed = each(members, within, |member, share| {
            self.leave(joined, member, netns, share)
        });
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

/// Does it for each in turn, with a fair share of the time that is left, so that one that hangs takes it from no other.
/// Goes on after a failure.
pub(super) fn each<T>(
    all: impl ExactSizeIterator<Item = T>,
    within: Limit,
    mut act: impl FnMut(T, Limit) -> Result<(), Failure>,
) -> Vec<Failure> {
    let among = (1..=all.len()).rev();
    let done = all.zip(among);
    done.filter_map(|(one, left)| act(one, within.share(left)).err())
        .collect()
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
