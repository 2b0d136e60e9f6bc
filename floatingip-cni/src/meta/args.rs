//! `CNI_ARGS` for other plugins.

use std::collections::BTreeMap;

use crate::spec::Args;

/// What the runtime said, and what is added: that counts where both have a key, but for what only the runtime may say.
pub(super) fn joined(told: &Args, added: &BTreeMap<String, String>) -> String {
    let mut all: BTreeMap<&str, &str> = told.pairs().collect();
    let added = added.iter().filter(|(key, _)| !is_the_runtimes(key));
    let added: Vec<_> = added.collect();
    if !added.is_empty() {
        // Plugins refuse arguments that they do not know unless they are told not to.
        all.entry("IgnoreUnknown").or_insert("1");
    }
    let added = added.into_iter();
    all.extend(added.map(|(key, value)| (key.as_str(), value.as_str())));
    let pairs: Vec<String> = all
        .iter()
        .map(|(key, value)| format!("{key}={value}"))
        .collect();
    pairs.join(";")
}

/// Who the pod is, what it may keep, and whether a plugin may object: whoever writes a pod's annotations would be
/// another pod.
fn is_the_runtimes(key: &str) -> bool {
    let prefixes = ["K8S_", "FLOATINGIP_"];
    key == "IgnoreUnknown" || prefixes.iter().any(|prefix| key.starts_with(prefix))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_added_counts_and_what_is_not_known_is_ignored() {
        let told: Args = "K8S_POD_NAME=a;ipinfos=old".parse().unwrap();
        let added = [("ipinfos".to_owned(), "[]".to_owned())].into();
        assert_eq!(
            joined(&told, &added),
            "IgnoreUnknown=1;K8S_POD_NAME=a;ipinfos=[]"
        );
        let told: Args = "IgnoreUnknown=true".parse().unwrap();
        assert_eq!(joined(&told, &added), "IgnoreUnknown=true;ipinfos=[]");
    }

    #[test]
    fn who_the_pod_is_and_what_is_ignored_only_the_runtime_says() {
        let told: Args = "K8S_POD_NAME=a;FLOATINGIP_POLICY=never".parse().unwrap();
        let added = [
            ("K8S_POD_NAME", "b"),
            ("K8S_POD_UID", "u"),
            ("FLOATINGIP_POLICY", "x"),
            ("FLOATINGIP_APP", "statefulset/web"),
            ("IgnoreUnknown", "false"),
            ("more", "7"),
        ];
        let added = added.map(|(key, value)| (key.to_owned(), value.to_owned()));
        assert_eq!(
            joined(&told, &added.into()),
            "FLOATINGIP_POLICY=never;IgnoreUnknown=1;K8S_POD_NAME=a;more=7"
        );
    }

    #[test]
    fn nothing_added_leaves_what_was_told() {
        let told: Args = "K8S_POD_NAME=a".parse().unwrap();
        assert_eq!(joined(&told, &BTreeMap::new()), "K8S_POD_NAME=a");
        assert_eq!(joined(&Args::default(), &BTreeMap::new()), "");
    }
}
