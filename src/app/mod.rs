//! Assembly: configuration → policy, listeners, workers; signals, reload and drain.
