//! The table for people: printed by the suite, and kept in `docs/policies.md`.

use std::path::PathBuf;

use anyhow::{Context as _, Result, ensure};

use super::Cell;
use super::axes::{Happening, Kind, Policy};
use super::fate::Fate;

/// Set to `1`, the file is written instead of being compared.
const UPDATE: &str = "FLOATINGIP_UPDATE";

const HEAD: &str = "\
# Policies, workload by workload

What becomes of a pod's address, by its release policy, by what made the pod, and by what happens. Written by the cluster
suite, which plays each cell on a real control plane and compares pods' annotations, FloatingIP objects, the API's listing
and events with it. `FLOATINGIP_UPDATE=1 cargo test -p floatingip-server --test cluster -- policies` writes it anew.

| word | meaning |
|---|---|
| freed | the address is free again; pods that come after get what is free |
| its own | each pod name, or for a DaemonSet each node, gets its own address back |
| same set | the pods that come after have the same addresses among them |
| kept | in reserve, without a pod, until the app comes again or somebody releases it |
| rests, then … | while the lost node may still run the pod, no other pod gets the address; once the node is back or gone, it is freed, or in reserve |
| set grows | the app has `maxSurge` addresses more from its first update on, and moves within them |
| waits | new pods wait for old ones, and an event at them says what helps |
| taken over | pods that come after take the address over; what none takes stays kept |
| left in pool | the address stays with the former pool; pods that come after get others |
| refused | the pods stay pending, and an event says why |
| n/a | cannot happen |
";

impl Fate {
    fn text(self) -> String {
        let word = match self {
            Self::Freed => "freed",
            Self::Own => "its own",
            Self::Set => "same set",
            Self::Kept => "kept",
            Self::RestsThenFreed => "rests, then freed",
            Self::RestsThenKept => "rests, then kept",
            Self::Grows => "set grows",
            Self::Waits => "waits",
            Self::TakenOver => "taken over",
            Self::LeftInPool => "left in pool",
            Self::Refused => "refused",
            Self::NotApplicable(why) => return format!("n/a: {why}"),
        };
        word.to_owned()
    }
}

impl Cell {
    fn text(&self) -> String {
        let change = match (self.happening, self.policy) {
            _ if !self.is_applicable() => String::new(),
            (Happening::PolicyChanged, Policy::Pool) => "to another pool: ".to_owned(),
            (Happening::PolicyChanged, policy) => format!("to {}: ", policy.next().title()),
            _ => String::new(),
        };
        format!("{change}{}", self.fate.text())
    }
}

/// The page, with a remark before the text of each cell.
pub(crate) fn page(remark: impl Fn(&Cell) -> &'static str) -> String {
    let cells = Cell::all();
    let mut page = HEAD.to_owned();
    for kind in Kind::ALL {
        let titles = Policy::ALL.map(Policy::title).join(" | ");
        page += &format!(
            "\n## {}\n\n| | {titles} |\n|---|---|---|---|---|\n",
            kind.title()
        );
        let of_kind: Vec<&Cell> = cells.iter().filter(|cell| cell.kind == kind).collect();
        for row in of_kind.chunks(Policy::ALL.len()) {
            page += &line(row, &remark);
        }
    }
    page
}

/// One thing that happens, policy by policy.
fn line(row: &[&Cell], remark: impl Fn(&Cell) -> &'static str) -> String {
    let title = row
        .first()
        .map_or("", |cell| cell.happening.title(cell.kind));
    let cells = row
        .iter()
        .map(|cell| format!("{}{}", remark(cell), cell.text()));
    format!("| {title} | {} |\n", cells.collect::<Vec<_>>().join(" | "))
}

/// Compares the page with the one that is kept, or writes it.
pub(crate) fn is_current() -> Result<()> {
    let file = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../docs/policies.md");
    let page = page(|_| "");
    if std::env::var(UPDATE).is_ok_and(|value| value == "1") {
        return std::fs::write(&file, page).context("docs/policies.md is not written");
    }
    let kept = std::fs::read_to_string(&file).context("docs/policies.md cannot be read")?;
    ensure!(
        kept == page,
        "docs/policies.md is not current: write it with {UPDATE}=1"
    );
    Ok(())
}
