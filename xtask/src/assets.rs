//! The programs of a test control plane, built from the Go module proxy into the folder of tools.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use crate::{process, tools};

#[path = "../../floatingip-testkit/src/assets/list.rs"]
mod list;

/// What a module builds.
struct Source {
    /// The module, as one requires it.
    module: &'static str,
    /// The folder of the package within the module; `*` stands for the program.
    package: &'static str,
    /// Whether the module requires siblings that only its own repository has, by `v0.0.0` and a local path.
    staged: bool,
}

const ETCD: Source = Source {
    module: "go.etcd.io/etcd/server/v3",
    package: "",
    staged: false,
};
const KUBERNETES: Source = Source {
    module: "k8s.io/kubernetes",
    package: "/cmd/*",
    staged: true,
};
const KWOK: Source = Source {
    module: "sigs.k8s.io/kwok",
    package: "/cmd/*",
    staged: false,
};

/// Builds what is missing, and returns the folder with all of it.
pub(crate) fn build() -> Result<PathBuf> {
    let folder = tools::folder()?.join(list::folder_name());
    let missing = |(program, _): &&(&str, &str)| !folder.join(program).is_file();
    let missing: Vec<_> = list::PROGRAMS.iter().filter(missing).collect();
    if !missing.is_empty() {
        check_go()?;
    }
    for (program, version) in missing {
        Build {
            folder: &folder,
            program,
            version,
        }
        .run()?;
    }
    Ok(folder)
}

/// Without Go everything else works, so that it is asked for only here.
fn check_go() -> Result<()> {
    let version = Command::new("go")
        .arg("version")
        .stdout(Stdio::null())
        .status();
    if !version.is_ok_and(|status| status.success()) {
        bail!(
            "go is missing: the control plane of the tests is built with Go 1.26 or newer; install it, or name a \
             folder with the programs in FLOATINGIP_ASSETS"
        );
    }
    Ok(())
}

/// One program to be built.
struct Build<'a> {
    folder: &'a Path,
    program: &'a str,
    version: &'a str,
}

impl Build<'_> {
    /// As a tool dependency of a module of its own, which picks the versions of all others. It comes to its place whole.
    fn run(&self) -> Result<()> {
        let source = self.source()?;
        let module = self.folder.join("build").join(self.program);
        fs::create_dir_all(&module)?;
        fs::write(module.join("go.mod"), "module tools\n\ngo 1.26\n")?;
        if source.staged {
            self.replace_staged(&source, &module)?;
        }
        let package = format!(
            "{}{}",
            source.module,
            source.package.replace('*', self.program)
        );
        let wanted = format!("{package}@v{}", self.version);
        tools::download(go(&module).args(["get", "-tool", &wanted]))?;
        let partial = module.join(self.program);
        let mut build = go(&module);
        build.args(["build", "-ldflags", &self.linker_flags(&source), "-o"]);
        process::run(build.arg(&partial).arg(&package))?;
        fs::rename(partial, self.folder.join(self.program))?;
        Ok(())
    }

    fn source(&self) -> Result<Source> {
        Ok(match self.program {
            "etcd" => ETCD,
            "kwok" => KWOK,
            kubernetes if kubernetes.starts_with("kube-") => KUBERNETES,
            other => bail!("nobody has said where {other} comes from"),
        })
    }

    /// Kubernetes 1.36.3 publishes its siblings as 0.36.3.
    fn replace_staged(&self, source: &Source, module: &Path) -> Result<()> {
        let manifest = self.manifest(source, module)?;
        let (_, sibling) = self
            .version
            .split_once('.')
            .context("a version without a dot")?;
        let mut edit = go(module);
        edit.args(["mod", "edit"]);
        for name in staged(&manifest) {
            edit.arg(format!("-replace={name}={name}@v0.{sibling}"));
        }
        process::run(&mut edit)
    }

    /// The `go.mod` of the module itself.
    fn manifest(&self, source: &Source, module: &Path) -> Result<String> {
        let wanted = format!("{}@v{}", source.module, self.version);
        let arguments = ["mod", "download", "-json", &wanted];
        tools::download(go(module).args(arguments).stdout(Stdio::null()))?;
        let answer: Value = serde_json::from_str(&process::output(go(module).args(arguments))?)?;
        let path = answer["GoMod"]
            .as_str()
            .context("go mod download names no go.mod")?;
        fs::read_to_string(path).with_context(|| format!("cannot read {path}"))
    }

    /// Kubernetes' programs otherwise call themselves v0.0.0, which clients and CRDs' ratcheting stumble over.
    fn linker_flags(&self, source: &Source) -> String {
        if source.module != KUBERNETES.module {
            return "-s -w".to_owned();
        }
        let version = self.version;
        format!(
            "-s -w -X k8s.io/component-base/version.gitVersion=v{version} -X k8s.io/client-go/pkg/version.gitVersion=v{version}"
        )
    }
}

fn go(module: &Path) -> Command {
    let mut command = Command::new("go");
    command.current_dir(module);
    command
}

/// The modules that `go.mod` requires as `v0.0.0` or replaces by a path in its own repository.
fn staged(manifest: &str) -> BTreeSet<&str> {
    let lines = manifest.lines().map(str::trim);
    let staged = lines.filter(|line| line.ends_with(" v0.0.0") || line.contains(" => ./staging/"));
    staged
        .filter_map(|line| {
            line.trim_start_matches("replace ")
                .split_whitespace()
                .next()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn siblings_are_found_in_both_forms_and_others_left_alone() {
        let manifest = "\
module k8s.io/kubernetes
require (
\tgithub.com/x/y v1.2.3
\tk8s.io/api v0.0.0
)
replace k8s.io/kubelet => ./staging/src/k8s.io/kubelet
replace (
\tk8s.io/api => ./staging/src/k8s.io/api
)
";
        assert_eq!(
            staged(manifest).into_iter().collect::<Vec<_>>(),
            ["k8s.io/api", "k8s.io/kubelet"]
        );
    }

    #[test]
    fn every_program_has_a_source() {
        for (program, version) in list::PROGRAMS {
            let folder = Path::new("unused");
            assert!(
                Build {
                    folder,
                    program,
                    version
                }
                .source()
                .is_ok(),
                "{program}"
            );
        }
    }
}
