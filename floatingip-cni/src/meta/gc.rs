//! `GC`: undoing what no runtime knows any more, here and in the networks that are joined.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::Task;
use super::add::{PATIENCE, UNDO};
use super::record::{Joined, version};
use super::release::first;
use crate::delegate::{Call, Limit};
use crate::spec::{Attachment, Failure, NetworkName, Verb, Version};
use crate::state::{Lock, Remembered as _};

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
        let mut failed = Vec::new();
        let mut stay = Vec::new();
        for record in self.config.records().all(&self.network.name)? {
            match record {
                Ok(joined) if valid.contains(&joined.of().1) => stay.push(joined),
                Ok(joined) => failed.extend(self.del(&joined.of().1, Some(&joined.netns)).err()),
                Err(error) => failed.push(error.into()),
            }
        }
        failed.extend(self.tidy().err());
        // Whoever does not know all that stays would have some of it removed.
        if failed.is_empty() && knows_all(&stay, &valid) {
            failed = self.pass_on(&stay);
        }
        first(failed)
    }

    /// To every network of which there is, or may have been, an attachment.
    fn pass_on(&self, stay: &[Joined]) -> Vec<Failure> {
        let within = Limit::starting_now(UNDO);
        let kept = match self.kept(stay) {
            Ok(kept) => kept,
            Err(failure) => return vec![failure],
        };
        let told = kept.into_values().map(|kept| self.tell_kept(kept, within));
        told.filter_map(Result::err).collect()
    }

    fn kept(&self, stay: &[Joined]) -> Result<BTreeMap<NetworkName, Kept>, Failure> {
        let catalogue = self.config.catalogue()?;
        let mut networks = BTreeMap::new();
        for template in catalogue.all() {
            let kept = Kept::new(&template.kind, &template.config);
            networks.insert(template.name.clone(), kept);
        }
        for joined in stay {
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
    fn tidy(&self) -> Result<(), Failure> {
        let records = self.config.records();
        if !records.is_untidy(&self.network.name)? {
            return Ok(());
        }
        let _lock = Lock::take(self.config.state_folder(), PATIENCE)?;
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

fn knows_all(stay: &[Joined], valid: &[Attachment]) -> bool {
    let mut valid = valid.iter();
    valid.all(|attachment| stay.iter().any(|joined| joined.of().1 == *attachment))
}
