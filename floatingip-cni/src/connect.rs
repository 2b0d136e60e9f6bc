//! What the plugins that connect containers have in common: a change is decided as a whole, written down, made step
//! by step, and undone from what was written down.
//!
//! A plugin is a configuration that [`Connects`]. The links are made under the node's lock; then, without it, others
//! are asked whether the addresses are free; then the container gets them.

mod act;
mod add;
mod addresses;
mod answer;
mod compare;
mod conflict;
mod group;
mod lender;
mod name;
mod plan;
mod release;
mod route;
mod spaces;

pub use act::{Broken, Place, Step, carry_out};
pub use add::add;
pub(crate) use addresses::bound;
pub(crate) use answer::result;
pub(crate) use compare::{Inside, done, elsewhere, report, unfit, untold, with_routes};
pub(crate) use group::{Group, groups};
pub use lender::Lender;
pub(crate) use lender::check_lent;
pub(crate) use name::{next_inside, passing};
pub use plan::{Connects, Plan, Voice, Wish};
pub(crate) use release::namespace;
pub use release::{del, gc};
pub(crate) use route::{routes, set_up, switch_on};
pub use spaces::Spaces;
