//! What any plugin has to stand, and what the tests of the modules share.

use plugin_api::prelude::json;

use crate::frame::Frame;

plugin_api::conformance!(json!({"source": {"every": "1d"}}));

/// Numbers that look random and are the same in each run.
pub struct Dice(pub u64);

impl Dice {
    pub fn below(&mut self, limit: u32) -> u32 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) % u64::from(limit.max(1))) as u32
    }
}

/// A frame of noise without a black pixel, with rows that don't follow each other directly.
pub fn noise(dice: &mut Dice, width: u32, height: u32) -> Frame {
    let stride = width as usize * 4 + dice.below(7) as usize;
    let bytes = (0..stride * height as usize).map(|_| 1 + dice.below(255) as u8).collect();
    Frame::new(width, height, stride, bytes).unwrap()
}
