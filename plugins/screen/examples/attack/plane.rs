//! A grey picture, and convolving it by way of its spectrum.

use std::sync::Arc;

use rustfft::{Fft, FftPlanner, num_complex::Complex};

/// Rows of grey, one after the other.
#[derive(Clone)]
pub struct Plane {
    pub width: usize,
    pub height: usize,
    pub values: Vec<f32>,
}

impl Plane {
    pub fn filled(width: usize, height: usize, value: f32) -> Self {
        Self { width, height, values: vec![value; width * height] }
    }

    /// Lays another over it, where the darker one counts; what lies outside is left out.
    pub fn lay(&mut self, other: &Self, x: i32, y: i32) {
        for (row, line) in other.values.chunks(other.width).enumerate() {
            let to = y + row as i32;
            if to < 0 || to >= self.height as i32 {
                continue;
            }
            for (column, value) in line.iter().enumerate() {
                let at = x + column as i32;
                if (0..self.width as i32).contains(&at) {
                    let old = &mut self.values[to as usize * self.width + at as usize];
                    *old = old.min(*value);
                }
            }
        }
    }

    pub fn map(&self, f: impl Fn(f32) -> f32) -> Self {
        Self { values: self.values.iter().map(|value| f(*value)).collect(), ..*self }
    }

    pub fn zip(&self, other: &Self, f: impl Fn(f32, f32) -> f32) -> Self {
        let values = self.values.iter().zip(&other.values).map(|(a, b)| f(*a, *b)).collect();
        Self { values, ..*self }
    }
}

/// Multiplies spectra of planes of one size.
pub struct Spectrum {
    width: usize,
    height: usize,
    /// Along rows and columns, there and back.
    steps: [[Arc<dyn Fft<f32>>; 2]; 2],
}

impl Spectrum {
    pub fn new(width: usize, height: usize) -> Self {
        let mut planner = FftPlanner::new();
        let mut both = |length| [planner.plan_fft_forward(length), planner.plan_fft_inverse(length)];
        let steps = [both(width), both(height)];
        Self { width, height, steps }
    }

    /// The plane with each frequency multiplied; frequencies are in turns a pixel.
    pub fn filter(&self, plane: &Plane, factor: impl Fn(f32, f32) -> f32) -> Plane {
        let mut values: Vec<Complex<f32>> =
            plane.values.iter().map(|value| Complex::new(*value, 0.0)).collect();
        self.steps[0][0].process(&mut values);
        let mut turned = transpose(&values, self.width);
        self.steps[1][0].process(&mut turned);
        let turns = |i: usize, n: usize| if i <= n / 2 { i as f32 } else { i as f32 - n as f32 } / n as f32;
        for (i, value) in turned.iter_mut().enumerate() {
            *value *= factor(turns(i / self.height, self.width), turns(i % self.height, self.height));
        }
        self.steps[1][1].process(&mut turned);
        let mut values = transpose(&turned, self.height);
        self.steps[0][1].process(&mut values);
        let all = (self.width * self.height) as f32;
        Plane { values: values.iter().map(|value| value.re / all).collect(), ..*plane }
    }
}

fn transpose(values: &[Complex<f32>], width: usize) -> Vec<Complex<f32>> {
    let height = values.len() / width;
    (0..values.len()).map(|i| values[i % height * width + i / height]).collect()
}
