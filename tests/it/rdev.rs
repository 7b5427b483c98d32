//! The backend that stands in where the own one can't work: rdev, by Xlib, on a real X server.

use std::{
    io::{Read, Write},
    net::Shutdown,
    os::unix::net::{UnixListener, UnixStream},
    path::PathBuf,
    thread,
};

use serde_json::Value;

use crate::{
    agent::{Agent, Desk, USUAL, plugin},
    display::Display,
    store::{self, sum},
    wait::until,
};

fn config() -> String {
    USUAL.replace("plugin = \"input\"", "plugin = \"input\"\nbackend = \"rdev\"")
}

/// Waits until rdev observes: that it was started says little, so until what is typed is seen.
fn wait_seen(desk: &Desk, agent: &Agent<'_>, display: &Display) {
    agent.wait("rdev to listen", |status| {
        plugin(status, "input")["cause"].to_string().contains("rdev (RECORD")
    });
    let before = sum(&desk.records("activity"), "/clicks_by_button/right");
    until("a click to be seen", || {
        display.xdotool("click 3");
        (sum(&desk.records("activity"), "/clicks_by_button/right") > before).then_some(())
    });
}

#[test]
fn everything_is_counted_once_and_nothing_of_what_was_typed_is_anywhere() {
    let display = Display::new();
    let desk = Desk::new(&config()).on(&display).level("trace");
    let agent = desk.start();
    wait_seen(&desk, &agent, &display);
    let said = agent.wait_state("input", "ok");
    assert!(said["cause"].as_str().unwrap().contains("origin is unknown"), "{said}");
    let word = "xylophonequartz";
    display.xdotool(&format!("type --delay 5 {word}"));
    display.xdotool("key --delay 5 7");
    // Two hundred pixels to the right, by a warp, which RECORD shows too.
    display.xdotool("mousemove 300 300 mousemove_relative --sync 100 0 mousemove_relative --sync 100 0");
    display.xdotool("click --repeat 4 --delay 10 1");
    // A turn of the wheel to the side makes releases of buttons that nobody pressed.
    display.xdotool("click --repeat 3 --delay 10 6 click --repeat 2 --delay 10 7 click 4 click 5");
    display.xdotool("keydown space sleep 1.2 keyup space click 2");
    let mut stored = Vec::new();
    until("all of it in the store", || {
        stored = desk.records("activity");
        (sum(&stored, "/clicks_by_button/middle") >= 1.0).then_some(())
    });
    let count = |pointer: &str| sum(&stored, pointer);
    let (letters, digits) = (count("/keys_by_class/letter"), count("/keys_by_class/digit"));
    assert_eq!((letters, digits), (word.len() as f64, 1.0), "{stored:#?}");
    // One press, and then repeats: 660 ms until the first, then 25 a second.
    assert_eq!(count("/keys_by_class/space"), 1.0, "{stored:#?}");
    assert!((8.0..=60.0).contains(&count("/repeats")), "{stored:#?}");
    assert_eq!((count("/clicks_by_button/left"), count("/scrolls")), (4.0, 7.0), "{stored:#?}");
    assert_eq!(count("/clicks_by_button/other"), 0.0, "{stored:#?}");
    assert!(count("/distance_px") >= 200.0, "{stored:#?}");
    assert_eq!(count("/by_origin/unknown/keys"), count("/keys"));
    for origin in ["physical", "virtual", "injected"] {
        assert!(stored.iter().all(|record| record["by_origin"][origin].is_null()), "{origin}: {stored:#?}");
    }
    assert!(agent.stop().success());
    for needle in [word, "xylo", "quartz"] {
        let found = store::grep(desk.path(), needle.as_bytes());
        let found: Vec<_> =
            found.into_iter().filter(|file| !file.starts_with(desk.plugins().path())).collect();
        assert!(found.is_empty(), "{needle:?} stands in {found:?}");
    }
}

