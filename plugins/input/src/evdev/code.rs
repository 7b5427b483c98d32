//! What a key is for, by the kernel's code. Codes say where a key is, as on a keyboard from the United States; the
//! layout is not known here, so a letter in the place of punctuation counts as `other`.

use plugin_api::KeyClass;

/// The class of a key.
pub fn class(code: u16) -> KeyClass {
    match code {
        16..=25 | 30..=38 | 44..=50 => KeyClass::Letter,
        2..=11 | 71..=73 | 75..=77 | 79..=82 => KeyClass::Digit,
        57 => KeyClass::Space,
        28 | 96 => KeyClass::Enter,
        14 | 111 => KeyClass::Backspace,
        15 | 102..=109 => KeyClass::Navigation,
        29 | 42 | 54 | 56 | 58 | 69 | 70 | 97 | 100 | 125..=127 | 0x1d0 => KeyClass::Modifier,
        12
        | 13
        | 26
        | 27
        | 39..=41
        | 43
        | 51..=53
        | 55
        | 74
        | 78
        | 83
        | 86
        | 89..=95
        | 98
        | 110
        | 117
        | 118
        | 121
        | 124 => KeyClass::Other,
        1 | 59..=68 | 84..=88 | 99 | 112..=255 | 0x160.. => KeyClass::Function,
        _ => KeyClass::Other,
    }
}

/// The number of a mouse button as X counts: 1 left, 2 middle, 3 right, 8 back, 9 forward.
pub fn button(code: u16) -> Option<i32> {
    match code {
        0x110 => Some(1),
        0x111 => Some(3),
        0x112 => Some(2),
        0x113 => Some(8),
        0x114 => Some(9),
        0x115..=0x117 => Some(i32::from(code) - 0x115 + 10),
        _ => None,
    }
}

/// Whether a code is a key of a keyboard, not a button of something else.
pub fn is_key(code: u16) -> bool {
    matches!(code, 1..0x100 | 0x160..0x220)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_of_codes() {
        for (code, expected) in [
            (30, KeyClass::Letter),
            (2, KeyClass::Digit),
            (79, KeyClass::Digit),
            (57, KeyClass::Space),
            (96, KeyClass::Enter),
            (14, KeyClass::Backspace),
            (111, KeyClass::Backspace),
            (15, KeyClass::Navigation),
            (108, KeyClass::Navigation),
            (42, KeyClass::Modifier),
            (125, KeyClass::Modifier),
            (1, KeyClass::Function),
            (88, KeyClass::Function),
            (115, KeyClass::Function),
            (52, KeyClass::Other),
            (0, KeyClass::Other),
        ] {
            assert_eq!(class(code), expected, "{code}");
        }
        assert_eq!(
            [0x110, 0x111, 0x112, 0x113, 0x14a].map(button),
            [Some(1), Some(3), Some(2), Some(8), None]
        );
    }
}
