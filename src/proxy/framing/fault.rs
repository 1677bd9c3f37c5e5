//! What can be wrong with the framing of a message: one name and one sentence each, and how grave it is.

/// Declares the faults with the rule that the event names and the sentence that the operator reads.
macro_rules! faults {
    ($($(#[$doc:meta])* $fault:ident => $rule:literal, $message:literal;)*) => {
        /// What is wrong with the framing of a message. The client reads nothing of it but a status.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[expect(missing_docs, reason = "each has its sentence")]
        pub enum Fault {
            $($(#[$doc])* $fault,)*
        }

        impl Fault {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$fault),*];

            /// The rule that the event names: lower case, stable.
            #[must_use]
            pub const fn rule(self) -> &'static str {
                match self {
                    $(Self::$fault => $rule,)*
                }
            }

            /// What the operator reads: one sentence.
            #[must_use]
            pub const fn message(self) -> &'static str {
                match self {
                    $(Self::$fault => $message,)*
                }
            }
        }
    };
}

faults! {
    BareLf => "bare_lf", "A line ends with LF alone.";
    Control => "control_byte", "There is a control byte where none may be: NUL, CR without LF, or another.";
    StartLine => "start_line", "The request line is not method, target and version with one space between them.";
    Method => "method_name", "The method is not upper case, or is too long.";
    MethodNotAllowed => "method", "CONNECT asks for a tunnel and TRACE for an echo, and this proxy makes neither.";
    Version => "version", "The version is neither HTTP/1.1 nor HTTP/1.0.";
    Http2 => "http2_preface", "The client begins with HTTP/2, which is not spoken here.";
    TargetByte => "target_byte", "The target has a byte that must be percent-encoded there.";
    TargetForm => "target_form", "The target is neither a path nor an http URL, or is `*` for another method than OPTIONS.";
    TargetHost => "target_host", "The target's URL names no host, or has credentials.";
    TargetTooLong => "target_too_long", "The target is longer than `limits.uri`.";
    ObsFold => "folded_line", "A header line begins with white space, which once continued the line before.";
    NoColon => "no_colon", "A header line has no colon.";
    FieldName => "field_name", "A header's name is empty, too long, or has a byte that no name has.";
    SpaceBeforeColon => "space_before_colon", "There is white space between a header's name and its colon.";
    LookAlike => "look_alike", "A header's name is that of a framing header but for its punctuation.";
    ContentLength => "content_length", "Content-Length is not a plain number.";
    ContentLengths => "several_content_lengths", "There are several Content-Length headers.";
    TransferEncoding => "transfer_encoding", "Transfer-Encoding is not exactly `chunked`.";
    TransferEncodings => "several_transfer_encodings", "There are several Transfer-Encoding headers.";
    TransferEncodingIn10 => "transfer_encoding_in_1_0", "There is a Transfer-Encoding in an HTTP/1.0 message.";
    BothFramings => "both_framings", "There are both Transfer-Encoding and Content-Length.";
    NoHost => "no_host", "There is no Host header.";
    Hosts => "several_hosts", "There are several Host headers.";
    Host => "host", "The Host header is not `host` or `host:port`.";
    Expectation => "expectation", "Expect asks for something other than 100-continue.";
    HeadTooLarge => "head_too_large", "The head is longer than `limits.head`.";
    TooManyFields => "too_many_headers", "The head has more lines than `limits.headers`.";
    HeadTime => "header_time", "The head did not arrive within `limits.header_time`.";
    HeadCut => "head_cut", "The client broke off within a head.";
    ChunkSize => "chunk_size", "A chunk's size is no plain hexadecimal number, or is beyond all measure.";
    ChunkExtension => "chunk_extension", "A chunk's extension is malformed, or the extensions are too long.";
    ChunkLine => "chunk_line", "A chunk's first line does not end.";
    ChunkEnd => "chunk_end", "A chunk is longer or shorter than its size says.";
    TooManyChunks => "too_many_chunks", "The body comes in too many tiny chunks: more than 16,384 and one for every 16 bytes.";
    TrailerName => "trailer_name", "A trailer has a name that belongs to the head.";
    TrailersTooLarge => "trailers_too_large", "The trailers are longer than `limits.head`, or have more lines than `limits.headers`.";
}

/// How a fault is answered; which status that is, `respond.rs` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// It is no well-formed message.
    Malformed,
    /// Its head is too long, or has too many lines.
    TooLarge,
    /// Its target is too long.
    TargetTooLong,
    /// Its method is not for a proxy of this kind.
    Method,
    /// It expects what cannot be met.
    Expectation,
    /// It did not arrive in time.
    Late,
}

impl Fault {
    /// How it is answered.
    #[must_use]
    pub const fn class(self) -> Class {
        match self {
            Self::HeadTooLarge | Self::TooManyFields => Class::TooLarge,
            Self::TargetTooLong => Class::TargetTooLong,
            Self::MethodNotAllowed => Class::Method,
            Self::Expectation => Class::Expectation,
            Self::HeadTime => Class::Late,
            _ => Class::Malformed,
        }
    }
}
