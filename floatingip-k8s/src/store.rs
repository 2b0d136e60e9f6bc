//! The store: plans become conditional writes on custom resources.
