//! The kubeconfig for the meta plugin, from the service account of the pod that installs.
//!
//! A kubelet renews the token of such an account every hour or so: who installs has to stay, or come again.

use std::fs::File;
use std::io::{self, Read as _};
use std::net::Ipv6Addr;
use std::path::{Path, PathBuf};

use k8s_openapi::ByteString;
use serde_json::{Value, json};

use super::InstallError;

/// More than a token or a bundle of certificates has.
const LONGEST: u64 = 1024 * 1024;

/// What the kubeconfig calls everything in it; one that does not is another's.
const OWN: &str = "floatingip-cni";

/// Where a pod finds its service account, and the API server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    folder: PathBuf,
    server: String,
}

impl Account {
    /// Where a kubelet puts it.
    pub const FOLDER: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

    /// That of the pod that this process is in: `folder` if one is named, or the usual one if it is there.
    ///
    /// # Errors
    /// A folder is named, and the environment does not say where the API server is.
    pub fn find(
        folder: Option<&Path>,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<Option<Self>, InstallError> {
        let said = |name| variable(name).filter(|value| !value.is_empty());
        let host = said("KUBERNETES_SERVICE_HOST");
        let server = host.zip(said("KUBERNETES_SERVICE_PORT"));
        let server = server.map(|(host, port)| format!("https://{}:{port}", bracketed(&host)));
        match (folder, server) {
            (Some(_), None) => Err(InstallError::NoServer),
            (Some(folder), Some(server)) => Ok(Some(Self::at(folder, server))),
            (None, Some(server)) if Path::new(Self::FOLDER).join("token").exists() => {
                Ok(Some(Self::at(Path::new(Self::FOLDER), server)))
            }
            (None, _) => Ok(None),
        }
    }

    fn at(folder: &Path, server: String) -> Self {
        let folder = folder.to_owned();
        Self { folder, server }
    }

    /// A kubeconfig with what the account is now.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn kubeconfig(&self) -> Result<Vec<u8>, InstallError> {
        let token = self.read("token")?;
        let token = String::from_utf8_lossy(&token);
        let config = json!({
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": OWN,
            "contexts": [{"name": OWN, "context": {"cluster": OWN, "user": OWN}}],
            "clusters": [{"name": OWN, "cluster": {
                "server": self.server,
                "certificate-authority-data": ByteString(self.read("ca.crt")?),
            }}],
            "users": [{"name": OWN, "user": {"token": token.trim()}}],
        });
        Ok(format!("{config:#}\n").into_bytes())
    }

    fn read(&self, name: &str) -> Result<Vec<u8>, InstallError> {
        let path = self.folder.join(name);
        let failed = |error| InstallError::Account {
            path: path.clone(),
            error,
        };
        let mut bytes = Vec::new();
        let opened = File::open(&path).map_err(failed)?;
        opened
            .take(LONGEST)
            .read_to_end(&mut bytes)
            .map_err(failed)?;
        match bytes.trim_ascii() {
            [] => Err(failed(io::Error::other("it is empty"))),
            _ => Ok(bytes),
        }
    }
}

/// Is it one of this program's?
pub(super) fn is_ours(bytes: &[u8]) -> bool {
    let config: Value = serde_json::from_slice(bytes).unwrap_or_default();
    config["current-context"] == OWN
}

fn bracketed(host: &str) -> String {
    match host.parse::<Ipv6Addr>() {
        Ok(ip) => format!("[{ip}]"),
        Err(_) => host.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(folder: Option<&Path>, host: &str) -> Result<Option<Account>, InstallError> {
        Account::find(folder, |name| {
            Some(match name {
                "KUBERNETES_SERVICE_HOST" => host.to_owned(),
                _ => "6443".to_owned(),
            })
        })
    }

    #[test]
    fn the_api_server_is_that_of_the_pods_environment_in_both_families() {
        let folder = Path::new("/account");
        for (host, expected) in [
            ("10.96.0.1", "https://10.96.0.1:6443"),
            ("fd00::1", "https://[fd00::1]:6443"),
            (
                "kubernetes.default.svc",
                "https://kubernetes.default.svc:6443",
            ),
        ] {
            let account = find(Some(folder), host).unwrap().unwrap();
            assert_eq!(account.server, expected);
        }
        let error = find(Some(folder), "").unwrap_err().to_string();
        assert!(error.contains("KUBERNETES_SERVICE_HOST"), "{error}");
    }

    #[test]
    fn who_is_in_no_pod_has_no_account() {
        assert_eq!(find(None, "").unwrap(), None);
    }

    #[test]
    fn an_account_that_is_not_whole_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let account = find(Some(folder.path()), "10.96.0.1").unwrap().unwrap();
        let refused = || account.kubeconfig().unwrap_err().to_string();
        assert!(refused().contains("token"), "{}", refused());
        std::fs::write(folder.path().join("token"), "\n").unwrap();
        assert!(refused().contains("it is empty"), "{}", refused());
        std::fs::write(folder.path().join("token"), "secret\n").unwrap();
        assert!(refused().contains("ca.crt"), "{}", refused());
        std::fs::write(folder.path().join("ca.crt"), "certificate").unwrap();
        let written = account.kubeconfig().unwrap();
        assert!(is_ours(&written));
        assert!(!is_ours(b"apiVersion: v1\nkind: Config\n"));
        let text = String::from_utf8(written).unwrap();
        let read = kube::config::Kubeconfig::from_yaml(&text).unwrap();
        assert_eq!(read.current_context.as_deref(), Some(OWN));
        let cluster = read.clusters[0].cluster.clone().unwrap();
        let authority = cluster.certificate_authority_data;
        assert_eq!(authority.as_deref(), Some("Y2VydGlmaWNhdGU="));
        let user = serde_json::to_value(&read.auth_infos[0]).unwrap();
        assert_eq!(user["user"]["token"], "secret");
    }
}
