//! The configuration: at the start, followed, and when it is bad.

use std::fs;
use std::os::unix::fs::symlink;

use crate::server::{Home, SEED, repository, wait_for, with_ips};

/// Everything is wrong with it.
const BAD: &str = r#"[{"routableSubnet":"10.0.0.0/33","ips":["10.0.70.9~10.0.70.3"],"gateway":"10.0.70.0","vlann":3}]"#;
const FAULTS: [&str; 5] = [
    "[0].vlann",
    "[0].routableSubnet",
    "[0].subnet",
    "[0].ips[0]",
    "[0].gateway",
];

#[test]
fn in_the_repository_the_sample_configuration_is_served_by_default() {
    let home = Home::new("not looked at");
    let mut command = crate::server::binary();
    command.args(["standalone", "--listen", "127.0.0.1:0", "--data-dir"]);
    command.arg(home.path("data")).current_dir(repository());
    let server = home.spawn(command).serving();
    let seed = "galaxy_ip_counter{type=\"total\",subnet=\"10.0.70.0/24\",first_ip=\"10.0.70.2\"}";
    assert_eq!(server.metric(seed), Some(240.0));
    assert!(!server.log().contains("WARN"), "{}", server.log());
}

#[test]
fn the_config_map_is_read_as_the_seed_prints_it_with_a_warning() {
    let manifest = format!(
        "kind: ConfigMap\napiVersion: v1\nmetadata:\n name: floatingip-config\n \
         namespace: kube-system\ndata:\nfloatingips: '{SEED}'\n"
    );
    let home = Home::new(&manifest);
    let server = home.start();
    assert_eq!(server.total(), 240.0);
    assert!(server.log().contains("WARN"), "{}", server.log());
    assert!(server.log().contains("indent the line"));
}

#[test]
fn without_a_usable_configuration_every_fault_is_printed_and_the_exit_code_is_2() {
    let home = Home::new(BAD);
    let mut server = home.spawn(home.command(&[]));
    assert_eq!(server.wait().code(), Some(2));
    let log = server.log();
    for place in FAULTS {
        let lines = log.lines().filter(|line| line.starts_with(place));
        assert_eq!(lines.count(), 1, "{place} in {log}");
    }
    fs::remove_file(home.path("config")).unwrap();
    let mut server = home.spawn(home.command(&[]));
    assert_eq!(server.wait().code(), Some(2));
    assert!(server.log().contains("config, and none is kept"));
}

#[test]
fn the_last_good_configuration_serves_when_the_present_one_is_bad() {
    let home = Home::new(SEED);
    let server = home.start();
    server.put_pool("blue", 2, 200);
    server.stop();
    home.configure(BAD);
    let server = home.start();
    assert_eq!(server.ips("poolName=blue").len(), 2);
    assert_eq!(server.put_pool("blue", 3, 200), 3);
    let ready = server.get("/readyz?verbose");
    assert_eq!(ready.status, 200);
    assert!(ready.body.contains("[-]config failed"), "{}", ready.body);
    for place in FAULTS {
        assert!(ready.body.contains(place), "{place} in {}", ready.body);
    }
    let check = "floatingip_check_ok{check=\"config\"}";
    assert_eq!(server.metric(check), Some(0.0));
    home.configure(&with_ips("10.0.70.2~10.0.70.9"));
    server.total_becomes(8.0);
    assert_eq!(server.metric(check), Some(1.0));
    server.stop();
}

#[test]
fn another_configuration_is_in_force_soon_however_the_file_is_changed() {
    let home = Home::new("");
    for (n, last) in [(1, 11), (2, 21), (3, 31)] {
        let folder = home.path(&format!("version-{n}"));
        fs::create_dir(&folder).unwrap();
        let text = with_ips(&format!("10.0.70.2~10.0.70.{last}"));
        fs::write(folder.join("config"), text).unwrap();
    }
    // As the kubelet mounts a ConfigMap: the link `..data` is exchanged.
    let point_at = |n| {
        symlink(format!("version-{n}"), home.path("link")).unwrap();
        fs::rename(home.path("link"), home.path("..data")).unwrap();
    };
    point_at(1);
    fs::remove_file(home.path("config")).unwrap();
    symlink("..data/config", home.path("config")).unwrap();
    let server = home.start();
    assert_eq!(server.total(), 10.0);
    point_at(2);
    server.total_becomes(20.0);
    fs::copy(home.path("version-3/config"), home.path("version-2/config")).unwrap();
    server.total_becomes(30.0);
    home.configure(&with_ips("10.0.70.2~10.0.70.41"));
    server.total_becomes(40.0);
}

