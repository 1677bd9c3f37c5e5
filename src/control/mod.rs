//! The second listener: health for machines, and later the API and pages for people. Never on the traffic port.

pub mod config;
