//! `floatingip`: picks the networks of each pod, and has other plugins connect it to them.
//!
//! Which networks those are is decided as galaxy's daemon does, from its own configuration and the pod's annotations.
//! What is asked of the other plugins is written down before the first of them is called, so that `DEL`, `CHECK` and
//! `GC` need neither the annotations nor the API server nor the configuration.

mod add;
mod api;
mod args;
mod catalogue;
mod check;
mod choice;
mod config;
mod facts;
mod gc;
mod leaving;
mod merge;
mod pod;
mod record;
mod release;
mod selection;
mod status;
mod unknown;

use std::path::Path;

use crate::delegate::{Call, SearchPath};
use crate::spec::{Args, Attachment, Failure, Invocation, Network};

pub use api::ApiError;
pub use catalogue::{Catalogue, CatalogueError, Template};
pub use choice::{ChoiceError, Wanted, choose};
pub use config::MetaConfig;
pub use merge::{Part, merged};
pub use pod::{Pod, PodError};
pub use record::{Joined, Member};
pub use selection::{Selection, SelectionError, Selections};

/// One call of this plugin, with what it passes on to others.
struct Task<'a> {
    config: &'a MetaConfig,
    network: &'a Network,
    path: SearchPath,
}

/// Does what a runtime asks for; `variable` reads the environment. Answers what is for standard output.
///
/// # Errors
/// It could not be done. What another plugin said is told with its name.
pub fn carry_out(
    invocation: &Invocation,
    variable: impl Fn(&str) -> Option<String>,
    network: &Network,
    config: &MetaConfig,
) -> Result<String, Failure> {
    let task = Task {
        config,
        network,
        path: SearchPath::new(variable("CNI_PATH").unwrap_or_default()),
    };
    let silent = |()| String::new();
    match invocation {
        Invocation::Add {
            attachment,
            netns,
            args,
        } => task.connect(attachment, netns, args),
        Invocation::Del { attachment } => {
            let told = Call::read(variable)?;
            task.del(attachment, &told).map(silent)
        }
        Invocation::Check { attachment, netns } => task.check(attachment, netns).map(silent),
        Invocation::Gc => task.gc().map(silent),
        Invocation::Status => task.status().map(silent),
        Invocation::Version => Ok(String::new()),
    }
}

impl Task<'_> {
    fn connect(
        &self,
        attachment: &Attachment,
        netns: &Path,
        args: &Args,
    ) -> Result<String, Failure> {
        let result = self.add(attachment, netns, args)?;
        Ok(result.to_json(self.network.version).to_string())
    }
}
