//! What a key symbol is for.

use plugin_api::KeyClass;

/// The class of a key by the symbols of its first two levels.
pub fn class(plain: u32, shifted: u32) -> KeyClass {
    match plain {
        // The keypad's digits are on the second level, which Num Lock selects.
        0xff95..=0xff9f if (0xffb0..=0xffb9).contains(&shifted) => KeyClass::Digit,
        0x30..=0x39 | 0xffb0..=0xffb9 => KeyClass::Digit,
        0x20 | 0xff80 => KeyClass::Space,
        0xff0a | 0xff0d | 0xff8d | 0xfe34 => KeyClass::Enter,
        0xff08 | 0xffff | 0xff9f => KeyClass::Backspace,
        // Tab, home to begin, the same on the keypad, back tab.
        0xff09 | 0xff50..=0xff58 | 0xff89 | 0xff95..=0xff9d | 0xfe20 => KeyClass::Navigation,
        // Compose, group and level shifts, locks.
        0xff20 | 0xff7e | 0xff7f | 0xff14 | 0xfe01..=0xfe13 | 0xffe1..=0xffee => KeyClass::Modifier,
        // Escape, F keys, the keypad's, and media keys.
        0xff1b | 0xff91..=0xff94 | 0xffbe..=0xffe0 | 0x1008_fe00..=0x1008_ffff => KeyClass::Function,
        _ if is_letter(plain) => KeyClass::Letter,
        _ => KeyClass::Other,
    }
}

fn is_letter(symbol: u32) -> bool {
    match symbol {
        0x20..=0xff => char::from_u32(symbol).is_some_and(char::is_alphabetic),
        // Older symbols, by alphabet: the other Latins, kana, Arabic, Cyrillic, Greek, Hebrew, Thai, Korean.
        0x1a1..=0x4b0 if symbol & 0xff > 0xa0 => !(0x4a1..=0x4a5).contains(&symbol),
        0x4b1..=0x4df | 0x5c1..=0x5ea | 0x6a1..=0x6af | 0x6b1..=0x6ff => true,
        0x7a1..=0x7f9 | 0xce0..=0xcfa | 0xda1..=0xdee | 0xea1..=0xefa | 0x12a1..=0x12fe | 0x13bc..=0x13be => {
            true
        }
        0x0100_0100..=0x0110_ffff => char::from_u32(symbol - 0x0100_0000).is_some_and(char::is_alphabetic),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_of_symbols() {
        for (plain, shifted, expected) in [
            (u32::from('a'), u32::from('A'), KeyClass::Letter),
            (0xf6, 0xd6, KeyClass::Letter),
            (0x6c6, 0x6e6, KeyClass::Letter),
            (0x0100_0444, 0, KeyClass::Letter),
            (0xd7, 0, KeyClass::Other),
            (u32::from('7'), u32::from('/'), KeyClass::Digit),
            (0xff95, 0xffb7, KeyClass::Digit),
            (0xff9f, 0xffae, KeyClass::Backspace),
            (0xff95, 0, KeyClass::Navigation),
            (u32::from(' '), 0, KeyClass::Space),
            (0xff0d, 0, KeyClass::Enter),
            (0xff8d, 0, KeyClass::Enter),
            (0xff08, 0, KeyClass::Backspace),
            (0xffff, 0, KeyClass::Backspace),
            (0xff51, 0, KeyClass::Navigation),
            (0xff09, 0xfe20, KeyClass::Navigation),
            (0xffe1, 0, KeyClass::Modifier),
            (0xfe03, 0, KeyClass::Modifier),
            (0xffbe, 0, KeyClass::Function),
            (0xff1b, 0, KeyClass::Function),
            (0x1008_ff13, 0, KeyClass::Function),
            (u32::from('.'), u32::from(':'), KeyClass::Other),
            (0xfe51, 0, KeyClass::Other),
            (0, 0, KeyClass::Other),
        ] {
            assert_eq!(class(plain, shifted), expected, "{plain:#x}");
        }
    }
}
