//! From a pod and what made it to what it asks of core.
