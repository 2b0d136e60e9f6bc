//! The lease: of several processes one decides.
//!
//! Whether another's lease has run out is judged by how long it was seen unchanged on this machine's
//! monotonic clock, never by the times written in it. A holder counts its own lease from before it sent the
//! renewal, so that it stops no later than others begin; the [`Gate`] lets no write start that could outlive it.
//! The Lease also says where its holder answers, so that others can pass on what they are asked.

mod holder;
mod release;

use std::pin::pin;
use std::time::Duration;

use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};
use kube::api::{Api, PostParams};
use kube::core::Status;
use kube::{Client, Error};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};
use tracing::{info, warn};

use crate::causes::Causes;
use crate::store::Gate;
use release::Release;

pub use holder::{Holder, Places};

/// Which lease, and how long things last. The defaults are 6 s, 4 s and 1 s.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeaseSettings {
    /// The namespace of the Lease object.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Who this process is: a name that no other process has or had.
    pub identity: String,
    /// Where others reach this process while it holds the lease.
    pub places: Places,
    /// How long a lease lasts after its last renewal.
    pub duration: Duration,
    /// A holder that could not renew for so long gives up.
    pub renew_within: Duration,
    /// How often a holder renews, and others look.
    pub retry: Duration,
}

impl LeaseSettings {
    /// The lease of that name with the default times.
    pub fn new(namespace: &str, name: &str, identity: String) -> Self {
        Self {
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            identity,
            places: Places::default(),
            duration: Duration::from_secs(6),
            renew_within: Duration::from_secs(4),
            retry: Duration::from_secs(1),
        }
    }

    /// How long one request to the API server may take: two fit into what a holder has for renewing.
    fn request_limit(&self) -> Duration {
        self.renew_within / 2
    }
}

/// Who leads, as far as this process knows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Leadership {
    /// Nobody can tell, or nobody does.
    #[default]
    Unknown,
    /// Another process.
    Other(Holder),
    /// This process.
    Own,
}

impl Leadership {
    /// Whether this process leads.
    pub fn is_own(&self) -> bool {
        *self == Self::Own
    }
}

/// Takes the lease when it is free, and keeps it.
#[derive(Debug)]
pub struct Elector {
    leases: Api<Lease>,
    settings: LeaseSettings,
    gate: Gate,
    state: watch::Sender<Leadership>,
    /// The lease as it was seen last, and since when it has been like that.
    seen: Option<(Lease, Instant)>,
    /// When the last renewal that succeeded was begun.
    renewed: Option<Instant>,
}

/// What one look at the lease came to.
enum Turn {
    Held,
    HeldBy(Holder),
}

impl Elector {
    /// Competes for the lease that `settings` names; opens `gate` while it is held.
    pub fn new(client: Client, settings: LeaseSettings, gate: Gate) -> Self {
        Self {
            leases: Api::namespaced(client, &settings.namespace),
            settings,
            gate,
            state: watch::Sender::default(),
            seen: None,
            renewed: None,
        }
    }

    /// Who leads, from now on.
    pub fn leadership(&self) -> watch::Receiver<Leadership> {
        self.state.subscribe()
    }

    /// Competes until `stop`. The lease itself is left as it is: [`Elector::give_up`]. What is being asked of the API
    /// server then is waited for, for its time limit at most: who gives the lease back has to know its version.
    pub async fn run(&mut self, stop: impl Future<Output = ()>) {
        let release = Release::watch(self.leases.clone(), &self.settings.name);
        let mut stop = pin!(stop);
        loop {
            self.turn().await;
            tokio::select! {
                () = &mut stop => break,
                () = sleep(self.pause()) => {}
                () = release.seen() => {}
            }
        }
    }

    /// Gives the lease back, if it is held, so that another process need not wait for its end. Only to be
    /// called when no write of this process can still land.
    pub async fn give_up(&mut self) {
        self.gate.close();
        let held = self.renewed.take().is_some();
        self.state.send_replace(Leadership::Unknown);
        let Some((lease, _)) = self.seen.take().filter(|_| held) else {
            return;
        };
        let free = self.lease_of(&lease, "");
        let replaced = self.replace(&free);
        match timeout(self.settings.request_limit(), replaced).await {
            Ok(Ok(_)) => info!("gave the lease {} back", self.settings.name),
            Ok(Err(error)) => {
                let cause = Causes(&error);
                warn!("the lease is not given back, it runs out by itself: {cause}");
            }
            Err(_) => warn!("the lease is not given back in time, it runs out by itself"),
        }
    }

    /// One attempt to renew, to take over, or to see who leads.
    async fn turn(&mut self) {
        let begun = Instant::now();
        let limit = self.settings.request_limit().min(self.patience());
        match timeout(limit, self.compete(begun)).await {
            Ok(Ok(Turn::Held)) => self.held(begun),
            Ok(Ok(Turn::HeldBy(other))) => self.lost(Leadership::Other(other)),
            Ok(Err(error)) => self.failed(&Causes(&error).to_string()),
            Err(_) => self.failed("the API server did not answer in time"),
        }
    }

    /// How much longer a holder may go on without a renewal.
    fn patience(&self) -> Duration {
        let age = self
            .renewed
            .map_or(Duration::ZERO, |renewed| renewed.elapsed());
        self.settings.renew_within.saturating_sub(age)
    }

    fn held(&mut self, begun: Instant) {
        self.gate.open_until(begun + self.settings.duration);
        self.renewed = Some(begun);
        if self.announce(Leadership::Own) {
            info!("leading, by the lease {}", self.settings.name);
        }
    }

