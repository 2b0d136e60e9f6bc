//! `backup` and `restore` as processes of their own, without a server and beside one.

use std::collections::BTreeSet;
use std::fs;
use std::io::Read;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::UnixStream;
use std::process::{Output, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use crate::server::{Home, SEED, Server, binary, wait_for, with_ips};

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

/// What is restored serves from now on.
fn replace_by_what_is_restored(home: &Home) {
    ends_with(0, &restore(home, "saved"));
    fs::rename(home.path("data"), home.path("old")).unwrap();
    fs::rename(home.path("new"), home.path("data")).unwrap();
}

const CLIENTS: usize = 16;
/// Acknowledged writes before the backup begins.
const BEFORE: usize = 300;

/// Creates pools of one address until all is over; each that is acknowledged is noted.
fn create_pools(server: &Server, client: usize, over: &AtomicBool, noted: &Mutex<Vec<String>>) {
    for number in 0.. {
        if over.load(Ordering::Relaxed) {
            return;
        }
        let name = format!("pool-{client}-{number}");
        server.put_pool(&name, 1, 200);
        noted.lock().unwrap().push(name);
    }
}

#[test]
fn what_was_acknowledged_before_a_backup_began_is_in_it_while_sixteen_clients_write() {
    let home = Home::new(
        &with_ips("10.0.0.2~10.0.255.241")
            .replace("10.0.70.0/24", "10.0.0.0/16")
            .replace("10.0.70.1", "10.0.0.1"),
    );
    let server = home.start();
    let (over, noted) = (AtomicBool::new(false), Mutex::new(Vec::new()));
    let (before, done, after) = thread::scope(|scope| {
        for client in 0..CLIENTS {
            let (server, over, noted) = (&server, &over, &noted);
            scope.spawn(move || create_pools(server, client, over, noted));
        }
        let before = wait_for("acknowledged pools", || {
            let noted = noted.lock().unwrap();
            (noted.len() >= BEFORE).then(|| noted.clone())
        });
        let done = back_up(&home);
        let after = wait_for("later pools", || {
            let noted = noted.lock().unwrap().len();
            (noted > before.len()).then_some(noted)
        });
        over.store(true, Ordering::Relaxed);
        (before, done, after)
    });
    ends_with(0, &done);
    let owned = |server: &Server| -> Vec<Vec<String>> {
        let of = |name: &String| server.ips(&format!("poolName={name}"));
        before.iter().map(of).collect()
    };
    let known = owned(&server);
    assert_eq!(server.metric("floatingip_backups_total"), Some(1.0));
    server.stop();
    replace_by_what_is_restored(&home);
    let server = home.start();
    let found = owned(&server);
    assert_eq!(found, known, "{after} pools were acknowledged in the end");
    let apart: BTreeSet<&String> = found.iter().flatten().collect();
    assert_eq!(apart.len(), before.len(), "each address has one owner");
    server.stop();
}

#[test]
fn the_socket_is_the_users_alone_and_outlives_no_server() {
    let home = Home::new(SEED);
    let socket = home.path("data/floatingip.backup");
    let server = home.start();
    let mode = || fs::metadata(&socket).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(), 0o600);
    server.kill();
    assert!(fs::metadata(&socket).unwrap().file_type().is_socket());
    ends_with(0, &back_up(&home));
    fs::remove_file(home.path("saved")).unwrap();
    let server = home.start();
    assert_eq!(mode(), 0o600);
    ends_with(0, &back_up(&home));
    let mut magic = [0; 17];
    let mut stream = UnixStream::connect(&socket).unwrap();
    stream.read_exact(&mut magic).unwrap();
    assert_eq!(&magic, b"floatingip-backup");
    server.stop();
    assert!(!socket.exists());
}

#[test]
fn a_folder_whose_path_is_too_long_for_a_socket_is_served_and_backed_up_without_a_server() {
    let home = Home::new(SEED);
    let folder = "long".repeat(30);
    let mut command = binary();
    command.current_dir(home.path(""));
    command.args(["standalone", "--config", "config", "--data-dir", &folder]);
    command.env("FLOATINGIP_LISTEN", "127.0.0.1:0");
    let server = home.spawn(command).serving();
    server.logged("choose a shorter --data-dir");
    let arguments = ["backup", "--data-dir", &folder, "--to", "saved"];
    let error = ends_with(1, &run(&home, &arguments));
    assert!(error.contains("stop the server meanwhile"), "{error}");
    assert!(!home.path("saved").exists());
    server.stop();
    ends_with(0, &run(&home, &arguments));
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
