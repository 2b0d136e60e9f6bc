//! The pod that the meta plugin reads, from a real API server, as a user who may do nothing else.

#[cfg(test)]
mod pod {
    use std::fs::{self, File, Permissions};
    use std::io::Write as _;
    use std::os::fd::AsRawFd as _;
    use std::os::unix::fs::{PermissionsExt as _, symlink};
    use std::path::{Path, PathBuf};
    use std::process::{self, Command, Stdio};
    use std::{io, thread};

    use anyhow::{Context as _, Result, ensure};
    use floatingip_testkit::{ControlPlane, Part, object};
    use k8s_openapi::api::authentication::v1::{TokenRequest, TokenRequestSpec};
    use k8s_openapi::api::core::v1::ServiceAccount;
    use kube::Api;
    use kube::api::PostParams;
    use kube::config::Kubeconfig;
    use nix::sched::{CloneFlags, unshare};
    use serde_json::{Value, json};
    use tempfile::TempDir;

    const ENI: &str = "tke.cloud.tencent.com/eni-ip";
    const ARGS: &str = "k8s.v1.cni.galaxy.io/args";
    const INFOS: &str =
        r#"{"common":{"ipinfos":[{"ip":"10.0.0.3/24","vlan":0,"gateway":"10.0.0.1"}]}}"#;

    /// The plugin, a network's plugin that writes down its arguments, and a namespace to call them for.
    struct Node {
        folder: TempDir,
        space: File,
    }

    impl Node {
        fn new() -> Result<Self> {
            let made = thread::spawn(|| {
                unshare(CloneFlags::CLONE_NEWNET)?;
                File::open("/proc/thread-self/ns/net")
            });
            let made: io::Result<File> = made
                .join()
                .unwrap_or_else(|_| Err(io::Error::other("a panic")));
            let folder = tempfile::tempdir()?;
            symlink(
                env!("CARGO_BIN_EXE_floatingip-cni"),
                folder.path().join("floatingip"),
            )?;
            let script = "#!/bin/sh\ncat > /dev/null\necho \"$CNI_ARGS\" > \"$CNI_PATH/args\"\necho '{\"cniVersion\":\"1.0.0\"}'\n";
            let fresh = folder.path().join("fresh");
            fs::write(&fresh, script)?;
            fs::set_permissions(&fresh, Permissions::from_mode(0o755))?;
            fs::rename(fresh, folder.path().join("played"))?;
            Ok(Self {
                folder,
                space: made.context("a network namespace: run as root")?,
            })
        }

        /// `ADD` for a pod, which is undone at once: whether it worked, and what was said.
        fn add(&self, kubeconfig: &Path, name: &str, uid: &str) -> Result<(bool, String)> {
            let config = json!({
                "cniVersion": "1.0.0", "name": "cluster", "type": "floatingip", "kubeconfig": kubeconfig,
                "state_folder": self.folder.path().join("state"),
                "NetworkConf": [{"cniVersion": "1.0.0", "type": "played"}], "DefaultNetworks": ["played"],
            });
            let added = self.call("ADD", &config, name, uid)?;
            self.call("DEL", &config, name, uid)?;
            Ok(added)
        }

        fn call(
            &self,
            verb: &str,
            config: &Value,
            name: &str,
            uid: &str,
        ) -> Result<(bool, String)> {
            let netns = format!("/proc/{}/fd/{}", process::id(), self.space.as_raw_fd());
            let args = format!(
                "IgnoreUnknown=1;K8S_POD_NAMESPACE=default;K8S_POD_NAME={name};K8S_POD_UID={uid}"
            );
            let mut plugin = Command::new(self.folder.path().join("floatingip"))
                .env("CNI_COMMAND", verb)
                .env("CNI_CONTAINERID", "c1")
                .env("CNI_IFNAME", "eth0")
                .env("CNI_NETNS", netns)
                .env("CNI_ARGS", args)
                .env("CNI_PATH", self.folder.path())
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .spawn()?;
            let mut input = plugin.stdin.take().context("its standard input")?;
            input.write_all(config.to_string().as_bytes())?;
            drop(input);
            let output = plugin.wait_with_output()?;
            Ok((output.status.success(), String::from_utf8(output.stdout)?))
        }

        /// What the network's plugin was told last.
        fn told(&self) -> Result<String> {
            Ok(fs::read_to_string(self.folder.path().join("args"))?)
        }
    }

