//! The plugin on real interfaces: the program itself, called as a runtime calls it, in network namespaces that each
//! test makes for itself, with packets that are sent and answered.
//!
//! Needs root and `ip`, for tests beside others' plugins the folder that `FLOATINGIP_CNI_PLUGINS` names, and for those
//! with our server the program that `FLOATINGIP_SERVER_PROGRAM` names; without them every test says that it is skipped,
//! and fails under `FLOATINGIP_NODE=require`.

#[cfg(test)]
mod conflict;
#[cfg(test)]
mod connect;
#[cfg(test)]
mod debian;
#[cfg(test)]
mod gap;
#[cfg(test)]
mod ipam;
#[cfg(test)]
mod killed;
#[cfg(test)]
mod lab;
#[cfg(test)]
mod lent;
#[cfg(test)]
mod meta;
#[cfg(test)]
mod refuse;
#[cfg(test)]
mod routers;
#[cfg(test)]
mod server;
#[cfg(test)]
mod space;
#[cfg(test)]
mod takeover;
#[cfg(test)]
mod tamper;
#[cfg(test)]
mod watch;
