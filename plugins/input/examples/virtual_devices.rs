//! Makes a virtual mouse and keyboard by uinput, uses them, and takes them away again; Linux, as root.
//!
//! What a program sends this way has to arrive as `virtual`; `tests/evdev-vm.sh` checks that.

#[cfg(target_os = "linux")]
fn main() -> std::io::Result<()> {
    use std::{thread::sleep, time::Duration};

    use evdev::{
        AttributeSet, EventType, InputEvent, KeyCode, RelativeAxisCode as Axis, uinput::VirtualDevice,
    };

    let keys = [KeyCode::KEY_A, KeyCode::KEY_B, KeyCode::KEY_1, KeyCode::KEY_SPACE, KeyCode::KEY_ENTER];
    let buttons = [KeyCode::BTN_LEFT, KeyCode::BTN_RIGHT];
    let axes = [Axis::REL_X, Axis::REL_Y, Axis::REL_WHEEL, Axis::REL_WHEEL_HI_RES];
    let mut keyboard = VirtualDevice::builder()?
        .name("Candor test keyboard")
        .with_keys(&AttributeSet::from_iter(keys))?
        .build()?;
    let mut mouse = VirtualDevice::builder()?
        .name("Candor test mouse")
        .with_keys(&AttributeSet::from_iter(buttons))?
        .with_relative_axes(&AttributeSet::from_iter(axes))?
        .build()?;
    // Nothing tells when whoever looks has opened them.
    sleep(Duration::from_secs(1));
    let relative = |axis: Axis, value| InputEvent::new(EventType::RELATIVE.0, axis.0, value);
    let key = |key: KeyCode, value| InputEvent::new(EventType::KEY.0, key.0, value);
    for _ in 0..100 {
        mouse.emit(&[relative(Axis::REL_X, 2), relative(Axis::REL_Y, 1)])?;
        sleep(Duration::from_millis(5));
    }
    for value in [1, 0] {
        mouse.emit(&[key(KeyCode::BTN_LEFT, value)])?;
    }
    for _ in 0..3 {
        mouse.emit(&[relative(Axis::REL_WHEEL, -1), relative(Axis::REL_WHEEL_HI_RES, -120)])?;
    }
    for code in keys {
        for value in [1, 2, 0] {
            keyboard.emit(&[key(code, value)])?;
        }
    }
    // A burst that is more than the kernel holds, unless it is read in between.
    for _ in 0..2000 {
        mouse.emit(&[relative(Axis::REL_X, 1)])?;
        sleep(Duration::from_micros(500));
    }
    sleep(Duration::from_millis(200));
    Ok(())
}

#[cfg(not(target_os = "linux"))]
fn main() {}
