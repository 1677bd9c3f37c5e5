//! Tests over real sockets, against a real upstream, one file for each thing that is promised.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::disallowed_methods,
    unreachable_pub,
    reason = "a test that meets the unexpected should end there"
)]

mod ambiguity;
mod answers;
mod balancing;
mod bans;
mod checks;
mod coding;
mod evasion;
mod fault_mix;
mod faults;
mod forwarding;
mod framing;
mod grpc;
mod hops;
mod http2;
mod identity;
mod judge;
mod keys;
mod layers;
mod limits;
mod paths;
mod process;
mod properties;
mod proxy_protocol;
mod registry;
mod reload;
mod routes;
mod secrets;
mod source_bugs;
mod support;
mod takeover;
mod tls;
mod unix_socket;
mod uploads;
mod upstream_faults;
mod view;
mod websocket;
