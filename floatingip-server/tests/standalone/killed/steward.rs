//! Who looks after the configuration: takes addresses away under pods that have them, and gives them back.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use floatingip_core::plan::Event;
use serde_json::{Value, json};

use super::board::Board;
use super::found::Found;
use super::operation::Request;
use super::wire::Connection;
use super::{Broken, CLIENTS, End, OTHER_NODE, attached, configuration};
use crate::client::Answer;
use crate::server::{Home, LIMIT};

/// So many pods are in the subnet that nobody else uses.
const PODS: usize = 6;

const POLL: Duration = Duration::from_millis(5);
/// How their names begin.
const POD: &str = "steward-";

/// A line of the journal, by its version: whether an address drains from then on.
type Line = (u64, bool);

/// What is certain of the draining addresses.
#[derive(Debug, Default)]
pub(super) struct Steward {
    /// The addresses of its pods, with what the journal has told of each, the oldest first.
    told: BTreeMap<IpAddr, Vec<Line>>,
    /// Whether the addresses are taken away by the configuration that stands in the file.
    taken: bool,
    /// How many pods have their addresses for sure.
    started: usize,
}

impl Steward {
    /// Goes on until the server is gone, or a promise broken.
    pub(super) fn live(&mut self, home: &Home, port: u16, pid: u32, board: &Board) {
        let told = self.look_after(home, port, pid, board);
        board.ends(told.map_err(|end| match end {
            End::Broken(broken) => End::Broken(format!("steward: {broken}")),
            End::Gone => End::Gone,
        }));
    }

    fn look_after(&mut self, home: &Home, port: u16, pid: u32, board: &Board) -> Result<(), End> {
        let mut connection = Connection::open(port).map_err(|_| End::Gone)?;
        // What a kill left undone, the server does by itself when it is up again.
        self.wait_for_journal(&mut connection, board)?;
        if !self.taken {
            self.start_pods(&mut connection, board)?;
        }
        while !board.is_over() {
            self.taken = !self.taken;
            home.configure(&configuration(self.taken));
            // It looks by itself too, but not so often. If it is gone, that is found below.
            let pid = pid.to_string();
            let _ = Command::new("kill").args(["-s", "HUP", &pid]).output();
            self.wait_for_journal(&mut connection, board)?;
        }
        Ok(())
    }

    fn start_pods(&mut self, connection: &mut Connection, board: &Board) -> Result<(), End> {
        while self.started < PODS {
            let answer = ask(connection, "POST", "/v1/attachment", &pod(self.started))?;
            self.told.entry(attached(&answer)?).or_default();
            board.claim(CLIENTS, &self.addresses())?;
            board.count("attach elsewhere", 1);
            self.started += 1;
        }
        Ok(())
    }

    fn addresses(&self) -> BTreeSet<IpAddr> {
        self.told.keys().copied().collect()
    }

    /// Waits until the journal tells of every address what the configuration in the file says of it.
    fn wait_for_journal(&mut self, connection: &mut Connection, board: &Board) -> Result<(), End> {
        let deadline = Instant::now() + LIMIT;
        for (ip, told) in &mut self.told {
            let path = format!("/v1/ip/{ip}/history?limit=1000");
            while drains(told) != self.taken {
                if Instant::now() > deadline {
                    return Err(format!("the journal does not tell of {ip}: {told:?}").into());
                }
                let answer = ask(connection, "GET", &path, "")?;
                let lines = lines(&answer.json(200));
                if !lines.starts_with(told) {
                    return Err(format!("{ip}: {told:?} became {lines:?}").into());
                }
                if lines == *told {
                    thread::sleep(POLL);
                }
                board.count("drain", (lines.len() - told.len()) as u64);
                *told = lines;
            }
        }
        Ok(())
    }

    /// Compares it with what a kill has left, and takes that over: every line that was told of is there,
    /// and perhaps the next one, of all addresses or of none.
    pub(super) fn compare(&mut self, found: &mut Found, board: &Board) -> Result<(), Broken> {
        let pods = found.take(|owner| owner.pod_name().starts_with(POD));
        if !(self.started..=self.started + 1).contains(&pods.len()) {
            return Err(format!("{} pods were started: {pods:?}", self.started));
        }
        self.started = pods.len();
        for (ip, _) in &pods {
            let told = self.told.entry(*ip).or_default();
            *told = compare_lines(*ip, told, found)?;
        }
        let lengths: BTreeSet<usize> = self.told.values().map(Vec::len).collect();
        if lengths.len() > 1 || !pods.iter().map(|(ip, _)| *ip).eq(self.addresses()) {
            return Err(format!("not all alike: {:?}, {pods:?}", self.told));
        }
        board.claim(CLIENTS, &self.addresses())
    }
}

/// What the journal says of an address, where it has told so much.
fn compare_lines(ip: IpAddr, told: &[Line], found: &mut Found) -> Result<Vec<Line>, Broken> {
    let lines = found.drains(ip);
    let alternate = lines.windows(2).all(|pair| pair[0].1 != pair[1].1);
    let begin = lines.first().is_none_or(|(_, drains)| *drains);
    let whole = lines.starts_with(told) && lines.len() <= told.len() + 1;
    if !(alternate && begin && whole) {
        return Err(format!("the journal told {told:?} of {ip}, now {lines:?}"));
    }
    match found.take_note(ip) == drains(&lines) {
        true => Ok(lines),
        false => Err(format!("the note of {ip} does not agree with {lines:?}")),
    }
}

/// Whether an address drains by what the journal tells of it.
fn drains(lines: &[Line]) -> bool {
    lines.last().is_some_and(|(_, drains)| *drains)
}

/// What is told of draining, the oldest first.
fn lines(history: &Value) -> Vec<Line> {
    let entries = history["entries"].as_array().unwrap().iter().rev();
    let line = |entry: &Value| {
        let version = entry["version"].as_str().unwrap().parse().unwrap();
        let event = entry["event"].as_str().unwrap();
        let drains = event == Event::Drain.name();
        (drains || event == Event::Undrain.name()).then_some((version, drains))
    };
    entries.filter_map(line).collect()
}

/// A pod of a node that may use the other subnet alone.
fn pod(number: usize) -> String {
    let name = format!("{POD}{number}");
    let body = json!({
        "nodeName": "other-node", "nodeIPs": [OTHER_NODE], "network": "lan", "containerID": name,
        "interface": "eth0", "podName": name, "policy": "never",
    });
    body.to_string()
}

fn ask(
    connection: &mut Connection,
    method: &'static str,
    path: &str,
    body: &str,
) -> Result<Answer, End> {
    let request = Request {
        method,
        path: path.to_owned(),
        body: body.to_owned(),
    };
    connection.ask(&request).map_err(|_| End::Gone)
}
