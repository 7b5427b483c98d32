//! What is on the screen while it is measured.

use std::{fs, path::Path, process::Command, time::Duration};

use crate::{
    display::{Display, until},
    measure::wait_for,
};

/// A desktop without a window on it that shows a picture with as many colours as a photo has.
pub fn photo(folder: &Path, width: u32, height: u32) -> Display {
    let picture = folder.join("photo.png");
    // Made small: a large one takes ImageMagick half a minute.
    let size = format!("{width}x{height}!");
    let photo = ["-size", "960x540", "-seed", "7", "plasma:steelblue-peru", "-resize", &size, "-depth", "8"];
    let mut command = Command::new("/usr/bin/convert");
    assert!(
        command
            .args(photo)
            .args(["-attenuate", "0.1", "+noise", "Gaussian"])
            .arg(&picture)
            .status()
            .unwrap()
            .success()
    );
    let display = Display::start(&format!("{width}x{height}"));
    display.wallpaper(&picture);
    wait_for(Duration::from_secs(1));
    display
}

/// Terminals beside each other that show files, in colour as shells do.
pub fn text(folder: &Path) -> Display {
    let mut display = Display::start("1920x1080");
    let resources = folder.join("resources");
    fs::write(&resources, "Xft.rgba: rgb\nXft.antialias: 1\nXft.lcdfilter: lcddefault\n").unwrap();
    display.run("xrdb", &["-nocpp", "-load", resources.to_str().unwrap()]);
    display.run("xsetroot", &["-solid", "#335577"]);
    display.manage();
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
    let shown = folder.join("shown");
    let windows = [
        ("150x62+10+10", ["black", "white"], "head -61 README.md"),
        ("85x40+1270+10", ["white", "black"], "ls -l --color=always host/src plugin-api/src | head -38"),
        (
            "120x24+800+620",
            ["#dddddd", "#002b36"],
            "grep --color=always -n fn host/src/agent.rs host/src/call.rs | head -22",
        ),
    ];
    for (count, (place, [ink, paper], command)) in windows.into_iter().enumerate() {
        let run = format!("cd {root}; {command}; echo >> {}; exec sleep 1000", shown.display());
        let look = ["-fa", "DejaVu Sans Mono", "-fs", "10", "-fg", ink, "-bg", paper, "-geometry", place];
        display.open("xterm", &[&look[..], &["-e", "sh", "-c", &run]].concat());
        until("a terminal with its text", || {
            fs::read(&shown).is_ok_and(|lines| lines.len() > count).then_some(())
        });
    }
    // Until what they wrote is painted.
    wait_for(Duration::from_secs(2));
    display
}
