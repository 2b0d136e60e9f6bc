//! `backup` and `restore` as processes of their own.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::{Output, Stdio};

use crate::server::{Home, SEED, binary};

/// Runs a command in the home's folder.
fn run(home: &Home, arguments: &[&str]) -> Output {
    let mut command = binary();
    command.current_dir(home.path("")).args(arguments);
    command.stdout(Stdio::piped()).output().unwrap()
}

#[track_caller]
fn ends_with(code: i32, said: &Output) -> String {
    let error = String::from_utf8(said.stderr.clone()).unwrap();
    assert_eq!(said.status.code(), Some(code), "{error}");
    error
}

fn back_up(home: &Home) -> Output {
    run(home, &["backup", "--data-dir", "data", "--to", "saved"])
}

fn restore(home: &Home, from: &str) -> Output {
    run(home, &["restore", "--data-dir", "new", "--from", from])
}

#[test]
fn a_restored_server_lists_what_the_former_one_did() {
    let home = Home::new(SEED);
    let server = home.start();
    server.put_pool("blue", 5, 200);
    let listed = server.ips("poolName=blue");
    server.stop();
    ends_with(0, &back_up(&home));
    let mode = fs::metadata(home.path("saved"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    ends_with(0, &restore(&home, "saved"));
    fs::rename(home.path("data"), home.path("old")).unwrap();
    fs::rename(home.path("new"), home.path("data")).unwrap();
    let server = home.start();
    assert_eq!(server.ips("poolName=blue"), listed);
    let events = server.get("/v1/ip/10.0.70.2/history").json(200);
    assert_eq!(events["entries"][0]["event"], "pre-allocate");
    server.stop();
}

#[test]
fn a_backup_can_go_through_a_pipe() {
    let home = Home::new(SEED);
    home.start().stop();
    let piped = run(&home, &["backup", "--data-dir", "data", "--to", "-"]);
    ends_with(0, &piped);
    fs::write(home.path("saved"), &piped.stdout).unwrap();
    ends_with(0, &restore(&home, "saved"));
}

#[test]
fn what_cannot_be_done_is_told_with_the_remedy_and_leaves_nothing() {
    let home = Home::new(SEED);
    let error = ends_with(2, &back_up(&home));
    assert!(error.contains("there is no store at data"), "{error}");
    home.start().stop();
    ends_with(0, &back_up(&home));
    let error = ends_with(2, &back_up(&home));
    assert!(error.contains("saved is there already"), "{error}");
    let lost = ["backup", "--data-dir", "data", "--to", "none/saved"];
    let error = ends_with(1, &run(&home, &lost));
    assert!(error.contains("with --to"), "{error}");
    let error = ends_with(2, &restore(&home, "config"));
    assert!(error.contains("no backup of a floatingip store"), "{error}");
    let error = ends_with(2, &restore(&home, "nothing"));
    assert!(error.contains("cannot be read"), "{error}");
    assert!(!home.path("new/floatingip.redb").exists());
    let error = ends_with(
        2,
        &run(&home, &["restore", "--data-dir", "data", "--from", "saved"]),
    );
    assert!(
        error.contains("nothing is ever restored over one"),
        "{error}"
    );
    let parts = fs::read_dir(home.path("")).unwrap();
    let parts = parts.filter(|entry| {
        let name = entry.as_ref().unwrap().file_name();
        name.to_string_lossy().contains("part")
    });
    assert_eq!(parts.count(), 0);
}
