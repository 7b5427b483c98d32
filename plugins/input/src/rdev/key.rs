//! What a key is for, by rdev's name of it.

use plugin_api::KeyClass;
use rdev::Key;

/// What a key is for. Keys are named by their place on a keyboard from the United States.
pub fn class(key: Key) -> KeyClass {
    use Key::*;
    match key {
        KeyA | KeyB | KeyC | KeyD | KeyE | KeyF | KeyG | KeyH | KeyI | KeyJ | KeyK | KeyL | KeyM | KeyN
        | KeyO | KeyP | KeyQ | KeyR | KeyS | KeyT | KeyU | KeyV | KeyW | KeyX | KeyY | KeyZ => {
            KeyClass::Letter
        }
        Num0 | Num1 | Num2 | Num3 | Num4 | Num5 | Num6 | Num7 | Num8 | Num9 | Kp0 | Kp1 | Kp2 | Kp3 | Kp4
        | Kp5 | Kp6 | Kp7 | Kp8 | Kp9 => KeyClass::Digit,
        Space => KeyClass::Space,
        Return | KpReturn => KeyClass::Enter,
        Backspace | Delete | KpDelete => KeyClass::Backspace,
        Tab | UpArrow | DownArrow | LeftArrow | RightArrow | Home | End | PageUp | PageDown => {
            KeyClass::Navigation
        }
        Alt | AltGr | CapsLock | ControlLeft | ControlRight | MetaLeft | MetaRight | ShiftLeft
        | ShiftRight | NumLock | ScrollLock | Function => KeyClass::Modifier,
        Escape | F1 | F2 | F3 | F4 | F5 | F6 | F7 | F8 | F9 | F10 | F11 | F12 | PrintScreen | Pause => {
            KeyClass::Function
        }
        _ => KeyClass::Other,
    }
}
