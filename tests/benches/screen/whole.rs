//! The whole agent with screenshots: processor time and memory.

use std::time::Duration;

use host::control::Request;
use serde_json::json;
use tempfile::tempdir;

use crate::{
    desktop,
    display::{Display, until},
    measure::{self, bar, wait_for},
    picture,
    process::Agent,
};

/// How many shots are taken of each kind.
const SHOTS: u32 = 12;

/// What runs out of the box, but that nothing is due while it is measured.
fn config(redact: &str) -> String {
    format!(
        "[[source]]\nplugin = \"input\"\n[[source]]\nplugin = \"screen\"\nevery = \"1d\"\nredact = \"{redact}\"\n\
         [[detector]]\nplugin = \"activity\"\n[[detector]]\nplugin = \"scripted\"\n\
         [[sink]]\nplugin = \"local\"\npath = \"records\"\n"
    )
}

/// Measures and prints.
pub fn measure() {
    let candor = measure::agent();
    let folder = tempdir().unwrap();
    picture::of(&desktop::text(folder.path()), "a desktop of text");
    for (width, height, most) in [(1920, 1080, 80.0), (3840, 2160, 160.0)] {
        let display = desktop::photo(folder.path(), width, height);
        if width == 1920 {
            picture::of(&display, "a photo");
        }
        for redact in ["blur", "none"] {
            println!("the whole agent, {width}×{height}, redact = \"{redact}\"");
            let agent = Agent::spawn(&candor, &display.name, &config(redact));
            until("the screen to be there", || {
                let status = agent.status()?;
                status["plugins"].to_string().contains("no shot was due yet").then_some(())
            });
            whole(&agent, &display, most, (width == 1920 && redact == "blur").then_some(40.0));
        }
    }
}

fn whole(agent: &Agent, display: &Display, most: f64, most_ms: Option<f64>) {
    let megabytes = |bytes: u64| bytes as f64 / 1e6;
    // What starting took is given back by then.
    wait_for(Duration::from_secs(3));
    let (idle, own) = (megabytes(agent.process.memory()), megabytes(agent.process.own_memory()));
    let before = agent.process.time();
    for _ in 0..SHOTS {
        let ask = Request::Ask { name: "shot".to_owned(), options: json!({}) };
        let answer = agent.ask(&ask).unwrap();
        assert_eq!(answer[0]["answer"]["shots"][0]["outcome"], "stored", "{}: {answer}", display.name);
    }
    let used = agent.process.time() - before;
    // Sealing is part of it, and ends what is left of the last one.
    agent.ask(&Request::Flush);
    wait_for(Duration::from_secs(3));
    let a_shot = used.as_secs_f64() * 1e3 / f64::from(SHOTS);
    bar("  processor time of a shot: capture, redact, encode, journal", a_shot, "ms", most_ms);
    bar("  memory before the first shot", idle, "MB", None);
    bar("  memory at most", megabytes(agent.process.peak()), "MB", Some(most));
    let after = megabytes(agent.process.memory());
    bar("  memory after it", after, "MB", None);
    let kept = megabytes(agent.process.own_memory()) - own;
    bar("  of which more than before, but for code that was not used before", kept, "MB", Some(3.0));
}
