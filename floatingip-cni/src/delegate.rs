//! Runs other CNI plugins, as runtimes do: found by their type, told what to do in the environment and on standard
//! input, with a time limit, and with an end to what they may say.
//!
//! ```no_run
//! use std::time::Duration;
//!
//! use floatingip_cni::delegate::{Call, Limit, SearchPath};
//! use floatingip_cni::spec::Verb;
//!
//! let path = SearchPath::new("/opt/cni/bin");
//! let call = Call::read(|name| std::env::var(name).ok())?;
//! let config = serde_json::json!({"cniVersion": "1.0.0", "name": "lan", "type": "host-local"});
//! let within = Limit::starting_now(Duration::from_secs(20));
//! let result = path.find("host-local")?.add(&call, &config, within)?;
//! println!("{}", result.ips.len());
//! path.find("host-local")?.tell(Verb::Del, &call, &config, within)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod call;
mod error;
mod process;
mod search;

pub use call::{Call, Delegate};
pub use error::DelegateError;
pub use process::Limit;
pub use search::SearchPath;
