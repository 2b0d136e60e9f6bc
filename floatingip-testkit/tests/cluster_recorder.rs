//! What a real scheduler sends to an extender, kept as golden files for those who have to read it.
//!
//! With `UPDATE_GOLDEN=1` the files are written; otherwise they must have the same fields as what comes now, so that
//! another version of the scheduler shows what it changed.

#[cfg(test)]
mod recorder {
    use std::collections::BTreeSet;
    use std::fs;
    use std::path::{Path, PathBuf};
    use std::time::Duration;

    use anyhow::{Context as _, Result, ensure};
    use floatingip_testkit::recorder::{Asked, Recorder};
    use floatingip_testkit::{ControlPlane, Node, Part, Workload, eventually, node, object};
    use serde_json::{Value, json};

    const LIMIT: Duration = Duration::from_secs(60);

    #[tokio::test]
    async fn what_the_scheduler_sends_has_the_fields_of_the_golden_files() {
        for form in ["names", "whole"] {
            let Some(builder) =
                ControlPlane::builder_or_skip("golden extender requests", Part::ALL).unwrap()
            else {
                return;
            };
            let plane = builder.controller_manager().kwok().start().await.unwrap();
            for asked in record(plane, form).await.unwrap() {
                check(&asked, form).unwrap();
            }
        }
    }

    /// Two nodes with two pods of low priority each, which fills them; then one of high priority, for which one has
    /// to go. Scores are asked for only where a pod has a choice.
    async fn record(mut plane: ControlPlane, form: &str) -> Result<Vec<Asked>> {
        let client = plane.client();
        let recorder = Recorder::start(client.clone()).await?;
        let names = recorder.extender();
        let extender = if form == "whole" {
            names.whole_nodes()
        } else {
            names
        };
        plane.start_scheduler(Some(&extender)).await?;

        let small = |name: &str, last| {
            Node::new(name, [10, 0, 0, last].into())
                .cpus(2)
                .label("rack", "r1")
        };
        node::create_all(&client, &[small("node-a", 1), small("node-b", 2)]).await?;
        node::all_ready(&client, LIMIT).await?;
        object::create(&client, &priority_class("high")).await?;
        for name in ["low-0", "low-1", "low-2", "low-3"] {
            let pod = Workload::pod("default", name).cpus(1).policy("never");
            object::create(&client, pod.manifest()).await?;
            eventually(LIMIT, "a running pod of low priority", || {
                running(&plane, name)
            })
            .await?;
        }
        let high = Workload::pod("default", "high-0")
            .cpus(1)
            .policy("immutable")
            .priority("high");
        object::create(&client, high.manifest()).await?;
        eventually(LIMIT, "the running pod of high priority", || {
            running(&plane, "high-0")
        })
        .await?;

        let verbs = ["filter", "priority", "bind", "preempt"];
        verbs.iter().map(|verb| recorder.first(verb)).collect()
    }

    async fn running(plane: &ControlPlane, name: &str) -> Result<()> {
        let pods = object::pods(&plane.client(), "default", &format!("app={name}")).await?;
        let status = pods
            .first()
            .and_then(|pod| pod.status.clone())
            .context("no such pod")?;
        ensure!(status.phase.as_deref() == Some("Running"), "{status:?}");
        Ok(())
    }

    fn priority_class(name: &str) -> Value {
        json!({
            "apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass",
            "metadata": {"name": name}, "value": 1000,
        })
    }

    fn check(asked: &Asked, form: &str) -> Result<()> {
        let file = folder().join(format!("{}_{form}.json", asked.verb));
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            fs::create_dir_all(folder())?;
            fs::write(&file, &asked.body)?;
        }
        let golden = fs::read_to_string(&file).with_context(|| file.display().to_string())?;
        let (golden, now) = (fields(&golden)?, fields(&asked.body)?);
        let difference: Vec<_> = golden.symmetric_difference(&now).collect();
        ensure!(
            difference.is_empty(),
            "{} and the scheduler differ in {difference:?}",
            file.display()
        );
        Ok(())
    }

    fn folder() -> PathBuf {
        let crates = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        crates.join("floatingip-k8s/tests/golden/extender")
    }

    /// The paths of all fields, whatever their values are.
    fn fields(text: &str) -> Result<BTreeSet<String>> {
        let mut found = BTreeSet::new();
        collect(&serde_json::from_str(text)?, "", &mut found);
        Ok(found)
    }

    fn collect(value: &Value, path: &str, found: &mut BTreeSet<String>) {
        found.insert(path.to_owned());
        match value {
            Value::Object(fields) => {
                for (name, value) in fields {
                    collect(value, &format!("{path}/{name}"), found);
                }
            }
            Value::Array(items) => {
                for item in items {
                    collect(item, &format!("{path}[]"), found);
                }
            }
            _ => {}
        }
    }
}
