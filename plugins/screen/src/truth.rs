//! Tells pictures that can't be what the person saw.

use crate::{frame::Frame, print::Print};

/// How many shots in a row may be the same while the pointer moves between all of them.
const STILL: u32 = 6;

/// What is wrong with a picture.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Doubt {
    /// All of it is black.
    Black,
    /// All of it has one colour.
    Uniform,
    /// It has not changed although the pointer has.
    Frozen,
}

impl Doubt {
    /// Why, in words.
    pub fn cause(self) -> &'static str {
        match self {
            Self::Black => "the picture is all black",
            Self::Uniform => "the picture has one colour only",
            Self::Frozen => {
                "the picture has not changed for six shots although the pointer moved between all of them"
            }
        }
    }

    /// What to do about it.
    pub fn fix(self) -> &'static str {
        match self {
            Self::Black | Self::Uniform => {
                "nothing if the screen is off or locked; otherwise allow screen recording for the agent"
            }
            Self::Frozen => "nothing if the screen really stood still; otherwise restart the agent",
        }
    }
}

/// Whether a frame shows anything at all. To be asked before anything is blacked out.
pub fn blank(frame: &Frame) -> Option<Doubt> {
    let first = frame.rows().next().and_then(|row| row.first_chunk::<4>())?;
    let same = |row: &[u8]| row.chunks_exact(4).all(|pixel| pixel[..3] == first[..3]);
    if !frame.rows().all(same) {
        return None;
    }
    Some(if first[..3] == [0; 3] { Doubt::Black } else { Doubt::Uniform })
}

/// Counts how long a monitor shows the same.
#[derive(Default)]
pub struct Watch {
    last: Option<(Print, Option<(i32, i32)>)>,
    still: u32,
}

/// What a monitor shows compared with the shot before.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Change {
    /// Something else.
    Changed,
    /// The same.
    Same,
    /// The same, for so long that it is hard to believe.
    Frozen,
}

impl Watch {
    /// Takes the print of a new frame and where the pointer is, if that is known.
    pub fn see(&mut self, print: Print, pointer: Option<(i32, i32)>) -> Change {
        let before = self.last.replace((print, pointer));
        let (Some((old, old_pointer)), Some((new, _))) = (before, &self.last) else {
            return Change::Changed;
        };
        if old != *new {
            self.still = 0;
            return Change::Changed;
        }
        let moved = pointer.is_some() && old_pointer.is_some() && pointer != old_pointer;
        self.still = if moved { self.still + 1 } else { 0 };
        if self.still >= STILL { Change::Frozen } else { Change::Same }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::print::Press;

    fn frame(color: [u8; 3]) -> Frame {
        let bytes = [color[0], color[1], color[2], 9].repeat(12);
        Frame::tight(4, 3, bytes).unwrap()
    }

    #[test]
    fn a_frame_of_one_colour_is_in_doubt_and_one_pixel_lifts_it() {
        assert_eq!(blank(&frame([0; 3])), Some(Doubt::Black));
        assert_eq!(blank(&frame([7, 8, 9])), Some(Doubt::Uniform));
        let mut bytes = frame([7, 8, 9]).into_bytes();
        bytes[46] = 10;
        assert_eq!(blank(&Frame::tight(4, 3, bytes).unwrap()), None);
    }

    #[test]
    fn the_same_picture_is_frozen_only_when_the_pointer_moved_each_time() {
        let press = Press::default();
        let print = || press.print(&frame([1, 2, 3]));
        let mut watch = Watch::default();
        assert_eq!(watch.see(print(), Some((0, 0))), Change::Changed);
        for x in 1..6 {
            assert_eq!(watch.see(print(), Some((x, 0))), Change::Same);
        }
        assert_eq!(watch.see(print(), Some((6, 0))), Change::Frozen);
        assert_eq!(watch.see(print(), Some((6, 0))), Change::Same, "a pointer that rests proves nothing");
        assert_eq!(watch.see(press.print(&frame([1, 2, 4])), Some((9, 0))), Change::Changed);
        for _ in 0..20 {
            assert_ne!(watch.see(print(), None), Change::Frozen);
        }
    }
}
