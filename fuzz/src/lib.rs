//! Fuzz targets of floatingip: each is one function over bytes, replayed on stable.
