//! Labels: what objects are selected by. They repeat what `spec` says, which wins over them.

use floatingip_core::{Owner, Record, ReleasePolicy};

/// A label that FloatingIP objects carry, as far as their owner has such a thing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Label {
    /// The namespace of app and pod.
    Namespace,
    /// The app's name.
    App,
    /// The pool.
    Pool,
    /// The node of the pod that has the address.
    Node,
    /// `pod-delete`, `immutable` or `never`.
    Policy,
}

impl Label {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Namespace,
        Self::App,
        Self::Pool,
        Self::Node,
        Self::Policy,
    ];

    /// The label's key.
    pub const fn key(self) -> &'static str {
        match self {
            Self::Namespace => "floatingip.galaxy.k8s.io/namespace",
            Self::App => "floatingip.galaxy.k8s.io/app",
            Self::Pool => "floatingip.galaxy.k8s.io/pool",
            Self::Node => "floatingip.galaxy.k8s.io/node",
            Self::Policy => "floatingip.galaxy.k8s.io/policy",
        }
    }

    /// Its value for a record; none where the record has no such thing.
    pub fn value_of(self, record: &Record) -> Option<String> {
        let owner = &record.owner;
        match self {
            Self::Namespace => owner.namespace().and_then(|name| label_value(name)),
            Self::App => owner
                .tenant()
                .and_then(|tenant| tenant.app.as_ref())
                .and_then(|app| label_value(&app.name)),
            Self::Pool => owner.pool().and_then(|pool| label_value(pool.as_str())),
            Self::Node => owner.pod().and_then(|pod| label_value(&pod.node)),
            Self::Policy => policy_name(owner, record.policy).map(str::to_owned),
        }
    }
}

/// Nobody's policy means nothing.
const fn policy_name(owner: &Owner, policy: ReleasePolicy) -> Option<&'static str> {
    match (owner, policy) {
        (Owner::Administrator(_) | Owner::Nobody, _) => None,
        (_, ReleasePolicy::PodDelete) => Some("pod-delete"),
        (_, ReleasePolicy::Immutable) => Some("immutable"),
        (_, ReleasePolicy::Never) => Some("never"),
    }
}

/// The longest value of a label, in bytes.
const LONGEST: usize = 63;
/// What is left for the text where a hash has to be put behind it: `-` and eight digits.
const CUT: usize = LONGEST - 9;

/// A text as the value of a label: itself where it is one. Else what is no part of a label becomes
/// `_`, the text is cut, and a hash of the whole is put behind it, so that different texts stay
/// different. None for an empty text.
///
/// ```
/// use floatingip_k8s::crd::label_value;
///
/// assert_eq!(label_value("web"), Some("web".to_owned()));
/// assert_eq!(label_value("蓝").unwrap().len(), "x-00000000".len());
/// ```
pub fn label_value(text: &str) -> Option<String> {
    if text.is_empty() {
        return None;
    }
    if is_label_value(text) {
        return Some(text.to_owned());
    }
    let plain = text.chars().map(|c| if is_inner(c) { c } else { '_' });
    let plain: String = plain.take(CUT).collect();
    let start = plain.trim_start_matches(|c: char| !c.is_ascii_alphanumeric());
    let start = if start.is_empty() { "x" } else { start };
    Some(format!("{start}-{:08x}", hash(text)))
}

fn is_label_value(text: &str) -> bool {
    let edge = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
    text.len() <= LONGEST
        && text.chars().all(is_inner)
        && edge(text.chars().next())
        && edge(text.chars().last())
}

const fn is_inner(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.')
}

/// FNV-1a: short, and the same for ever, as what is stored has to be.
fn hash(text: &str) -> u32 {
    text.bytes().fold(0x811c_9dc5, |hash, byte| {
        (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
    })
}

#[cfg(test)]
mod tests {
    use floatingip_core::testing::fixture::{pod, record};
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn good_values_stay_as_they_are() {
        let longest = "x".repeat(LONGEST);
        for good in ["web", "a_b.c-d", "0", longest.as_str()] {
            assert_eq!(label_value(good), Some(good.to_owned()));
        }
    }

    #[test]
    fn names_that_differ_behind_the_cut_have_different_values() {
        let long = "x".repeat(LONGEST);
        assert_ne!(
            label_value(&format!("{long}a")),
            label_value(&format!("{long}b"))
        );
    }

    #[test]
    fn an_owner_has_the_labels_that_it_has_names_for() {
        let owner = pod("web-0").of_statefulset("web").in_pool("blue").owner();
        let values = Label::ALL.map(|label| label.value_of(&record(owner.clone())));
        let expected = ["default", "web", "blue", "node-1", "immutable"];
        assert_eq!(values, expected.map(|value| Some(value.to_owned())));
        let router = record(Owner::Administrator("router".into()));
        assert_eq!(
            Label::ALL.map(|label| label.value_of(&router)),
            [const { None }; 5]
        );
    }

    proptest! {
        #[test]
        fn every_text_gives_a_value_that_kubernetes_takes(text in ".{0,80}") {
            prop_assert!(label_value(&text).is_none_or(|value| is_label_value(&value)));
        }
    }
}
