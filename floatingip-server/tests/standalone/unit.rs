//! The systemd unit that is shipped.

use std::fs;
use std::process::Command;

use crate::server::{Home, SEED, binary, repository};

const PROGRAM: &str = "/usr/local/bin/floatingip-server";

fn unit() -> String {
    fs::read_to_string(repository().join("deploy/systemd/floatingip.service")).unwrap()
}

/// The value of a setting of the unit.
fn setting<'a>(unit: &'a str, name: &str) -> &'a str {
    let mut lines = unit.lines();
    let found = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
    found.unwrap_or_else(|| panic!("no {name}"))
}

#[test]
fn the_unit_starts_a_server_that_ends_as_systemd_ends_it() {
    let unit = unit();
    let home = Home::new(SEED);
    let path = |name| home.path(name).display().to_string();
    let line = setting(&unit, "ExecStart").replace("/etc/floatingip/config.yaml", &path("config"));
    let line = line.replace("/var/lib/floatingip", &path("data"));
    let line = line.replace(":32761", ":0");
    let mut words = line.split(' ');
    assert_eq!(words.next(), Some(PROGRAM));
    let mut command = binary();
    command.args(words);
    let server = home.spawn(command).serving();
    assert_eq!(server.get("/healthz").status, 200);
    assert!(home.path("data/floatingip.redb").exists());
    assert!(setting(&unit, "ExecReload").contains("-HUP"));
    server.signal("HUP");
    server.logged("was read again");
    server.stop();
}

#[test]
fn systemd_understands_the_unit() {
    let there = Command::new("systemd-analyze").arg("--version").output();
    if !there.is_ok_and(|answer| answer.status.success()) {
        eprintln!("SKIPPED: systemd-analyze is missing, so the unit was NOT verified");
        return;
    }
    let home = Home::new("");
    let file = home.path("floatingip.service");
    // It looks whether the program is there.
    let program = binary().get_program().to_string_lossy().into_owned();
    fs::write(&file, unit().replace(PROGRAM, &program)).unwrap();
    let verify = Command::new("systemd-analyze")
        .args(["verify", "--man=no"])
        .arg(&file)
        .output()
        .unwrap();
    assert!(verify.status.success(), "{verify:?}");
    let said = String::from_utf8(verify.stderr).unwrap();
    assert_eq!(
        said.lines()
            .find(|line| line.contains("floatingip.service")),
        None
    );
}
