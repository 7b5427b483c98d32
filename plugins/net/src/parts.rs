//! Objects, whole or in parts: reading them, and sending parts a few at a time.
//!
//! A large object is read once, front to back. Each part's CRC-64 is made as it is read, so that a resumed upload knows
//! which parts are there. The host sees to it that the bytes are what was sealed: else reading fails before the end.

use std::pin::pin;

use bytes::Bytes;
use crc_fast::{CrcAlgorithm::Crc64Nvme, Digest};
use futures_util::{
    StreamExt,
    future::{Either, pending, select},
    stream::FuturesUnordered,
};
use plugin_api::{Error, Fault, Object};
use tokio::{sync::SemaphorePermit, task::yield_now};

use crate::{Run, Sent, Trouble, Upload, Uploads};

/// How much is read before what is under way may go on; less where the host holds reading up to keep to a bandwidth.
const PIECE: usize = 256 << 10;
/// Stores take no more parts than this.
const MOST: u64 = 10_000;

/// How large the parts of an object are, by what the config says.
pub fn part_size(configured: u64, object: &Object<'_>) -> u64 {
    configured.max(object.len().div_ceil(MOST).next_multiple_of(1 << 20))
}

/// Reads a whole object, when there is memory for it.
pub async fn read<'a>(
    run: &'a Run,
    sink: &str,
    object: &Object<'_>,
) -> Result<(SemaphorePermit<'a>, Bytes), Error> {
    let len = usize::try_from(object.len()).map_err(|_| spoiled(sink, object))?;
    let (memory, mut buffer) = run.buffer(len).await?;
    fill(sink, object, 0, &mut buffer, |_| {}).await?;
    Ok((memory, run.lend(buffer)))
}

/// Reads some of an object, and shows each piece while it is still near the processor.
async fn fill(
    sink: &str,
    object: &Object<'_>,
    offset: u64,
    bytes: &mut [u8],
    mut each: impl FnMut(&[u8]),
) -> Result<(), Error> {
    let mut filled = 0;
    while filled < bytes.len() {
        let end = bytes.len().min(filled + PIECE);
        let read = match object.read_at(offset + filled as u64, &mut bytes[filled..end])? {
            0 => return Err(spoiled(sink, object)),
            read => read,
        };
        each(&bytes[filled..filled + read]);
        filled += read;
        if filled < bytes.len() {
            yield_now().await;
        }
    }
    // What is longer than it says has another hash, too.
    if offset + bytes.len() as u64 == object.len() && object.read_at(object.len(), &mut [0])? != 0 {
        return Err(spoiled(sink, object));
    }
    Ok(())
}

/// An object that isn't as long as it says.
pub fn spoiled(sink: &str, object: &Object<'_>) -> Error {
    let key = object.key().unwrap_or_default();
    let text =
        format!("{sink}: {key}: it isn't as long as it says; the spool is damaged, see `candor verify`");
    Error::new(Fault::Malformed, text)
}

/// A store that has other bytes under an object's key.
pub fn conflict(sink: &str, key: &str) -> Error {
    let text = format!(
        "{sink}: {key}: the bucket holds other bytes under this name; it belongs to another agent, or was changed by hand"
    );
    Error::new(Fault::Conflict, text)
}

/// One part.
#[derive(Clone, Copy, Debug)]
pub struct Part {
    /// Its number, from 1.
    pub number: i32,
    /// Its CRC-64/NVME.
    pub crc: u64,
    /// Its length.
    pub len: u64,
}

/// An upload that is under way, and what it takes.
pub struct Sending<'a> {
    /// The sink's name.
    pub sink: &'static str,
    /// Its runtime and memory.
    pub run: &'a Run,
    /// What is stored.
    pub object: &'a Object<'a>,
    /// The upload.
    pub upload: &'a Upload,
    /// Where it is noted.
    pub uploads: Option<&'a Uploads>,
    /// How many parts at once.
    pub concurrency: u32,
}

impl Sending<'_> {
    /// Sends with `put` the parts that aren't there by `known`, which answers what the store calls a part, and notes each
    /// that arrived. All of them, in order.
    pub async fn send<F: Future<Output = Result<String, Trouble>>>(
        &self,
        known: impl Fn(Part) -> Option<String>,
        put: impl Fn(Part, Bytes) -> F,
    ) -> Result<Vec<Sent>, Trouble> {
        let Self { sink, run, object, upload, .. } = *self;
        let mut note = Upload { parts: Vec::new(), ..upload.clone() };
        let mut under_way = FuturesUnordered::new();
        let arrived = |note: &mut Upload, part: Sent| {
            note.parts.push(part);
            if let Some(uploads) = self.uploads {
                uploads.write(note);
            }
        };
        for index in 0..object.len().div_ceil(upload.part_size) {
            while under_way.len() >= self.concurrency as usize {
                if let Some(part) = under_way.next().await {
                    arrived(&mut note, part?);
                }
            }
            let offset = index * upload.part_size;
            let len = upload.part_size.min(object.len() - offset);
            // What is under way goes on while this waits: it holds the memory others wait for.
            let mut ready = pin!(async {
                let len = usize::try_from(len).map_err(|_| spoiled(sink, object))?;
                let (memory, mut buffer) = run.buffer(len).await?;
                let mut crc = Digest::new(Crc64Nvme);
                fill(sink, object, offset, &mut buffer, |piece| crc.update(piece)).await?;
                Ok::<_, Error>((memory, run.lend(buffer), crc.finalize()))
            });
            let (memory, bytes, crc) = loop {
                let next =
                    async { if under_way.is_empty() { pending().await } else { under_way.next().await } };
                match select(ready.as_mut(), pin!(next)).await {
                    Either::Left((ready, _)) => break ready?,
                    Either::Right((Some(part), _)) => arrived(&mut note, part?),
                    Either::Right((None, _)) => {}
                }
            };
            let number = i32::try_from(index + 1).unwrap_or(i32::MAX);
            let part = Part { number, crc, len };
            let sent = move |tag| Sent { number, tag, crc: part.crc, len };
            match known(part) {
                Some(tag) => note.parts.push(sent(tag)),
                None => {
                    let put = put(part, bytes);
                    under_way.push(async move {
                        let result = put.await;
                        drop(memory);
                        result.map(sent)
                    });
                }
            }
        }
        while let Some(part) = under_way.next().await {
            arrived(&mut note, part?);
        }
        note.parts.sort_by_key(|part| part.number);
        Ok(note.parts)
    }
}
