//! `floatingip-server verify`: says whether a live cluster is as it has to be.

use std::io::{self, Write};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use floatingip_core::config::{Config, Strictness};
use floatingip_core::{Topology, WallTime};
use floatingip_k8s::store::StoreOptions;
use floatingip_k8s::verify::{LookError, Looker, Report, Suspicions, Verified, View, check};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::{Api, Client};
use thiserror::Error;
use tokio::time::{sleep, timeout};
use tracing::info;

use super::client::{self, ClientError};
use super::configuration::KEPT;
use crate::args::Verify;

/// How often what looks wrong is looked at again.
const LOOKS_AGAIN: u32 = 2;
/// How long one read of a ConfigMap may take.
const LIMIT: Duration = Duration::from_secs(10);

/// Why nobody can say how the cluster is.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum VerifyError {
    /// The API server cannot be asked at all.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// There is no configuration to compare with.
    #[error("ConfigMap {place} is not usable, and no good one was kept: {fault}")]
    Configuration {
        /// Namespace and name.
        place: String,
        /// What is wrong with it.
        fault: String,
    },
    /// Something cannot be listed.
    #[error(transparent)]
    Look(#[from] LookError),
    /// Standard output or the machine gave out.
    #[error("the result cannot be told")]
    Io(#[from] io::Error),
}

/// Prints what is wrong, a line each; whether nothing is.
///
/// # Errors
/// Why it could not be checked.
pub fn run(settings: &Verify) -> Result<bool, VerifyError> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    let verified = runtime.block_on(verify(settings));
    runtime.shutdown_background();
    let verified = verified?;
    print(&verified)?;
    Ok(verified.violations.is_empty())
}

async fn verify(settings: &Verify) -> Result<Verified, VerifyError> {
    let client = client::client(settings.access.kubeconfig.as_deref()).await?;
    let options = StoreOptions {
        pool_namespace: settings.access.namespace.clone(),
        ..StoreOptions::default()
    };
    let looker = Looker::new(client.clone(), options);
    let mut suspicions = Suspicions::new(look(&client, settings, &looker).await?);
    for _ in 0..LOOKS_AGAIN {
        if suspicions.is_empty() {
            break;
        }
        info!(
            "something looks wrong: looking again in {} s",
            settings.wait_seconds
        );
        sleep(Duration::from_secs(settings.wait_seconds)).await;
        suspicions.look_again(look(&client, settings, &looker).await?);
    }
    Ok(suspicions.end())
}

async fn look(client: &Client, settings: &Verify, looker: &Looker) -> Result<Report, VerifyError> {
    let (topology, note) = configuration(client, settings).await?;
    let records = looker.look().await?;
    let mut report = check(View {
        topology: &topology,
        records: &records,
        index: &looker.index().read(),
        wall: wall(),
    });
    report.notes.extend(note);
    report.notes.push(format!(
        "compared {} addresses and {} pools with the cluster",
        records.addresses.len(),
        records.pools.len()
    ));
    Ok(report)
}

fn wall() -> WallTime {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    let nanos = since.unwrap_or_default().as_nanos();
    WallTime::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}

/// The configuration in force, as the server has it: the present one, else the last good one, and a note.
async fn configuration(
    client: &Client,
    settings: &Verify,
) -> Result<(Topology, Option<String>), VerifyError> {
    let strictness = match settings.galaxy_compat {
        true => Strictness::GalaxyCompat,
        false => Strictness::Strict,
    };
    let (namespace, name) = (
        &settings.access.config_namespace,
        &settings.access.config_name,
    );
    let fault = match read(
        client,
        (namespace, name),
        &settings.access.config_key,
        strictness,
    )
    .await
    {
        Ok(topology) => return Ok((topology, None)),
        Err(fault) => fault,
    };
    let kept = (&settings.access.namespace, &format!("{name}{KEPT}"));
    let lenient = Strictness::GalaxyCompat;
    match read(client, kept, &settings.access.config_key, lenient).await {
        Ok(topology) => {
            let note = format!(
                "ConfigMap {namespace}/{name} is not usable, the last good one is in force: {fault}"
            );
            Ok((topology, Some(note)))
        }
        Err(_) => Err(VerifyError::Configuration {
            place: format!("{namespace}/{name}"),
            fault,
        }),
    }
}

async fn read(
    client: &Client,
    (namespace, name): (&String, &String),
    key: &str,
    strictness: Strictness,
) -> Result<Topology, String> {
    let maps: Api<ConfigMap> = Api::namespaced(client.clone(), namespace);
    let map = match timeout(LIMIT, maps.get(name)).await {
        Ok(Ok(map)) => map,
        Ok(Err(error)) => return Err(error.to_string()),
        Err(_) => return Err("the API server did not answer in time".to_owned()),
    };
    let json = map.data.as_ref().and_then(|data| data.get(key));
    let json = json.ok_or_else(|| format!("it has no key `{key}` in `data`"))?;
    let config = Config::parse(json, strictness).map_err(|faults| faults.to_string())?;
    Ok(config.into_topology())
}

fn print(verified: &Verified) -> io::Result<()> {
    let mut out = io::stdout().lock();
    for violation in &verified.violations {
        writeln!(out, "{violation}")?;
    }
    for note in &verified.notes {
        writeln!(out, "note: {note}")?;
    }
    match verified.violations.len() {
        0 => writeln!(out, "no violation"),
        1 => writeln!(out, "1 violation"),
        many => writeln!(out, "{many} violations"),
    }
}
