//! Access to the kernel's links, addresses and routes, in a namespace: synchronous, with a limit to every wait.
//!
//! What may be changed is a [`Change`], one message to the kernel each, and each knows what undoes it.

mod change;
mod frame;
mod kernel;
mod mac;
mod message;
mod netns;
mod sysctl;
mod view;
mod wire;

pub use change::{Change, Kind, Layer, Name, Peer, Rank};
pub use frame::{Arp, Form};
pub use kernel::{Kernel, KernelError};
pub use mac::{Mac, NoMac};
pub use netns::{Netns, NetnsError};
pub use view::{Address, Link, Route, View};
pub use wire::{Neighbour, announce, probe};
