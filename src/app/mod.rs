//! Assembly: configuration → policy, listeners, workers; signals, reload and drain.

pub mod checks;
pub mod compile;
mod descriptors;
mod doubts;
pub mod effective;
mod keeper;
pub mod load;
mod operator;
mod reload;
pub mod run;
pub mod schema;
pub mod self_test;
mod serving;
pub mod settings;
pub mod sockets;
pub mod start;

pub use load::{Loaded, Source, load};
pub use serving::serving;
pub use settings::Settings;
pub use start::{Running, StartError, StartOptions, start};
