//! What xdotool injects is what is counted, and nothing says which key.

use plugin_api::{
    KeyClass, Origin,
    event::{BUTTON, DEVICE, KEY, POINTER, WHEEL},
};

use crate::{
    bench::{Bench, Signal},
    display::Display,
};

const PX: i32 = 256;

#[test]
fn a_warp_makes_no_raw_event_and_is_injected_motion_all_the_same() {
    let display = Display::start();
    let bench = Bench::observing(&display.name);
    let path: String = (1..=40).map(|n| format!("mousemove {} {} ", 100 + n * 3, 200 + n * 2)).collect();
    display.xdotool(&path);
    let motions = bench.signals(POINTER, 40);
    assert_eq!(motions.len(), 40);
    assert!(motions.iter().all(|motion| motion.origin == Origin::Injected), "{motions:?}");
    for (n, motion) in motions.iter().enumerate().skip(1) {
        let n = n as i32 + 1;
        assert_eq!(motion.args, [(100 + n * 3) * PX, (200 + n * 2) * PX, 3 * PX, 2 * PX]);
    }
}

#[test]
fn relative_motion_comes_from_the_xtest_device_and_is_counted_once() {
    let display = Display::start();
    let bench = Bench::observing(&display.name);
    display.xdotool("mousemove 600 400");
    bench.signals(POINTER, 1);
    let path: String =
        (0..50).map(|n| format!("mousemove_relative -- {} 2 ", if n % 2 == 0 { 5 } else { -3 })).collect();
    display.xdotool(&path);
    let motions = bench.signals(POINTER, 51);
    assert_eq!(motions.len(), 51);
    let moved = |axis: usize| motions[1..].iter().map(|motion| motion.args[axis]).sum::<i32>();
    assert_eq!((moved(2), moved(3)), (50 * PX, 100 * PX), "distance is what the pointer travelled");
    let last = motions.last().unwrap();
    assert_eq!(last.args[..2], [650 * PX, 500 * PX]);
    assert!(motions.iter().all(|motion| motion.origin == Origin::Injected));
    assert_ne!(last.device, 0, "the XTEST device, not a warp");
}

#[test]
fn warps_and_relative_motion_in_turns_are_each_counted_once() {
    let display = Display::start();
    let bench = Bench::observing(&display.name);
    // Without a moment in between the server itself merges motions, and nobody could tell them apart.
    let step = |n: i32| format!("mousemove {} 300 sleep 0.0005 mousemove_relative 1 1 sleep 0.0005 ", n * 5);
    let path: String = (1..=200).map(step).collect();
    display.xdotool(&path);
    let motions = bench.signals(POINTER, 400);
    assert_eq!(motions.len(), 400);
    assert_eq!(motions.iter().filter(|motion| motion.device == 0).count(), 200);
}

#[test]
fn the_edge_of_the_screen_stops_the_distance() {
    let display = Display::start();
    let bench = Bench::observing(&display.name);
    display.xdotool("mousemove 1270 400 mousemove_relative 100 0 mousemove_relative 100 0");
    let motions = bench.signals(POINTER, 3);
    let dx: i32 = motions[1..].iter().map(|motion| motion.args[2]).sum();
    assert_eq!(dx, 9 * PX, "{motions:?}");
}

#[test]
fn clicks_are_buttons_and_wheel_turns_are_not() {
    let display = Display::start();
    let bench = Bench::observing(&display.name);
    display.xdotool("mousemove 100 50 click 1 click --repeat 3 --delay 1 3 click 4 click 4 click 5 click 6 click 7 click 8");
    let buttons = bench.signals(BUTTON, 10);
    let pressed = |button| buttons.iter().filter(|b| b.args[0] == button && b.args[1] == 1).count();
    let released = |button| buttons.iter().filter(|b| b.args[0] == button && b.args[1] == 0).count();
    assert_eq!([1, 2, 3, 8].map(pressed), [1, 0, 3, 1]);
    assert_eq!([1, 2, 3, 8].map(released), [1, 0, 3, 1]);
    assert_eq!(buttons.len(), 10);
    let there = |b: &Signal| b.origin == Origin::Injected && b.args[2..] == [100 * PX, 50 * PX];
    assert!(buttons.iter().all(there), "{buttons:#?}");
    let turns: Vec<_> = bench.signals(WHEEL, 5).iter().map(|wheel| [wheel.args[0], wheel.args[1]]).collect();
    assert_eq!(turns, [[0, -120], [0, -120], [0, 120], [-120, 0], [120, 0]]);
}

fn presses(keys: &[Signal]) -> Vec<KeyClass> {
    let press = |key: &Signal| key.args[1] == 1 && key.args[2] == 0;
    keys.iter().filter(|key| press(key)).map(|key| KeyClass::ALL[key.args[0] as usize]).collect()
}

#[test]
fn typing_is_classes_and_nothing_else() {
    use KeyClass::{Backspace, Digit, Enter, Function, Letter, Modifier, Navigation, Other, Space};
    let display = Display::start();
    let bench = Bench::observing(&display.name);
    display.xdotool("type --delay 2 ab7");
    display.xdotool("key --delay 2 space Return BackSpace Left F5 period Shift_L Tab Escape Delete");
    let keys = bench.signals(KEY, 26);
    let expected = [
        Letter, Letter, Digit, Space, Enter, Backspace, Navigation, Function, Other, Modifier, Navigation,
        Function, Backspace,
    ];
    assert_eq!(presses(&keys), expected);
    assert_eq!(keys.len(), 26, "each once down and once up: {keys:#?}");
    for key in &keys {
        assert!(key.body.is_empty() && key.args[3] == 0, "{key:?}");
        assert_eq!(key.origin, Origin::Injected);
    }
}

