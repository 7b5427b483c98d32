//! How much numbers differ, as shares: nothing here depends on a unit or a scale.

/// The most numbers looked at together.
pub const MOST: usize = 64;

/// A few numbers in a fixed place.
pub struct Numbers {
    items: [f32; MOST],
    len: usize,
}

impl Numbers {
    /// Takes those that are numbers, at most [`MOST`].
    pub fn of(numbers: impl IntoIterator<Item = f32>) -> Self {
        let mut these = Self { items: [0.0; MOST], len: 0 };
        for number in numbers.into_iter().filter(|number| number.is_finite()).take(MOST) {
            these.items[these.len] = number;
            these.len += 1;
        }
        these
    }

    fn items(&self) -> &[f32] {
        &self.items[..self.len]
    }

    pub fn len(&self) -> usize {
        self.len
    }

    /// The one with so many below it.
    pub fn above(&self, below: usize) -> Option<f32> {
        let mut items = self.items;
        let items = &mut items[..self.len];
        (below < self.len).then(|| *items.select_nth_unstable_by(below, f32::total_cmp).1)
    }

    /// The value below which this share of them lies.
    pub fn quantile(&self, share: f32) -> Option<f32> {
        let last = self.len.checked_sub(1)?;
        self.above(((last as f32) * share).round() as usize)
    }

    pub fn highest(&self) -> Option<f32> {
        self.items().iter().copied().reduce(f32::max)
    }

    pub fn median(&self) -> Option<f32> {
        self.quantile(0.5)
    }

    pub fn mean(&self) -> Option<f32> {
        (self.len > 0).then(|| self.items().iter().sum::<f32>() / self.len as f32)
    }

    /// The standard deviation, from `least` numbers on.
    pub fn deviation(&self, least: usize) -> Option<f32> {
        if self.len < least.max(2) {
            return None;
        }
        let mean = self.mean()?;
        let squares: f32 = self.items().iter().map(|number| (number - mean) * (number - mean)).sum();
        Some((squares / (self.len - 1) as f32).sqrt())
    }
}

/// The natural logarithm of what is above `floor`, else that of `floor`; what is no number stays none.
pub fn log(value: f32, floor: f32) -> f32 {
    if value < floor { floor.ln() } else { value.ln() }
}

/// The straight line through points: its slope, and how far the points are from it (standard deviation).
pub fn line(points: impl Iterator<Item = (f32, f32)>, least: usize) -> Option<(f32, f32)> {
    let (mut n, mut x, mut y, mut xx, mut xy, mut yy) = (0usize, 0f64, 0f64, 0f64, 0f64, 0f64);
    for (a, b) in points.filter(|(a, b)| a.is_finite() && b.is_finite()) {
        let (a, b) = (f64::from(a), f64::from(b));
        n += 1;
        x += a;
        y += b;
        xx += a * a;
        xy += a * b;
        yy += b * b;
    }
    if n < least.max(3) {
        return None;
    }
    let m = n as f64;
    let (sxx, sxy, syy) = (xx - x * x / m, xy - x * y / m, yy - y * y / m);
    if sxx < 1e-6 * m {
        return None;
    }
    let slope = sxy / sxx;
    Some((slope as f32, ((syy - slope * sxy).max(0.0) / m).sqrt() as f32))
}

/// The entropy of counts, in bits.
pub fn entropy(counts: &[u16]) -> Option<f32> {
    let sum: u32 = counts.iter().map(|count| u32::from(*count)).sum();
    if sum == 0 {
        return None;
    }
    let share = |count: u16| f32::from(count) / sum as f32;
    Some(
        -counts
            .iter()
            .filter(|count| **count > 0)
            .map(|count| share(*count) * share(*count).log2())
            .sum::<f32>(),
    )
}
