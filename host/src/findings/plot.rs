//! A finding's path and speed, or its times between events, beside a typical person's, as SVG.

use plotters::{
    backend::SVGBackend,
    chart::ChartBuilder,
    coord::Shift,
    drawing::{DrawingArea, IntoDrawingArea},
    element::{Circle, Rectangle},
    series::LineSeries,
    style::{BLACK, Color, RGBColor, WHITE},
};
use serde_json::Value;

/// How wide it is, and how high a row.
const WIDTH: u32 = 900;
const ROW: u32 = 310;
const THIS: RGBColor = RGBColor(0xb0, 0x3a, 0x2e);
const PERSON: RGBColor = RGBColor(0x1f, 0x61, 0x8d);
/// A stretch of a session of SapiMouse (Apache-2.0, MIT), in the form of a finding's path.
const SAMPLE: &str = include_str!("person.json");
/// The times between a person's keys in THEcorpus (MIT): how many are below 2, 4, 8, … ms.
const KEYS: [f64; 20] =
    [0., 0., 0., 0., 0., 5., 116., 281., 77., 16., 21., 9., 10., 1., 2., 1., 1., 2., 0., 0.];
/// How numbers at the axes are written.
const LABEL: (&str, i32) = ("sans-serif", 14);
const TITLE: (&str, i32) = ("sans-serif", 18);
/// In seconds: after a longer pause the pointer went nowhere in between.
const PAUSE: f64 = 1.0;

/// Seconds before the end, and where in pixels.
type Point = (f64, f64, f64);

/// Draws a finding; None if it has neither a path nor times.
pub fn svg(finding: &Value) -> Option<String> {
    let path = points(&finding["evidence"]["path"]);
    let person = points(&SAMPLE.parse().ok()?);
    let times: Vec<f64> = finding["evidence"]["interval_histogram"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_f64)
        .collect();
    let mut text = String::new();
    draw(&mut text, [&path, &person], &times).ok()??;
    Some(text)
}

fn points(path: &Value) -> Vec<Point> {
    let point = |point: &Value| Some((-point[0].as_f64()? / 1e3, point[1].as_f64()?, point[2].as_f64()?));
    let mut points: Vec<Point> = path.as_array().into_iter().flatten().filter_map(point).collect();
    points.sort_by(|a, b| a.0.total_cmp(&b.0));
    points
}

type Drawn = Result<(), Box<dyn std::error::Error>>;

fn draw(
    text: &mut String,
    [path, person]: [&[Point]; 2],
    times: &[f64],
) -> Result<Option<()>, Box<dyn std::error::Error>> {
    let (has_path, has_times) = (path.len() >= 2, times.iter().sum::<f64>() > 0.0);
    let rows = 2 * usize::from(has_path) + usize::from(has_times);
    if rows == 0 {
        return Ok(None);
    }
    let area = SVGBackend::with_string(text, (WIDTH, ROW * rows as u32)).into_drawing_area();
    area.fill(&WHITE)?;
    let parts = area.split_evenly((rows, 2));
    if has_path {
        ways(&parts[0], "This window: the pointer's path, pixels", path, THIS)?;
        ways(&parts[1], "A typical person's, on a scale of its own", person, PERSON)?;
        speeds(&parts[2], "This window: its speed, pixels a second", path, THIS)?;
        speeds(&parts[3], "A typical person's, on a scale of its own", person, PERSON)?;
    }
    if has_times {
        let (_, last) = area.split_vertically(ROW * (rows as u32 - 1));
        match has_path {
            // People click and move at very different times: there is no typical one.
            true => lengths(&last, "This window: times between clicks or strokes, % of them", times, THIS)?,
            false => {
                lengths(&parts[0], "This window: times between keys, % of them", times, THIS)?;
                lengths(&parts[1], "A typical person's times, % of them", &KEYS, PERSON)?;
            }
        }
    }
    area.present()?;
    Ok(Some(()))
}

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

