//! One shot: every monitor from the screen to what may leave, one after the other.

use std::{collections::HashMap, time::Instant};

use plugin_api::Health;

use crate::{
    config::{OnMatch, Settings},
    encode::{self, Image, Style},
    frame::{Frame, Rect},
    print::Press,
    record::{Record, Redaction},
    redact::{self, Policy},
    rules::{Rules, Window},
    screen::{self, Lost, Monitor, Session},
    truth::{self, Change, Doubt, Watch},
};

/// What is asked of a shot.
#[derive(Clone)]
pub struct Order {
    pub settings: Settings,
    /// `interval`; `request`: it is stored even if it shows nothing new.
    pub reason: &'static str,
    /// When it was given, by the host's clock and by one that needs no host.
    pub mono_ns: u64,
    pub begun: Instant,
}

impl Order {
    fn now(&self) -> u64 {
        self.mono_ns.saturating_add(self.begun.elapsed().as_nanos() as u64)
    }
}

/// What came of a monitor, or of the whole shot.
pub struct Report {
    /// When the screen was read.
    pub mono_ns: u64,
    pub record: Record,
    pub image: Option<Image>,
}

/// Takes shots, and knows of the last one what it has to.
#[derive(Default)]
pub struct Shooter {
    press: Press,
    seen: HashMap<String, Seen>,
}

/// What is known of a monitor.
#[derive(Default)]
struct Seen {
    watch: Watch,
    /// When the picture was taken that was stored last.
    stored: Option<u64>,
}

/// How a shot ended.
pub struct Ended {
    pub health: Health,
    /// Nothing could be read at all; another try soon may.
    pub lost: bool,
    pub reports: Vec<Report>,
}

impl Ended {
    /// Nothing could be read.
    pub fn lost(order: &Order, why: &Lost) -> Self {
        let health = Health::degraded(&*why.cause, &*why.fix);
        Self { health, lost: true, reports: vec![whole("capture_failed", order, why)] }
    }
}

impl Shooter {
    /// Forgets what was seen, so that the next shot is stored whatever it shows.
    pub fn forget(&mut self) {
        self.seen.clear();
    }

    /// The same for one monitor.
    pub fn forget_one(&mut self, monitor: &str) {
        self.seen.remove(monitor);
    }

    /// A picture of this monitor was stored.
    pub fn stored(&mut self, monitor: &str, mono_ns: u64) {
        if let Some(seen) = self.seen.get_mut(monitor) {
            seen.stored = Some(mono_ns);
        }
    }

    /// Takes a shot of every monitor.
    pub fn shoot(&mut self, order: &Order) -> Ended {
        let mut reports = Vec::new();
        match screen::open().and_then(|mut session| self.all(session.as_mut(), order, &mut reports)) {
            Ok(health) => Ended { health, lost: false, reports },
            Err(why) => {
                self.seen.clear();
                let mut ended = Ended::lost(order, &why);
                // Of the monitors that were read before.
                ended.reports.splice(0..0, reports);
                ended
            }
        }
    }

