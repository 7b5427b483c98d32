//! `candor findings` and `candor finding`: what detectors concluded, with what a person needs to contest it.

mod plot;

use std::{
    io::{self, Write},
    path::Path,
};

use comfy_table::{Table, presets::NOTHING};
use serde_json::Value;

use crate::{
    clock,
    disk::Doing,
    error::Error,
    show::{self, Style},
};

/// Lists the findings that happened at `since` or later.
pub fn list(state: &Path, since: i64, style: Style, out: &mut dyn Write) -> anyhow::Result<()> {
    let findings = show::records(state, Some(since))?.filter(|record| record["kind"] == "finding");
    if style == Style::Json {
        return findings.into_iter().try_for_each(|finding| Ok(writeln!(out, "{finding}")?));
    }
    let mut table = Table::new();
    table.load_style(NOTHING).set_header(["id", "time", "severity", "rule", "sure", "what was seen"]);
    let mut listed = 0;
    for finding in findings {
        let text = |key: &str| plain(finding[key].as_str().unwrap_or_default());
        let sure = format!("{:.0} %", 100.0 * finding["confidence"].as_f64().unwrap_or(0.0));
        let seen = text("text").split(". ").next().unwrap_or_default().to_owned();
        table.add_row([
            finding["seq"].to_string(),
            local(&finding),
            text("severity"),
            text("rule"),
            sure,
            seen,
        ]);
        listed += 1;
    }
    if listed == 0 {
        writeln!(out, "no findings in this time; --last 30d looks further back")?;
        return Ok(());
    }
    for line in table.lines() {
        writeln!(out, "{}", line.trim_end())?;
    }
    writeln!(
        out,
        "A flag says what was seen, not what anybody meant. `candor finding ID` shows the evidence."
    )?;
    Ok(())
}

/// Shows one finding; with a file, draws its path beside a typical person's.
pub fn one(
    state: &Path,
    id: u64,
    draw: Option<&Path>,
    style: Style,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    if let Some(file) =
        draw.filter(|file| !file.extension().is_some_and(|end| end.eq_ignore_ascii_case("svg")))
    {
        return Err(Error::NotSvg { file: file.to_owned() }.into());
    }
    let is = |record: &Value| record["kind"] == "finding" && record["seq"] == id;
    let finding = show::records(state, None)?.filter(is).last().ok_or(Error::NoFinding { id })?;
    match style {
        Style::Json => writeln!(out, "{finding:#}")?,
        Style::Text => print(id, &finding, out)?,
    }
    let Some(file) = draw else { return Ok(()) };
    let drawn = plot::svg(&finding).ok_or(Error::NoPath { id })?;
    std::fs::write(file, drawn).doing("write", file)?;
    if style == Style::Text {
        writeln!(out, "\ndrawn beside a typical person's: {}", file.display())?;
    }
    Ok(())
}

fn print(id: u64, finding: &Value, out: &mut dyn Write) -> io::Result<()> {
    let text = |value: &Value| plain(value.as_str().unwrap_or_default());
    let (evidence, sure) = (&finding["evidence"], 100.0 * finding["confidence"].as_f64().unwrap_or(0.0));
    writeln!(out, "{}\n", text(&finding["text"]))?;
    let (severity, rule) = (text(&finding["severity"]), text(&finding["rule"]));
    let instance = text(&finding["instance"]);
    writeln!(out, "finding   {id}, a {severity} of {local}", local = local(finding))?;
    writeln!(out, "rule      {rule} of {instance} {}, {sure:.0} % sure", text(&finding["plugin_version"]))?;
    if let Some(model) = evidence["version"].as_str() {
        writeln!(out, "version   {}", plain(model))?;
    }
    let ns = |key: &str| finding["window"][key].as_u64().unwrap_or(0);
    let seconds = ns("to_mono_ns").saturating_sub(ns("from_mono_ns")) as f64 / 1e9;
    writeln!(out, "window    the {seconds:.0} s before")?;
    let device = &evidence["device"];
    let name = device["name"].as_str().map_or_else(|| "unnamed".to_owned(), plain);
    writeln!(out, "device    {name}, {} (number {})\n", text(&device["origin"]), device["number"])?;
    let mut table = Table::new();
    table.load_style(NOTHING).set_header(["measured", "value", "people"]);
    for feature in evidence["features"].as_array().into_iter().flatten() {
        let people = match feature["people"].as_array().map(Vec::as_slice) {
            Some([low, high]) => format!("{low} to {high}"),
            _ => "-".to_owned(),
        };
        table.add_row([text(&feature["name"]), feature["value"].to_string(), people]);
    }
    table.lines().try_for_each(|line| writeln!(out, "{}", line.trim_end()))
}

fn local(record: &Value) -> String {
    let time = clock::parse(record["time"].as_str().unwrap_or_default()).unwrap_or(0);
    let offset = record["offset_s"].as_i64().unwrap_or(0).saturating_mul(1_000_000_000);
    clock::rfc3339(time.saturating_add(offset))[..19].replace('T', " ")
}

/// Without letters that would move the terminal's cursor.
fn plain(text: &str) -> String {
    text.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect()
}