fn ways(area: &Area<'_>, title: &str, points: &[Point], colour: RGBColor) -> Drawn {
    let (left, right) = range(points.iter().map(|point| point.1));
    let (top, bottom) = range(points.iter().map(|point| point.2));
    let mut chart = ChartBuilder::on(area)
        .caption(title, TITLE)
        .margin(10)
        .x_label_area_size(24)
        .y_label_area_size(56)
        // Down is down on a screen.
        .build_cartesian_2d(left..right, bottom..top)?;
    chart
        .configure_mesh()
        .light_line_style(WHITE)
        .label_style(LABEL)
        .x_label_formatter(&whole)
        .y_label_formatter(&whole)
        .draw()?;
    for run in points.chunk_by(|a, b| b.0 - a.0 <= PAUSE) {
        chart.draw_series(LineSeries::new(run.iter().map(|point| (point.1, point.2)), &colour))?;
    }
    chart.draw_series(
        points.iter().map(|point| Circle::new((point.1, point.2), 2, colour.mix(0.6).filled())),
    )?;
    Ok(())
}

fn speeds(area: &Area<'_>, title: &str, points: &[Point], colour: RGBColor) -> Drawn {
    let speed = |pair: &[Point]| {
        let took = pair[1].0 - pair[0].0;
        let way = (pair[1].1 - pair[0].1).hypot(pair[1].2 - pair[0].2);
        let speed = if took > 0.0 && took <= PAUSE { way / took } else { 0.0 };
        // Level from one place to the next: that is all that is known.
        [(pair[0].0, speed), (pair[1].0, speed)]
    };
    let speeds: Vec<(f64, f64)> = points.windows(2).flat_map(speed).collect();
    let (first, last) = range(speeds.iter().map(|speed| speed.0));
    let (_, fastest) = range(speeds.iter().map(|speed| speed.1));
    let mut chart = ChartBuilder::on(area)
        .caption(title, TITLE)
        .margin(10)
        .x_label_area_size(44)
        .y_label_area_size(56)
        .build_cartesian_2d(first..last.min(0.0), 0.0..fastest)?;
    chart
        .configure_mesh()
        .light_line_style(WHITE)
        .label_style(LABEL)
        .axis_style(BLACK)
        .x_desc("seconds before the finding")
        .x_label_formatter(&|seconds| whole(&-seconds))
        .y_label_formatter(&whole)
        .draw()?;
    chart.draw_series(LineSeries::new(speeds, &colour))?;
    Ok(())
}

/// Bars of how many times are so long; each is twice as long as the one before.
fn lengths(area: &Area<'_>, title: &str, counts: &[f64], colour: RGBColor) -> Drawn {
    let all: f64 = counts.iter().sum();
    let share = |count: &f64| 100.0 * count / all;
    let mut chart = ChartBuilder::on(area)
        .caption(title, TITLE)
        .margin(10)
        .x_label_area_size(44)
        .y_label_area_size(56)
        .build_cartesian_2d(0.0..counts.len() as f64, 0.0..100.0)?;
    chart
        .configure_mesh()
        .disable_x_mesh()
        .light_line_style(WHITE)
        .label_style(LABEL)
        .axis_style(BLACK)
        .x_desc("how long, each bar twice as long as the one before")
        .x_labels(counts.len())
        .x_label_formatter(&|place| long(*place))
        .y_label_formatter(&whole)
        .draw()?;
    let bar = |(place, count): (usize, &f64)| {
        let place = place as f64;
        Rectangle::new([(place + 0.06, 0.0), (place + 0.94, share(count))], colour.mix(0.7).filled())
    };
    chart.draw_series(counts.iter().enumerate().map(bar))?;
    Ok(())
}

/// The time at which a bar begins; every fourth is written.
fn long(place: f64) -> String {
    let milliseconds = 2f64.powf(place.round());
    match place.round() as i64 {
        place if place % 4 != 2 => String::new(),
        place if place < 10 => format!("{milliseconds:.0} ms"),
        place if place < 16 => format!("{:.0} s", milliseconds / 1e3),
        _ => format!("{:.0} min", milliseconds / 6e4),
    }
}

