//! Checks of single files.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Result;

/// Kinds of files that people write and read here.
const EXTENSIONS: &[&str] = &["md", "rs", "sh", "toml", "yaml"];

/// Words that mark unfinished work; in two parts, so that this file does not contain them.
const UNFINISHED: &[&str] = &[
    concat!("TO", "DO"),
    concat!("FIX", "ME"),
    concat!("XX", "X"),
];

/// All such files of the project, in order; build results and hidden folders but `.ci` left out.
pub(super) fn files(root: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    collect(root, &mut found)?;
    found.sort();
    Ok(found)
}

/// Adds what is wrong with one file to `faults`.
pub(super) fn check(path: &Path, content: &str, faults: &mut Vec<String>) {
    let place = |line: usize| format!("{}:{}", path.display(), line + 1);
    for (number, line) in content.lines().enumerate() {
        if let Some(word) = UNFINISHED.iter().find(|word| has_word(line, word)) {
            faults.push(format!("{}: {word}", place(number)));
        }
        if path.extension().is_some_and(|extension| extension == "md") {
            let dead = links(line).filter(|link| !leads_somewhere(path, link));
            faults.extend(dead.map(|link| format!("{}: dead link {link}", place(number))));
        }
    }
}

/// The text of the first `key = "text"` line of a TOML file.
pub(super) fn value_of(toml: &str, key: &str) -> Option<String> {
    toml.lines().find_map(|line| {
        let (name, value) = line.split_once('=')?;
        (name.trim() == key).then(|| value.trim().trim_matches('"').to_owned())
    })
}

fn collect(folder: &Path, found: &mut Vec<PathBuf>) -> Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() && !is_skipped(&path) {
            collect(&path, found)?;
        } else if path
            .extension()
            .is_some_and(|e| EXTENSIONS.iter().any(|known| e == *known))
        {
            found.push(path);
        }
    }
    Ok(())
}

fn is_skipped(folder: &Path) -> bool {
    let name = folder.file_name().unwrap_or_default().to_string_lossy();
    name == "target" || (name.starts_with('.') && name != ".ci")
}

fn has_word(line: &str, word: &str) -> bool {
    line.split(|c: char| !c.is_ascii_alphanumeric())
        .any(|part| part == word)
}

/// The targets of the Markdown links in a line.
fn links(line: &str) -> impl Iterator<Item = &str> {
    line.split("](")
        .skip(1)
        .filter_map(|rest| rest.split_once(')').map(|(link, _)| link))
}

/// Whether a link that stays in the project names an existing file; others are not followed.
fn leads_somewhere(from: &Path, link: &str) -> bool {
    let file = link.split('#').next().unwrap_or_default();
    let elsewhere = file.is_empty() || link.contains(':');
    elsewhere
        || from
            .parent()
            .is_some_and(|folder| folder.join(file).exists())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(line: &str) -> Vec<String> {
        let mut faults = Vec::new();
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("page.md");
        check(&path, line, &mut faults);
        faults
    }

    #[test]
    fn marks_of_unfinished_work_are_found_as_words_only() {
        assert_eq!(faults(&format!("// {}: later", UNFINISHED[0])).len(), 1);
        assert!(faults(&format!("{}S", UNFINISHED[0])).is_empty());
    }

    #[test]
    fn dead_links_are_found_and_foreign_ones_left_alone() {
        assert_eq!(
            faults("see [this](no-such-file.md) and [that](Cargo.toml#top)").len(),
            1
        );
        assert!(faults("see [the site](https://example.com/x) and [below](#part)").is_empty());
    }

    #[test]
    fn values_are_read_from_toml() {
        assert_eq!(
            value_of("a = 1\nchannel = \"1.95.0\"\n", "channel").as_deref(),
            Some("1.95.0")
        );
        assert_eq!(value_of("a = 1\n", "channel"), None);
    }
}
