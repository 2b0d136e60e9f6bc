//! A place for the processes of a machine's pods in the trees of control groups, of version 1 or 2.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use crate::command;

const ROOT: &str = "/sys/fs/cgroup";
const PREFIX: &str = "floatingip-e2e";

/// A group of this name in every tree. They go with the value.
#[derive(Debug)]
pub(crate) struct Cgroup {
    name: String,
    groups: Vec<PathBuf>,
}

impl Cgroup {
    /// Makes it, and removes what a test program has left that was killed.
    pub(crate) fn new() -> Result<Self> {
        let trees = trees()?;
        for tree in &trees {
            remove_leftovers(tree)?;
        }
        let name = command::unique(&format!("{PREFIX}-{}", std::process::id()));
        let groups = trees.iter().map(|tree| tree.join(&name)).collect();
        let made = Self { name, groups };
        for (tree, group) in trees.iter().zip(&made.groups) {
            fs::create_dir(group).with_context(|| format!("cannot make {}", group.display()))?;
            prepare(tree, group)?;
        }
        Ok(made)
    }

    /// From the roots of the trees.
    pub(crate) fn path(&self) -> String {
        format!("/{}", self.name)
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        for group in &self.groups {
            // Processes that were killed a moment ago may still be in it; the next run then removes it.
            let _ = remove(group);
        }
    }
}

/// Version 2 has one tree, version 1 one for each set of controllers; further names of a set are links.
fn trees() -> Result<Vec<PathBuf>> {
    if Path::new(ROOT).join("cgroup.controllers").is_file() {
        return Ok(vec![ROOT.into()]);
    }
    let entries = fs::read_dir(ROOT).with_context(|| format!("cannot read {ROOT}"))?;
    let mut trees = Vec::new();
    for entry in entries {
        let entry = entry?;
        if entry.file_type()?.is_dir() && entry.path().join("cgroup.procs").is_file() {
            trees.push(entry.path());
        }
    }
    Ok(trees)
}

/// Groups of version 1 begin without processors and memory to run on, those of version 2 without the controllers that their parent
/// does not hand down.
fn prepare(tree: &Path, group: &Path) -> Result<()> {
    for name in ["cpuset.cpus", "cpuset.mems"] {
        if tree.join(name).is_file() {
            fs::write(group.join(name), fs::read_to_string(tree.join(name))?)?;
        }
    }
    let controllers = tree.join("cgroup.controllers");
    if controllers.is_file() {
        for controller in fs::read_to_string(controllers)?.split_whitespace() {
            fs::write(
                tree.join("cgroup.subtree_control"),
                format!("+{controller}"),
            )?;
        }
    }
    Ok(())
}

/// Groups of test programs that are no more.
fn remove_leftovers(tree: &Path) -> Result<()> {
    for entry in fs::read_dir(tree)? {
        let entry = entry?;
        let name = entry.file_name();
        let owner = name.to_str().and_then(owner);
        if owner.is_some_and(|process| !Path::new("/proc").join(process).is_dir()) {
            // What is still ending is left to the next.
            let _ = remove(&entry.path());
        }
    }
    Ok(())
}

/// The process that a group is named after.
fn owner(name: &str) -> Option<&str> {
    let rest = name.strip_prefix(PREFIX)?.strip_prefix('-')?;
    rest.split('-').next()
}

/// What is in a group goes before it; its files go with it.
fn remove(group: &Path) -> Result<()> {
    for entry in fs::read_dir(group)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            remove(&entry.path())?;
        }
    }
    Ok(fs::remove_dir(group)?)
}
