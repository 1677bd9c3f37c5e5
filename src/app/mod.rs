//! Assembly: configuration → policy, listeners, workers; signals, reload and drain.

pub mod checks;
pub mod effective;
pub mod load;
pub mod run;
pub mod schema;
pub mod settings;

pub use load::{Loaded, Source, load};
pub use settings::Settings;
