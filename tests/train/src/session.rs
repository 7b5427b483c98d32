//! Traces as they were recorded, and what the detector measures of each in each way of recording.

use std::{
    fs::File,
    path::Path,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use candor_scripted::{
    Config,
    feature::Features,
    learned::Learned,
    mark::{MARKS, Mark},
    watch::Watch,
};
use host::replay::Trace;
use plugin_api::Event;
use serde_json::Value;

use crate::{
    capture::{CAPTURES, Capture, record},
    manifest::Row,
};

/// Of so many looks at a recording, evenly over its length, the model learns.
const LOOKS: usize = 60;

/// One trace.
pub struct Session {
    pub row: Row,
    pub events: Vec<Event<'static>>,
    /// Every look at it as it is in the file.
    pub looks: Vec<Features>,
    /// Looks at it as other systems would have recorded it, to learn from.
    pub learn: Vec<Features>,
    /// The nearest to a machine that it came, in any way of recording, …
    pub nearest: [f64; MARKS],
    /// … and in each.
    pub each: Vec<[f64; MARKS]>,
}

/// Does something with each item on every core; answers in their order.
pub fn each<T: Sync, R: Send>(items: &[T], work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let next = AtomicUsize::new(0);
    let done = Mutex::new(Vec::with_capacity(items.len()));
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                while let Some((place, item)) = {
                    let place = next.fetch_add(1, Ordering::Relaxed);
                    items.get(place).map(|item| (place, item))
                } {
                    let result = work(item);
                    done.lock().unwrap_or_else(PoisonError::into_inner).push((place, result));
                }
            });
        }
    });
    let mut done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    done.sort_by_key(|(place, _)| *place);
    done.into_iter().map(|(_, result)| result).collect()
}

/// Reads and measures every trace; in the table's order.
pub fn read(folder: &Path, rows: &[Row], shipped: &Learned) -> Result<Vec<Session>, String> {
    each(rows, |row| session(folder, row, shipped)).into_iter().collect()
}

/// A config with these options.
pub fn config(options: Value) -> Result<Config, String> {
    serde_json::from_value(options).map_err(|error| error.to_string())
}

fn session(folder: &Path, row: &Row, shipped: &Learned) -> Result<Session, String> {
    let events = events(&folder.join(&row.file))?;
    let mut session = Session {
        row: row.clone(),
        events,
        looks: Vec::new(),
        learn: Vec::new(),
        nearest: [f64::NAN; MARKS],
        each: Vec::new(),
    };
    let captures = if row.redistribute { &CAPTURES[..] } else { &CAPTURES[..1] };
    for capture in captures {
        let mut watch = Watch::new(config(Value::Object(Default::default()))?, shipped.clone());
        let mut looks = Vec::new();
        for event in record(&session.events, *capture, &row.file, 0) {
            watch.take(&event, &mut |_, _| Ok(())).map_err(|error| error.to_string())?;
            looks.extend(watch.looked());
        }
        session.each.push(watch.nearest());
        for (mark, nearest) in Mark::ALL.into_iter().zip(watch.nearest()) {
            let known = &mut session.nearest[mark as usize];
            *known = mark.nearer(*known, nearest);
        }
        if row.redistribute {
            let step = looks.len().div_ceil(LOOKS).max(1);
            session.learn.extend(looks.iter().step_by(step).copied());
        }
        if *capture == Capture::AsIs {
            session.looks = looks;
        }
    }
    Ok(session)
}

/// The signals of a recording.
pub fn events(file: &Path) -> Result<Vec<Event<'static>>, String> {
    let name = file.display().to_string();
    let opened = File::open(file).map_err(|error| format!("{name}: {error}"))?;
    let mut trace = Trace::new(&name, opened).map_err(|error| error.to_string())?;
    let mut events = Vec::new();
    while let Some(signal) = trace.signal().map_err(|error| error.to_string())? {
        let event = signal.event();
        let device = (event.source & 0xffff) as u16;
        events.push(Event::signal(event.kind, event.mono_ns, event.origin(), device, event.args));
    }
    Ok(events)
}
