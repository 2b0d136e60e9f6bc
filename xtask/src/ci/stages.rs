//! What each stage runs.

use anyhow::{Context as _, Result, bail};

use super::{Done, Stage};
use crate::process::{self, cargo};
use crate::tally::tested;
use crate::workspace::Workspace;
use crate::{
    assets, cni_plugins, crds, dist, e2e, fuzzing, node_test, papers, purity, schemathesis, tools,
    vm,
};

/// All stages, cheap ones first.
pub(super) const ALL: &[Stage] = &[
    stage("fmt", "every file is formatted", fmt),
    stage(
        "papers",
        "README pair, CONTRIBUTING, links, versions and manifests agree",
        check_papers,
    ),
    stage(
        "check-pure",
        "core is built from crates without I/O, and without unsafe",
        check_pure,
    ),
    stage(
        "clippy",
        "each member alone, all targets, warnings denied",
        clippy,
    ),
    stage(
        "test",
        "the second command of the README, doctests included",
        test,
    ),
    stage(
        "generated",
        "deploy/crds is what the types of the custom resources say",
        generated,
    ),
    stage("fuzz", "the fuzz corpora replay without a finding", fuzz),
    stage(
        "guided",
        "each fuzz target finds nothing in a short run, where there is a nightly",
        guided,
    ),
    stage("alone", "each member builds from its own manifest", alone),
    stage(
        "docs",
        "rustdoc of public and private items, warnings denied",
        docs,
    ),
    stage("examples", "every example runs to its end", examples),
    stage("benches", "every benchmark runs once", benches),
    stage(
        "package",
        "core packs, and builds from its package",
        package,
    ),
    stage(
        "deny",
        "licences, duplicates and sources of all dependencies",
        deny,
    ),
    stage(
        "dist",
        "the program of the nodes is built static, and answers",
        distribution,
    ),
    stage(
        "node",
        "the node's plugins connect containers on real interfaces; needs root",
        node,
    ),
    stage(
        "durability",
        "the standalone server is killed at 50 random moments and loses nothing",
        durability,
    ),
    stage(
        "schemathesis",
        "generated requests against the server",
        http,
    ),
    stage(
        "assets",
        "the programs of a control plane are built, or were already",
        control_plane,
    ),
    stage(
        "cluster",
        "the suites against a real control plane",
        cluster,
    ),
    stage(
        "e2e-node",
        "real clients of the CNI plugins, up to kubelets in a cluster; needs root",
        real_nodes,
    ),
    stage(
        "vm",
        "the CNI plugins on VLANs, ipvlan and virtual functions, in a virtual machine",
        virtual_machine,
    ),
];

/// The least that must have run, so that a stage which finds nothing to do turns red instead of
/// staying silent: all of what is few, and about nine tenths of the tests that there are, so that one
/// more or less needs no change here, and a target that is left out, or a suite that is skipped without
/// a word, is seen. Raise these as tests, targets and examples land.
mod floor {
    /// Of some 1400, doctests included.
    pub(super) const TESTS: usize = 1230;
    pub(super) const FUZZ_TESTS: usize = 13;
    pub(super) const FUZZ_TARGETS: usize = 11;
    pub(super) const EXAMPLES: usize = 5;
    pub(super) const BENCHES: usize = 6;
    pub(super) const NODE_TESTS: usize = 100;
    pub(super) const DURABILITY_TESTS: usize = 1;
    pub(super) const CLUSTER_SUITES: usize = 7;
    /// Of some 318.
    pub(super) const CLUSTER_TESTS: usize = 286;
    pub(super) const E2E_TESTS: usize = 23;
    pub(super) const VM_TESTS: usize = 44;
}

type Check = fn(&Workspace) -> Result<Done>;

const fn stage(name: &'static str, about: &'static str, run: Check) -> Stage {
    Stage { name, about, run }
}

fn fmt(workspace: &Workspace) -> Result<Done> {
    process::run(&mut cargo(&workspace.root, &["fmt", "--all", "--check"]))?;
    Ok(Done::note(""))
}

fn check_papers(workspace: &Workspace) -> Result<Done> {
    let files = papers::check(workspace)?;
    Ok(Done::note(format!("{files} files read")))
}

fn check_pure(workspace: &Workspace) -> Result<Done> {
    let crates = purity::check(workspace)?;
    Ok(Done::note(format!("core is built from {crates} crates")))
}

