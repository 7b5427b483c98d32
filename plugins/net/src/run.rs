//! The runtime: driven by whoever calls, so that nothing wakes up between calls.

use std::{future::Future, pin::pin};

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
    stop: watch::Sender<bool>,
    memory: Semaphore,
    pieces: u32,
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
            stop: watch::Sender::new(false),
            memory: Semaphore::new(pieces as usize),
            pieces,
        })
    }

    /// Runs what can't be stopped and needs no network.
    pub fn block_on<T>(&self, future: impl Future<Output = T>) -> T {
        self.runtime.block_on(future)
    }

    /// Runs a call until it is done or the sink is stopped. Calls may overlap.
    pub fn call<T, E: From<Error>>(&self, future: impl Future<Output = Result<T, E>>) -> Result<T, E> {
        self.runtime.block_on(async {
            let mut stop = self.stop.subscribe();
            // Connections that ended since the last call are noticed before one of them is used.
            yield_now().await;
            yield_now().await;
            match select(pin!(stop.wait_for(|stop| *stop)), pin!(future)).await {
                Either::Right((result, _)) => result,
                Either::Left(_) => Err(Error::new(
                    Fault::Busy,
                    format!("{}: stopped; what was under way goes on at the next start", self.sink),
                )
                .into()),
            }
        })
    }

    /// Ends running calls, and those to come.
    pub fn stop(&self) {
        self.stop.send_replace(true);
    }

    /// Waits until there is memory for so many bytes.
    pub async fn memory(&self, bytes: u64) -> Result<SemaphorePermit<'_>, Error> {
        let pieces = u32::try_from(bytes.div_ceil(PIECE)).unwrap_or(u32::MAX).clamp(1, self.pieces);
        self.memory
            .acquire_many(pieces)
            .await
            .map_err(|error| Error::new(Fault::Other, format!("{}: {error}", self.sink)))
    }
}