#[test]
fn two_letters_cannot_be_told_apart() {
    let display = Display::start();
    let bench = Bench::observing(&display.name);
    display.xdotool("type --delay 2 qwertzuiopasdfghjklyxcvbnm");
    let keys = bench.signals(KEY, 52);
    let mut what: Vec<_> = keys.iter().map(|key| (key.args, key.device, key.origin)).collect();
    what.sort_unstable();
    what.dedup();
    assert_eq!(what.len(), 2, "a press and a release: {what:?}");
}

#[test]
fn a_held_key_is_one_press_and_repeats() {
    let display = Display::start();
    let bench = Bench::observing(&display.name);
    display.xdotool("keydown a sleep 1.2 keyup a");
    let keys = bench.signals(KEY, 5);
    let count = |what: [i32; 2]| keys.iter().filter(|key| key.args[1..3] == what).count();
    assert_eq!(presses(&keys), [KeyClass::Letter]);
    assert_eq!(count([0, 0]), 1);
    // 660 ms until the first, then 25 a second.
    assert!((8..=60).contains(&count([1, 1])), "{keys:?}");
    assert!(keys.iter().all(|key| key.origin == Origin::Injected));
}

#[test]
fn another_layout_is_followed() {
    let display = Display::start();
    let bench = Bench::observing(&display.name);
    let set = |layout: &str| {
        let mut command = std::process::Command::new("setxkbmap");
        let status = command.args(["-display", &display.name, layout]).status();
        assert!(status.expect("setxkbmap does not start; run config/setup-debian.sh").success());
    };
    // The key right of P: a bracket, then ü, then х.
    for (n, layout) in ["us", "de", "ru"].into_iter().enumerate() {
        set(layout);
        display.xdotool("key 34");
        bench.signals(KEY, 2 * n + 2);
    }
    let keys = bench.signals(KEY, 6);
    assert_eq!(presses(&keys), [KeyClass::Other, KeyClass::Letter, KeyClass::Letter]);
}

#[test]
fn a_server_without_record_is_observed_and_what_is_missing_is_said() {
    let display = Display::without("RECORD");
    let bench = Bench::started(&display.name);
    let health = bench.until_health("degraded", 1);
    assert!(health["cause"].as_str().unwrap().contains("no RECORD"), "{health}");
    // Xvfb has XTEST only together with RECORD, so nothing can be injected here but a warp.
    assert_eq!(bench.signals(DEVICE, 4).len(), 4);
    display.xdotool("mousemove 100 100");
    assert_eq!(bench.settled().len(), 4);
}

#[test]
fn times_are_when_it_happened_on_the_monotonic_clock() {
    let display = Display::start();
    let bench = Bench::observing(&display.name);
    let now = || {
        let time = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
        time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
    };
    let start = now() - 5_000_000;
    let path: String = (0..20).map(|n| format!("mousemove {} 10 sleep 0.005 ", 10 + n)).collect();
    display.xdotool(&path);
    let end = now();
    let motions = bench.signals(POINTER, 20);
    assert!(motions.iter().all(|motion| (start..=end).contains(&motion.mono_ns)));
    assert!(motions.is_sorted_by_key(|motion| motion.mono_ns));
    // Reading happens every 20 ms; the events were 5 ms apart and must not fall together.
    let mut times: Vec<_> = motions.iter().map(|motion| motion.mono_ns).collect();
    times.dedup();
    assert!(times.len() >= 19, "{times:?}");
}

#[test]
fn devices_are_told_at_start_and_xtest_is_injected() {
    let display = Display::start();
    let bench = Bench::observing(&display.name);
    let devices = bench.signals(DEVICE, 4);
    for device in &devices {
        let name = std::str::from_utf8(&device.body).unwrap();
        assert_eq!(device.origin == Origin::Injected, name.contains("XTEST"), "{name}");
        assert_eq!(device.args[3], 1);
    }
    assert_eq!(devices.len(), 4);
}

#[test]
fn a_device_that_comes_and_goes_is_told() {
    let display = Display::start();
    let bench = Bench::observing(&display.name);
    bench.signals(DEVICE, 4);
    let xinput = |arguments: &[&str]| {
        let status =
            std::process::Command::new("xinput").args(arguments).env("DISPLAY", &display.name).status();
        assert!(status.expect("xinput does not start; run config/setup-debian.sh").success());
    };
    // A second pair of master devices brings XTEST devices of its own.
    xinput(&["create-master", "Second"]);
    let came = bench.signals(DEVICE, 6);
    assert_eq!(came.len(), 6);
    assert!(came[4..].iter().all(|device| device.origin == Origin::Injected && device.args[3] == 1));
    xinput(&["remove-master", "Second pointer"]);
    let gone = bench.signals(DEVICE, 8);
    assert!(gone[6..].iter().all(|device| device.args[3] == 0));
}
