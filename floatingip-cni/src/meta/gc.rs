//! `GC`: undoing what no runtime knows any more, here and in the networks that are joined.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Map, Value, json};

use super::Task;
use super::add::{PATIENCE, UNDO};
use super::record::{Joined, version};
use super::release::{each, first};
use crate::delegate::{Call, Limit};
use crate::spec::{Attachment, Code, Failure, NetworkName, Verb, Version};
use crate::state::{Lock, Remembered as _};

/// How long all of it may take: a runtime waits for it.
const TENDING: Duration = Duration::from_secs(12);

/// A network, with the attachments of it that stay.
struct Kept {
    kind: String,
    config: Map<String, Value>,
    valid: Vec<Value>,
}

impl Task<'_> {
    /// As `DEL` for every attachment of this network that is not listed; then the plugins of its networks are told
    /// which ones of theirs stay. Goes on after a failure. Without a list there is nothing to do.
    pub(super) fn gc(&self) -> Result<(), Failure> {
        let Some(valid) = self.network.valid() else {
            return Ok(());
        };
        let within = Limit::starting_now(TENDING);
        let mut failed = Vec::new();
        let mut stay = Vec::new();
        let mut stale = Vec::new();
        for record in self.config.records().all(&self.network.name)? {
            match record {
                Ok(joined) if valid.contains(&joined.of().1) => stay.push(joined),
                Ok(joined) => stale.push(joined),
                Err(error) => failed.push(error.into()),
            }
        }
        failed.extend(self.end_all(&stale, within));
        failed.extend(self.tidy(within).err());
        // Whoever does not know all that stays would have some of it removed.
        if failed.is_empty() && knows_all(&stay, &valid) {
            failed = self.pass_on(within);
        }
        first(failed)
    }

    /// As many as there is time for.
    fn end_all(&self, stale: &[Joined], within: Limit) -> Vec<Failure> {
        let mut failed = Vec::new();
        for (done, joined) in stale.iter().enumerate() {
            if within.left().is_zero() {
                failed.push(not_yet(stale.len() - done));
                break;
            }
            failed.extend(self.end(joined, within.at_most(UNDO)).err());
        }
        failed
    }

    /// Another call may have ended it meanwhile.
    fn end(&self, joined: &Joined, within: Limit) -> Result<(), Failure> {
        let records = self.config.records();
        let patience = within.at_most(PATIENCE).left();
        let _lock = Lock::of(self.config.state_folder(), &joined.container, patience)?;
        let (network, attachment) = joined.of();
        match records.read(network, &attachment)? {
            Some(joined) => self.release(&joined, None, within),
            None => Ok(()),
        }
    }

    /// To every network of which there is, or may have been, an attachment.
    fn pass_on(&self, within: Limit) -> Vec<Failure> {
        match self.kept() {
            Ok(kept) => each(kept.into_values(), within, |kept, share| {
                self.tell_kept(kept, share)
            }),
            Err(failure) => vec![failure],
        }
    }

    /// With what stays by the records of all configurations: those that have a network in common are told apart by
    /// nobody else.
    fn kept(&self) -> Result<BTreeMap<NetworkName, Kept>, Failure> {
        let catalogue = self.config.catalogue()?;
        let mut networks = BTreeMap::new();
        for template in catalogue.all() {
            let kept = Kept::new(&template.kind, &template.config);
            networks.insert(template.name.clone(), kept);
        }
        for joined in self.config.records().every()? {
            for member in &joined.members {
                let kept = networks
                    .entry(member.network.clone())
                    .or_insert_with(|| Kept::new(&member.kind, &member.config));
                kept.valid.push(json!({
                    "containerID": joined.container,
                    "ifname": member.interface,
                }));
            }
        }
        Ok(networks)
    }

    /// A plugin that is not on this node has made nothing here.
    fn tell_kept(&self, kept: Kept, within: Limit) -> Result<(), Failure> {
        let speaks = version(&kept.config) >= Version::V1_1_0;
        let Some(delegate) = self.path.find(&kept.kind).ok().filter(|_| speaks) else {
            return Ok(());
        };
        let mut config = kept.config;
        for name in ["cni.dev/valid-attachments", "cni.dev/attachments"] {
            config.insert(name.to_owned(), kept.valid.clone().into());
        }
        Ok(delegate.tell(Verb::Gc, &Call::default(), &config.into(), within)?)
    }

    /// Removes the beginnings of records, whose writers were killed.
    fn tidy(&self, within: Limit) -> Result<(), Failure> {
        let records = self.config.records();
        if !records.is_untidy(&self.network.name)? {
            return Ok(());
        }
        let _lock = Lock::take(self.config.state_folder(), within.at_most(PATIENCE).left())?;
        Ok(records.tidy(&self.network.name)?)
    }
}

impl Kept {
    fn new(kind: &str, config: &Map<String, Value>) -> Self {
        Self {
            kind: kind.to_owned(),
            config: config.clone(),
            valid: Vec::new(),
        }
    }
}

fn not_yet(left: usize) -> Failure {
    let message = format!("no time was left for {left} attachments more, which the next GC ends");
    Failure::new(Code::TryAgain, message)
}

fn knows_all(stay: &[Joined], valid: &[Attachment]) -> bool {
    let mut valid = valid.iter();
    valid.all(|attachment| stay.iter().any(|joined| joined.of().1 == *attachment))
}