#[test]
fn sighup_reads_the_configuration_again() {
    let home = Home::new(SEED);
    let server = home.start();
    server.signal("HUP");
    server.logged("was read again and is the same");
    home.configure(&with_ips("10.0.70.2~10.0.70.11"));
    server.signal("HUP");
    server.total_becomes(10.0);
    server.stop();
}

#[test]
fn a_bad_change_changes_nothing_and_is_told() {
    let home = Home::new(SEED);
    let server = home.start();
    let check = "floatingip_check_ok{check=\"config\"}";
    assert_eq!(server.metric(check), Some(1.0));
    home.configure(BAD);
    server.logged("the configuration in force stays");
    assert_eq!(server.metric(check), Some(0.0));
    assert_eq!(server.total(), 240.0);
    assert_eq!(server.get("/readyz").status, 200);
    assert_eq!(server.put_pool("blue", 2, 200), 2);
    fs::remove_file(home.path("config")).unwrap();
    server.logged("cannot be read");
    home.configure(SEED);
    server.logged("is the same");
    assert_eq!(server.metric(check), Some(1.0));
    assert!(!server.get("/readyz?verbose").body.contains("[-]"));
}

#[test]
fn draining_addresses_stay_with_their_owner_and_are_not_given_again() {
    let home = Home::new(&with_ips("10.0.70.2~10.0.70.9"));
    let server = home.start();
    server.put_pool("blue", 3, 200);
    home.configure(&with_ips("10.0.70.4~10.0.70.6"));
    server.total_becomes(3.0);
    let blue = ["10.0.70.2", "10.0.70.3", "10.0.70.4"];
    assert_eq!(server.ips("poolName=blue"), blue);
    let last = || {
        let history = server.get("/v1/ip/10.0.70.2/history").json(200);
        history["entries"][0]["event"].as_str() == Some("drain")
    };
    wait_for("the journal's line", || last().then_some(()));
    server.stop();
    let server = home.start();
    assert_eq!(server.ips("poolName=blue"), blue);
    server.ask("DELETE", "/v1/pool/blue", "").json(200);
    assert_eq!(server.put_pool("green", 9, 202), 3);
    assert_eq!(
        server.ips("poolName=green"),
        ["10.0.70.4", "10.0.70.5", "10.0.70.6"]
    );
}

#[test]
fn a_manifest_with_the_list_in_place_is_read_without_a_warning() {
    let example = repository().join("examples/floatingip-config.yaml");
    let home = Home::new(&fs::read_to_string(example).unwrap());
    let server = home.start();
    assert_eq!(server.total(), 240.0);
    assert!(!server.log().contains("WARN"));
}

#[test]
fn what_is_excluded_or_cordoned_is_not_handed_out() {
    let home = Home::new(
        r#"[
        {"nodeSubnets": ["10.0.0.0/16", "fd00::/64"], "ips": ["10.0.70.0/29"], "exclude": ["10.0.70.3"],
         "subnet": "10.0.70.0/24", "gateway": "10.0.70.1"},
        {"nodeSubnets": ["10.0.0.0/16"], "ips": ["10.0.71.2~10.0.71.9"], "disabled": true,
         "subnet": "10.0.71.0/24", "gateway": "10.0.71.1"}
        ]"#,
    );
    let server = home.start();
    assert_eq!(server.put_pool("blue", 100, 202), 5);
    let given = ["2", "4", "5", "6", "7"].map(|last| format!("10.0.70.{last}"));
    assert_eq!(server.ips("poolName=blue"), given);
}

#[test]
fn the_largest_networks_cost_no_memory() {
    let home = Home::new(
        r#"[
        {"nodeSubnets": ["172.16.0.0/16"], "ips": ["10.0.0.0/8"], "subnet": "10.0.0.0/8",
         "gateway": "10.0.0.1"},
        {"nodeSubnets": ["172.17.0.0/16"], "ips": ["fd00::/64"], "subnet": "fd00::/64",
         "gateway": "fd00::1"}
        ]"#,
    );
    let server = home.start();
    assert_eq!(server.put_pool("blue", 5, 200), 5);
    assert_eq!(server.ips("poolName=blue").len(), 5);
    assert_eq!(server.total(), 16_777_216.0 + 18_446_744_073_709_551_616.0);
    let refused = server.get("/v1/ip?includeFree=true").json(400);
    let message = refused["message"].as_str().unwrap();
    assert!(message.contains("too many to list"), "{message}");
    let status = fs::read_to_string(format!("/proc/{}/status", server.pid()));
    let Ok(status) = status else {
        eprintln!("SKIPPED: no /proc, so the memory was NOT looked at");
        return;
    };
    let most = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let most: u64 = most
        .unwrap()
        .trim()
        .trim_end_matches(" kB")
        .parse()
        .unwrap();
    assert!(most < 64 * 1024, "{most} kB");
}
