//! Programs of Go, built from the module proxy into the folder of tools.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use crate::{process, tools};

/// What a module builds.
pub(crate) struct Source {
    /// The module, as one requires it.
    pub(crate) module: &'static str,
    /// The folder of the package within the module; `*` stands for the program.
    pub(crate) package: &'static str,
    /// Whether the module requires siblings that only its own repository has, by `v0.0.0` and a local path.
    pub(crate) staged: bool,
    /// The variables that hold the program's version: otherwise it calls itself unknown or v0.0.0, which those who talk
    /// to it stumble over.
    pub(crate) versions: &'static [&'static str],
    /// What is left out, as build tags.
    pub(crate) tags: &'static str,
    /// Whether it is linked with this machine's C library.
    pub(crate) cgo: bool,
}

impl Source {
    /// A module that needs nothing special.
    pub(crate) const fn plain(module: &'static str, package: &'static str) -> Self {
        Self {
            module,
            package,
            staged: false,
            versions: &[],
            tags: "",
            cgo: true,
        }
    }
}

/// Kubernetes' own programs.
pub(crate) const KUBERNETES: Source = Source {
    staged: true,
    versions: &[
        "k8s.io/component-base/version.gitVersion",
        "k8s.io/client-go/pkg/version.gitVersion",
    ],
    ..Source::plain("k8s.io/kubernetes", "/cmd/*")
};

/// A program in a version, and where it comes from.
pub(crate) struct Program {
    pub(crate) name: &'static str,
    pub(crate) version: &'static str,
    pub(crate) source: &'static Source,
}

/// Builds what is missing in `folder`.
pub(crate) fn build_missing(folder: &Path, programs: &[Program]) -> Result<()> {
    let missing = |program: &&Program| !folder.join(program.name).is_file();
    let missing: Vec<_> = programs.iter().filter(missing).collect();
    if !missing.is_empty() {
        check_go()?;
    }
    for program in missing {
        program.build_into(folder)?;
    }
    Ok(())
}

/// Without Go everything else works, so that it is asked for only here.
fn check_go() -> Result<()> {
    let version = Command::new("go")
        .arg("version")
        .stdout(Stdio::null())
        .status();
    if !version.is_ok_and(|status| status.success()) {
        bail!(
            "go is missing: programs that tests need are built with Go 1.26 or newer; install it, or, for the control plane, \
             name a folder with the programs in FLOATINGIP_ASSETS"
        );
    }
    Ok(())
}

impl Program {
    /// As a tool dependency of a module of its own, which picks the versions of all others. It comes to its place whole.
    fn build_into(&self, folder: &Path) -> Result<()> {
        let module = folder.join("build").join(self.name);
        fs::create_dir_all(&module)?;
        fs::write(module.join("go.mod"), "module tools\n\ngo 1.26\n")?;
        if self.source.staged {
            self.replace_staged(&module)?;
        }
        let package = self.package();
        let wanted = format!("{package}@v{}", self.version);
        tools::download(go(&module).args(["get", "-tool", &wanted]))?;
        let partial = module.join(self.name);
        let mut build = go(&module);
        if !self.source.cgo {
            build.env("CGO_ENABLED", "0");
        }
        build.args(["build", "-tags", self.source.tags]);
        build.args(["-ldflags", &self.linker_flags(), "-o"]);
        process::run(build.arg(&partial).arg(&package))?;
        fs::rename(partial, folder.join(self.name))?;
        Ok(())
    }

    fn package(&self) -> String {
        let folder = self.source.package.replace('*', self.name);
        format!("{}{folder}", self.source.module)
    }

    /// Kubernetes 1.36.3 publishes its siblings as 0.36.3.
    fn replace_staged(&self, module: &Path) -> Result<()> {
        let manifest = self.manifest(module)?;
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
    fn manifest(&self, module: &Path) -> Result<String> {
        let wanted = format!("{}@v{}", self.source.module, self.version);
        let arguments = ["mod", "download", "-json", &wanted];
        tools::download(go(module).args(arguments).stdout(Stdio::null()))?;
        let answer: Value = serde_json::from_str(&process::output(go(module).args(arguments))?)?;
        let path = answer["GoMod"]
            .as_str()
            .context("go mod download names no go.mod")?;
        fs::read_to_string(path).with_context(|| format!("cannot read {path}"))
    }

    fn linker_flags(&self) -> String {
        let version = |variable: &&str| format!(" -X {variable}=v{}", self.version);
        let versions: String = self.source.versions.iter().map(version).collect();
        format!("-s -w{versions}")
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
    fn a_program_is_told_its_version() {
        let kubelet = Program {
            name: "kubelet",
            version: "1.36.3",
            source: &KUBERNETES,
        };
        assert_eq!(kubelet.package(), "k8s.io/kubernetes/cmd/kubelet");
        let flags = kubelet.linker_flags();
        assert!(
            flags.ends_with("-X k8s.io/client-go/pkg/version.gitVersion=v1.36.3"),
            "{flags}"
        );
    }
}
