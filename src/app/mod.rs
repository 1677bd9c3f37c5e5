//! Assembly: configuration → policy, listeners, workers; signals, reload and drain.

pub mod self_test;
