//! The index: what the cluster looks like, kept by watches and asked by core as its world.
