//! Configurations of any text: they are read or refused, and never panic.

#![no_main]

use libfuzzer_sys::fuzz_target;
use portcullis::app::Settings;
use portcullis::config::{Document, Environment};
use portcullis::engine::Registry;

/// Every variable is there, no file is.
struct Fixed;

impl Environment for Fixed {
    fn variable(&self, name: &str) -> Result<String, String> {
        Ok(name.to_lowercase())
    }

    fn file(&self, _: &std::path::Path) -> Result<String, String> {
        Err("there are no files".into())
    }
}

fuzz_target!(|text: &str| {
    match Document::parse("rules.yaml", text, std::path::Path::new("."), &Fixed) {
        Ok(document) => {
            let (_, errors) = Settings::read(&document, &Registry::default());
            let _ = document.report(errors).draw(false);
        }
        Err(report) => assert!(!report.draw(false).is_empty()),
    }
});
