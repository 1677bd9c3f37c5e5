//! Tiny pieces of a body that come one close behind the other, put together.
//!
//! Each piece that goes on costs a write and, in chunks, a chunk of its own, whatever its size. hyper hands over one piece
//! at a time, and fetches the next only when its own task has its turn; so whoever has a tiny one stands back for a turn.
//! That is no waiting: where nothing more has come by then, what is there goes on.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use http_body::{Body, Frame, SizeHint};

/// A piece of this many bytes goes on by itself.
const LARGE: usize = 4096;

/// The most bytes that are put together.
const MOST: usize = 16 * 1024;

/// How often nothing new may be found before what is there goes on. hyper asks twice in one turn of a task.
const ASKED: u8 = 2;

/// A body whose tiny pieces are put together. One whose length is known is left as it is: its pieces are what one read
/// brought.
pub(super) struct Gathered<B: Body> {
    body: B,
    is_chunked: bool,
    pieces: BytesMut,
    /// How often nothing new was found since the last piece.
    asked: u8,
    /// What came behind the pieces.
    behind: Option<Result<Frame<Bytes>, B::Error>>,
    has_ended: bool,
}

impl<B: Body<Data = Bytes> + Unpin> Gathered<B> {
    pub(super) fn new(body: B) -> Self {
        Self {
            is_chunked: body.size_hint().exact().is_none(),
            body,
            pieces: BytesMut::new(),
            asked: 0,
            behind: None,
            has_ended: false,
        }
    }

    /// Whether there are pieces that go on within a turn or two, so that nobody is waited for.
    pub(super) fn is_gathering(&self) -> bool {
        !self.pieces.is_empty()
    }

    pub(super) fn is_end_stream(&self) -> bool {
        self.pieces.is_empty() && self.behind.is_none() && self.body.is_end_stream()
    }

    /// How much is still to come; of a body without a known length nothing is said.
    pub(super) fn size_hint(&self) -> SizeHint {
        if self.is_chunked {
            SizeHint::default()
        } else {
            self.body.size_hint()
        }
    }

    pub(super) fn poll_frame(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        if let Some(behind) = self.behind.take() {
            return Poll::Ready(Some(behind));
        }
        if self.has_ended {
            return Poll::Ready(None);
        }
        loop {
            match Pin::new(&mut self.body).poll_frame(context) {
                Poll::Pending if self.pieces.is_empty() => return Poll::Pending,
                Poll::Pending if self.asked < ASKED => {
                    self.asked += 1;
                    context.waker().wake_by_ref();
                    return Poll::Pending;
                }
                Poll::Pending => return self.hand_on(),
                Poll::Ready(None) => {
                    self.has_ended = true;
                    return self.hand_on();
                }
                Poll::Ready(Some(next)) => match self.tiny(&next) {
                    Some(piece) => {
                        self.pieces.extend_from_slice(&piece);
                        self.asked = 0;
                    }
                    None if self.pieces.is_empty() => return Poll::Ready(Some(next)),
                    None => {
                        self.behind = Some(next);
                        return self.hand_on();
                    }
                },
            }
        }
    }

    /// The data of a frame that is to be put to the others.
    fn tiny(&self, frame: &Result<Frame<Bytes>, B::Error>) -> Option<Bytes> {
        let data = frame.as_ref().ok()?.data_ref()?;
        let has_room = self.pieces.len() + data.len() <= MOST;
        (self.is_chunked && data.len() < LARGE && has_room).then(|| data.clone())
    }

    /// The pieces, or the end where there are none.
    fn hand_on(&mut self) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        self.asked = 0;
        let pieces = std::mem::take(&mut self.pieces);
        Poll::Ready((!pieces.is_empty()).then(|| Ok(Frame::data(pieces.freeze()))))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::convert::Infallible;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::{Wake, Waker};

    use http::HeaderMap;

    use super::*;

    /// What a body does when it is asked; at last it ends. `None` is nothing yet.
    struct Script(VecDeque<Option<Frame<Bytes>>>, SizeHint);

    impl Body for Script {
        type Data = Bytes;
        type Error = Infallible;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            match self.0.pop_front() {
                Some(Some(frame)) => Poll::Ready(Some(Ok(frame))),
                Some(None) => Poll::Pending,
                None => Poll::Ready(None),
            }
        }

        fn size_hint(&self) -> SizeHint {
            self.1
        }
    }

    #[derive(Default)]
    struct Woken(AtomicUsize);

    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    fn data(length: usize) -> Option<Frame<Bytes>> {
        Some(Frame::data(Bytes::from(vec![b'a'; length])))
    }

    const NOTHING: Option<Frame<Bytes>> = None;

    /// What comes of a body: lengths of data, `t` for trailers, `-` for nothing yet, `+` for nothing yet of which its task is
    /// woken at once, `.` for the end.
    fn gathered(script: Vec<Option<Frame<Bytes>>>, hint: SizeHint) -> String {
        let mut body = Gathered::new(Script(script.into(), hint));
        let woken = Arc::new(Woken::default());
        let waker = Waker::from(Arc::clone(&woken));
        let mut context = Context::from_waker(&waker);
        let mut seen = Vec::new();
        loop {
            let before = woken.0.load(Ordering::SeqCst);
            seen.push(match body.poll_frame(&mut context) {
                Poll::Pending => {
                    let is_woken = woken.0.load(Ordering::SeqCst) > before;
                    // Who is not woken is not gathering: nothing is kept back without a next turn.
                    assert_eq!(is_woken, body.is_gathering());
                    if is_woken { "+" } else { "-" }.to_owned()
                }
                Poll::Ready(None) => {
                    assert!(matches!(body.poll_frame(&mut context), Poll::Ready(None)));
                    seen.push(".".to_owned());
                    return seen.join(" ");
                }
                Poll::Ready(Some(Ok(frame))) => frame
                    .data_ref()
                    .map_or("t".to_owned(), |data| data.len().to_string()),
                Poll::Ready(Some(Err(never))) => match never {},
            });
        }
    }

    #[test]
    fn tiny_pieces_are_put_together_and_nothing_waits() {
        let trailers = || Some(Frame::trailers(HeaderMap::new()));
        for (script, expected) in [
            (vec![], "."),
            (vec![data(1)], "1 ."),
            (vec![data(1), data(2), data(3)], "6 ."),
            // One turn for the next piece, and no second one.
            (
                vec![data(1), NOTHING, NOTHING, NOTHING, data(2)],
                "+ + 1 2 .",
            ),
            (vec![data(1), NOTHING, data(2), NOTHING, data(3)], "+ + 6 ."),
            (
                vec![data(1), NOTHING, NOTHING, NOTHING, NOTHING],
                "+ + 1 - .",
            ),
            (vec![NOTHING, data(1)], "- 1 ."),
            // Large ones are not copied.
            (vec![data(4096), data(9000), data(5)], "4096 9000 5 ."),
            (vec![data(5), data(4096), data(5)], "5 4096 5 ."),
            // What is put together is bounded.
            (
                vec![
                    data(4000),
                    data(4000),
                    data(4000),
                    data(4000),
                    data(384),
                    data(1),
                ],
                "16384 1 .",
            ),
            (vec![data(1), data(1), trailers()], "2 t ."),
            (vec![trailers()], "t ."),
        ] {
            let what = format!("{script:?}");
            assert_eq!(gathered(script, SizeHint::default()), expected, "{what}");
        }
        // The pieces of a body of known length are as large as they came.
        let known = vec![data(1), NOTHING, data(2)];
        assert_eq!(gathered(known, SizeHint::with_exact(3)), "1 - 2 .");
    }
}
