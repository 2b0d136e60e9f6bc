//! Matching: giving every want an address of its own. `[[a, b], [a]]` gives b and a.

use std::net::IpAddr;

/// Candidates of every want, in the order of preference.
pub(super) type Candidates = Vec<Vec<IpAddr>>;

/// Assigns each want one of its candidates, all different. The stages come one after the other: what
/// an earlier stage could assign stays assigned, to whichever want, so earlier stages are preferred.
/// Augmenting paths; O(wants² · candidates).
///
/// # Errors
/// The first want for which nothing is left.
pub(super) fn assign(wants: usize, stages: &[Candidates]) -> Result<Vec<IpAddr>, usize> {
    let mut candidates: Candidates = vec![Vec::new(); wants];
    let mut assigned: Vec<Option<IpAddr>> = vec![None; wants];
    for stage in stages {
        for (all, new) in candidates.iter_mut().zip(stage) {
            all.extend(new);
        }
        for want in 0..wants {
            if assigned.get(want).is_some_and(Option::is_none) {
                augment(want, &candidates, &mut assigned, &mut Vec::new());
            }
        }
    }
    assigned
        .into_iter()
        .enumerate()
        .map(|(want, ip)| ip.ok_or(want))
        .collect()
}

/// Finds `want` an address: one that is left, else one whose want can be moved to another.
fn augment(
    want: usize,
    candidates: &Candidates,
    assigned: &mut [Option<IpAddr>],
    tried: &mut Vec<IpAddr>,
) -> bool {
    let ours = candidates.get(want).into_iter().flatten();
    let (held, left): (Vec<IpAddr>, Vec<IpAddr>) =
        ours.partition(|ip| assigned.contains(&Some(**ip)));
    for ip in left.into_iter().chain(held) {
        if tried.contains(&ip) {
            continue;
        }
        tried.push(ip);
        let holder = assigned.iter().position(|other| *other == Some(ip));
        if holder.is_none_or(|holder| augment(holder, candidates, assigned, tried)) {
            if let Some(place) = assigned.get_mut(want) {
                *place = Some(ip);
            }
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(last: u8) -> IpAddr {
        IpAddr::from([10, 0, 0, last])
    }

    #[test]
    fn overlapping_lists_are_matched_not_taken_greedily() {
        let (a, b) = (ip(1), ip(2));
        assert_eq!(assign(2, &[vec![vec![a, b], vec![a]]]), Ok(vec![b, a]));
    }

    #[test]
    fn what_an_earlier_stage_gave_stays_given() {
        let (own, fresh) = (ip(9), ip(1));
        let stages = [vec![vec![own], vec![own]], vec![vec![fresh], vec![]]];
        assert_eq!(assign(2, &stages), Ok(vec![fresh, own]));
    }

    #[test]
    fn the_first_want_that_gets_nothing_is_named() {
        let a = ip(1);
        assert_eq!(assign(2, &[vec![vec![a], vec![a]]]), Err(1));
        assert_eq!(assign(1, &[vec![vec![]]]), Err(0));
        assert_eq!(assign(0, &[]), Ok(vec![]));
    }
}
