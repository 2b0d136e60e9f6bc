//! `CNI_ARGS` for other plugins.

use std::collections::BTreeMap;

use crate::spec::Args;

/// What the runtime said, and what is added: that counts where both have a key.
pub(super) fn joined(told: &Args, added: &BTreeMap<String, String>) -> String {
    let mut all: BTreeMap<&str, &str> = told.pairs().collect();
    if !added.is_empty() {
        // Plugins refuse arguments that they do not know unless they are told not to.
        all.entry("IgnoreUnknown").or_insert("1");
    }
    all.extend(
        added
            .iter()
            .map(|(key, value)| (key.as_str(), value.as_str())),
    );
    let pairs: Vec<String> = all
        .iter()
        .map(|(key, value)| format!("{key}={value}"))
        .collect();
    pairs.join(";")
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
    fn nothing_added_leaves_what_was_told() {
        let told: Args = "K8S_POD_NAME=a".parse().unwrap();
        assert_eq!(joined(&told, &BTreeMap::new()), "K8S_POD_NAME=a");
        assert_eq!(joined(&Args::default(), &BTreeMap::new()), "");
    }
}
