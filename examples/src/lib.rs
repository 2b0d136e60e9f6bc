//! Runnable examples of floatingip; see the `examples` folder of this package.
