//! Reading `rules.yaml`: primitives that values are written in, and errors that say where.
//!
//! Each section's type lives with its owner; this room knows none of them, so that it can stay at the bottom of the
//! crate. A file is read in two passes: `serde_yaml` gives the values, a second parser with marks gives every value its
//! place, refuses duplicate keys and bounds nesting.

mod chars;
pub mod document;
pub mod environment;
pub mod error;
pub mod load;
mod marks;
pub(crate) mod phrase;
mod places;
pub mod primitives;
pub mod report;
mod substitution;
pub mod watched;

pub use document::Document;
pub use environment::Environment;
pub use error::{ConfigError, Segment};
pub use load::Load;
pub use primitives::{ByteSize, Cidr, Duration, Pattern, Secret};
pub use report::Report;
pub use watched::Watched;