/// Each member by itself: with `--workspace` the features of all members are united, and a member
/// that lacks one of its own would pass. Core's tests switch `testing` on, so its library is also
/// linted without them, once with and once without that feature.
fn clippy(workspace: &Workspace) -> Result<Done> {
    let members = workspace
        .packages
        .iter()
        .map(|package| package.name.as_str());
    let mut runs: Vec<(&str, &[&str])> = members.map(|name| (name, ALL_TARGETS)).collect();
    runs.push(("floatingip-core", &["--lib"]));
    runs.push(("floatingip-core", &["--lib", "--features", "testing"]));
    let lint = |(package, selection)| lint(workspace, package, selection).err();
    let failed: Vec<String> = runs
        .into_iter()
        .filter_map(lint)
        .map(|error| error.to_string())
        .collect();
    if failed.is_empty() {
        return Ok(Done::note(format!("{} members", workspace.packages.len())));
    }
    bail!(failed.join("\n"))
}

const ALL_TARGETS: &[&str] = &["--all-targets"];

fn lint(workspace: &Workspace, package: &str, selection: &[&str]) -> Result<()> {
    let mut command = cargo(&workspace.root, &["clippy", "--quiet", "-p", package]);
    process::run(command.args(selection).args(["--", "-D", "warnings"]))
}

/// Without the programs of a control plane, and without real interfaces: what needs them is run by the stages
/// `cluster`, `node` and `e2e-node`, once.
fn test(workspace: &Workspace) -> Result<Done> {
    let command = papers::test_command(workspace)?;
    let arguments: Vec<&str> = command.split_whitespace().skip(1).collect();
    let settings = [
        ("FLOATINGIP_ASSETS", ""),
        ("FLOATINGIP_NODE", "skip"),
        ("FLOATINGIP_E2E", "skip"),
    ];
    let tally = tested(workspace, &arguments, &settings)?;
    at_least(floor::TESTS, tally.passed, "test")?;
    Ok(Done {
        note: format!("{command}: {tally}"),
        tally,
    })
}

fn generated(workspace: &Workspace) -> Result<Done> {
    let files = crds::check(workspace)?;
    Ok(Done::note(format!("{files} files")))
}

/// Counted apart: the stage `test` has run these once already, among all others.
fn fuzz(workspace: &Workspace) -> Result<Done> {
    let tally = tested::<&str>(workspace, &["test", "-p", "floatingip-fuzz"], &[])?;
    at_least(floor::FUZZ_TESTS, tally.passed, "fuzz replay")?;
    Ok(Done::note(tally.to_string()))
}

fn guided(workspace: &Workspace) -> Result<Done> {
    let ran = match fuzzing::run(workspace)? {
        fuzzing::Ran::Targets(ran) => ran,
        fuzzing::Ran::Skipped(why) => return Ok(Done::note(why)),
    };
    at_least(floor::FUZZ_TARGETS, ran.len(), "fuzz target")?;
    let inputs: u64 = ran.iter().map(|(_, inputs)| inputs).sum();
    Ok(Done::note(format!(
        "{} targets, {inputs} inputs",
        ran.len()
    )))
}

fn alone(workspace: &Workspace) -> Result<Done> {
    for package in &workspace.packages {
        let arguments = ["check", "--quiet", "-p", &package.name];
        process::run(&mut cargo(&workspace.root, &arguments))?;
    }
    Ok(Done::note(format!("{} members", workspace.packages.len())))
}

fn docs(workspace: &Workspace) -> Result<Done> {
    let arguments = [
        "doc",
        "--quiet",
        "--workspace",
        "--no-deps",
        "--document-private-items",
    ];
    process::run(cargo(&workspace.root, &arguments).env("RUSTDOCFLAGS", "-D warnings"))?;
    Ok(Done::note(""))
}

fn examples(workspace: &Workspace) -> Result<Done> {
    let mut ran = 0;
    for (package, name) in workspace.targets("example") {
        let arguments = ["run", "--quiet", "-p", &package.name, "--example", name];
        process::run(&mut cargo(&workspace.root, &arguments))?;
        ran += 1;
    }
    at_least(floor::EXAMPLES, ran, "example")?;
    Ok(Done::note(format!("{ran} examples")))
}

/// `--test` makes each benchmark run once, without measuring. To build the server with all it depends on
/// once more, optimised, would take longer than all the rest: its benchmarks run as its tests are built. That of the
/// node's plugins may not skip.
fn benches(workspace: &Workspace) -> Result<Done> {
    let plugins = cni_plugins::folder()?;
    let mut ran = 0;
    for (package, name) in workspace.targets("bench") {
        let profile = match package.name.as_str() {
            "floatingip-core" => "bench",
            _ => "dev",
        };
        let arguments = [
            "bench",
            "--quiet",
            "--profile",
            profile,
            "-p",
            &package.name,
            "--bench",
            name,
            "--",
            "--test",
        ];
        let mut command = cargo(&workspace.root, &arguments);
        command.env("FLOATINGIP_NODE", "require");
        process::run(command.env(cni_plugins::VARIABLE, &plugins))?;
        ran += 1;
    }
    at_least(floor::BENCHES, ran, "benchmark")?;
    Ok(Done::note(format!("{ran} benchmarks")))
}

