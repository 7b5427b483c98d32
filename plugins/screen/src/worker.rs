//! The thread a shot runs in: a display that hangs holds up nothing but that.

use std::{
    any::Any,
    fs, io,
    sync::{
        Arc, OnceLock,
        mpsc::{self, Receiver, RecvTimeoutError, TryRecvError},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use plugin_api::prelude::*;

use crate::{
    priority,
    screen::Lost,
    shot::{Ended, Order, Shooter},
};

/// How long a shot may wait for the display. Time in which others have the processor doesn't count.
const PATIENCE: Duration = Duration::from_secs(20);
/// How many shots may hang at once; after that, no other is begun before one of them ends.
const MOST_LATE: usize = 3;
/// How often is looked meanwhile whether the shot is still wanted.
const LOOK: Duration = Duration::from_millis(50);

/// Takes shots one at a time.
#[derive(Default)]
pub struct Worker {
    shooter: Shooter,
    /// Shots that were given up and have not come back. One may never do: a compositor can forget to answer.
    late: Vec<Running>,
}

struct Running {
    thread: JoinHandle<()>,
    /// What the system calls it.
    number: Arc<OnceLock<u32>>,
    result: Receiver<(Shooter, Ended)>,
}

impl Worker {
    /// Who takes the shots.
    pub fn shooter(&mut self) -> &mut Shooter {
        &mut self.shooter
    }

    /// Takes a shot; `None` when it was no longer wanted before it ended.
    pub fn shoot(&mut self, order: &Order, is_wanted: impl Fn() -> bool) -> Option<Ended> {
        // What came of late ones was told as failed, or nobody wanted it.
        self.late.retain(|late| matches!(late.result.try_recv(), Err(TryRecvError::Empty)));
        if self.late.len() >= MOST_LATE {
            return Some(hung(order));
        }
        let running = match start(std::mem::take(&mut self.shooter), order.clone()) {
            Ok(running) => running,
            Err(why) => {
                let why = Lost::new(
                    format!("no thread for a shot: {why}"),
                    "raise the limit of threads; it is tried again",
                );
                return Some(Ended::lost(order, &why));
            }
        };
        let mut waited = Duration::ZERO;
        loop {
            match running.result.recv_timeout(LOOK) {
                Ok((shooter, ended)) if is_wanted() => {
                    self.shooter = shooter;
                    return Some(ended);
                }
                Ok(_) => return None,
                Err(RecvTimeoutError::Disconnected) => fail(running.thread),
                Err(RecvTimeoutError::Timeout) => {}
            }
            if running.waits() {
                waited += LOOK;
            }
            let is_late = waited >= PATIENCE;
            if is_late || !is_wanted() {
                self.late.push(running);
                return is_late.then(|| hung(order));
            }
        }
    }
}

impl Running {
    /// Whether it neither runs nor wants to.
    fn waits(&self) -> bool {
        let Some(number) = self.number.get() else { return cfg!(not(target_os = "linux")) };
        let stat = fs::read_to_string(format!("/proc/self/task/{number}/stat")).unwrap_or_default();
        // After the name, which may hold anything.
        !stat.rsplit(')').next().is_some_and(|rest| rest.trim_start().starts_with('R'))
    }
}

fn start(mut shooter: Shooter, order: Order) -> io::Result<Running> {
    let (send, result) = mpsc::channel();
    let number = Arc::<OnceLock<u32>>::default();
    let own = number.clone();
    // Nothing of the host's is in there: a thread that hangs may outlive the instance.
    let run = move || {
        if let Some(thread) = this_thread() {
            own.get_or_init(|| thread);
        }
        // Somebody waits for the one that was asked for.
        if order.reason == "interval"
            && let Err(why) = priority::lower()
        {
            // Best effort: a shot at normal priority is still a shot.
            debug!(?why, "priority not lowered");
        }
        let ended = shooter.shoot(&order);
        // Nobody waits for a shot that was given up.
        let _ = send.send((shooter, ended));
    };
    let thread = thread::Builder::new().name("screenshot".to_owned()).spawn(run);
    Ok(Running { thread: thread?, number, result })
}

/// What the kernel calls this thread, where its state can be asked for.
fn this_thread() -> Option<u32> {
    #[cfg(target_os = "linux")]
    return Some(rustix::thread::gettid().as_raw_nonzero().get().unsigned_abs());
    #[cfg(not(target_os = "linux"))]
    None
}

fn hung(order: &Order) -> Ended {
    let why = Lost::new(
        format!("the display did not answer for {} s", PATIENCE.as_secs()),
        "nothing if it comes back, then it is tried again; otherwise restart the session",
    );
    Ended::lost(order, &why)
}

/// A panic of the shot is one of the source, which the host starts anew.
fn fail(thread: JoinHandle<()>) -> ! {
    let text = |payload: &(dyn Any + Send)| {
        let text = payload.downcast_ref::<&str>().map(|text| (*text).to_owned());
        text.or_else(|| payload.downcast_ref::<String>().cloned()).unwrap_or_default()
    };
    let text = thread.join().err().map(|payload| text(payload.as_ref())).unwrap_or_default();
    panic!("a shot failed: {text}")
}
