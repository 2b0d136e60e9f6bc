//! What a test control plane is made of, in which versions, and what the folder with all of it is called. Also compiled
//! into xtask, which fills that folder.

/// Each program with its version, in the order in which they are built.
pub(crate) const PROGRAMS: &[(&str, &str)] = &[
    ("etcd", "3.7.3"),
    ("kube-apiserver", "1.36.3"),
    ("kube-scheduler", "1.36.3"),
    ("kube-controller-manager", "1.36.3"),
    ("kwok", "0.8.0"),
];

/// `control-plane-etcd-3.7.3-kube-1.36.3-kwok-0.8.0`: another version is another folder. What is named alike up to
/// the first `-` has one version.
pub(crate) fn folder_name() -> String {
    let word = |(program, version): &(&'static str, &'static str)| {
        let project = program.split('-').next().unwrap_or(program);
        format!("{project}-{version}")
    };
    let mut words: Vec<String> = PROGRAMS.iter().map(word).collect();
    words.dedup();
    format!("control-plane-{}", words.join("-"))
}
