//! Prints the definitions of the custom resources as one stream of YAML documents, each with the name of
//! its file in a comment before it. `cargo xtask gen-crds` writes them to `deploy/crds`.

use std::error::Error;
use std::io::{Write as _, stdout};

use floatingip_k8s::crd::definitions;
use kube::ResourceExt as _;

fn main() -> Result<(), Box<dyn Error>> {
    for definition in definitions() {
        let name = definition.name_any();
        let yaml = serde_saphyr::to_string(&definition)?;
        writeln!(stdout(), "---\n# {name}.yaml\n{}", yaml.trim_end())?;
    }
    Ok(())
}
