use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::time::{Duration, Instant};

use rustix::process::{Pid, test_kill_process};
use serde_json::json;
use tempfile::TempDir;

use super::*;

/// A shell script as a plugin of the type `played`.
struct Played {
    folder: TempDir,
}

impl Played {
    fn new(script: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("played");
        // Renamed, so that no other thread's child holds it open for writing while it is run.
        let fresh = folder.path().join("fresh");
        fs::write(&fresh, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&fresh, fs::Permissions::from_mode(0o755)).unwrap();
        fs::rename(fresh, program).unwrap();
        Self { folder }
    }

    fn delegate(&self) -> Delegate {
        let path = SearchPath::new(self.folder.path().display().to_string());
        path.find("played").unwrap()
    }

    fn add(&self) -> Result<CniResult, DelegateError> {
        let config = json!({"cniVersion": "1.0.0", "name": "lan", "type": "played"});
        self.delegate().add(&call(), &config, ample())
    }

    fn written(&self, name: &str) -> String {
        fs::read_to_string(self.folder.path().join(name)).unwrap()
    }
}

fn call() -> Call {
    Call {
        attachment: Some(Attachment::read("c1", "net1").unwrap()),
        netns: Some(PathBuf::from("/run/netns/c1")),
        args: "IgnoreUnknown=1;K8S_POD_NAME=web-0".to_owned(),
    }
}

fn ample() -> Limit {
    Limit::starting_now(Duration::from_secs(20))
}

#[test]
fn a_plugin_gets_its_environment_and_its_configuration() {
    let played = Played::new(
        r#"cd "$CNI_PATH" && env | grep ^CNI_ | sort > env && cat > config
echo '{"cniVersion":"1.0.0","ips":[{"address":"10.1.0.5/16"}]}'"#,
    );
    let result = played.add().unwrap();
    assert_eq!(result.ips.len(), 1);
    let folder = played.folder.path().display();
    let expected = format!(
        "CNI_ARGS=IgnoreUnknown=1;K8S_POD_NAME=web-0\nCNI_COMMAND=ADD\nCNI_CONTAINERID=c1\nCNI_IFNAME=net1\nCNI_NETNS=/run/netns/c1\nCNI_PATH={folder}\n"
    );
    assert_eq!(played.written("env"), expected);
    let config: Value = serde_json::from_str(&played.written("config")).unwrap();
    assert_eq!(config["type"], "played");
}

