//! The custom resources and the store on a real API server, which each test starts for itself.

#[cfg(test)]
mod cluster;
#[cfg(test)]
mod following;
#[cfg(test)]
mod objects;
#[cfg(test)]
mod suite;
