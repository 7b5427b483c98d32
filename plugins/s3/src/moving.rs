//! Requests that are given up when nothing moves any more.

use std::{
    pin::{Pin, pin},
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use aws_smithy_types::{body::SdkBody, byte_stream::ByteStream};
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use net::{Cause, Failed};
use tokio::time::{Instant, timeout_at};

/// How long a store may take to answer, and a body to stand still.
pub const ANSWER: Duration = Duration::from_secs(30);
/// How much goes at once.
const PIECE: usize = 256 << 10;

/// When a body last got on.
#[derive(Clone)]
pub struct Progress(Arc<Mutex<Instant>>);

impl Progress {
    /// It begins now.
    pub fn new() -> Self {
        Self(Arc::new(Mutex::new(Instant::now())))
    }

    fn last(&self) -> Instant {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }
}

/// Gives up on a request when no answer comes.
pub async fn timed<T>(request: impl Future<Output = T>) -> Result<T, Failed> {
    moving(&Progress::new(), ANSWER, request).await
}

/// Gives up on a request when nothing has moved for so long: neither a piece of its body nor the answer.
pub async fn moving<T>(
    progress: &Progress,
    patience: Duration,
    request: impl Future<Output = T>,
) -> Result<T, Failed> {
    let mut request = pin!(request);
    loop {
        let until = progress.last() + patience;
        match timeout_at(until, &mut request).await {
            Ok(result) => return Ok(result),
            Err(_) if progress.last() + patience > until => {}
            Err(_) => return Err(Failed::of(Cause::Dropped)),
        }
    }
}

/// A body that notes when it gets on.
pub fn body(bytes: Bytes, progress: &Progress) -> ByteStream {
    ByteStream::new(SdkBody::from_body_1_x(Noted { bytes, progress: progress.clone() }))
}

struct Noted {
    bytes: Bytes,
    progress: Progress,
}

impl Body for Noted {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        if self.bytes.is_empty() {
            return Poll::Ready(None);
        }
        self.progress.note();
        let len = self.bytes.len().min(PIECE);
        Poll::Ready(Some(Ok(Frame::data(self.bytes.split_to(len)))))
    }

    fn is_end_stream(&self) -> bool {
        self.bytes.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.bytes.len() as u64)
    }
}
