//! The calibration curve: how often what is said with some confidence is a script.

use std::path::Path;

use plotters::{
    backend::SVGBackend,
    chart::ChartBuilder,
    drawing::IntoDrawingArea,
    element::{Circle, EmptyElement, PathElement, Text},
    series::LineSeries,
    style::{BLACK, Color, IntoFont, RGBColor, WHITE},
};

use crate::{score::Said, table::line};

const BINS: [f64; 8] = [0.0, 0.05, 0.1, 0.3, 0.5, 0.7, 0.9, 1.0];

/// One stretch of the curve.
pub struct Bin {
    /// From which confidence to which.
    pub range: (f64, f64),
    /// The mean one.
    pub said: f64,
    /// The share of scripts, as if there were as many people's sessions as scripted ones.
    pub was: f64,
    /// How many sessions of scripts and people.
    pub count: (usize, usize),
}

/// Sorts sessions by the highest confidence that was said of them.
pub fn bins(said: &[Said]) -> Vec<Bin> {
    let all = |scripted: bool| said.iter().filter(|said| said.scripted == scripted).count().max(1) as f64;
    let bin = |range: (f64, f64)| {
        let last = range.1 == 1.0;
        let mine: Vec<&Said> = said
            .iter()
            .filter(|said| said.confidence >= range.0 && (said.confidence < range.1 || last))
            .collect();
        let count = |scripted: bool| mine.iter().filter(|said| said.scripted == scripted).count();
        let (scripts, people) = (count(true) as f64 / all(true), count(false) as f64 / all(false));
        Bin {
            range,
            said: mine.iter().map(|said| said.confidence).sum::<f64>() / mine.len().max(1) as f64,
            was: if mine.is_empty() { f64::NAN } else { scripts / (scripts + people) },
            count: (count(true), count(false)),
        }
    };
    BINS.windows(2).map(|pair| bin((pair[0], pair[1]))).collect()
}

/// The curve as a table.
pub fn write(text: &mut String, bins: &[Bin]) {
    *text += "\n### Calibration\n\n![calibration curve](calibration.svg)\n\nOf the row with each source and tool left out, by how sure each session's highest score makes.\n\n| confidence | mean | scripts among as many of each | sessions of scripts | of people |\n|---|---|---|---|---|\n";
    for bin in bins {
        let range = format!("{:.2} to {:.2}", bin.range.0, bin.range.1);
        let said = if bin.was.is_nan() { "-".to_owned() } else { format!("{:.3}", bin.said) };
        let was = if bin.was.is_nan() { "-".to_owned() } else { format!("{:.1} %", 100.0 * bin.was) };
        line(text, &[&range, &said, &was, &bin.count.0, &bin.count.1]);
    }
}

/// Draws it.
pub fn draw(file: &Path, bins: &[Bin]) -> Result<(), String> {
    let mut text = String::new();
    svg(&mut text, bins).map_err(|error| error.to_string())?;
    std::fs::write(file, text).map_err(|error| format!("{}: {error}", file.display()))
}

fn svg(text: &mut String, bins: &[Bin]) -> Result<(), Box<dyn std::error::Error>> {
    let area = SVGBackend::with_string(text, (560, 420)).into_drawing_area();
    area.fill(&WHITE)?;
    let mut chart = ChartBuilder::on(&area)
        .caption("How sure it was, and how often it was a script", ("sans-serif", 16))
        .margin(12)
        .x_label_area_size(40)
        .y_label_area_size(52)
        .build_cartesian_2d(-0.02..1.06, -4.0..106.0)?;
    chart
        .configure_mesh()
        .light_line_style(WHITE)
        .label_style(("sans-serif", 12))
        .x_labels(6)
        .y_labels(6)
        .y_label_formatter(&|share| format!("{share:.0}"))
        .x_desc("confidence, mean of each stretch")
        .y_desc("scripts of 100, were there as many of each")
        .draw()?;
    chart.draw_series(LineSeries::new([(0.0, 0.0), (1.0, 100.0)], BLACK.mix(0.3)))?;
    let colour = RGBColor(0x1f, 0x61, 0x8d);
    // No line joins them: between them nothing was seen.
    let seen: Vec<&Bin> = bins.iter().filter(|bin| bin.was.is_finite()).collect();
    let low = seen.iter().filter(|bin| bin.said <= 0.5).count() as i32;
    let point = |(place, bin): (usize, &&Bin)| {
        let (scripts, people) = bin.count;
        let scripts = format!("{scripts} {}", if scripts == 1 { "script" } else { "scripts" });
        let words = format!("{scripts}, {people} people");
        // Many lie close together: each has its words at the end of a line of its own, on the side where there is room.
        let (line, shift) = match place as i32 {
            place if place < low => (-18 * (low - place), (5, -18 * (low - place) - 6)),
            place => (18 * (place - low + 1), (-125, 18 * (place - low + 1) - 6)),
        };
        EmptyElement::at((bin.said, 100.0 * bin.was))
            + PathElement::new(vec![(0, 0), (0, line)], colour.mix(0.5))
            + Circle::new((0, 0), 4, colour.filled())
            + Text::new(words, shift, ("sans-serif", 12).into_font().color(&colour))
    };
    chart.draw_series(seen.iter().enumerate().map(point))?;
    area.present()?;
    Ok(())
}
