//! A store of one's own: the engine's records as JSON texts in a key-value map, one conditional write
//! after the other. The suite that every store must pass runs on it.
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::collections::BTreeMap;

use floatingip_core::plan::{Batch, Write};
use floatingip_core::record::{PlanId, Target, Value, Version};
use floatingip_core::store::{Answer, LoadError, Outcome, Snapshot, Store};
use floatingip_core::testing::contract::{self, Violations};
use tokio::sync::Mutex;

#[tokio::main]
async fn main() -> Result<(), Violations> {
    contract::check_all(&mut async || TextStore::default()).await?;
    println!("the store keeps its contract");
    Ok(())
}

/// Texts by key, each with the revision at which it was written.
#[derive(Default)]
struct TextStore {
    texts: Mutex<Texts>,
}

#[derive(Default)]
struct Texts {
    revision: u64,
    by_key: BTreeMap<String, (Version, String)>,
}

impl Store for TextStore {
    /// Each write stands for itself, as in most key-value services.
    fn atomic(&self) -> bool {
        false
    }

    async fn load(&self) -> Result<Snapshot, LoadError> {
        let texts = self.texts.lock().await;
        let mut snapshot = Snapshot {
            version: Version(texts.revision),
            ..Snapshot::default()
        };
        for (key, (version, text)) in &texts.by_key {
            match read(key, text)? {
                (Target::Address(ip), Value::Address(record)) => {
                    snapshot.addresses.push((ip, *version, record));
                }
                (Target::Pool(pool), Value::Pool(record)) => {
                    snapshot.pools.push((pool, *version, record));
                }
                _ => return Err(damaged(key, "a record of another kind")),
            }
        }
        Ok(snapshot)
    }

    async fn apply(&self, batch: &Batch) -> Vec<Answer> {
        let mut texts = self.texts.lock().await;
        let mut stopped = false;
        let mut answers = Vec::new();
        for write in &batch.writes {
            let outcome = texts.apply(batch.id, write, stopped);
            stopped |= batch.in_order && !matches!(outcome, Outcome::Applied(_));
            answers.push(Answer::Definite(outcome));
        }
        answers
    }
}

impl Texts {
    fn apply(&mut self, id: PlanId, write: &Write, stopped: bool) -> Outcome {
        let (Some(key), Ok(current)) = (key_of(&write.target), self.current(&write.target)) else {
            return Outcome::Unavailable;
        };
        let version = current.as_ref().map(|(version, _)| *version);
        match (&write.put, current) {
            // Deleted before, perhaps by this very write whose answer got lost.
            (None, None) => Outcome::Applied(write.expect.unwrap_or_default()),
            _ if version == write.expect && stopped => Outcome::Unavailable,
            (put, _) if version == write.expect => self.put(key, put.as_ref()),
            // Written before by this very plan.
            (Some(_), Some((version, value))) if value.plan() == Some(id) => {
                Outcome::Applied(version)
            }
            (_, current) => Outcome::Refused(current),
        }
    }

    fn put(&mut self, key: String, value: Option<&Value>) -> Outcome {
        let Ok(text) = value.map(serde_json::to_string).transpose() else {
            return Outcome::Unavailable;
        };
        self.revision += 1;
        let version = Version(self.revision);
        match text {
            Some(text) => self.by_key.insert(key, (version, text)),
            None => self.by_key.remove(&key),
        };
        Outcome::Applied(version)
    }

    fn current(&self, target: &Target) -> Result<Option<(Version, Value)>, LoadError> {
        let key = key_of(target).unwrap_or_default();
        let found = self.by_key.get(&key);
        found
            .map(|(version, text)| Ok((*version, read(&key, text)?.1)))
            .transpose()
    }
}

fn key_of(target: &Target) -> Option<String> {
    serde_json::to_string(target).ok()
}

fn read(key: &str, text: &str) -> Result<(Target, Value), LoadError> {
    let target = serde_json::from_str(key).map_err(|error| damaged(key, error))?;
    let value = serde_json::from_str(text).map_err(|error| damaged(key, error))?;
    Ok((target, value))
}

fn damaged(key: &str, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> LoadError {
    LoadError::Damaged {
        place: key.to_owned(),
        source: source.into(),
    }
}
