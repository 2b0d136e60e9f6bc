//! What the command line says of itself.

use std::process::{Output, Stdio};

use crate::server::{Home, SEED, binary};

fn say(arguments: &[&str]) -> Output {
    let mut command = binary();
    command.args(arguments).stdout(Stdio::piped());
    command.output().unwrap()
}

fn text(arguments: &[&str]) -> String {
    let said = say(arguments);
    assert_eq!(said.status.code(), Some(0), "{said:?}");
    String::from_utf8(said.stdout).unwrap()
}

#[test]
fn the_help_teaches() {
    let help = text(&["standalone", "--help"]);
    assert_eq!(help, include_str!("../golden/help-standalone.txt"));
    assert!(text(&["--help"]).contains("standalone"));
    assert!(text(&["help", "standalone"]) == help);
    assert_eq!(
        text(&["kubernetes", "--help"]),
        include_str!("../golden/help-kubernetes.txt")
    );
}

#[test]
fn backup_and_restore_say_what_they_do() {
    for (command, help) in [
        ("backup", include_str!("../golden/help-backup.txt")),
        ("restore", include_str!("../golden/help-restore.txt")),
    ] {
        assert_eq!(text(&[command, "--help"]), help);
    }
}

#[test]
fn verify_says_what_it_checks_and_when_it_cannot() {
    assert_eq!(
        text(&["verify", "--help"]),
        include_str!("../golden/help-verify.txt")
    );
    let said = say(&["verify", "--kubeconfig", "/nowhere/config"]);
    assert_eq!(said.status.code(), Some(2), "{said:?}");
    let error = String::from_utf8(said.stderr).unwrap();
    assert!(error.contains("/nowhere/config"), "{error}");
}

#[test]
fn the_version_is_the_packages() {
    let version = format!("floatingip-server {}\n", env!("CARGO_PKG_VERSION"));
    assert_eq!(text(&["--version"]), version);
    assert!(text(&["standalone", "--version"]).ends_with(&version["floatingip-server".len()..]));
}

#[test]
fn what_it_does_not_understand_it_refuses_with_a_hint() {
    for (arguments, hint) in [
        (&["standalone", "--lisen", "x"][..], "--listen"),
        (&["standalone", "--listen", "nowhere"], "unix:PATH"),
        (&["standalon"], "standalone"),
        (&["standalone", "--log-format", "xml"], "json"),
    ] {
        let said = say(arguments);
        assert_eq!(said.status.code(), Some(2), "{said:?}");
        let said = String::from_utf8(said.stderr).unwrap();
        assert!(said.contains(hint), "{said}");
    }
    let home = Home::new(SEED);
    let mut odd = home.spawn(home.command(&["--log", "info,=,"]));
    assert_eq!(odd.wait().code(), Some(1));
    assert!(odd.log().contains("is no log filter"), "{}", odd.log());
}

#[test]
fn settings_can_come_from_the_environment() {
    let home = Home::new(SEED);
    let mut command = home.command(&[]);
    command.env("FLOATINGIP_GALAXY_COMPAT", "true");
    let server = home.spawn(command).serving();
    assert_eq!(server.get("/v1/ip").json(200)["totalElements"], 240);
}
