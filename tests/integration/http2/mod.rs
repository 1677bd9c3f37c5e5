//! HTTP/2 with clients: what is served, and what hostile clients get.

mod abuse;
mod clients;
mod floods;
pub mod wire;