    fn pod(name: &str, requests: bool, annotations: &Value) -> Value {
        let amounts = if requests {
            json!({ENI: "1"})
        } else {
            json!({})
        };
        let resources = json!({"requests": amounts, "limits": amounts});
        json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": name, "namespace": "default", "annotations": annotations},
            "spec": {"containers": [{"name": "a", "image": "a", "resources": resources}]},
        })
    }

    async fn created(plane: &ControlPlane, pod: &Value) -> Result<String> {
        let created = object::create(&plane.client(), pod).await?;
        created.metadata.uid.context("a UID")
    }

    /// A kubeconfig for a user of its own, who may do what `rules` say.
    async fn user(plane: &ControlPlane, name: &str, rules: &Value) -> Result<PathBuf> {
        let client = plane.client();
        let subject = json!({"kind": "ServiceAccount", "name": name, "namespace": "kube-system"});
        for manifest in [
            json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name, "namespace": "kube-system"}}),
            json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": name}, "rules": rules}),
            json!({
                "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": {"name": name},
                "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": name}, "subjects": [subject],
            }),
        ] {
            object::create(&client, &manifest).await?;
        }
        let accounts: Api<ServiceAccount> = Api::namespaced(client, "kube-system");
        let request = TokenRequest {
            spec: Some(TokenRequestSpec::default()),
            ..TokenRequest::default()
        };
        let params = PostParams::default();
        let token = accounts
            .create_token_request(name, &params, &request)
            .await?;
        let token = token.status.and_then(|it| it.token).context("a token")?;
        kubeconfig(plane, name, &token)
    }

    fn kubeconfig(plane: &ControlPlane, name: &str, token: &str) -> Result<PathBuf> {
        let own = Kubeconfig::read_from(plane.kubeconfig())?;
        let cluster = own.clusters.first().and_then(|it| it.cluster.clone());
        let user = plane.folder().join(format!("{name}.token"));
        fs::write(&user, token)?;
        let config = json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "c",
            "clusters": [{"name": "c", "cluster": cluster.context("a cluster")?}],
            "users": [{"name": "u", "user": {"tokenFile": user}}],
            "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
        });
        let path = plane.folder().join(format!("{name}.kubeconfig"));
        fs::write(&path, config.to_string())?;
        Ok(path)
    }

    /// A namespace needs root.
    fn node_or_skip() -> Result<Option<Node>> {
        match Node::new() {
            Err(error) if std::env::var_os("FLOATINGIP_REQUIRE_ASSETS").is_none() => {
                writeln!(
                    io::stderr(),
                    "\nSKIPPED: the pod that a plugin reads: {error:#}\n"
                )?;
                Ok(None)
            }
            node => node.map(Some),
        }
    }

    /// One control plane for all, as it takes seconds to start.
    #[tokio::test(flavor = "multi_thread")]
    async fn a_pod_is_read_once_where_its_annotations_are_not_told() -> Result<()> {
        let parts = [Part::Etcd, Part::ApiServer];
        let Some(builder) = ControlPlane::builder_or_skip("the pod that a plugin reads", &parts)?
        else {
            return Ok(());
        };
        let Some(node) = node_or_skip()? else {
            return Ok(());
        };
        let plane = builder.start().await?;
        let rules = json!([{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}]);
        let reader = user(&plane, "reader", &rules).await?;
        let stranger = user(&plane, "stranger", &json!([])).await?;
        let none = json!({});

        let uid = created(&plane, &pod("plain", false, &none)).await?;
        let (success, said) = node.add(&reader, "plain", &uid)?;
        ensure!(success, "{said}");
        ensure!(!node.told()?.contains("ipinfos"));
        let (success, said) = node.add(&reader, "plain", "another")?;
        ensure!(!success && said.contains("no longer there"), "{said}");
        let (success, said) = node.add(&stranger, "plain", &uid)?;
        ensure!(!success && said.contains("HTTP 403"), "{said}");

        let uid = created(&plane, &pod("asking", true, &none)).await?;
        let (success, said) = node.add(&reader, "asking", &uid)?;
        ensure!(
            !success && said.contains("requests tke.cloud.tencent.com/eni-ip"),
            "{said}"
        );

        let uid = created(&plane, &pod("bound", true, &json!({ARGS: INFOS}))).await?;
        let (success, said) = node.add(&reader, "bound", &uid)?;
        ensure!(success, "{said}");
        ensure!(
            node.told()?.contains("\"ip\":\"10.0.0.3/24\""),
            "{}",
            node.told()?
        );
        Ok(())
    }
}
