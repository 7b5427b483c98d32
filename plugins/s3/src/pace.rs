//! Bodies that wait for their turn where there is a bandwidth limit, and show that they get on.

use std::{
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll, ready},
    time::Duration,
};

use aws_smithy_types::{body::SdkBody, byte_stream::ByteStream};
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::time::{Instant, Sleep, sleep_until};

/// How much goes at once, with a limit and without.
const PACED: usize = 16 << 10;
const PIECE: usize = 256 << 10;

/// When a body last got on.
#[derive(Clone)]
pub struct Progress(Arc<Mutex<Instant>>);

impl Progress {
    /// It begins now.
    pub fn new() -> Self {
        Self(Arc::new(Mutex::new(Instant::now())))
    }

    /// When it last got on.
    pub fn last(&self) -> Instant {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }
}

/// A body; it keeps to the pace if there is one.
pub fn body(pace: Option<&Arc<Pace>>, bytes: Bytes, progress: &Progress) -> ByteStream {
    let body = Paced { pace: pace.cloned(), bytes, wait: None, progress: progress.clone() };
    ByteStream::new(SdkBody::from_body_1_x(body))
}

/// When the next piece may go, whichever request it is of.
pub struct Pace {
    rate: u64,
    next: Mutex<Option<Instant>>,
}

impl Pace {
    /// So many bytes a second.
    pub fn new(rate: u64) -> Arc<Self> {
        Arc::new(Self { rate, next: Mutex::default() })
    }

    /// Takes the next turn for so many bytes.
    fn turn(&self, bytes: usize) -> Instant {
        let now = Instant::now();
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        let turn = next.map_or(now, |next| next.max(now));
        *next = Some(turn + Duration::from_nanos((bytes as u64).saturating_mul(1_000_000_000) / self.rate));
        turn
    }
}

struct Paced {
    pace: Option<Arc<Pace>>,
    bytes: Bytes,
    wait: Option<Pin<Box<Sleep>>>,
    progress: Progress,
}

impl Body for Paced {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        if self.bytes.is_empty() {
            return Poll::Ready(None);
        }
        let len = self.bytes.len().min(if self.pace.is_some() { PACED } else { PIECE });
        if self.wait.is_none() {
            self.wait = self.pace.as_ref().map(|pace| Box::pin(sleep_until(pace.turn(len))));
        }
        if let Some(wait) = &mut self.wait {
            ready!(wait.as_mut().poll(context));
        }
        self.wait = None;
        self.progress.note();
        Poll::Ready(Some(Ok(Frame::data(self.bytes.split_to(len)))))
    }

    fn is_end_stream(&self) -> bool {
        self.bytes.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.bytes.len() as u64)
    }
}