/// `--allow-dirty`, because a contributor runs this before the commit; a clean clone has no dirt.
fn package(workspace: &Workspace) -> Result<Done> {
    let arguments = [
        "package",
        "--quiet",
        "-p",
        "floatingip-core",
        "--allow-dirty",
    ];
    process::run(&mut cargo(&workspace.root, &arguments))?;
    Ok(Done::note("floatingip-core"))
}

/// Advisories are left out: their database is a git repository, not a part of the registry.
fn deny(workspace: &Workspace) -> Result<Done> {
    let mut command = tools::cargo_deny(workspace)?;
    command.args([
        "--locked",
        "--all-features",
        "check",
        "licenses",
        "bans",
        "sources",
    ]);
    process::run(&mut command)?;
    Ok(Done::note("advisories are not checked"))
}

fn distribution(workspace: &Workspace) -> Result<Done> {
    let program = dist::run(workspace)?;
    let size = std::fs::metadata(program)?.len() / 1024;
    Ok(Done::note(format!("floatingip-cni: {size} KiB")))
}

fn node(workspace: &Workspace) -> Result<Done> {
    let tally = node_test::run(workspace, &[])?;
    at_least(floor::NODE_TESTS, tally.passed, "node test")?;
    Ok(Done {
        note: tally.to_string(),
        tally,
    })
}

fn real_nodes(workspace: &Workspace) -> Result<Done> {
    let tally = e2e::run(workspace, &[])?;
    at_least(floor::E2E_TESTS, tally.passed, "test of real clients")?;
    Ok(Done {
        note: tally.to_string(),
        tally,
    })
}

/// Counted apart: the stage `test` has run it once already, with few kills.
fn durability(workspace: &Workspace) -> Result<Done> {
    let arguments = [
        "test",
        "-p",
        "floatingip-server",
        "--test",
        "standalone",
        "what_was_acknowledged_is_there_after_kills_at_random_moments",
    ];
    let tally = tested(workspace, &arguments, &[("FLOATINGIP_KILLS", "50")])?;
    at_least(floor::DURABILITY_TESTS, tally.passed, "durability test")?;
    Ok(Done::note("50 kills"))
}

fn http(workspace: &Workspace) -> Result<Done> {
    Ok(Done::note(schemathesis::run(workspace)?))
}

fn control_plane(_: &Workspace) -> Result<Done> {
    Ok(Done::note(assets::build()?.display().to_string()))
}

/// Every test target whose name begins with `cluster`. None may skip, and each is told where the programs are.
fn cluster(workspace: &Workspace) -> Result<Done> {
    let programs = assets::build()?;
    let programs = programs
        .to_str()
        .context("the folder of tools is not named in UTF-8")?;
    let suites = workspace
        .targets("test")
        .filter(|(_, name)| name.starts_with("cluster"));
    at_least(floor::CLUSTER_SUITES, suites.count(), "cluster suite")?;
    let settings = [
        ("FLOATINGIP_ASSETS", programs),
        ("FLOATINGIP_REQUIRE_ASSETS", "1"),
    ];
    let tally = tested(
        workspace,
        &["test", "--workspace", "--test", "cluster*"],
        &settings,
    )?;
    at_least(floor::CLUSTER_TESTS, tally.passed, "cluster test")?;
    Ok(Done {
        note: tally.to_string(),
        tally,
    })
}

fn virtual_machine(workspace: &Workspace) -> Result<Done> {
    let tally = vm::run(workspace, &[])?;
    at_least(floor::VM_TESTS, tally.passed, "test in the virtual machine")?;
    Ok(Done {
        note: tally.to_string(),
        tally,
    })
}

fn at_least(least: usize, ran: usize, what: &str) -> Result<()> {
    if ran < least {
        bail!("{ran} {what}s ran where at least {least} should have");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stage_names_are_unique() {
        let mut names: Vec<&str> = ALL.iter().map(|stage| stage.name).collect();
        names.sort_unstable();
        assert!(names.windows(2).all(|pair| pair[0] != pair[1]), "{names:?}");
    }

    #[test]
    fn a_stage_that_ran_too_little_fails() {
        assert!(at_least(3, 3, "test").is_ok());
        assert!(at_least(3, 2, "test").is_err());
    }
}
