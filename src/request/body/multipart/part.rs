//! The part of a streaming body that is being read, by how it is judged.

/// The part that is being read.
#[derive(Debug)]
pub(super) enum Part {
    /// Something that is judged when it is whole.
    Whole,
    /// A file of which nothing was handed out yet: its name, where in `held` its content begins, whether that is known
    /// to be text (or judged as if it were), and whether nobody reads it as anything else than a file.
    File {
        field: String,
        content: usize,
        is_text: bool,
        is_stored_by_all: bool,
    },
    /// What is a file to most parsers, of which nothing was handed out yet. It is judged whole if it can be.
    Likely { field: String, content: usize },
    /// A file of text, or of which some read the text, of which a unit was handed out.
    Text {
        field: String,
        utf16: Option<bool>,
        /// The end of that unit.
        end: Vec<u8>,
    },
    /// What goes on unjudged.
    Passes { field: String },
}