    fn lost(&mut self, now: Leadership) {
        self.gate.close();
        let led = self.renewed.take().is_some();
        if self.announce(now.clone()) {
            match now {
                Leadership::Other(holder) if led => {
                    warn!("{} leads now, no longer this process", holder.identity)
                }
                Leadership::Other(holder) => info!("{} leads", holder.identity),
                _ => warn!("no longer leading: the lease could not be renewed in time"),
            }
        }
    }

    fn failed(&mut self, reason: &str) {
        warn!(
            "the lease {} cannot be read or renewed: {reason}",
            self.settings.name
        );
        let renewed = self.renewed.map(|renewed| renewed.elapsed());
        if renewed.is_none_or(|age| age >= self.settings.renew_within) {
            // What was seen may be old by now: look again before anything is written.
            self.seen = self.seen.take().filter(|_| renewed.is_none());
            self.lost(Leadership::Unknown);
        }
    }

    /// Tells who leads; whether that is news.
    fn announce(&self, now: Leadership) -> bool {
        self.state.send_if_modified(|known| {
            let news = *known != now;
            *known = now;
            news
        })
    }

    async fn compete(&mut self, begun: Instant) -> Result<Turn, Error> {
        if self.renewed.is_some()
            && let Some((lease, _)) = &self.seen
        {
            let renewal = self.lease_of(lease, &self.settings.identity);
            match self.replace(&renewal).await {
                Err(Error::Api(status)) if status.is_conflict() || status.is_not_found() => {}
                written => return self.written(written?, begun),
            }
        }
        self.look(begun).await
    }

    async fn look(&mut self, begun: Instant) -> Result<Turn, Error> {
        let Some(lease) = self.leases.get_opt(&self.settings.name).await? else {
            let first = self.lease_of(&Lease::default(), &self.settings.identity);
            let made = self.leases.create(&PostParams::default(), &first).await?;
            return self.written(made, begun);
        };
        let another = self.another(&lease);
        if let Some(holder) = another
            && !self.has_run_out(lease.clone(), begun)
        {
            return Ok(Turn::HeldBy(holder));
        }
        let takeover = self.lease_of(&lease, &self.settings.identity);
        match self.replace(&takeover).await {
            Err(Error::Api(status)) if status.is_conflict() => self.who_was_faster(status).await,
            written => self.written(written?, begun),
        }
    }

    /// Of those who want a free lease all but one find that it has changed.
    async fn who_was_faster(&self, conflict: Box<Status>) -> Result<Turn, Error> {
        let lease = self.leases.get(&self.settings.name).await?;
        let holder = self.another(&lease);
        holder.map_or(Err(Error::Api(conflict)), |holder| Ok(Turn::HeldBy(holder)))
    }

    /// Who has a lease, unless that is nobody or this process.
    fn another(&self, lease: &Lease) -> Option<Holder> {
        Holder::of(lease).filter(|holder| holder.identity != self.settings.identity)
    }

    fn written(&mut self, lease: Lease, begun: Instant) -> Result<Turn, Error> {
        self.seen = Some((lease, begun));
        Ok(Turn::Held)
    }

    /// Whether the lease has been seen like this for longer than it lasts: from when its holder had surely
    /// written it, which is when it was read, until a look that was `begun` so much later.
    fn has_run_out(&mut self, lease: Lease, begun: Instant) -> bool {
        let lasts = lease
            .spec
            .as_ref()
            .and_then(|spec| spec.lease_duration_seconds);
        let lasts = lasts.and_then(|seconds| u64::try_from(seconds).ok());
        let lasts = lasts.map_or(self.settings.duration, Duration::from_secs);
        match &self.seen {
            Some((seen, since)) if version(seen) == version(&lease) => {
                begun.duration_since(*since) > lasts
            }
            _ => {
                self.seen = Some((lease, Instant::now()));
                false
            }
        }
    }

    async fn replace(&self, lease: &Lease) -> Result<Lease, Error> {
        let params = PostParams::default();
        self.leases
            .replace(&self.settings.name, &params, lease)
            .await
    }

    /// The next lease after `former`, held by `holder`; its version makes it a conditional write.
    fn lease_of(&self, former: &Lease, holder: &str) -> Lease {
        let now = Some(MicroTime(jiff::Timestamp::now()));
        let spec = former.spec.clone().unwrap_or_default();
        let same = spec.holder_identity.as_deref() == Some(holder);
        let mut annotations = former.metadata.annotations.clone().unwrap_or_default();
        let nowhere = Places::default();
        let places = if holder.is_empty() {
            &nowhere
        } else {
            &self.settings.places
        };
        places.write(&mut annotations);
        let seconds = i32::try_from(self.settings.duration.as_secs()).unwrap_or(i32::MAX);
        Lease {
            metadata: ObjectMeta {
                name: Some(self.settings.name.clone()),
                namespace: Some(self.settings.namespace.clone()),
                annotations: Some(annotations),
                ..former.metadata.clone()
            },
            spec: Some(LeaseSpec {
                holder_identity: Some(holder.to_owned()),
                lease_duration_seconds: Some(seconds),
                acquire_time: if same { spec.acquire_time } else { now.clone() },
                renew_time: now,
                lease_transitions: Some(spec.lease_transitions.unwrap_or(0) + i32::from(!same)),
                ..spec
            }),
        }
    }

    /// Not quite the same for all, so that those who wait do not come together each time.
    fn pause(&self) -> Duration {
        self.settings.retry.mul_f64(0.9 + 0.2 * fastrand::f64())
    }
}

fn version(lease: &Lease) -> Option<&str> {
    lease.metadata.resource_version.as_deref()
}

#[cfg(test)]
mod tests;
