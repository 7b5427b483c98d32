//! What a device's axes mean: pointer position, or scrolling.

use x11rb::protocol::xinput::{DeviceClass, DeviceClassData, Fp3232, ScrollType, ValuatorMode};

use super::decode::Values;

/// The axes of one device.
#[derive(Clone, Default)]
pub struct Axes {
    /// Whether axes 0 and 1 say where the pointer is instead of how far it went.
    absolute: bool,
    scroll: Vec<Scroll>,
}

#[derive(Clone)]
struct Scroll {
    axis: u16,
    horizontal: bool,
    /// How much of the axis is one notch.
    increment: f64,
    /// What is too little for 1/120 notch so far.
    rest: f64,
}

/// What a raw motion amounts to.
#[derive(Default)]
pub struct Moved {
    /// Whether axis 0 or 1 was in it.
    pub is_motion: bool,
    /// In 1/256 px; none for a device that tells positions in units of its own.
    pub distance: Option<(i32, i32)>,
    /// Turns of a wheel in 1/120 notch.
    pub turns: Option<(i32, i32)>,
}

impl Axes {
    pub fn new(classes: &[DeviceClass]) -> Self {
        let mut axes = Self::default();
        for class in classes {
            match &class.data {
                DeviceClassData::Valuator(valuator) if valuator.number < 2 => {
                    axes.absolute |= valuator.mode == ValuatorMode::ABSOLUTE;
                }
                DeviceClassData::Scroll(scroll) => axes.scroll.push(Scroll {
                    axis: scroll.number,
                    horizontal: scroll.scroll_type == ScrollType::HORIZONTAL,
                    increment: float(scroll.increment),
                    rest: 0.0,
                }),
                _ => {}
            }
        }
        axes.scroll.retain(|scroll| scroll.increment != 0.0);
        axes
    }

    pub fn read(&mut self, values: Values<'_>) -> Moved {
        let mut moved = Moved::default();
        let mut distance = (0, 0);
        let mut turns = (0, 0);
        for (axis, value) in values.iter() {
            match axis {
                0 => distance.0 = to_256ths(value),
                1 => distance.1 = to_256ths(value),
                _ => {
                    if let Some(scroll) = self.scroll.iter_mut().find(|scroll| scroll.axis == axis) {
                        let turn = scroll.turn(value);
                        if scroll.horizontal { turns.0 += turn } else { turns.1 += turn }
                    }
                    continue;
                }
            }
            moved.is_motion = true;
        }
        moved.distance = (!self.absolute).then_some(distance);
        moved.turns = (turns != (0, 0)).then_some(turns);
        moved
    }
}

impl Scroll {
    fn turn(&mut self, value: i64) -> i32 {
        let turn = value as f64 / (1u64 << 32) as f64 / self.increment * 120.0 + self.rest;
        let whole = turn.trunc();
        self.rest = turn - whole;
        whole as i32
    }
}

/// 32.32 fixed point to 1/256.
fn to_256ths(value: i64) -> i32 {
    (value >> 24).clamp(i32::MIN.into(), i32::MAX.into()) as i32
}

fn float(value: Fp3232) -> f64 {
    f64::from(value.integral) + f64::from(value.frac) / (1u64 << 32) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slow_scrolling_on_a_touchpad_adds_up_to_whole_notches() {
        let mut scroll = Scroll { axis: 3, horizontal: false, increment: 15.0, rest: 0.0 };
        // 0.1 of 15 a step: 0.8 of 1/120 notch, 150 times.
        let step = (0.1 * (1u64 << 32) as f64) as i64;
        let turned: i32 = (0..1500).map(|_| scroll.turn(step)).sum();
        assert!((1199..=1200).contains(&turned), "{turned}");
    }

    #[test]
    fn a_negative_fraction_of_a_pixel_keeps_its_sign() {
        assert_eq!(to_256ths(-1 << 31), -128);
        assert_eq!(to_256ths(3 << 32), 768);
    }
}
