//! Displays that are not there, go and come back.

use std::time::Duration;

use plugin_api::event::POINTER;

use crate::{bench::Bench, display::Display};

#[test]
fn a_server_that_dies_is_a_state_and_the_next_one_is_observed() {
    let display = Display::start();
    let bench = Bench::observing(&display.name);
    display.xdotool("mousemove 10 10");
    bench.signals(POINTER, 1);
    let name = display.kill();
    let health = bench.until_health("degraded", 1);
    assert!(health["cause"].as_str().unwrap().contains(&name), "{health}");
    assert!(!health["fix"].as_str().unwrap().is_empty());
    let display = Display::again(&name);
    bench.until_health("ok", 2);
    display.xdotool("mousemove 20 20 mousemove 30 30");
    assert_eq!(bench.signals(POINTER, 3).len(), 3);
}

#[test]
fn a_display_that_comes_later_is_found() {
    let name = Display::start().kill();
    let bench = Bench::started(&name);
    let health = bench.until_health("degraded", 1);
    assert!(health["fix"].as_str().unwrap().contains("Xvfb"), "{health}");
    let display = Display::again(&name);
    bench.until_health("ok", 1);
    display.xdotool("mousemove 20 20");
    assert_eq!(bench.signals(POINTER, 1).len(), 1);
}

#[test]
fn a_stop_takes_less_than_a_second_observing_or_not() {
    let display = Display::start();
    let bench = Bench::observing(&display.name);
    assert!(bench.stop() < Duration::from_secs(1));
    let bench = Bench::started(&display.kill());
    bench.until_health("degraded", 1);
    assert!(bench.stop() < Duration::from_secs(1));
}

#[test]
fn a_server_that_hangs_holds_up_no_stop() {
    let display = Display::start();
    display.signal("STOP");
    let bench = Bench::started(&display.name);
    bench.settled();
    assert!(bench.stop() < Duration::from_secs(1));
    display.signal("CONT");
    let bench = Bench::observing(&display.name);
    display.signal("STOP");
    assert!(bench.stop() < Duration::from_secs(1));
}

#[test]
fn nothing_is_observed_during_a_pause() {
    let display = Display::start();
    let bench = Bench::observing(&display.name);
    display.xdotool("mousemove 10 10");
    bench.signals(POINTER, 1);
    bench.pause();
    bench.settled();
    display.xdotool("mousemove 20 20 click 1");
    assert_eq!(bench.signals(POINTER, 1).len(), 1);
    bench.resume();
    bench.signals(plugin_api::event::DEVICE, 8);
    display.xdotool("mousemove 30 30");
    assert_eq!(bench.signals(POINTER, 2).len(), 2);
}
