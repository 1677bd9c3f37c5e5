//! Files that say that they are pictures, sounds, films or fonts, and files that are programs (CWE-434).

/// Whether a type is one of media.
pub(super) fn is_type(value: &[u8]) -> bool {
    let kinds: [&[u8]; 4] = [b"image/", b"audio/", b"video/", b"font/"];
    kinds.iter().any(|kind| {
        value
            .get(..kind.len())
            .is_some_and(|begins| begins.eq_ignore_ascii_case(kind))
    })
}

/// Whether the name of a file is one of media.
pub(super) fn is_name(name: &[u8]) -> bool {
    const ENDS: [&str; 16] = [
        "png", "jpg", "jpeg", "gif", "webp", "bmp", "ico", "tif", "tiff", "mp3", "mp4", "mov",
        "avi", "wav", "woff", "woff2",
    ];
    let name = name.strip_suffix(b"\"").unwrap_or(name);
    let end = name.rsplit(|byte| *byte == b'.').next();
    end.is_some_and(|end| {
        ENDS.iter()
            .any(|known| known.as_bytes().eq_ignore_ascii_case(end))
    })
}

/// Whether a file begins as a program does that a system starts: of Windows (with the first bytes of its header, since `MZ`
/// alone may begin anything), Linux, macOS or Java, or a script by its interpreter.
pub(super) fn is_program(text: &[u8]) -> bool {
    let windows: [&[u8]; 3] = [b"MZ\x90\0", b"MZP\0", b"MZ\0\0"];
    let others: [&[u8]; 8] = [
        b"\x7fELF",
        b"\xfe\xed\xfa\xce",
        b"\xfe\xed\xfa\xcf",
        b"\xce\xfa\xed\xfe",
        b"\xcf\xfa\xed\xfe",
        b"\xca\xfe\xba\xbe",
        b"#!/",
        b"#! /",
    ];
    windows
        .iter()
        .chain(&others)
        .any(|start| text.starts_with(start))
}
