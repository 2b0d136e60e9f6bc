//! The programs of a test control plane, in the folder of tools.

use std::path::PathBuf;

use anyhow::{Result, bail};

use crate::go::{self, KUBERNETES, Program, Source};
use crate::tools;

#[path = "../../floatingip-testkit/src/assets/list.rs"]
mod list;

const ETCD: Source = Source::plain("go.etcd.io/etcd/server/v3", "");
const KWOK: Source = Source::plain("sigs.k8s.io/kwok", "/cmd/*");

/// Builds what is missing, and returns the folder with all of it.
pub(crate) fn build() -> Result<PathBuf> {
    let folder = tools::folder()?.join(list::folder_name());
    go::build_missing(&folder, &programs()?)?;
    Ok(folder)
}

fn programs() -> Result<Vec<Program>> {
    let program = |&(name, version): &(&'static str, &'static str)| {
        let source = source(name)?;
        Ok(Program {
            name,
            version,
            source,
        })
    };
    list::PROGRAMS.iter().map(program).collect()
}

fn source(program: &str) -> Result<&'static Source> {
    Ok(match program {
        "etcd" => &ETCD,
        "kwok" => &KWOK,
        kubernetes if kubernetes.starts_with("kube-") => &KUBERNETES,
        other => bail!("nobody has said where {other} comes from"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_program_has_a_source() {
        assert_eq!(programs().unwrap().len(), list::PROGRAMS.len());
    }
}
