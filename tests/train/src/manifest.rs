//! The table that says what each trace is.

use std::path::Path;

/// One trace.
#[derive(Clone, Debug)]
pub struct Row {
    pub file: String,
    pub scripted: bool,
    pub source: String,
    /// The tool, without what it was mixed with.
    pub tool: String,
    pub subject: String,
    /// Whether what is learned from it may be shipped.
    pub redistribute: bool,
    /// When the script takes over, in seconds.
    pub onset: f64,
}

/// Reads the table.
pub fn read(file: &Path) -> Result<Vec<Row>, String> {
    let text = std::fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))?;
    let mut lines = text.lines().map(cells);
    let head = lines.next().ok_or_else(|| format!("{}: empty", file.display()))?;
    let place = |name: &str| {
        head.iter()
            .position(|cell| cell == name)
            .ok_or_else(|| format!("{}: no column {name}", file.display()))
    };
    let (name, label, source, tool) = (place("file")?, place("label")?, place("source")?, place("tool")?);
    let onset = place("onset_s")?;
    // Tables of probes have neither: nothing is learned from them.
    let (subject, redistribute) = (place("subject").ok(), place("redistribute").ok());
    let row = |cells: Vec<String>| {
        let cell = |place: usize| cells.get(place).cloned().unwrap_or_default();
        Row {
            file: cell(name),
            scripted: cell(label) == "scripted",
            source: cell(source),
            tool: cell(tool).rsplit(':').next().unwrap_or_default().to_owned(),
            subject: subject.map(cell).unwrap_or_default(),
            redistribute: redistribute.map(cell).is_some_and(|may| may == "yes"),
            onset: cell(onset).parse().unwrap_or(0.0),
        }
    };
    Ok(lines.map(row).collect())
}

/// The cells of a line; those in quotes may hold commas.
fn cells(line: &str) -> Vec<String> {
    let (mut cells, mut quoted) = (vec![String::new()], false);
    for letter in line.chars() {
        match (letter, cells.last_mut()) {
            ('"', _) => quoted = !quoted,
            (',', _) if !quoted => cells.push(String::new()),
            (_, Some(cell)) => cell.push(letter),
            (_, None) => {}
        }
    }
    cells
}
