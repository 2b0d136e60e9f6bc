//! Access to the kernel's links, addresses and routes, in a namespace: synchronous, with a limit to every wait.
//!
//! What may be changed is a [`Change`], one message to the kernel each, and each knows what undoes it.

mod address;
mod change;
mod family;
mod frame;
mod kernel;
mod mac;
mod message;
mod netns;
mod route;
mod sysctl;
mod talk;
mod view;
mod wire;

pub use address::Address;
pub use change::{Change, Kind, Layer, Name, Peer, Rank};
pub use frame::{Arp, Form};
pub use kernel::{Kernel, KernelError};
pub use mac::{Mac, NoMac};
pub use netns::{Identity, Netns, NetnsError};
pub use route::Route;
pub use view::{Link, View};
pub use wire::{Neighbour, announce, probe};
