//! A disk that is full, a folder that cannot be written, a file that was damaged: said clearly, and
//! nothing lost.

mod full;

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use crate::server::{Home, with_ips};

const STORE: &str = "data/floatingip.redb";
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

/// Every page has a checksum, and all that is in use are read at the start.
#[test]
fn a_flipped_byte_where_the_file_names_a_pool_stops_the_start_or_harms_nothing() {
    let home = used();
    let whole = fs::read(home.path(STORE)).unwrap();
    // Pages in use have the pool's name, and so have some that were in use before.
    let named = whole.windows(4).enumerate();
    let named = named.filter_map(|(place, name)| (name == b"blue").then_some(place));
    let mut refused = 0;
    for place in named {
        let mut bytes = whole.clone();
        bytes[place] ^= 0x10;
        fs::write(home.path(STORE), &bytes).unwrap();
        let mut server = home.spawn(home.command(&[]));
        if server.ends_or_serves().is_none() {
            assert_eq!(server.ips("poolName=blue"), ["10.0.70.2"], "byte {place}");
            server.stop();
            continue;
        }
        let said = server.log();
        assert!(
            said.contains("then put back a backup"),
            "byte {place}: {said}"
        );
        assert!(!said.contains("panicked"), "byte {place}: {said}");
        assert!(fs::read(home.path(STORE)).unwrap() == bytes, "byte {place}");
        refused += 1;
    }
    assert!(refused > 0, "{refused} damaged files were refused");
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
