//! A document that is followed: its commands run one after the other, as they stand there.

use std::path::Path;
use std::process::{Command, Stdio};

use crate::server::{Home, SEED, Server, binary, wait_for};

/// Where documents say that the server is.
const PLACE: &str = "127.0.0.1:32761";
/// How a block begins that starts the server, in a terminal of its own.
const SERVER: &str = "floatingip-server standalone";
/// Stands where the reader is told to end the server.
const STOP: &str = "<!-- stop -->";
/// Stands before a command whose answer may take a moment to be as printed.
const SOON: &str = "<!-- soon -->";

/// A part of a document that something is done with.
#[derive(Debug, PartialEq, Eq)]
enum Part<'a> {
    Block(Block<'a>),
    Stop,
    Soon,
}

/// A fenced block of a document.
#[derive(Debug, PartialEq, Eq)]
struct Block<'a> {
    language: &'a str,
    text: &'a str,
}

fn parts(document: &str) -> Vec<Part<'_>> {
    let mut parts = Vec::new();
    for (at, piece) in document.split("```").enumerate() {
        let block = piece.split_once('\n').filter(|_| at % 2 == 1);
        match block {
            Some((language, text)) => parts.push(Part::Block(Block { language, text })),
            None => parts.extend(piece.lines().filter_map(|line| match line {
                STOP => Some(Part::Stop),
                SOON => Some(Part::Soon),
                _ => None,
            })),
        }
    }
    parts
}

/// Somebody who follows a document, in a folder of his own.
pub(crate) struct Session {
    home: Home,
    server: Option<Server>,
    ran: usize,
}

impl Session {
    /// Nothing is there but the programs.
    pub(crate) fn in_an_empty_folder() -> Self {
        Self {
            home: Home::new(""),
            server: None,
            ran: 0,
        }
    }

    /// The server runs already, with the configuration of the seed document.
    pub(crate) fn with_a_server() -> Self {
        let home = Home::new(SEED);
        let server = Some(home.start());
        Self {
            home,
            server,
            ran: 0,
        }
    }

    /// Runs every block of commands, and compares what it prints with the block after it, times
    /// aside. Answers with how many blocks there were.
    #[track_caller]
    pub(crate) fn follow(mut self, document: &str) -> usize {
        let mut soon = false;
        let mut parts = parts(document).into_iter().peekable();
        while let Some(part) = parts.next() {
            match part {
                Part::Stop => self.server.take().expect("a server to end").stop(),
                Part::Soon => soon = true,
                Part::Block(block) if block.language != "sh" => {}
                Part::Block(block) if block.text.starts_with(SERVER) => self.start(block.text),
                Part::Block(block) => {
                    let expected = match parts.peek() {
                        Some(Part::Block(next)) if next.language != "sh" => next.text,
                        _ => "",
                    };
                    self.compare(block.text, expected, std::mem::take(&mut soon));
                    self.ran += 1;
                }
            }
        }
        self.ran
    }

    fn start(&mut self, commands: &str) {
        let mut command = self.shell(&format!("exec {commands}"));
        command.env("FLOATINGIP_LISTEN", "127.0.0.1:0");
        self.server = Some(self.home.spawn(command).serving());
    }

    #[track_caller]
    fn compare(&self, commands: &str, expected: &str, soon: bool) {
        let expected = masked(expected);
        if soon {
            wait_for(&format!("`{expected}` of {commands}"), || {
                (masked(&self.run(commands)) == expected).then_some(())
            });
        }
        assert_eq!(masked(&self.run(commands)), expected, "{commands}");
    }

    /// What the commands print on standard output, with the server where documents say that it is.
    pub(crate) fn run(&self, commands: &str) -> String {
        let here = self.server.as_ref().map(|server| server.port);
        let here = here.map_or_else(|| PLACE.to_owned(), |port| format!("127.0.0.1:{port}"));
        let commands = commands.replace(PLACE, &here);
        let script = format!("curl() {{ command curl --max-time 30 -sS \"$@\"; }}\n{commands}");
        let ran = self.shell(&script).stdout(Stdio::piped()).output().unwrap();
        assert!(ran.status.success(), "{commands}\n{ran:?}");
        let printed = String::from_utf8(ran.stdout).unwrap();
        printed.replace(&here, PLACE)
    }

    fn shell(&self, script: &str) -> Command {
        let server = binary();
        let programs = Path::new(server.get_program()).parent().unwrap();
        let path = std::env::var("PATH").unwrap_or_default();
        let mut command = Command::new("sh");
        command
            .args(["-ec", script])
            .current_dir(self.home.path(""));
        command.env("PATH", format!("{}:{path}", programs.display()));
        for (name, _) in server.get_envs() {
            command.env_remove(name);
        }
        command.stdin(Stdio::null()).stdout(Stdio::null());
        command
    }
}

/// The same with every time replaced.
fn masked(text: &str) -> String {
    let mut rest = text.trim();
    let mut masked = String::new();
    while let Some((before, time)) = next_time(rest) {
        masked.push_str(before);
        masked.push_str("TIME");
        rest = &rest[before.len() + time.len()..];
    }
    masked + rest
}

/// The first time as RFC 3339 writes it, in UTC, and what stands before it.
fn next_time(text: &str) -> Option<(&str, &str)> {
    const SHAPE: &[u8] = b"0000-00-00T00:00:00";
    let fits = |(found, wanted): (&u8, &u8)| match wanted {
        b'0' => found.is_ascii_digit(),
        wanted => found == wanted,
    };
    let is_time = |window: &[u8]| window.iter().zip(SHAPE).all(fits);
    let at = text.as_bytes().windows(SHAPE.len()).position(is_time)?;
    let end = text[at..].find('Z')? + 1;
    Some((&text[..at], &text[at..at + end]))
}

#[test]
fn times_are_masked() {
    let text = " {\"updateTime\": \"2019-10-10T08:37:13Z\"} 2026-11-22T16:05:55.158925545Z 1-2\n";
    assert_eq!(masked(text), "{\"updateTime\": \"TIME\"} TIME 1-2");
}

#[test]
fn a_document_is_blocks_and_marks_in_order() {
    let document = "a\n```sh\nb\n```\n<!-- stop -->\n<!-- soon -->\n\n```json\nc\n```\n";
    let block = |language, text| Part::Block(Block { language, text });
    let found = [
        block("sh", "b\n"),
        Part::Stop,
        Part::Soon,
        block("json", "c\n"),
    ];
    assert_eq!(parts(document), found);
}