    fn all(
        &mut self,
        session: &mut dyn Session,
        order: &Order,
        reports: &mut Vec<Report>,
    ) -> Result<Health, Lost> {
        let settings = &order.settings;
        let (windows, blind) = session.windows()?.split();
        if let Some(why) = blind.as_ref().filter(|_| settings.rules.has_own()) {
            reports.push(whole("skipped", order, why));
            let cause = format!("no screenshot is taken: there are exclude rules, and {}", why.cause);
            return Ok(Health::degraded(cause, &*why.fix));
        }
        let monitors = session.monitors()?;
        if monitors.is_empty() {
            return Err(Lost::new("no monitor is on", "nothing; it is tried again"));
        }
        let hidden: Vec<Window> = settings.rules.hidden(&windows).cloned().collect();
        let seen = |window: &Window| monitors.iter().any(|one| one.area.shared(window.area).is_some());
        if settings.on_match == OnMatch::Skip && hidden.iter().any(seen) {
            reports.push(whole("skipped", order, &excluded()));
            return Ok(Health::ok(format!(
                "{}; the last shot was left out: {}",
                session.name(),
                excluded().cause
            )));
        }
        self.seen.retain(|name, _| monitors.iter().any(|monitor| monitor.name == *name));
        let mut shot = Shot {
            settings,
            reason: order.reason,
            session,
            hidden,
            blind: blind.is_some(),
            pointer: None,
            doubts: Vec::new(),
        };
        shot.pointer = shot.session.pointer();
        let count = monitors.len();
        for monitor in monitors {
            let seen = self.seen.entry(monitor.name.clone()).or_default();
            let mono_ns = order.now();
            if let Some((record, image)) = shot.monitor(monitor, seen, &self.press)? {
                reports.push(Report { mono_ns, record, image });
            }
        }
        if let Some(doubt) = shot.doubts.into_iter().next() {
            return Ok(Health::degraded(doubt.cause, doubt.fix));
        }
        let cause = format!("{}; {count} monitor{}", session.name(), if count == 1 { "" } else { "s" });
        Ok(match blind {
            None => Health::ok(cause),
            Some(why) => Health::degraded(
                format!("{cause}; password managers and private windows can't be left out: {}", why.cause),
                "if a redacted picture of them is too much, use an X11 session with a window manager, or take screen \
                 out of the config",
            ),
        })
    }
}

struct Shot<'a> {
    settings: &'a Settings,
    reason: &'static str,
    session: &'a mut dyn Session,
    /// Excluded windows as they were before.
    hidden: Vec<Window>,
    blind: bool,
    pointer: Option<(i32, i32)>,
    doubts: Vec<Lost>,
}

impl Shot<'_> {
    /// What came of a monitor; nothing when it was unplugged meanwhile. An error when the whole display is gone.
    fn monitor(
        &mut self,
        monitor: Monitor,
        seen: &mut Seen,
        press: &Press,
    ) -> Result<Option<(Record, Option<Image>)>, Lost> {
        let mut record = Record { reason: self.reason, ..Record::default() };
        let image = match self.picture(monitor, &mut record, seen, press) {
            Ok(Some(image)) => {
                record.outcome = "stored";
                record.image_width = Some(image.width);
                record.image_height = Some(image.height);
                Some(image)
            }
            Ok(None) if record.outcome.is_empty() => return Ok(None),
            Ok(None) => None,
            Err(why) => {
                self.session.monitors()?;
                record.outcome = "capture_failed";
                record.cause = Some(why.cause.clone());
                record.fix = Some(why.fix.clone());
                self.doubts.push(why);
                None
            }
        };
        Ok(Some((record, image)))
    }

    fn picture(
        &mut self,
        monitor: Monitor,
        record: &mut Record,
        seen: &mut Seen,
        press: &Press,
    ) -> Result<Option<Image>, Lost> {
        record.monitor = Some(monitor.name.clone());
        let Some((mut frame, monitor)) = self.capture(monitor)? else { return Ok(None) };
        let policy = Policy::new(self.settings.redact, self.settings.strength, monitor.scale);
        record.width = Some(frame.width());
        record.height = Some(frame.height());
        record.scale = Some(monitor.scale);
        record.redaction = Some(Redaction::new(self.settings.redact, self.settings.strength, policy));
        record.exclusion = Some(if self.blind { "not enforceable" } else { "enforced" });
        // Before anything is blacked out, or a window that fills the screen would look like a fault.
        if let Some(doubt) = truth::blank(&frame) {
            return Err(doubtful(&monitor, doubt));
        }
        let Some(areas) = self.excluded()? else {
            record.outcome = "skipped";
            record.cause = Some(excluded().cause);
            return Ok(None);
        };
        let visible = areas.iter().filter(|area| area.shared(monitor.area).is_some());
        record.masked = Some(visible.count() as u32);
        for area in areas {
            frame.black_out(area.from_origin(monitor.area.x, monitor.area.y));
        }
        match seen.watch.see(press.print(&frame), self.pointer) {
            Change::Frozen => return Err(doubtful(&monitor, Doubt::Frozen)),
            // Only when there is a picture to refer to.
            Change::Same if seen.stored.is_some() && self.reason == "interval" => {
                record.outcome = "unchanged";
                record.same_as_mono_ns = seen.stored;
                return Ok(None);
            }
            Change::Same | Change::Changed => {}
        }
        let style = Style { format: self.settings.format, quality: self.settings.quality };
        let image = match policy {
            Some(policy) => {
                let small = redact::redact(&frame, policy).map_err(|why| {
                    Lost::new(format!("{}: {why}", monitor.name), "report it; nothing of the shot was kept")
                })?;
                drop(frame);
                encode::small(&small, style)
            }
            None => encode::whole(frame, style),
        };
        image.map(Some).map_err(|why| Lost::new(format!("{}: {why}", monitor.name), "set another format"))
    }

    /// The picture of a monitor where it is now; `None` when it is gone. A change of mode in between is normal.
    fn capture(&mut self, monitor: Monitor) -> Result<Option<(Frame, Monitor)>, Lost> {
        let first = match self.session.capture(&monitor) {
            Ok(frame) => return Ok(Some((frame, monitor))),
            Err(why) => why,
        };
        // Where it is now; if that can't be told either, the display is gone.
        let now = self.session.monitors().map_err(|_| first)?;
        let Some(monitor) = now.into_iter().find(|one| one.name == monitor.name) else { return Ok(None) };
        let frame = self.session.capture(&monitor)?;
        Ok(Some((frame, monitor)))
    }

    /// Where excluded windows are or were while the picture was taken; `None` when there is to be no picture then.
    fn excluded(&mut self) -> Result<Option<Vec<Rect>>, Lost> {
        let (windows, blind) = self.session.windows()?.split();
        if let Some(why) = blind.filter(|_| !self.blind) {
            // The window manager went away in between.
            return Err(why);
        }
        let areas = areas(&self.settings.rules, &self.hidden, &windows);
        let skip = self.settings.on_match == OnMatch::Skip && !areas.is_empty();
        Ok((!skip).then_some(areas))
    }
}

