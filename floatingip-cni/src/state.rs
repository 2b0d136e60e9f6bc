//! What is remembered of each `ADD`: enough to undo it and to look after it, without the container, its namespace or
//! its annotations. One file each, written before the first change and replaced as a whole.

mod folder;
mod lock;
mod record;

pub use folder::{Folder, FolderOf, Remembered, StateError};
pub use lock::{Lock, LockError};
pub use record::{End, Endpoint, Function, Hop, HostEnd, Lent, Record, Stage, Uplink};
