//! `floatingip-cni install` and `uninstall`: the program itself, on the folders of a node that each test makes for
//! itself.

#[cfg(test)]
mod account;
#[cfg(test)]
mod program;
#[cfg(test)]
mod refuse;
#[cfg(test)]
mod scene;