/// A number without what the axis doesn't need.
fn whole(value: &f64) -> String {
    // No sign before a zero.
    format!("{:.0}", value.round() + 0.0)
}

/// From the least to the most, with a little room.
fn range(values: impl Iterator<Item = f64>) -> (f64, f64) {
    let (least, most) =
        values.fold((f64::MAX, f64::MIN), |(least, most), value| (least.min(value), most.max(value)));
    let room = ((most - least) * 0.05).max(1.0);
    if least <= most { (least - room, most + room) } else { (0.0, 1.0) }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// Words, how far down they are, and where they begin and end, about: letters are hardly wider on average.
    type Text = (String, String, f64, f64);

    fn texts(svg: &str) -> Vec<Text> {
        let of = |tag: &str, key: &str| -> String {
            let value = tag.split_once(&format!("{key}=\"")).map_or("0", |(_, rest)| rest);
            value.split('"').next().unwrap_or("0").to_owned()
        };
        let text = |part: &str| {
            let (tag, rest) = part.split_once('>')?;
            let words = rest.split('<').next()?.trim().to_owned();
            let x: f64 = of(tag, "x").parse().ok()?;
            let wide = words.chars().count() as f64 * of(tag, "font-size").parse::<f64>().ok()? * 0.62;
            let begin = match of(tag, "text-anchor").as_str() {
                "middle" => x - wide / 2.0,
                "end" => x - wide,
                _ => x,
            };
            Some((words, of(tag, "y"), begin, begin + wide))
        };
        svg.split("<text ").skip(1).filter_map(text).collect()
    }

    fn counts(of: impl Fn(usize) -> u32) -> Value {
        (0..20).map(of).collect()
    }

    #[test]
    fn each_kind_of_finding_is_drawn_with_what_it_has_and_no_label_is_cut_or_over_another() {
        let path: Value =
            (0..50u32).map(|n| json!([n * 50, 100 + n * 13 % 700, 100 + n * 7 % 500])).collect();
        let times = counts(|place| u32::from(place == 9) * 40 + 1);
        let cases = [
            (json!({"evidence": {"path": path}}), 4, "pixels a second"),
            (
                json!({"evidence": {"path": path, "interval_histogram": times}}),
                5,
                "between clicks or strokes",
            ),
            (json!({"evidence": {"interval_histogram": times}}), 2, "between keys"),
        ];
        for (finding, titles, expected) in cases {
            let svg = svg(&finding).unwrap();
            let texts = texts(&svg);
            let title =
                |words: &str| words.starts_with("This window") || words.starts_with("A typical person");
            assert_eq!(texts.iter().filter(|(words, ..)| title(words)).count(), titles, "{texts:?}");
            assert!(texts.iter().any(|(words, ..)| words.contains(expected)), "{texts:?}");
            let cut = |(.., begin, end): &&Text| *begin < 0.0 || *end > f64::from(WIDTH);
            let over = |(words, down, begin, end): &&Text| {
                let one = |other: &&Text| other.1 == *down && other.2 < *end && other.3 > *begin;
                !words.is_empty() && texts.iter().filter(|other| !other.0.is_empty()).filter(one).count() > 1
            };
            let wrong: Vec<_> = texts.iter().filter(|text| cut(text) || over(text)).collect();
            assert!(wrong.is_empty(), "{wrong:?}");
        }
    }

    #[test]
    fn what_has_neither_path_nor_times_is_not_drawn() {
        for evidence in [
            json!({}),
            json!({"path": []}),
            json!({"path": [[0, 1, 1]], "interval_histogram": counts(|_| 0)}),
            json!({"path": "none", "interval_histogram": 5}),
        ] {
            assert!(svg(&json!({ "evidence": evidence })).is_none(), "{evidence}");
        }
    }
}
