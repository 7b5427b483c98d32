//! What the detector measures of each trace, in each way of recording.

use std::{
    fs::File,
    path::Path,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use candor_scripted::{feature::Features, pointer::Pointer};
use host::replay::Trace;

use crate::{
    capture::{CAPTURES, Capture, Input, Recorder, What},
    manifest::Row,
};

/// Of so many looks at a recording, evenly over its length, the model learns.
const LOOKS: usize = 60;

/// One trace.
pub struct Session {
    pub row: Row,
    /// Every look at it as it is in the file, with the seconds since its begin.
    pub looks: Vec<(f64, Features)>,
    /// Looks at it as other systems would have recorded it, to learn from.
    pub learn: Vec<Features>,
}

/// Measures every trace; in the table's order.
pub fn read(folder: &Path, rows: &[Row]) -> Result<Vec<Session>, String> {
    let next = AtomicUsize::new(0);
    let done: Vec<Mutex<Option<Result<Session, String>>>> = rows.iter().map(|_| Mutex::default()).collect();
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                while let Some((row, done)) = {
                    let place = next.fetch_add(1, Ordering::Relaxed);
                    rows.get(place).zip(done.get(place))
                } {
                    *done.lock().unwrap_or_else(PoisonError::into_inner) = Some(session(folder, row));
                }
            });
        }
    });
    let missing = || Err("a thread ended early".to_owned());
    done.into_iter()
        .map(|one| one.into_inner().unwrap_or_else(PoisonError::into_inner).unwrap_or_else(missing))
        .collect()
}

fn session(folder: &Path, row: &Row) -> Result<Session, String> {
    let mut session = Session { row: row.clone(), looks: Vec::new(), learn: Vec::new() };
    for capture in CAPTURES {
        let looks = looks(&folder.join(&row.file), capture)?;
        if row.redistribute {
            let step = looks.len().div_ceil(LOOKS).max(1);
            session.learn.extend(looks.iter().step_by(step).map(|(_, features)| *features));
        }
        if capture == Capture::AsIs {
            session.looks = looks;
        }
        if !row.redistribute {
            break;
        }
    }
    Ok(session)
}

fn looks(file: &Path, capture: Capture) -> Result<Vec<(f64, Features)>, String> {
    let name = file.display().to_string();
    let opened = File::open(file).map_err(|error| format!("{name}: {error}"))?;
    let mut trace = Trace::new(&name, opened).map_err(|error| error.to_string())?;
    let mut recorder = Recorder::new(capture, row_name(file));
    let (mut pointer, mut looks) = (Pointer::default(), Vec::new());
    let mut take = |input: Input| {
        match input.what {
            What::Move(x, y) => drop(pointer.motion(input.at, x, y)),
            What::Button(pressed) => pointer.button(input.at, pressed),
        }
        if pointer.due(input.at)
            && let Some(features) = pointer.measure(input.at)
        {
            looks.push((input.at as f64 / 1e9 - 1.0, features));
        }
    };
    while let Some(signal) = trace.signal().map_err(|error| error.to_string())? {
        let event = signal.event();
        let pixels = |fixed: i32| fixed as f32 / 256.0;
        if let Some((x, y)) = event.pointer().and_then(|pointer| pointer.position) {
            recorder.motion(event.mono_ns, pixels(x), pixels(y), &mut take);
        }
        if let Some(button) = event.button() {
            recorder.button(event.mono_ns, button.pressed, &mut take);
        }
    }
    Ok(looks)
}

fn row_name(file: &Path) -> &str {
    file.file_name().and_then(|name| name.to_str()).unwrap_or_default()
}
