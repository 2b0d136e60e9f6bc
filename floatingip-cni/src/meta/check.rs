//! `CHECK`: is everything as the plugins left it?

use std::path::Path;

use super::Task;
use super::add::UNDO;
use super::record::{Joined, Member};
use super::release::{each, first};
use crate::delegate::Limit;
use crate::link::{Kernel, Netns, View};
use crate::spec::{Attachment, CniResult, Code, Failure, Ip, Verb, Version};
use crate::state::Stage;

impl Task<'_> {
    /// Each plugin compares with what it answered itself. Those of versions that have no `CHECK` are looked after
    /// here: interface and addresses.
    pub(super) fn check(&self, attachment: &Attachment, netns: &Path) -> Result<(), Failure> {
        let joined = self.done(attachment)?;
        let space = Netns::open(netns)?;
        if space.identity() != joined.space {
            return Err(different(
                "the container has another network namespace than the one that was connected",
            ));
        }
        self.untold(&joined)?;
        let view = Kernel::inside(space)?.view()?;
        let within = Limit::starting_now(UNDO);
        let members = joined.members.iter();
        first(each(members, within, |member, share| {
            self.check_one(&joined, member, netns, &view, share)
        }))
    }

    fn done(&self, attachment: &Attachment) -> Result<Joined, Failure> {
        let name = &self.network.name;
        let joined = self.config.records().read(name, attachment)?;
        joined
            .filter(|joined| joined.stage == Stage::Done)
            .ok_or_else(|| {
                let message = format!("{attachment} was never connected to {name} by this plugin");
                Failure::new(Code::UnknownContainer, message)
            })
    }

    /// Addresses that `prevResult` lacks: it is then that of another call.
    fn untold(&self, joined: &Joined) -> Result<(), Failure> {
        let previous = self.network.previous()?;
        for member in &joined.members {
            let answer = member.answer()?;
            let is_untold = |ip: &&Ip| !previous.contains(&ip.address);
            if let Some(ip) = answer.ips.iter().find(is_untold) {
                return Err(different(&format!(
                    "prevResult lacks the address {}",
                    ip.address
                )));
            }
        }
        Ok(())
    }

    fn check_one(
        &self,
        joined: &Joined,
        member: &Member,
        netns: &Path,
        view: &View,
        within: Limit,
    ) -> Result<(), Failure> {
        if member.version() < Version::V0_4_0 {
            return member.is_there(view);
        }
        let call = member.call(&joined.container, Some(netns));
        let delegate = self.path.find(&member.kind)?;
        Ok(delegate.tell(Verb::Check, &call, &member.config_after(), within)?)
    }
}

impl Member {
    fn answer(&self) -> Result<CniResult, Failure> {
        let text = self
            .result
            .as_ref()
            .map(ToString::to_string)
            .unwrap_or_default();
        let read = CniResult::read(text.as_bytes(), self.version());
        read.map_err(|error| {
            let message = format!("the remembered answer of network {} {error}", self.network);
            Failure::new(Code::Decode, message)
        })
    }

    fn is_there(&self, view: &View) -> Result<(), Failure> {
        let name = self.interface.as_str();
        let link = view.link(name);
        let link =
            link.ok_or_else(|| different(&format!("the container has no interface {name}")))?;
        if !link.up {
            return Err(different(&format!("{name} is down")));
        }
        for ip in self.answer()?.ips {
            if !view.addresses_of(link).any(|it| it.net() == ip.address) {
                return Err(different(&format!(
                    "{name} has not the address {}",
                    ip.address
                )));
            }
        }
        Ok(())
    }
}

fn different(message: &str) -> Failure {
    Failure::new(Code::Different, message)
}
