//! Kinds that are watched on demand: their metadata, and of each object its scale.

use std::collections::HashMap;
use std::time::Duration;

use floatingip_core::Name;
use futures::{StreamExt, stream};
use kube::Client;
use kube::api::Api;
use kube::core::{ApiResource, ObjectMeta};
use tokio::time::{Instant, timeout};
use tracing::warn;

use super::failure::Failure;
use super::feed::Seen;
use super::kinds::{Key, Kind, KindRef};
use super::live::names_object;
use super::reflector::Sink;
use super::shared::SharedIndex;
use crate::object::MetaObject;

/// Reads that are under way at a time.
const AT_ONCE: usize = 4;
/// How long one may take.
const READ_TIME: Duration = Duration::from_secs(5);
/// How long failed ones wait for another try.
const RETRY: Duration = Duration::from_secs(15);

/// Reads the scale of what is new or was changed, and puts both into the index.
pub(super) struct ScaleSink {
    client: Client,
    resource: ApiResource,
    kind: KindRef,
    index: SharedIndex,
    /// What was read of which generation.
    read: HashMap<Key, Read>,
    failed: HashMap<Key, MetaObject>,
    retry: Instant,
}

struct Read {
    uid: Option<String>,
    generation: Option<i64>,
    replicas: u32,
}

impl ScaleSink {
    pub(super) fn new(
        client: Client,
        resource: ApiResource,
        kind: KindRef,
        index: SharedIndex,
    ) -> Self {
        Self {
            client,
            resource,
            kind,
            index,
            read: HashMap::new(),
            failed: HashMap::new(),
            retry: Instant::now() + RETRY,
        }
    }

    /// Its replicas, if they were read of this generation. Where there are no generations, every change
    /// may be one of the scale.
    fn known(&self, object: &MetaObject) -> Option<u32> {
        let read = self.read.get(&key(object))?;
        let meta = &object.metadata;
        let same = meta.generation.is_some() && meta.generation == read.generation;
        (same && meta.uid == read.uid).then_some(read.replicas)
    }

    /// Reads the scale of these and takes them in, a few at a time.
    async fn read_all(&mut self, objects: Vec<MetaObject>) -> Vec<(ObjectMeta, String)> {
        let (client, resource) = (self.client.clone(), self.resource.clone());
        let read = |object: MetaObject| {
            let (client, resource) = (client.clone(), resource.clone());
            async move {
                let replicas = replicas(client, &resource, &object).await;
                (object, replicas)
            }
        };
        let mut reads = stream::iter(objects).map(read).buffer_unordered(AT_ONCE);
        let mut malformed = Vec::new();
        while let Some((object, replicas)) = reads.next().await {
            malformed.extend(match replicas {
                Ok(Some(replicas)) => self.keep(object, replicas),
                // Deleted meanwhile; the watch will tell.
                Ok(None) => None,
                Err(failure) => self.fail(object, &failure),
            });
        }
        malformed
    }

    fn keep(&mut self, object: MetaObject, replicas: u32) -> Option<(ObjectMeta, String)> {
        let key = key(&object);
        self.failed.remove(&key);
        let read = Read {
            uid: object.metadata.uid.clone(),
            generation: object.metadata.generation,
            replicas,
        };
        self.read.insert(key, read);
        self.apply(object, replicas)
    }

    fn apply(&self, object: MetaObject, replicas: u32) -> Option<(ObjectMeta, String)> {
        let taken = self
            .index
            .write()
            .apply_scaled(&self.kind, &object, replicas);
        let malformed = taken.err()?.to_string();
        Some((object.metadata, malformed))
    }

    /// It is there, and nobody knows how large: its facts are unknown until the next try.
    fn fail(&mut self, object: MetaObject, failure: &Failure) -> Option<(ObjectMeta, String)> {
        let (namespace, name) = (&object.metadata.namespace, &object.metadata.name);
        warn!(kind = ?self.kind, ?namespace, ?name, %failure, "scale cannot be read, trying again");
        let kind = Kind::Apps(self.kind.clone());
        self.index.write().unreadable(&kind, &object.metadata);
        let key = key(&object);
        self.read.remove(&key);
        self.failed.insert(key, object);
        None
    }

    /// Forgets what was dropped by a list, once that is more than what is there.
    fn prune(&mut self) {
        let index = self.index.read();
        let kind = Kind::Apps(self.kind.clone());
        if self.read.len() > 2 * index.objects(&kind) + 64 {
            let app = |(namespace, name): &Key| self.kind.named(namespace, name);
            self.read
                .retain(|key, _| index.app_entry(&app(key)).is_some());
        }
    }

    fn forget(&mut self, object: &MetaObject) -> Option<(ObjectMeta, String)> {
        let key = key(object);
        self.read.remove(&key);
        self.failed.remove(&key);
        let taken = self.index.write().delete_scaled(&self.kind, object);
        let malformed = taken.err()?.to_string();
        Some((object.metadata.clone(), malformed))
    }
}

impl Sink<MetaObject> for ScaleSink {
    async fn take(&mut self, seen: Vec<Seen<MetaObject>>) -> Vec<(ObjectMeta, String)> {
        let mut malformed = Vec::new();
        let mut unread = HashMap::new();
        for object in seen {
            match object {
                Seen::Present(object) | Seen::Listed(object) => match self.known(&object) {
                    Some(replicas) => malformed.extend(self.apply(object, replicas)),
                    None => drop(unread.insert(key(&object), object)),
                },
                Seen::Deleted(object) => {
                    unread.remove(&key(&object));
                    malformed.extend(self.forget(&object));
                }
            }
        }
        malformed.extend(self.read_all(unread.into_values().collect()).await);
        malformed
    }

    async fn tend(&mut self) {
        self.prune();
        if self.failed.is_empty() || Instant::now() < self.retry {
            return;
        }
        self.retry = Instant::now() + RETRY;
        let again = std::mem::take(&mut self.failed);
        self.read_all(again.into_values().collect()).await;
    }

    fn pause(&self) -> Duration {
        RETRY
    }
}

fn key(object: &MetaObject) -> Key {
    let text = |text: &Option<String>| Name::from(text.as_deref().unwrap_or_default());
    let meta = &object.metadata;
    (text(&meta.namespace), text(&meta.name))
}

/// The replicas that the object's scale says; none if there is no such object.
async fn replicas(
    client: Client,
    resource: &ApiResource,
    object: &MetaObject,
) -> Result<Option<u32>, Failure> {
    let (namespace, name) = key(object);
    let objects: Api<MetaObject> = Api::namespaced_with(client, &namespace, resource);
    match timeout(READ_TIME, objects.get_scale(&name)).await? {
        Ok(scale) => {
            let replicas = scale.spec.and_then(|spec| spec.replicas).unwrap_or(0);
            Ok(Some(u32::try_from(replicas).unwrap_or(0)))
        }
        Err(error) if names_object(&error, &name) => Ok(None),
        Err(error) => Err(error.into()),
    }
}
