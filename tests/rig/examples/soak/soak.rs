//! The order of things.

use std::{
    env, panic, thread,
    time::{Duration, Instant},
};

use serde_json::Value;

use crate::{
    backlog,
    desk::{Desk, SINKS, end_of},
    weather::{Sky, Weather},
};

/// How often it is said how things are.
const SAY: Duration = Duration::from_secs(60);
/// How long the rest may take once all is well.
const DRAIN: &str = "30m";

/// What happened.
#[derive(Default, Debug)]
struct Tally {
    kills: u32,
    stops: u32,
    cuts: u32,
    full_disks: u32,
}

pub fn main() {
    let folder = env::current_exe().unwrap().ancestors().nth(2).unwrap().join("tmp/soak");
    let credentials = folder.join("home/credentials");
    rig::alone(&folder.join("home"), &[("AWS_SHARED_CREDENTIALS_FILE", &credentials)]);
    let number = |name: &str, usual: u64| env::var(name).map_or(usual, |text| text.parse().unwrap());
    let minutes = number("SOAK_MINUTES", 10);
    let days = number("SOAK_DAYS", 30);
    let mut dice = Dice(number("SOAK_SEED", u64::from(std::process::id()) ^ now()));
    println!("soak: {minutes} minutes, {days} days of backlog, SOAK_SEED={}", dice.0);
    // What panics says so with the end of the log.
    let log = folder.join("log");
    panic::set_hook(Box::new(move |panic| {
        println!("soak: FAILED: {panic}\nthe agent's log ends:\n{}", end_of(&log));
    }));

    let mut weather = Weather::new(&folder);
    let desk = Desk::new(&folder, &weather);
    let waiting = backlog::make(&desk.state(), days, &SINKS);
    println!("soak: backlog of {waiting} objects for each of {}", SINKS.join(", "));
    let mut tally = Tally::default();
    let end = Instant::now() + Duration::from_secs(60 * minutes);
    let (mut head, mut said) = (0, Instant::now());
    while Instant::now() < end {
        let mut agent = desk.start();
        for _ in 0..=dice.below(3) {
            if let Some(sky) = dice.sky() {
                tally.cuts += 1;
                weather.set(dice.below(2) as usize, sky);
            } else {
                weather.clear();
                desk.flush("0s");
            }
            thread::sleep(Duration::from_millis(500 + dice.below(6000)));
            if dice.below(5) == 0 {
                tally.full_disks += 1;
                desk.fill();
                thread::sleep(Duration::from_millis(500 + dice.below(6000)));
                if dice.below(2) == 0 {
                    desk.free();
                }
            }
        }
        agent.check();
        head = desk.durable().unwrap_or(0).max(head);
        if said.elapsed() > SAY {
            said = Instant::now();
            println!("soak: {tally:?}, acknowledged up to {head}, waiting {}", desk.waiting());
        }
        if dice.below(6) == 0 {
            tally.stops += 1;
            desk.free();
            agent.stop();
        } else {
            tally.kills += 1;
            agent.kill();
            desk.free();
        }
    }

    weather.clear();
    let agent = desk.start();
    assert!(head > 0, "the agent never said what it had acknowledged; give it longer by SOAK_MINUTES");
    // Nothing new comes while the rest goes out.
    desk.run(&["pause"]);
    println!("soak: all is well again; waiting {}", desk.waiting());
    let began = Instant::now();
    assert!(desk.try_run(&["flush", "--for", DRAIN]), "not everything was sent: {}", desk.waiting());
    println!("soak: all sent after {} s more", began.elapsed().as_secs());
    head = desk.durable().unwrap_or(0).max(head);
    agent.stop();
    let mut good = true;
    for sink in SINKS {
        let (complete, report) = desk.verify(sink, head);
        good &= complete && report["gone"] == 0 && report["duplicates"] == Value::Array(Vec::new());
        println!(
            "soak: {sink}: {}: {} records and {} screenshots here, {} declared gone, missing {}, twice {}, up to {}",
            if complete { "complete" } else { "NOT COMPLETE" },
            report["complete"],
            report["blobs"],
            report["gone"],
            report["missing"],
            report["duplicates"],
            report["upto"],
        );
        if !complete {
            println!("{report:#}");
        }
    }
    println!("soak: {minutes} minutes, {tally:?}, everything up to {head} held against each store");
    assert!(good, "a store is not as it has to be");
    println!("soak: passed");
}

fn now() -> u64 {
    std::time::UNIX_EPOCH.elapsed().unwrap().as_nanos() as u64
}

/// Chance that can be repeated.
pub struct Dice(u64);

impl Dice {
    /// A number below another.
    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % end
    }

    /// What the network of one sink does next; none: all is well.
    fn sky(&mut self) -> Option<Sky> {
        let skies = [Sky::Dropped, Sky::Refused, Sky::Torn, Sky::Lossy, Sky::Storm];
        skies.get(self.below(8) as usize).copied()
    }
}
