//! A disk without room: what is refused is said so, what was acknowledged stays, and when there is room again
//! the server goes on.

use std::fs;
use std::io::{self, BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};

use super::{STORE, WIDE, under};
use crate::client::Answer;
use crate::server::{Home, Server, wait_for};

/// More than the room of a fresh file has place for.
const MANY: u32 = 4000;

fn name(n: u32) -> String {
    format!("p{n}-{}", "x".repeat(50))
}

fn put(server: &Server, n: u32) -> Answer {
    let body = format!(r#"{{"name":"{}","size":1,"preAllocateIP":true}}"#, name(n));
    server.ask("POST", "/v1/pool", &body)
}

/// Makes pools until one is refused, which the system calls so; answers with how many there are.
#[track_caller]
fn fill(server: &Server, cause: &str) -> u32 {
    let mut answers = (0..MANY).map(|n| (n, put(server, n)));
    let refused = answers.find(|(_, answer)| answer.status != 200);
    let (refused, answer) = refused.expect("a refusal before there are many pools");
    assert_eq!(answer.status, 503, "{}", answer.body);
    assert!(answer.body.contains("try again"), "{}", answer.body);
    server.logged("check the disk and the free space on it");
    server.logged(cause);
    assert!(server.metric("floatingip_store_failures_total").unwrap() > 0.0);
    assert_are_there(server, refused - 1..refused);
    refused
}

#[track_caller]
fn assert_are_there(server: &Server, pools: std::ops::Range<u32>) {
    for n in pools.clone() {
        let ips = server.ips(&format!("poolName={}", name(n)));
        assert_eq!(ips.len(), 1, "pool {n} of {pools:?}");
    }
}

/// So many bytes as a fresh file has place for, several times over.
fn scarce_room() -> u64 {
    let home = Home::new(WIDE);
    home.start().stop();
    8 * fs::metadata(home.path(STORE)).unwrap().len()
}

/// The same command where no file may become longer: `EFBIG`, as where a quota of the file system ends.
fn with_files_of(bytes: u64, command: &Command) -> Command {
    let script = "trap '' XFSZ; ulimit -f \"$0\"; exec \"$@\"";
    // POSIX counts blocks of 512 bytes.
    let blocks = (bytes / 512).to_string();
    under(&["sh", "-c", script, &blocks], command)
}

#[test]
fn a_file_that_may_not_grow_refuses_writes_and_loses_nothing_that_was_acknowledged() {
    let home = Home::new(WIDE);
    let limited = with_files_of(scarce_room(), &home.command(&[]));
    let server = home.spawn(limited).serving();
    let pools = fill(&server, "File too large");
    server.stop();
    let server = home.start();
    assert_are_there(&server, 0..pools);
    assert_eq!(put(&server, MANY).status, 200);
    server.stop();
}

/// A file system of its own, in a mount namespace that ends with this: whatever becomes of the test, nothing
/// stays mounted.
#[derive(Debug)]
struct SmallDisk {
    holder: Child,
}

impl SmallDisk {
    /// Mounts it on the folder of a server's data.
    fn mount(home: &Home, bytes: u64) -> Self {
        let folder = home.path("data");
        fs::create_dir_all(&folder).unwrap();
        let script =
            "mount -t tmpfs -o size=\"$1\",mode=700 tmpfs \"$0\" && echo mounted && exec cat";
        let mut holder = Command::new("unshare");
        holder.args(["--mount", "sh", "-c", script]);
        holder.arg(&folder).arg(bytes.to_string());
        holder.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut holder = holder.spawn().unwrap();
        let mut said = String::new();
        let out = holder.stdout.take().unwrap();
        BufReader::new(out).read_line(&mut said).unwrap();
        assert_eq!(said, "mounted\n");
        Self { holder }
    }

    /// The same command where that file system is.
    fn with(&self, command: &Command) -> Command {
        let pid = self.holder.id().to_string();
        let dir = command.get_current_dir().unwrap().to_str().unwrap();
        // Entered by its name, for what is open from outside has nothing mounted on it.
        let script = "cd \"$0\" && exec \"$@\"";
        let enter = ["nsenter", "--target", &pid, "--mount"];
        let runner = [&enter[..], &["sh", "-c", script, dir]].concat();
        under(&runner, command)
    }

    fn grow(&self, home: &Home, bytes: u64) {
        let mut remount = Command::new("mount");
        remount.args(["-o", &format!("remount,size={bytes}")]);
        remount.arg(home.path("data")).current_dir(home.path(""));
        assert!(self.with(&remount).status().unwrap().success());
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = self.holder.kill();
        let _ = self.holder.wait();
    }
}

/// Whether this may mount. Where that must be so, it is no excuse that it may not.
fn may_mount() -> bool {
    let tried = Command::new("unshare")
        .args(["--mount", "mount", "-t", "tmpfs", "tmpfs", "/tmp"])
        .output();
    let may = tried.is_ok_and(|tried| tried.status.success());
    let must = std::env::var("CI").is_ok_and(|ci| ci == "true");
    assert!(may || !must, "this has to be run as root, who may mount");
    if !may {
        let said = "\nSKIPPED: the full disk was NOT tried: run it as root, who may mount\n";
        // Past the harness, which keeps to itself what a test prints that passes.
        let _ = writeln!(io::stderr(), "{said}");
    }
    may
}

#[test]
fn a_full_disk_refuses_writes_loses_nothing_and_when_it_has_room_the_server_goes_on() {
    if !may_mount() {
        return;
    }
    let home = Home::new(WIDE);
    let room = scarce_room();
    let disk = SmallDisk::mount(&home, room);
    let server = home.spawn(disk.with(&home.command(&[]))).serving();
    let mut pools = fill(&server, "No space left on device");
    disk.grow(&home, 4 * room);
    wait_for("a write once there is room", || {
        (put(&server, pools).status == 200).then_some(())
    });
    pools += 1;
    server.kill();

    let server = home.spawn(disk.with(&home.command(&[]))).serving();
    assert_are_there(&server, 0..pools);
    assert_eq!(put(&server, MANY).status, 200);
    server.stop();
}