/// Excluded windows before and after; one that moved is covered all along its way.
fn areas(rules: &Rules, before: &[Window], after: &[Window]) -> Vec<Rect> {
    let mut areas: HashMap<u32, Rect> = HashMap::new();
    // A window that was excluded stays so if it changed its title in between.
    let were = after.iter().filter(|window| before.iter().any(|old| old.id == window.id));
    for window in before.iter().chain(rules.hidden(after)).chain(were) {
        areas.entry(window.id).and_modify(|area| *area = area.hull(window.area)).or_insert(window.area);
    }
    areas.into_values().collect()
}

/// About all monitors.
fn whole(outcome: &'static str, order: &Order, why: &Lost) -> Report {
    let settings = &order.settings;
    let record = Record {
        outcome,
        reason: order.reason,
        redaction: Some(Redaction::new(settings.redact, settings.strength, None)),
        cause: Some(why.cause.clone()),
        fix: Some(why.fix.clone()),
        ..Record::default()
    };
    Report { mono_ns: order.now(), record, image: None }
}

fn excluded() -> Lost {
    Lost::new("an excluded window is visible", "")
}

fn doubtful(monitor: &Monitor, doubt: Doubt) -> Lost {
    Lost::new(format!("{}: {}", monitor.name, doubt.cause()), doubt.fix())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(id: u32, app: &str, x: i32) -> Window {
        let area = Rect { x, y: 0, width: 10, height: 10 };
        Window { id, apps: vec![app.to_owned()], titles: Vec::new(), area }
    }

    #[test]
    fn a_window_that_moves_opens_or_changes_its_name_while_the_picture_is_taken_is_covered() {
        let rules = Rules::new(Vec::new());
        let before = [window(1, "keepassxc", 0), window(2, "bitwarden", 500)];
        let after = [
            window(1, "keepassxc", 90),
            window(2, "renamed", 510),
            window(3, "1password", 300),
            window(4, "xterm", 0),
        ];
        let mut areas = areas(&rules, &before, &after);
        areas.sort_by_key(|area| area.x);
        let spans: Vec<_> = areas.iter().map(|area| (area.x, area.width)).collect();
        assert_eq!(spans, [(0, 100), (300, 10), (500, 20)]);
    }
}
