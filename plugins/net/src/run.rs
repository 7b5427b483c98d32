//! The runtime: driven by whoever calls, so that nothing wakes up between calls.

use std::{
    future::Future,
    mem,
    pin::pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use bytes::Bytes;
use futures_util::future::{Either, select};
use plugin_api::{Error, Fault};
use tokio::{
    runtime::{Builder, Runtime},
    sync::{Semaphore, SemaphorePermit, watch},
    task::yield_now,
};

/// Memory is handed out in pieces of this size.
const PIECE: u64 = 64 << 10;

/// The runtime, and what its calls share.
pub struct Run {
    sink: &'static str,
    runtime: Runtime,
    /// How many calls are under way.
    running: AtomicUsize,
    stop: watch::Sender<bool>,
    memory: Semaphore,
    pieces: u32,
    spare: Spare,
}

/// Buffers of parts that have been sent, for those to come: fresh memory costs as much as encrypting what is put there.
#[derive(Clone, Default)]
struct Spare(Arc<Mutex<Vec<Vec<u8>>>>);

impl Spare {
    fn lock(&self) -> MutexGuard<'_, Vec<Vec<u8>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A buffer that goes back when the last one who reads it is done.
struct Lent {
    bytes: Vec<u8>,
    spare: Spare,
}

impl AsRef<[u8]> for Lent {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        self.spare.lock().push(mem::take(&mut self.bytes));
    }
}

impl Run {
    /// A runtime with memory for so many parts at once.
    pub fn new(sink: &'static str, part_size: u64, parts: u32) -> Result<Self, Error> {
        let runtime = Builder::new_current_thread().enable_all().build();
        let runtime =
            runtime.map_err(|error| Error::new(Fault::Other, format!("{sink}: no runtime: {error}")))?;
        let pieces = u32::try_from(part_size.div_ceil(PIECE)).unwrap_or(u32::MAX).saturating_mul(parts);
        Ok(Self {
            sink,
            runtime,
            running: AtomicUsize::new(0),
            stop: watch::Sender::new(false),
            memory: Semaphore::new(pieces as usize),
            pieces,
            spare: Spare::default(),
        })
    }

    /// Runs what can't be stopped and needs no network.
    pub fn block_on<T>(&self, future: impl Future<Output = T>) -> T {
        self.runtime.block_on(future)
    }

    /// Runs a call until it is done or the sink is stopped. Calls may overlap.
    pub fn call<T, E: From<Error>>(&self, future: impl Future<Output = Result<T, E>>) -> Result<T, E> {
        let is_first = self.running.fetch_add(1, Ordering::Relaxed) == 0;
        let result = self.runtime.block_on(async {
            let mut stop = self.stop.subscribe();
            // Connections that ended while nothing ran are noticed before one of them is used.
            if is_first {
                yield_now().await;
                yield_now().await;
            }
            match select(pin!(stop.wait_for(|stop| *stop)), pin!(future)).await {
                Either::Right((result, _)) => result,
                Either::Left(_) => Err(Error::new(
                    Fault::Busy,
                    format!("{}: stopped; what was under way goes on at the next start", self.sink),
                )
                .into()),
            }
        });
        if self.running.fetch_sub(1, Ordering::Relaxed) == 1 {
            self.rest();
        }
        result
    }

    /// Ends running calls, and those to come.
    pub fn stop(&self) {
        self.stop.send_replace(true);
    }

    /// Waits until there is memory for so many bytes: a buffer of that length, whatever is in it.
    pub async fn buffer(&self, len: usize) -> Result<(SemaphorePermit<'_>, Vec<u8>), Error> {
        let permit = self.acquire(len as u64).await?;
        // One of just so many pieces, so that what is in use is never more than was asked for; the last that came back,
        // which is still near the processor.
        let whole = len.next_multiple_of(PIECE as usize);
        let mut spare = self.spare.lock();
        let like = spare.iter().rposition(|buffer| buffer.capacity() == whole);
        let like = like.map(|index| spare.swap_remove(index));
        drop(spare);
        self.keep(self.memory.available_permits());
        let mut buffer = like.unwrap_or_else(|| vec![0; whole]);
        buffer.resize(len, 0);
        Ok((permit, buffer))
    }

    /// The bytes in a buffer, which is used again when nobody reads them any more.
    pub fn lend(&self, buffer: Vec<u8>) -> Bytes {
        Bytes::from_owner(Lent { bytes: buffer, spare: self.spare.clone() })
    }

    /// Gives back what memory is not in use.
    fn rest(&self) {
        self.keep(0);
    }

    /// Keeps no more spare buffers than fit in so many pieces.
    fn keep(&self, pieces: usize) {
        let mut left = pieces as u64 * PIECE;
        self.spare.lock().retain(|buffer| {
            let fits = buffer.capacity() as u64 <= left;
            left -= if fits { buffer.capacity() as u64 } else { 0 };
            fits
        });
    }

    async fn acquire(&self, bytes: u64) -> Result<SemaphorePermit<'_>, Error> {
        let pieces = u32::try_from(bytes.div_ceil(PIECE)).unwrap_or(u32::MAX).clamp(1, self.pieces);
        let permit = self.memory.acquire_many(pieces).await;
        permit.map_err(|error| Error::new(Fault::Other, format!("{}: {error}", self.sink)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_is_used_again_and_never_more_is_kept_than_is_free() {
        let run = Run::new("test", 4 * PIECE, 2).unwrap();
        let len = 4 * PIECE as usize;
        run.block_on(async {
            let (memory, mut buffer) = run.buffer(len).await.unwrap();
            buffer[0] = 7;
            let at = buffer.as_ptr();
            let bytes = run.lend(buffer);
            drop((bytes.clone(), bytes));
            drop(memory);
            let (memory, buffer) = run.buffer(len - 100).await.unwrap();
            assert_eq!((buffer.as_ptr(), buffer.len(), buffer[0]), (at, len - 100, 7));
            drop((run.lend(buffer), memory));
            // What asks for little doesn't hold much.
            let (memory, buffer) = run.buffer(100).await.unwrap();
            assert_eq!((buffer.len(), buffer.capacity()), (100, PIECE as usize));
            drop((run.lend(buffer), memory));
            let all = run.buffer(2 * len).await.unwrap();
            assert!(run.spare.lock().is_empty(), "somebody else has the memory now");
            drop(all);
            let (memory, buffer) = run.buffer(len).await.unwrap();
            drop((run.lend(buffer), memory));
            assert_eq!(run.spare.lock().len(), 1, "as much as is free, no more");
        });
        run.call(async { Ok::<_, Error>(()) }).unwrap();
        assert!(run.spare.lock().is_empty(), "nothing runs any more");
    }
}