#[test]
fn what_this_process_was_told_of_another_container_is_not_passed_on() {
    let played = Played::new(r#"cd "$CNI_PATH" && env | grep ^CNI_ | sort > env"#);
    let delegate = played.delegate();
    let config = json!({"name": "lan"});
    delegate
        .tell(Verb::Status, &Call::default(), &config, ample())
        .unwrap();
    let env = played.written("env");
    assert!(
        env.contains("CNI_COMMAND=STATUS\nCNI_CONTAINERID=\nCNI_IFNAME=\nCNI_NETNS=\n"),
        "{env}"
    );
}

#[test]
fn the_environment_of_this_process_is_read_as_it_stands() {
    let read = |name: &str| match name {
        "CNI_CONTAINERID" => Some("c1".to_owned()),
        "CNI_IFNAME" => Some("net1".to_owned()),
        "CNI_NETNS" => Some("/run/netns/c1".to_owned()),
        "CNI_ARGS" => Some("IgnoreUnknown=1;K8S_POD_NAME=web-0".to_owned()),
        _ => None,
    };
    assert_eq!(Call::read(read), Ok(call()));
    assert_eq!(Call::read(|_| None), Ok(Call::default()));
    let wrong = |name: &str| (name != "CNI_NETNS").then(|| "a/b".to_owned());
    assert!(Call::read(wrong).is_err());
}

#[test]
fn the_reason_of_a_plugin_is_passed_on_with_its_name() {
    let played = Played::new(
        r#"echo '{"cniVersion":"1.0.0","code":11,"msg":"no address left","details":"in 10.1.0.0/16"}'; exit 1"#,
    );
    let failure = Failure::from(played.add().unwrap_err());
    assert_eq!(failure.code, Code::TryAgain);
    assert_eq!(failure.message, "played: no address left");
    assert_eq!(failure.details, "in 10.1.0.0/16");
}

#[test]
fn a_plugin_that_tells_no_reason_is_quoted() {
    let played = Played::new("echo 'panic: no memory' >&2; exit 3");
    let error = played.add().unwrap_err().to_string();
    assert!(
        error.contains("played") && error.contains("panic: no memory"),
        "{error}"
    );
    let played = Played::new("kill -9 $$");
    let error = played.add().unwrap_err().to_string();
    assert!(error.contains("signal: 9"), "{error}");
}

#[test]
fn an_answer_that_is_no_result_is_an_error() {
    for script in ["", "echo hello", r#"echo '{"cniVersion":"9.0.0"}'"#] {
        let error = Played::new(script).add().unwrap_err();
        assert!(matches!(error, DelegateError::Answer { .. }), "{error}");
    }
}

#[test]
fn a_plugin_that_does_not_end_is_killed_with_all_that_it_started() {
    let played = Played::new(r#"sleep 600 & echo $! > "$CNI_PATH/child"; echo working >&2; wait"#);
    let since = Instant::now();
    // As short as a shell needs to start its child on a busy machine: the test looks at the child below.
    let within = Limit::starting_now(Duration::from_secs(2));
    let error = played
        .delegate()
        .add(&call(), &json!({}), within)
        .unwrap_err();
    assert!(matches!(&error, DelegateError::TooSlow { .. }), "{error}");
    assert!(error.to_string().contains("working"), "{error}");
    assert!(since.elapsed() < Duration::from_secs(20));
    let child = played.written("child").trim().parse().unwrap();
    let child = Pid::from_raw(child).unwrap();
    let gone = || is_over(child);
    while !gone() {
        assert!(since.elapsed() < Duration::from_secs(20), "{child:?} lives");
        std::thread::yield_now();
    }
}

/// Gone, or dead and not yet taken note of by whoever inherited it.
fn is_over(child: Pid) -> bool {
    let stat = fs::read_to_string(format!("/proc/{}/stat", child.as_raw_nonzero()));
    test_kill_process(child).is_err() || stat.is_ok_and(|stat| stat.contains(") Z "))
}

#[test]
fn what_a_plugin_leaves_running_is_not_waited_for() {
    let played =
        Played::new("sleep 600 & echo $! > \"$CNI_PATH/child\"\necho '{\"cniVersion\":\"1.0.0\"}'");
    played.add().unwrap();
    let child = played.written("child").trim().parse().unwrap();
    let child = Pid::from_raw(child).unwrap();
    assert!(!is_over(child));
    rustix::process::kill_process(child, rustix::process::Signal::KILL).unwrap();
}

#[test]
fn a_plugin_that_says_too_much_is_stopped() {
    let error = Played::new("yes").add().unwrap_err();
    assert!(matches!(error, DelegateError::TooLong { .. }), "{error}");
    let played = Played::new("head -c 300000 /dev/zero | tr '\\0' x >&2; echo the end >&2; exit 1");
    let error = played.add().unwrap_err().to_string();
    assert!(
        error.ends_with("the end") && error.len() < 4096,
        "{}",
        error.len()
    );
}

#[test]
fn neither_a_long_configuration_nor_one_that_is_not_read_stops_a_plugin() {
    let config = json!({"cniVersion": "1.0.0", "long": "x".repeat(1_000_000)});
    let answer = r#"echo '{"cniVersion":"1.0.0"}'"#;
    for script in [
        answer.to_owned(),
        format!("cat > \"$CNI_PATH/config\"\n{answer}"),
    ] {
        let played = Played::new(&script);
        played.delegate().add(&call(), &config, ample()).unwrap();
    }
}

#[test]
fn a_result_in_the_version_that_was_asked_for_need_not_say_so() {
    let played = Played::new(r#"echo '{"ip4":{"ip":"10.1.0.5/16"}}'"#);
    let config = json!({"name": "lan", "type": "played"});
    let result = played.delegate().add(&call(), &config, ample()).unwrap();
    assert_eq!(result.ips.len(), 1);
}
