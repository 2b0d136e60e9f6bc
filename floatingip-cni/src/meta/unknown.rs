//! `DEL` without a record: those are gone after a reboot, but not what other plugins keep elsewhere, such as leases.

use super::Task;
use super::catalogue::{Catalogue, DEFAULTS, FLOATING, Template};
use super::record::Joined;
use super::release::each;
use crate::delegate::{Call, Limit};
use crate::spec::{Attachment, InterfaceName, Verb};
use crate::state::Remembered as _;

impl Task<'_> {
    /// Has the networks that a pod gets without naming them told `DEL`. Nothing is known of the attachment, so nobody
    /// need know it, and no failure is one; and no namespace is passed on, as what is in it may be another's.
    pub(super) fn ask_usual(&self, attachment: &Attachment, args: &str, within: Limit) {
        // What cannot be read says nothing about who has what.
        let (Ok(catalogue), Ok(known)) = (self.config.catalogue(), self.config.records().every())
        else {
            return;
        };
        let mut guesses = usual(&catalogue, attachment);
        guesses.retain(|guess| !known.iter().any(|joined| guess.is_of(joined)));
        each(guesses.into_iter().rev(), within, |guess, share| {
            let delegate = self.path.find(&guess.network.kind)?;
            let call = Call {
                attachment: Some(guess.attachment),
                netns: None,
                args: args.to_owned(),
            };
            let config = guess.network.config.clone().into();
            Ok(delegate.tell(Verb::Del, &call, &config, share)?)
        });
    }
}

/// A network that the container may have been joined to.
struct Guess<'a> {
    network: &'a Template,
    attachment: Attachment,
}

impl Guess<'_> {
    /// Was it joined by an attachment that is known?
    fn is_of(&self, joined: &Joined) -> bool {
        let members = &joined.members;
        joined.of().1.container == self.attachment.container
            && members.iter().any(|member| {
                member.network == self.network.name && member.interface == self.attachment.interface
            })
    }
}

/// `DefaultNetworks` with their usual interfaces, and `ENIIPNetwork`.
fn usual<'a>(catalogue: &'a Catalogue, attachment: &Attachment) -> Vec<Guess<'a>> {
    let defaults = catalogue.defaults.iter().enumerate();
    let defaults = defaults.map(|(place, name)| (place, name, DEFAULTS));
    let floating = catalogue.floating.iter().map(|name| (0, name, FLOATING));
    let found = defaults.chain(floating).filter_map(|(place, name, by)| {
        let network = catalogue.network(name, by).ok()?;
        let interface = interface(place, attachment)?;
        let attachment = Attachment {
            container: attachment.container.clone(),
            interface,
        };
        Some(Guess {
            network,
            attachment,
        })
    });
    found.collect()
}

fn interface(place: usize, attachment: &Attachment) -> Option<InterfaceName> {
    match place {
        0 => Some(attachment.interface.clone()),
        place => format!("eth{place}").parse().ok(),
    }
}
