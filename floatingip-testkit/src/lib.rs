//! A real Kubernetes control plane on loopback, started by a test and gone with it: etcd, API server, scheduler,
//! controller manager, and kwok in the place of the kubelets.
//!
//! Nothing is simulated but the nodes, nothing outlives the test, and nothing has a fixed port or folder, so
//! that suites run side by side. Faults end a test, so that everything here returns [`anyhow::Result`], with a
//! text that says what was waited for and what was seen instead.
//!
//! ```no_run
//! # async fn example() -> anyhow::Result<()> {
//! use floatingip_testkit::{ControlPlane, Part};
//!
//! let Some(builder) = ControlPlane::builder_or_skip("my suite", &[Part::Etcd, Part::ApiServer])? else {
//!     return Ok(()); // the binaries are missing, which was said
//! };
//! let plane = builder.start().await?;
//! let version = plane.client().apiserver_version().await?;
//! # Ok(())
//! # }
//! ```

pub mod assets;
pub mod control_plane;
pub mod eventually;
pub mod foreign;
pub mod node;
pub mod object;
pub mod port;
pub mod process;
pub mod rate;
pub mod recorder;
pub mod runner;
pub mod server;
pub mod verify;
pub mod web;
pub mod workload;

pub use assets::{Assets, Part};
pub use control_plane::{Builder, ControlPlane, Extender};
pub use eventually::eventually;
pub use node::Node;
pub use process::Process;
pub use server::{Server, ServerPlan};
pub use verify::{Verified, verify};
pub use workload::Workload;
