//! What a client may cost, and for how long: memory, work, and the time of slow ones.

mod chunks;
mod growth;
mod memory;
mod overload;
mod rest;
mod slow;
mod slowhttptest;
mod work;
