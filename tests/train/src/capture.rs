//! The same input as other systems would have recorded it, so that nothing learns how a data set was captured.

/// How input is recorded.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Capture {
    /// As it is in the file.
    AsIs,
    /// Through a remote desktop: motion merged to 100–124 ms, a clock that ticks every 15.625 ms.
    Remote,
    /// By a browser: motion merged to 60 Hz, a clock of milliseconds.
    Browser,
}

/// All of them.
pub const CAPTURES: [Capture; 3] = [Capture::AsIs, Capture::Remote, Capture::Browser];

/// What came in, and when in nanoseconds.
pub struct Input {
    pub at: u64,
    pub what: What,
}

/// A position in pixels, or a button that went down or up.
pub enum What {
    Move(f32, f32),
    Button(bool),
}

/// Records input in another way.
pub struct Recorder {
    capture: Capture,
    /// The position that waits to be told, and until when.
    waiting: Option<(f32, f32)>,
    until: u64,
    told: Option<u64>,
    random: u64,
}

impl Recorder {
    /// The name makes the small differences in time repeatable.
    pub fn new(capture: Capture, name: &str) -> Self {
        let random = name.bytes().fold(7u64, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte.into()));
        Self { capture, waiting: None, until: 0, told: None, random }
    }

    fn even(&mut self) -> u64 {
        self.random =
            self.random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.random >> 40
    }

    fn clock(&self, at: u64) -> u64 {
        match self.capture {
            Capture::AsIs => at,
            Capture::Remote => at - at % 15_625_000,
            Capture::Browser => at - at % 1_000_000,
        }
    }

    /// Takes a motion.
    pub fn motion(&mut self, at: u64, x: f32, y: f32, to: &mut impl FnMut(Input)) {
        if self.capture == Capture::AsIs {
            return to(Input { at, what: What::Move(x, y) });
        }
        self.flush(at, to);
        // The first motion after a rest is told at once; what follows is merged.
        if self.told.is_none_or(|told| at.saturating_sub(told) >= self.every()) && self.waiting.is_none() {
            self.told = Some(at);
            return to(Input { at: self.clock(at), what: What::Move(x, y) });
        }
        if self.waiting.is_none() {
            self.until = self.told.unwrap_or(at) + self.every();
        }
        self.waiting = Some((x, y));
    }

    /// Takes a button.
    pub fn button(&mut self, at: u64, pressed: bool, to: &mut impl FnMut(Input)) {
        if let Some((x, y)) = self.waiting.take() {
            self.told = Some(at);
            to(Input { at: self.clock(at), what: What::Move(x, y) });
        }
        to(Input { at: self.clock(at), what: What::Button(pressed) });
    }

    fn every(&mut self) -> u64 {
        match self.capture {
            Capture::Remote => 100_000_000 + self.even() % 24_000_000,
            _ => 16_000_000,
        }
    }

    fn flush(&mut self, now: u64, to: &mut impl FnMut(Input)) {
        if now >= self.until
            && let Some((x, y)) = self.waiting.take()
        {
            self.told = Some(self.until);
            to(Input { at: self.clock(self.until), what: What::Move(x, y) });
        }
    }
}
