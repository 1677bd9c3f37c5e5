//! Asking a detection that may panic.

use std::borrow::Cow;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::engine::detection::DetectionError;

/// Asks a detection; a panic in it is a failure like any other.
pub(super) fn guarded<T>(
    ask: impl FnOnce() -> Result<T, DetectionError>,
) -> Result<T, DetectionError> {
    catch_unwind(AssertUnwindSafe(ask))
        .unwrap_or_else(|panic| Err(DetectionError::Fault(panic_message(&*panic))))
        .map_err(DetectionError::presentable)
}

/// What a panic said, for the event; never shown to a client.
fn panic_message(panic: &(dyn std::any::Any + Send)) -> Cow<'static, str> {
    let said = panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    said.map_or(Cow::Borrowed("panicked"), |said| {
        Cow::Owned(format!("panicked: {said}"))
    })
}
