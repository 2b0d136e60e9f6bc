//! docs/reference.md and docs/kubernetes.md against what the program says and does.

use std::collections::BTreeSet;
use std::fs;

use floatingip_core::config::{Config, Faults, Strictness};

use crate::server::repository;

fn document(name: &str) -> String {
    fs::read_to_string(repository().join("docs").join(name)).unwrap()
}

/// The cells of the rows of all tables.
fn rows(document: &str) -> impl Iterator<Item = Vec<&str>> {
    let rows = document.lines().filter(|line| line.starts_with("| "));
    rows.map(|row| row.trim_matches('|').split(" | ").map(str::trim).collect())
}

/// A flag as `--help` explains it.
#[derive(Debug)]
struct Flag<'a> {
    name: &'a str,
    variable: Option<&'a str>,
    default: Option<&'a str>,
}

fn flags(help: &str) -> Vec<Flag<'_>> {
    let mut flags: Vec<Flag<'_>> = Vec::new();
    for line in help.lines().map(str::trim_start) {
        let name = line
            .strip_prefix("-V, ")
            .or_else(|| line.strip_prefix("-h, "));
        if let Some(flag) = name.unwrap_or(line).strip_prefix("--") {
            let end = flag.find([' ', '[', '=']).unwrap_or(flag.len());
            flags.push(Flag {
                name: flag.split_at(end).0,
                variable: None,
                default: None,
            });
        }
        let Some(flag) = flags.last_mut() else {
            continue;
        };
        if let Some(rest) = line.strip_prefix("[env: ") {
            flag.variable = rest.split_once('=').map(|(variable, _)| variable);
        }
        if let Some(rest) = line.strip_prefix("[default: ") {
            flag.default = rest.strip_suffix(']');
        }
    }
    flags.retain(|flag| !["help", "version"].contains(&flag.name));
    flags
}

#[test]
fn the_tables_of_flags_say_what_the_help_says() {
    for (name, help) in [
        (
            "reference.md",
            include_str!("../golden/help-standalone.txt"),
        ),
        (
            "kubernetes.md",
            include_str!("../golden/help-kubernetes.txt"),
        ),
    ] {
        let document = document(name);
        let (table, _) = document.split_once("## Ports").unwrap_or((&document, ""));
        let explained = flags(help);
        assert!(explained.len() > 5, "{explained:?}");
        for flag in &explained {
            let head = format!("`--{}`", flag.name);
            let row = rows(table).find(|cells| cells[0] == head).expect(&head);
            assert_eq!(row[1].trim_matches('`'), flag.variable.unwrap(), "{name}");
            if let Some(default) = flag.default {
                assert_eq!(row[2].trim_matches('`'), default, "{head} in {name}");
            }
        }
        let listed = rows(table)
            .filter(|cells| cells[0].starts_with("`--"))
            .count();
        assert_eq!(listed, explained.len(), "flags of {name}");
    }
}

/// The document of the chapter on faults, field by field.
const FIELDS: [(&str, &str); 4] = [
    ("routableSubnet", r#""10.0.0.0/16""#),
    ("ips", r#"["10.0.70.2~10.0.70.9"]"#),
    ("subnet", r#""10.0.70.0/24""#),
    ("gateway", r#""10.0.70.1""#),
];

/// The document with a part of it replaced: by a field, without one, or all of it.
fn with(change: &str) -> String {
    let key = |text: &str| text.split('"').nth(1).unwrap_or_default().to_owned();
    let (gone, more) = match change.strip_prefix("without ") {
        Some(field) => (key(field), None),
        None if change.starts_with('"') => (key(change), Some(change.to_owned())),
        None => return change.to_owned(),
    };
    let kept = FIELDS.iter().filter(|(name, _)| *name != gone);
    let kept = kept.map(|(name, value)| format!("\"{name}\": {value}"));
    let fields: Vec<String> = kept.chain(more).collect();
    format!("[{{{}}}]", fields.join(", "))
}

/// What stands between two backticks on each side, and a blank where one backtick is the last character.
fn quoted(cell: &str) -> &str {
    let inside = cell
        .strip_prefix("``")
        .and_then(|cell| cell.strip_suffix("``"));
    inside.expect(cell).trim()
}

fn faults(change: &str) -> Faults {
    Config::parse(&with(change), Strictness::Strict).expect_err(change)
}

#[test]
fn every_kind_of_fault_is_in_the_reference_as_it_is_told() {
    let document = document("reference.md");
    assert!(
        document.contains(&with("without \"\"")),
        "{}",
        with("without \"\"")
    );
    assert_eq!(
        Config::parse(&with("without \"\""), Strictness::Strict).err(),
        None
    );
    let (_, chapter) = document.split_once("### What is a fault").unwrap();
    let (chapter, _) = chapter.split_once("### While it runs").unwrap();
    let mut kinds = BTreeSet::new();
    for row in rows(chapter).filter(|row| row[0] != "with this in it") {
        let (change, told) = (row[0].trim_matches('`'), quoted(row[1]));
        let faults = faults(change);
        assert_eq!(faults.to_string(), told, "{change}");
        for fault in &faults {
            let kind = format!("{:?}", fault.kind);
            kinds.insert(kind.split([' ', '(']).next().unwrap().to_owned());
        }
    }
    // So many variants `FaultKind` has.
    assert_eq!(kinds.len(), 20, "{kinds:?}");
}
