//! For how long the host does not answer while its address moves to a bridge, and after the plugin was killed at that.

use std::ops::Range;
use std::thread;
use std::time::{Duration, Instant};

use floatingip_cni::connect::{Step, carry_out};
use serde_json::json;

use super::lab::{HOST_IP, Lab, OUTSIDE_IP};
use super::space::Space;
use super::takeover::{ELSEWHERE, OUTSIDE_V6, SECOND_IP, V6, decided, lab, with_kernels};
use super::watch::{Gap, Watch};

/// What is promised.
const LONGEST: Duration = Duration::from_secs(1);
/// What the kernel still has to do, it begins within a second: no shorter look would see it.
const AFTERWARDS: Duration = Duration::from_millis(1500);

/// All that the host is asked, and asks itself.
fn watches(lab: &Lab) -> Vec<Watch> {
    let inwards = [HOST_IP, SECOND_IP, V6].map(|ip| Watch::start(&lab.outside, &lab.host, ip));
    let outwards =
        [OUTSIDE_IP, ELSEWHERE, OUTSIDE_V6].map(|ip| Watch::start(&lab.host, &lab.outside, ip));
    inwards.into_iter().chain(outwards).collect()
}

#[track_caller]
fn assert_short(watches: Vec<Watch>, moment: &str) {
    let gaps: Vec<Gap> = watches.into_iter().map(Watch::longest_gap).collect();
    println!("{moment}: {:?}", gaps.iter().map(|it| it.length).max());
    for Gap {
        ip,
        length,
        questions,
    } in gaps
    {
        assert!(
            length < LONGEST,
            "{moment}, {ip} did not answer for {length:?}, of {questions} questions"
        );
    }
}

/// Nothing that is remembered of who is where helps.
fn forget_neighbours(lab: &Lab) {
    for space in [&lab.host, &lab.outside] {
        space.ip("neighbour flush all");
    }
}

fn wait(length: Duration) {
    let since = Instant::now();
    while since.elapsed() < length {
        thread::park_timeout(length);
    }
}

#[test]
fn the_host_answers_all_the_time_while_its_address_moves() {
    let Some(lab) = lab() else { return };
    let pod = Space::new();
    let watches = watches(&lab);
    lab.call(&lab.add("c1", &pod, &["10.9.0.20/24"], &json!({})))
        .succeeds();
    wait(AFTERWARDS);
    assert_short(watches, "from beginning to end");
}

/// Kills the plugin after each of some of its steps. Is there still one after the last of them?
fn kill_after(steps: Range<usize>) -> bool {
    let killed = steps.map(|steps| thread::spawn(move || killed_after(steps)));
    let killed: Vec<_> = killed.collect();
    killed
        .into_iter()
        .all(|thread| thread.join().expect("it ends"))
}

fn killed_after(count: usize) -> bool {
    let Some(lab) = lab() else { return false };
    let pod = Space::new();
    let call = lab.add("c1", &pod, &["10.9.0.20/24"], &json!({}));
    let plan = decided(&lab, &call);
    let Some(steps) = plan.prepare.get(..count) else {
        return false;
    };
    let watches = watches(&lab);
    with_kernels(&lab, &call, |host, container| {
        carry_out(steps, host, container)
            .map_err(|it| it.error)
            .unwrap();
    });
    forget_neighbours(&lab);
    wait(AFTERWARDS);
    let last = steps.last().map(ToString::to_string);
    assert_short(watches, &format!("killed after {last:?}"));
    true
}

#[test]
fn the_host_answers_within_a_second_wherever_the_plugin_is_killed() {
    let mut first = 0;
    while kill_after(first..first + 5) {
        first += 5;
    }
    assert!(first > 15 || lab().is_none(), "{first} steps");
}

#[test]
fn the_host_answers_all_the_time_while_the_move_is_taken_back() {
    let Some(lab) = lab() else { return };
    let pod = Space::new();
    let call = lab.add("c1", &pod, &["10.9.0.20/24"], &json!({}));
    let mut steps = decided(&lab, &call).prepare;
    let creates = |step: &Step| step.to_string().starts_with("create veth");
    let again = steps.iter().find(|step| creates(step)).unwrap().clone();
    steps.push(again);
    let watches = watches(&lab);
    let broken = with_kernels(&lab, &call, |host, container| {
        carry_out(&steps, host, container).unwrap_err()
    });
    assert_eq!(broken.left, [] as [&str; 0]);
    wait(AFTERWARDS);
    assert_short(watches, "taken back");
}
