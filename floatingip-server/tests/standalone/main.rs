//! The standalone server as a process of its own: started, asked over HTTP, told to end, killed.
//!
//! Every test has a folder, ports and processes of its own. Every wait has an end.

#[cfg(test)]
mod backup;
#[cfg(test)]
mod client;
#[cfg(test)]
mod command_line;
#[cfg(test)]
mod configuration;
#[cfg(test)]
mod disk;
#[cfg(test)]
mod galaxy;
#[cfg(test)]
mod journal;
#[cfg(test)]
mod killed;
#[cfg(test)]
mod life;
#[cfg(test)]
mod native;
#[cfg(test)]
mod place;
#[cfg(test)]
mod pools;
#[cfg(test)]
mod reference;
#[cfg(test)]
mod script;
#[cfg(test)]
mod server;
#[cfg(test)]
mod session;
#[cfg(test)]
mod transcript;
#[cfg(test)]
mod unit;
