//! The scheduler extender: filter, prioritize, bind and preempt as plain functions.