#[test]
fn servers_that_are_killed_end_no_process_and_the_next_ones_are_observed() {
    let mut display = Display::new();
    let name = display.name.clone();
    let desk = Desk::new(&config()).on(&display);
    let agent = desk.start();
    let pid = agent.status()["pid"].clone();
    for round in 1..=3 {
        wait_seen(&desk, &agent, &display);
        // By SIGKILL: Xlib ends a process whose server goes away, unless it is kept from it.
        drop(display);
        let lost = agent.wait_state("input", "degraded");
        assert!(lost["cause"] != "" && lost["fix"] != "", "round {round}: {lost}");
        display = Display::again(&name);
    }
    wait_seen(&desk, &agent, &display);
    assert_eq!(agent.status()["pid"], pid);
    assert!(agent.stop().success());
}

#[test]
fn a_pause_and_a_display_that_is_not_the_environments() {
    let display = Display::new();
    let desk = Desk::new(&config()).on(&display);
    let agent = desk.start();
    wait_seen(&desk, &agent, &display);
    assert!(desk.run(&["pause"]).status.success());
    display.xdotool("type --delay 1 unseen");
    assert!(desk.run(&["resume"]).status.success());
    wait_seen(&desk, &agent, &display);
    assert_eq!(sum(&desk.records("activity"), "/keys"), 0.0);
    assert!(agent.stop().success());

    // A desk of its own: on the one before, another display would wait for consent.
    let desk = Desk::new(&config().replace("\"rdev\"", "\"rdev\"\ndisplay = \":4094\"")).on(&display);
    let agent = desk.start();
    let said = agent.wait_state("input", "degraded");
    assert!(said["cause"].as_str().unwrap().contains("$DISPLAY and no other"), "{said}");
    assert!(agent.stop().success());
}

/// A way to a display on which nobody finds XInput: a name in every request is changed on the way.
struct Detour {
    name: String,
    socket: PathBuf,
}

impl Detour {
    fn to(display: &Display) -> Self {
        let of = |number: &str| PathBuf::from(format!("/tmp/.X11-unix/X{number}"));
        let real = of(&display.name[1..]);
        // More than any server takes by itself.
        let number = format!("{}", 20_000 + std::process::id() % 30_000);
        let socket = of(&number);
        let listener = UnixListener::bind(&socket).unwrap();
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let Ok(server) = UnixStream::connect(&real) else { return };
                let (back, forth) = (server.try_clone().unwrap(), client.try_clone().unwrap());
                thread::spawn(move || copy(back, forth, |_| {}));
                thread::spawn(move || copy(client, server, hide));
            }
        });
        Self { name: format!(":{number}"), socket }
    }
}

impl Drop for Detour {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.socket);
    }
}

fn copy(mut from: UnixStream, mut to: UnixStream, change: fn(&mut [u8])) {
    let mut bytes = [0; 4096];
    while let Ok(n @ 1..) = from.read(&mut bytes) {
        change(&mut bytes[..n]);
        if to.write_all(&bytes[..n]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Both);
    let _ = from.shutdown(Shutdown::Both);
}

fn hide(bytes: &mut [u8]) {
    let name = b"XInputExtension";
    for at in 0..bytes.len().saturating_sub(name.len() - 1) {
        if bytes[at..].starts_with(name) {
            bytes[at] = b'-';
        }
    }
}

#[test]
fn a_server_without_xinput_is_observed_all_the_same_and_what_is_missing_is_said() {
    let display = Display::new();
    let detour = Detour::to(&display);
    let desk = Desk::new(USUAL).on_name(&detour.name);
    let agent = desk.start();
    wait_seen(&desk, &agent, &display);
    let said: Value = agent.wait_state("input", "degraded");
    assert!(said["fix"].as_str().unwrap().contains("XInput"), "{said}");
    assert!(desk.log().contains("no XInputExtension"), "{}", desk.log());
    assert!(agent.stop().success());
}
