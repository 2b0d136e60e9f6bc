//! In whatever order live reads come between the events of the watch, and however often, the index ends
//! as the watch alone would have it.

use proptest::prelude::*;

use super::*;

/// What happens to one of three names, at the next version.
#[derive(Clone, Copy, Debug)]
enum Step {
    Make,
    Bind,
    Finish,
    Delete,
    Unrelated,
}

fn history() -> impl Strategy<Value = Vec<(usize, Step)>> {
    let step = prop_oneof![
        Just(Step::Make),
        Just(Step::Bind),
        Just(Step::Finish),
        Just(Step::Delete),
        Just(Step::Unrelated),
    ];
    prop::collection::vec((0..3_usize, step), 1..40)
}

/// What an API server would tell of these steps.
fn events(steps: &[(usize, Step)]) -> Vec<Seen<PodEntry>> {
    let mut now: [Option<PodEntry>; 3] = [const { None }; 3];
    let mut events = Vec::new();
    for (version, (place, step)) in (2_u64..).zip(steps) {
        let name = ["a", "b", "c"][*place];
        let slot = &mut now[*place];
        let next = match (step, slot.take()) {
            (Step::Make, None) => {
                let uid = Name::from(format!("{name}{version}"));
                Some(PodEntry {
                    uid,
                    ..pod(name, version)
                })
            }
            (Step::Unrelated, None) => {
                let uid = Name::from(format!("{name}{version}"));
                Some(PodEntry {
                    uid,
                    wanted: None,
                    ..pod(name, version)
                })
            }
            (Step::Bind, Some(pod)) => Some(PodEntry {
                node: Some("n".into()),
                version,
                ..pod
            }),
            (Step::Finish, Some(pod)) => Some(PodEntry {
                finished: true,
                version,
                ..pod
            }),
            (Step::Delete, Some(pod)) => {
                events.push(Seen::Deleted(PodEntry { version, ..pod }));
                None
            }
            (_, former) => {
                *slot = former;
                continue;
            }
        };
        events.extend(next.clone().map(Seen::Present));
        *slot = next;
    }
    events
}

fn apply(index: &mut Index, event: &Seen<PodEntry>) {
    match event {
        Seen::Present(pod) | Seen::Listed(pod) => index.apply_pod(pod.clone()),
        Seen::Deleted(pod) => index.delete_pod(pod),
    }
}

fn content(index: &Index) -> (Vec<PodEntry>, Vec<Name>, usize) {
    let mut pods: Vec<_> = index.pods().map(|pod| PodEntry::clone(pod)).collect();
    pods.sort_by_key(|pod| (pod.name.clone(), pod.version));
    let waiting = index.waiting().map(|pod| pod.name.clone()).collect();
    (pods, waiting, index.pods_on("n").count())
}

proptest! {
    #[test]
    fn live_reads_in_any_order_change_nothing_in_the_end(
        steps in history(),
        reads in prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>()), 0..20),
    ) {
        let events = events(&steps);
        prop_assume!(!events.is_empty());
        let (mut plain, mut mixed) = (synced(), synced());
        events.iter().for_each(|event| apply(&mut plain, event));
        for (place, event) in events.iter().enumerate() {
            for (when, what) in &reads {
                // What a read has shown is a state of the past or of the near future.
                if when.index(events.len()) == place
                    && let Seen::Present(pod) = &events[what.index(events.len())]
                {
                    mixed.expect_pod(pod.clone());
                }
            }
            apply(&mut mixed, event);
        }
        prop_assert_eq!(content(&plain), content(&mixed));
    }

    #[test]
    fn every_pod_that_is_no_more_was_told_as_ended(steps in history()) {
        let events = events(&steps);
        let mut index = synced();
        events.iter().for_each(|event| apply(&mut index, event));
        let effects = index.take_effects();
        for event in &events {
            let (Seen::Present(pod) | Seen::Listed(pod) | Seen::Deleted(pod)) = event;
            let live = index.pod_of_uid(&pod.uid).is_some_and(|pod| !pod.finished);
            let ours = pod.wanted.is_some();
            prop_assert_eq!(effects.ended.contains_key(&pod.uid), ours && !live);
        }
    }

    #[test]
    fn a_list_ends_as_the_watch_does(steps in history(), seen in any::<prop::sample::Index>()) {
        let events = events(&steps);
        prop_assume!(!events.is_empty());
        let (mut watched, mut listed) = (synced(), synced());
        events.iter().for_each(|event| apply(&mut watched, event));
        events.iter().take(seen.index(events.len())).for_each(|event| apply(&mut listed, event));
        let now = watched.pods().map(|pod| PodEntry::clone(pod)).collect::<Vec<_>>();
        let names: Vec<String> = now.iter().map(|pod| pod.name.to_string()).collect();
        now.iter().for_each(|pod| listed.apply_pod(pod.clone()));
        list(&mut listed, &Kind::Pods, &names.iter().map(String::as_str).collect::<Vec<_>>(), 1000);
        prop_assert_eq!(content(&watched), content(&listed));
    }
}
