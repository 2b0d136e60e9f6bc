//! Cluster objects as far as they concern us: trimmed while they are read.
