//! A disk that is full, a folder that cannot be written, a file that was damaged: said clearly, and
//! nothing lost.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use crate::client::Answer;
use crate::server::{Home, Server, with_ips};

const STORE: &str = "data/floatingip.redb";
/// More than the room of a fresh file has place for.
const MANY: u32 = 4000;
const WIDE: &str = r#"[{"routableSubnet": "10.0.0.0/16", "ips": ["10.1.0.2~10.1.63.254"],
    "subnet": "10.1.0.0/16", "gateway": "10.1.255.254"}]"#;

/// The same command under another one that runs what it is given.
fn under(runner: &[&str], command: &Command) -> Command {
    let mut wrapped = Command::new(runner[0]);
    wrapped.args(&runner[1..]);
    wrapped.arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => wrapped.env(name, value),
            None => wrapped.env_remove(name),
        };
    }
    if let Some(dir) = command.get_current_dir() {
        wrapped.current_dir(dir);
    }
    wrapped
}

/// The same command where no file may become longer than so many bytes, which is what a full disk says too.
fn with_room(bytes: u64, command: &Command) -> Command {
    let script = "trap '' XFSZ; ulimit -f \"$0\"; exec \"$@\"";
    // POSIX counts blocks of 512 bytes.
    let blocks = (bytes / 512).to_string();
    under(&["sh", "-c", script, &blocks], command)
}

fn name(n: u32) -> String {
    format!("p{n}-{}", "x".repeat(50))
}

fn put(server: &Server, n: u32) -> Answer {
    let body = format!(r#"{{"name":"{}","size":1,"preAllocateIP":true}}"#, name(n));
    server.ask("POST", "/v1/pool", &body)
}

#[test]
fn a_full_disk_refuses_writes_and_loses_nothing_that_was_acknowledged() {
    let home = Home::new(WIDE);
    home.start().stop();
    let room = 8 * fs::metadata(home.path(STORE)).unwrap().len();
    let server = home.spawn(with_room(room, &home.command(&[]))).serving();
    let mut kept = Vec::new();
    let refused = (0..MANY).find(|n| {
        let answer = put(&server, *n);
        let done = answer.status == 200;
        if done {
            kept.push(*n);
        }
        !done
    });
    let refused = refused.expect("a refusal before there are many pools");
    let answer = put(&server, refused + 1);
    assert_eq!(answer.status, 503, "{}", answer.body);
    assert!(answer.body.contains("try again"), "{}", answer.body);
    server.logged("check the disk and the free space on it");
    assert!(server.metric("floatingip_store_failures_total").unwrap() > 0.0);
    let last = name(refused - 1);
    assert_eq!(server.ips(&format!("poolName={last}")).len(), 1);
    server.stop();

    let server = home.start();
    for n in &kept {
        let ips = server.ips(&format!("poolName={}", name(*n)));
        assert_eq!(ips.len(), 1, "pool {n} of {}", kept.len());
    }
    assert_eq!(put(&server, MANY).status, 200);
    server.stop();
}

/// A folder where a server ran, with one pool of one address.
fn used() -> Home {
    let home = Home::new(&with_ips("10.0.70.2~10.0.70.241"));
    let server = home.start();
    assert_eq!(server.put_pool("blue", 1, 200), 1);
    server.stop();
    home
}

#[test]
fn a_damaged_file_stops_the_start_with_a_remedy_and_stays_as_it_is() {
    let home = used();
    let whole = fs::read(home.path(STORE)).unwrap();
    let with = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = whole.clone();
        change(&mut bytes);
        bytes
    };
    for (what, bytes) in [
        ("empty", Vec::new()),
        ("cut off", with(&|bytes| bytes.truncate(bytes.len() / 2))),
        ("its first page gone", with(&|bytes| bytes[..512].fill(0))),
        ("a letter", b"dear".repeat(4096)),
    ] {
        fs::write(home.path(STORE), &bytes).unwrap();
        gives_up(&home, &home.command(&[]), what, "then put back a backup");
        assert!(fs::read(home.path(STORE)).unwrap() == bytes, "{what}");
    }
    fs::write(home.path(STORE), &whole).unwrap();
    let server = home.start();
    assert_eq!(server.ips("poolName=blue"), ["10.0.70.2"]);
    server.stop();
}

#[test]
fn a_folder_in_the_place_of_the_file_stops_the_start_with_a_remedy() {
    let home = Home::new(&with_ips("10.0.70.2"));
    fs::create_dir_all(home.path(STORE)).unwrap();
    gives_up(&home, &home.command(&[]), "a folder", "check the disk");
}

#[test]
fn a_folder_that_cannot_be_written_stops_the_start_with_a_remedy() {
    let home = used();
    let folder = home.path("data");
    fs::set_permissions(&folder, Permissions::from_mode(0o500)).unwrap();
    let command = home.command(&[]);
    // Who may write everywhere is made one who may not.
    let command = match fs::write(folder.join("probe"), "") {
        Ok(()) => {
            fs::remove_file(folder.join("probe")).unwrap();
            let less = "--bounding-set=-dac_override,-dac_read_search";
            under(&["setpriv", less, "--inh-caps=-all"], &command)
        }
        Err(_) => command,
    };
    for file in ["floatingip.redb", "floatingip.lock"] {
        fs::set_permissions(folder.join(file), Permissions::from_mode(0o400)).unwrap();
    }
    gives_up(&home, &command, "read-only", "make it writable");
    fs::set_permissions(&folder, Permissions::from_mode(0o700)).unwrap();
}

/// Starts a server that has to give up, and says which file or folder it is about and what to do.
#[track_caller]
fn gives_up(home: &Home, command: &Command, what: &str, remedy: &str) {
    let mut server = home.spawn(under(&["env"], command));
    let code = server.wait().code();
    let said = server.log();
    assert_eq!(code, Some(1), "{what}: {said}");
    assert!(
        said.contains("data") && said.contains(remedy),
        "{what}: {said}"
    );
    assert!(!said.contains("panicked"), "{what}: {said}");
}
