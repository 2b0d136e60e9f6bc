//! The HTTP API over a scripted backend: requests in, bytes and calls out. No port is opened.

#[cfg(test)]
mod documents;
#[cfg(test)]
mod edge;
#[cfg(test)]
mod explain;
#[cfg(test)]
mod history;
#[cfg(test)]
mod list;
#[cfg(test)]
mod mark;
#[cfg(test)]
mod pool;
#[cfg(test)]
mod release;
#[cfg(test)]
mod support;
#[cfg(test)]
mod token;
