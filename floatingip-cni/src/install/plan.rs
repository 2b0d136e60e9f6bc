//! Which steps lead from what is there to what should be.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use super::conflist::Conflist;
use super::content::{Content, Found, Sort};
use super::step::{Step, kept, staged};
use super::{InstallError, Node, PROGRAM, failed};
use crate::plugin::Plugin;

/// All files are written beside their names first: where a folder takes none, nothing has changed. Then each gets its
/// name: the program, the plugins' names, the kubeconfig if there is to be one, the conflist.
///
/// # Errors
/// A file cannot be read, or a folder has the name of one.
pub fn install(
    node: &Node,
    program: Vec<u8>,
    kubeconfig: Option<Vec<u8>>,
    conflist: Conflist,
) -> Result<Vec<Step>, InstallError> {
    let mut wanted = vec![(node.bin.join(PROGRAM), Content::Program(program))];
    wanted.extend(names(node).map(|name| (name, Content::Link)));
    wanted.extend(kubeconfig.map(|it| (node.kubeconfig(), Content::Kubeconfig(it))));
    wanted.push((node.conflist(), Content::Conflist(conflist.into_bytes())));
    placing(wanted)
}

/// The kubeconfig alone.
///
/// # Errors
/// As of [`install`].
pub(super) fn renewal(node: &Node, kubeconfig: Vec<u8>) -> Result<Vec<Step>, InstallError> {
    placing(vec![(node.kubeconfig(), Content::Kubeconfig(kubeconfig))])
}

fn placing(wanted: Vec<(PathBuf, Content)>) -> Result<Vec<Step>, InstallError> {
    let (mut stages, mut places) = (Vec::new(), Vec::new());
    for (path, content) in wanted {
        stages.extend(leftover(&path));
        if content.is_at(&path).map_err(failed(&path))? {
            continue;
        }
        if Found::at(&path, content.sort())? == Found::Foreign {
            places.push(Step::Keep(path.clone()));
        }
        places.push(Step::Place(path.clone()));
        stages.push(Step::Stage { path, content });
    }
    stages.append(&mut places);
    Ok(stages)
}

/// The conflist goes first, then the names, the program and the kubeconfig. What was kept of others is put back.
///
/// # Errors
/// A file cannot be read, or a folder has the name of one.
pub fn uninstall(node: &Node) -> Result<Vec<Step>, InstallError> {
    let mut installed = vec![(node.conflist(), Sort::Conflist)];
    installed.extend(names(node).map(|name| (name, Sort::Program)));
    installed.push((node.bin.join(PROGRAM), Sort::Program));
    installed.push((node.kubeconfig(), Sort::Kubeconfig));
    let mut steps = Vec::new();
    for (path, sort) in installed {
        steps.extend(leftover(&path));
        let was_kept = kept(&path).symlink_metadata().is_ok();
        match Found::at(&path, sort)? {
            Found::Foreign if is_kept_too(&path) => steps.push(Step::Forget(path)),
            Found::Foreign => steps.push(Step::Leave(path)),
            Found::Ours | Found::Nothing if was_kept => steps.push(Step::PutBack(path)),
            Found::Ours => steps.push(Step::Remove(path)),
            Found::Nothing => {}
        }
    }
    Ok(steps)
}

/// Has a run that was killed given it the second name, and not taken the first?
fn is_kept_too(path: &Path) -> bool {
    let identity = |path: &Path| {
        let metadata = path.symlink_metadata().ok()?;
        Some((metadata.dev(), metadata.ino()))
    };
    identity(path) == identity(&kept(path))
}

/// What a run that was killed left beside a name.
fn leftover(path: &Path) -> Option<Step> {
    let there = staged(path).symlink_metadata().is_ok();
    there.then(|| Step::Sweep(path.to_owned()))
}

fn names(node: &Node) -> impl Iterator<Item = PathBuf> {
    Plugin::ALL
        .iter()
        .map(|plugin| node.bin.join(plugin.name()))
}

impl Node {
    /// Where the conflist is.
    pub fn conflist(&self) -> PathBuf {
        self.conf.join(&self.conf_name)
    }

    /// Where the kubeconfig is, which the meta plugin looks for there unless it is told otherwise.
    pub fn kubeconfig(&self) -> PathBuf {
        self.conf.join("floatingip.kubeconfig")
    }
}
