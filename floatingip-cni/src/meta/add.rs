//! `ADD`.

use std::path::Path;
use std::time::Duration;

use serde_json::Map;

use super::Task;
use super::choice::{ChoiceError, Wanted, choose};
use super::leaving::Leaving;
use super::merge::{Part, merged};
use super::record::{Joined, Member};
use crate::delegate::{Call, Delegate, Limit};
use crate::link::{Kernel, Netns};
use crate::spec::{Args, Attachment, CniResult, Code, Failure};
use crate::state::{Lock, Stage};

/// How long all plugins together may take. Runtimes give up after a minute or two; what is undone then has to fit
/// behind it.
const WORK: Duration = Duration::from_secs(20);
/// How long undoing that may take.
pub(super) const UNDO: Duration = Duration::from_secs(8);
/// How long another call for the same container is waited for.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);

impl Task<'_> {
    /// Joins a container to its networks, or to none.
    pub(super) fn add(
        &self,
        attachment: &Attachment,
        netns: &Path,
        args: &Args,
    ) -> Result<CniResult, Failure> {
        let within = Limit::starting_now(WORK);
        let space = Netns::open(netns)?;
        let records = self.config.records();
        records.make()?;
        let patience = within.at_most(PATIENCE).left();
        let _lock = Lock::of(self.config.state_folder(), &attachment.container, patience)?;
        self.clear(attachment)?;
        let mut joined = Joined {
            network: self.network.name.clone(),
            container: attachment.container.clone(),
            interface: attachment.interface.clone(),
            netns: netns.to_owned(),
            space: space.identity(),
            stage: Stage::Begun,
            members: self.members(attachment, args, within)?,
        };
        let mut container = Kernel::inside(space)?;
        let delegates = self.ready(&joined, &mut container)?;
        self.remember(&joined, within)?;
        let answers = self.join(&mut joined, &delegates, &mut container, within)?;
        let parts = joined.members.iter().zip(&answers);
        let parts = parts.map(|(member, result)| Part { member, result });
        Ok(merged(parts, netns))
    }

    /// Undoes what an `ADD` of the same attachment left that did not come to its end.
    fn clear(&self, attachment: &Attachment) -> Result<(), Failure> {
        let name = &self.network.name;
        match self.config.records().read(name, attachment)? {
            Some(joined) if joined.stage == Stage::Done => Err(Failure::new(
                Code::InvalidEnvironment,
                format!(
                    "{attachment} is connected to {name} already: call DEL first; nothing was changed"
                ),
            )),
            Some(joined) => self.undo(&joined),
            None => Ok(()),
        }
    }

    fn members(
        &self,
        attachment: &Attachment,
        args: &Args,
        within: Limit,
    ) -> Result<Vec<Member>, Failure> {
        let catalogue = self.config.catalogue()?;
        let pod = self.pod(args, within)?;
        let none = Map::new();
        let wanted = Wanted {
            catalogue: &catalogue,
            ignore_annotation: self.config.ignore_networks_annotation,
            pod: &pod,
            interface: &attachment.interface,
            args,
            runtime: self.config.runtime.as_ref().unwrap_or(&none),
        };
        Ok(choose(&wanted)?)
    }

    /// Before anything is changed: are all plugins there, and is no interface there yet? A plugin that has to undo
    /// its part would take an interface of that name for its own.
    fn ready(&self, joined: &Joined, container: &mut Kernel) -> Result<Vec<Delegate>, Failure> {
        for member in &joined.members {
            if container.link(&member.interface)?.is_some() {
                let name = &member.interface;
                return Err(Failure::new(
                    Code::InvalidEnvironment,
                    format!("the container has an interface {name} already; nothing was changed"),
                ));
            }
        }
        let found = joined
            .members
            .iter()
            .map(|member| self.path.find(&member.kind));
        Ok(found.collect::<Result<_, _>>()?)
    }

    /// In their order; where one fails, it and those before it are undone in reverse.
    fn join(
        &self,
        joined: &mut Joined,
        delegates: &[Delegate],
        container: &mut Kernel,
        within: Limit,
    ) -> Result<Vec<CniResult>, Failure> {
        let mut answers = Vec::new();
        let (id, netns) = (joined.container.clone(), joined.netns.clone());
        let members = joined.members.iter_mut().zip(delegates);
        for (place, (member, delegate)) in members.enumerate() {
            let call = member.call(&id, Some(&netns));
            match member.join(&call, delegate, container, within) {
                Ok(answer) => answers.push(answer),
                Err(failure) => return Err(self.give_up(joined, place, failure)),
            }
        }
        joined.stage = Stage::Done;
        match self.remember(joined, within) {
            Ok(()) => Ok(answers),
            Err(failure) => Err(self.give_up(joined, delegates.len(), failure)),
        }
    }

    /// `GC` takes a record that is being written without the node's lock for one whose writer was killed.
    fn remember(&self, joined: &Joined, within: Limit) -> Result<(), Failure> {
        let patience = within.at_most(PATIENCE).left();
        let _lock = Lock::take(self.config.state_folder(), patience)?;
        Ok(self.config.records().write(joined)?)
    }

    /// The one that failed may have made something as well.
    fn give_up(&self, joined: &Joined, last: usize, failure: Failure) -> Failure {
        let begun = Joined {
            members: joined.members.iter().take(last + 1).cloned().collect(),
            ..joined.clone()
        };
        let failure = match begun.members.get(last) {
            Some(member) => in_network(member, failure),
            None => failure,
        };
        match self.undo(&begun) {
            Ok(()) => failure,
            Err(error) => and_left(failure, &error),
        }
    }

    fn undo(&self, begun: &Joined) -> Result<(), Failure> {
        self.release(begun, None, Limit::starting_now(UNDO))
    }
}

impl Member {
    fn join(
        &mut self,
        call: &Call,
        delegate: &Delegate,
        container: &mut Kernel,
        within: Limit,
    ) -> Result<CniResult, Failure> {
        let leaving = Leaving::of(container)?;
        let mut answer = delegate.add(call, &self.config.clone().into(), within)?;
        leaving.keep(container, &self.interface, &mut answer)?;
        self.result = Some(answer.to_json(self.version()));
        Ok(answer)
    }
}

/// With what could not be undone.
fn and_left(failure: Failure, error: &Failure) -> Failure {
    let left = format!("what was made could not be undone: {error}; the next DEL tries again");
    let details = match failure.details.as_str() {
        "" => left,
        own => format!("{own}; {left}"),
    };
    failure.with_details(details)
}

/// With the network's name: a pod may have several of one plugin.
fn in_network(member: &Member, failure: Failure) -> Failure {
    Failure {
        message: format!("network {}: {}", member.network, failure.message),
        ..failure
    }
}

impl From<ChoiceError> for Failure {
    fn from(error: ChoiceError) -> Self {
        let code = match error {
            ChoiceError::Catalogue(error) => return error.into(),
            ChoiceError::Pod(error) => return error.into(),
            ChoiceError::Annotation(_) => Code::InvalidEnvironment,
            _ => Code::InvalidNetwork,
        };
        Self::new(code, error)
    }
}
