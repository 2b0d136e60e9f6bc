//! The definitions of the custom resources in `deploy/crds`, generated from the Rust types.

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, Result, bail};

use crate::process::{self, cargo};
use crate::workspace::Workspace;

const FOLDER: &str = "deploy/crds";
const HEAD: &str = "# Generated from floatingip-k8s/src/crd by `cargo xtask gen-crds`.\n";

/// A file as it has to be.
#[derive(Debug, PartialEq, Eq)]
struct File {
    name: String,
    content: String,
}

/// Writes the files, or with `--check` only compares them.
pub(crate) fn run(flags: &[String]) -> Result<ExitCode> {
    let workspace = Workspace::load()?;
    match flags {
        [] => write(&workspace)?,
        [flag] if flag == "--check" => {
            check(&workspace)?;
        }
        _ => bail!("usage: cargo xtask gen-crds [--check]"),
    }
    Ok(ExitCode::SUCCESS)
}

/// Fails unless the files are there as they have to be; says how many they are.
pub(crate) fn check(workspace: &Workspace) -> Result<usize> {
    let files = generate(workspace)?;
    for file in &files {
        let path = path(workspace, file);
        let found = fs::read_to_string(&path).unwrap_or_default();
        if found != file.content {
            bail!(
                "{} is not up to date: run `cargo xtask gen-crds`",
                path.display()
            );
        }
    }
    Ok(files.len())
}

fn write(workspace: &Workspace) -> Result<()> {
    fs::create_dir_all(workspace.root.join(FOLDER))?;
    for file in generate(workspace)? {
        let path = path(workspace, &file);
        fs::write(&path, &file.content)
            .with_context(|| format!("cannot write {}", path.display()))?;
        println!("wrote {}", path.display());
    }
    Ok(())
}

fn path(workspace: &Workspace, file: &File) -> PathBuf {
    workspace.root.join(FOLDER).join(&file.name)
}

fn generate(workspace: &Workspace) -> Result<Vec<File>> {
    let arguments = [
        "run",
        "--quiet",
        "-p",
        "floatingip-k8s",
        "--example",
        "definitions",
    ];
    let printed = process::output(&mut cargo(&workspace.root, &arguments))?;
    let files = split(&printed)?;
    if files.is_empty() {
        bail!("no definitions were printed");
    }
    Ok(files)
}

/// The documents of a stream, each of which begins with a comment that names its file.
fn split(stream: &str) -> Result<Vec<File>> {
    let documents = stream
        .split("---\n")
        .filter(|document| !document.is_empty());
    documents
        .map(|document| {
            let (name, content) = document
                .strip_prefix("# ")
                .and_then(|document| document.split_once('\n'))
                .context("a definition without the name of its file")?;
            Ok(File {
                name: name.to_owned(),
                content: format!("{HEAD}{content}"),
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_document_becomes_the_file_that_it_names() {
        let files = split("---\n# a.yaml\nkind: A\n---\n# b.yaml\nkind: B\n").unwrap();
        let names: Vec<&str> = files.iter().map(|file| file.name.as_str()).collect();
        assert_eq!(names, ["a.yaml", "b.yaml"]);
        assert_eq!(files[1].content, format!("{HEAD}kind: B\n"));
        assert!(split("---\nkind: A\n").is_err());
    }
}
