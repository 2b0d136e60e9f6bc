//! What was told lately.

use std::collections::{HashMap, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use k8s_openapi::api::core::v1::ObjectReference;
use tokio::time::Instant;

use super::Notice;

/// The same text is not told again for so long.
const SAME: Duration = Duration::from_secs(300);
/// Another text about the same object with the same reason is not told for so long.
const OTHER: Duration = Duration::from_secs(10);
/// Of so many notices is known that they were told.
const MOST: usize = 8192;

/// Which notices were told when, the latest of them.
#[derive(Debug, Default)]
pub(super) struct Recent {
    told: HashMap<u64, (u64, Instant)>,
    /// In the order in which they came first.
    order: VecDeque<u64>,
}

impl Recent {
    /// Whether the notice is worth telling now; then it counts as told.
    pub(super) fn is_news(&mut self, notice: &Notice, now: Instant) -> bool {
        let regarding = &notice.regarding;
        let subject = hash(&(identity(regarding), notice.reason));
        let note = hash(&notice.note);
        match self.told.get_mut(&subject) {
            Some((known, at)) => {
                let quiet = if *known == note { SAME } else { OTHER };
                if now.duration_since(*at) < quiet {
                    return false;
                }
                (*known, *at) = (note, now);
            }
            None => self.remember(subject, note, now),
        }
        true
    }

    fn remember(&mut self, subject: u64, note: u64, now: Instant) {
        if self.order.len() == MOST
            && let Some(oldest) = self.order.pop_front()
        {
            self.told.remove(&oldest);
        }
        self.order.push_back(subject);
        self.told.insert(subject, (note, now));
    }
}

/// Parts of one object are told of apart.
fn identity(object: &ObjectReference) -> [Option<&str>; 5] {
    let ObjectReference {
        kind,
        namespace,
        name,
        uid,
        field_path,
        ..
    } = object;
    [kind, namespace, name, uid, field_path].map(|part| part.as_deref())
}

fn hash(value: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::super::{Severity, pod_reference};
    use super::*;

    fn notice(pod: &str, note: &str) -> Notice {
        Notice {
            regarding: pod_reference("default", pod, "5f1c"),
            severity: Severity::Warning,
            reason: "NoFloatingIP",
            note: note.to_owned(),
        }
    }

    #[test]
    fn the_same_is_told_once_and_changes_after_a_while() {
        let mut recent = Recent::default();
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        assert!(recent.is_news(&notice("a", "full"), at(0)));
        assert!(!recent.is_news(&notice("a", "full"), at(299)));
        assert!(recent.is_news(&notice("b", "full"), at(1)));
        assert!(!recent.is_news(&notice("a", "disabled"), at(9)));
        assert!(recent.is_news(&notice("a", "disabled"), at(10)));
        assert!(!recent.is_news(&notice("a", "disabled"), at(300)));
        assert!(recent.is_news(&notice("a", "disabled"), at(310)));
    }

    #[test]
    fn parts_of_one_object_are_told_of_apart() {
        let mut recent = Recent::default();
        let now = Instant::now();
        let part = |part: &str| {
            let mut notice = notice("a", part);
            notice.regarding.field_path = Some(part.to_owned());
            notice
        };
        assert!(recent.is_news(&part("one"), now));
        assert!(recent.is_news(&part("two"), now));
        assert!(!recent.is_news(&part("one"), now));
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let mut recent = Recent::default();
        let now = Instant::now();
        for n in 0..MOST + 10 {
            assert!(recent.is_news(&notice(&n.to_string(), "full"), now));
        }
        assert_eq!((recent.told.len(), recent.order.len()), (MOST, MOST));
        assert!(recent.is_news(&notice("0", "full"), now));
    }
}
