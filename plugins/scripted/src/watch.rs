//! All devices as they are watched: finds the device of each signal, and tells what its rules find.

use plugin_api::prelude::*;

use crate::{
    Config, Rule,
    device::{Device as Watched, Ground},
    evidence::{self, Seen},
    feature::Features,
    learned::Learned,
    mark::{MARKS, Mark},
    provenance::Provenance,
    whole::Whole,
};

/// So many devices are watched at once; the one that was quiet for longest makes room for a new one.
const DEVICES: usize = 32;

/// What the detector is, without the plugin around it: training and measuring use it too.
pub struct Watch {
    ground: Ground,
    suppress: Vec<String>,
    provenance: Provenance,
    whole: Whole,
    score: f64,
    devices: Vec<Watched>,
    /// The device of the last event; the next one is mostly the same's.
    last: usize,
}

impl Watch {
    /// Begins to watch.
    pub fn new(config: Config, learned: Learned) -> Self {
        Self {
            suppress: config.suppress.clone(),
            ground: Ground::new(&config, learned),
            provenance: Provenance::default(),
            whole: Whole::default(),
            score: 0.0,
            devices: Vec::with_capacity(DEVICES),
            last: 0,
        }
    }

    /// Takes one signal, and tells what is remarkable.
    pub fn take(
        &mut self,
        event: &Event<'_>,
        tell: &mut dyn FnMut(Rule, Finding) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let place = self.place(event);
        let (device, ground) = (&mut self.devices[place], &self.ground);
        if let Some(named) = event.device() {
            device.rename(named.name);
            device.suppressed = is_listed(&self.suppress, &named);
            return Ok(());
        }
        let now = event.mono_ns;
        device.used = now;
        let mut say = |device: &mut Watched, seen: Option<Seen>| match seen {
            Some(seen) => {
                device.told[seen.rule as usize] = Some(seen.to);
                tell(seen.rule, evidence::finding(&seen, device))
            }
            None => Ok(()),
        };
        let seen =
            self.provenance.take(event, device.kind, ground.injected, |rule| device.due(rule, now, ground));
        say(device, seen)?;
        let seen = self.whole.take(event, |rule| device.due(rule, now, ground));
        say(device, seen)?;
        let seen = device.take(event, ground);
        say(device, seen)?;
        self.score = self.score.max(device.score);
        Ok(())
    }

    /// How much speaks by now, at most, for a program that made anything, 0 to 1.
    pub fn score(&self) -> f64 {
        self.score
    }

    /// How sure that makes: a probability, with people and tools equally frequent.
    pub fn confidence(&self) -> f64 {
        self.ground.learned.confidence(self.score)
    }

    /// The nearest to a machine that any device came by now.
    pub fn nearest(&self) -> [f64; MARKS] {
        std::array::from_fn(|place| {
            let mark = Mark::ALL[place];
            let all = self.devices.iter().map(|device| device.nearest[place]);
            all.fold(f64::NAN, |a, b| mark.nearer(a, b))
        })
    }

    /// What was measured of the pointer whose signal came last, if that was just now.
    pub fn looked(&mut self) -> Option<Features> {
        self.devices.get_mut(self.last)?.looked.take()
    }

    /// Where the device of an event is watched.
    fn place(&mut self, event: &Event<'_>) -> usize {
        let is = |device: &Watched| device.source == event.source && device.origin == event.origin();
        if self.devices.get(self.last).is_some_and(is) {
            return self.last;
        }
        self.last = self.devices.iter().position(is).unwrap_or_else(|| self.watch(event));
        self.last
    }

    fn watch(&mut self, event: &Event<'_>) -> usize {
        // One device can act as two: what moves the pointer without it is told apart by its origin.
        let known = || self.devices.iter().find(|known| known.source == event.source);
        let mut new = Watched::new(event, known().map(|known| known.name.clone()).unwrap_or_default());
        new.suppressed = known().is_some_and(|known| known.suppressed);
        if self.devices.len() < DEVICES {
            self.devices.push(new);
            return self.devices.len() - 1;
        }
        let quiet = (0..self.devices.len()).min_by_key(|place| self.devices[*place].used).unwrap_or(0);
        self.devices[quiet] = new;
        quiet
    }
}

/// Whether nothing is to be said of a device.
fn is_listed(list: &[String], device: &Device<'_>) -> bool {
    let id = format!("{:04x}:{:04x}", device.vendor, device.product);
    list.iter().any(|listed| listed.eq_ignore_ascii_case(&id) || listed == device.name)
}
