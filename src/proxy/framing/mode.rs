//! What a connection behind the gate has come to.

/// What becomes of the bytes of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    /// They are scanned, and go on if they are in order.
    Open,
    /// Nothing more comes: the client has ended, or its time for a head or for an answer has.
    Ended,
    /// A head was refused: hyper gets the stand-in and nothing more.
    HeadRefused,
    /// A body was refused.
    BodyRefused,
    /// The connection is no HTTP any more, and nothing is scanned.
    Tunnel,
}
