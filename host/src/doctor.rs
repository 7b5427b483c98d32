//! Asks sinks to go the way to their stores, and says what is in the way: one sentence for the person, one block for
//! whoever runs the network. The host itself opens no connection.

use std::io::{self, Write};

use serde_json::{Value, json};

use crate::{
    config::Config,
    error::{Error, Result},
    show::Style,
    verify,
};

/// Probes a sink, or all of them; whether all ways are open.
pub fn run(sink: Option<&str>, config: &Config, style: Style, out: &mut impl Write) -> Result<bool> {
    let enabled = config.sink.iter().filter(|entry| entry.enabled).map(|entry| entry.id.as_str());
    let sinks: Vec<&str> = sink.map_or_else(|| enabled.collect(), |sink| vec![sink]);
    let mut is_open = true;
    for id in sinks {
        let mut steps = Vec::new();
        let probed = verify::instance(id, config).map(|sink| sink.probe(|step| steps.push(step)));
        let failure = match probed {
            Ok(Ok(())) => None,
            Ok(Err(failure)) => Some(failure.to_string()),
            Err(error) => Some(error.to_string()),
        };
        is_open &= failure.is_none();
        let told = match style {
            Style::Json => {
                writeln!(
                    out,
                    "{}",
                    json!({"sink": id, "ok": failure.is_none(), "steps": steps, "error": failure})
                )
            }
            Style::Text => tell(id, &steps, failure.as_deref(), out),
        };
        told.map_err(|source| Error::State { doing: "write", path: "standard output".into(), source })?;
    }
    Ok(is_open)
}

/// What was found, for people.
fn tell(id: &str, steps: &[Value], failure: Option<&str>, out: &mut impl Write) -> io::Result<()> {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    writeln!(out, "{id}")?;
    for step in steps {
        let mark = if step["ok"] == true { "ok  " } else { "FAIL" };
        writeln!(out, "  {mark} {:<8} {}", text(&step["step"]), text(&step["text"]))?;
    }
    let Some(failure) = failure else {
        return writeln!(out, "  The way to the store is open.\n");
    };
    let failed = steps.iter().rev().find(|step| step["ok"] == false);
    let sentence = failed.and_then(|step| step["sentence"].as_str()).unwrap_or(failure);
    writeln!(out, "\n  {id} can't store: {sentence}.")?;
    if let Some(it) = failed.and_then(|step| step["it"].as_object()) {
        writeln!(out, "\n  For whoever runs the network:")?;
        for (name, value) in it.iter().filter(|(_, value)| !value.is_null()) {
            writeln!(out, "    {name:<9}{}", text(value))?;
        }
        writeln!(out, "    {:<9}{}", "cause", failed.map_or(String::new(), |step| text(&step["cause"])))?;
    }
    writeln!(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_failed_is_told_to_the_person_and_to_the_network() {
        let steps = [
            json!({"step": "resolve", "ok": true, "text": "s3.test is 10.0.0.1"}),
            json!({"step": "connect", "ok": false, "text": "no answer", "cause": "dropped", "sentence": "s3.test doesn't answer",
                "it": {"host": "s3.test", "port": 443, "protocol": "HTTPS", "proxy": null, "allow": "outgoing connections"}}),
        ];
        let mut out = Vec::new();
        tell("s3", &steps, Some("s3: s3.test doesn't answer"), &mut out).unwrap();
        let out = String::from_utf8(out).unwrap();
        for line in [
            "  ok   resolve  s3.test is 10.0.0.1",
            "  FAIL connect  no answer",
            "  s3 can't store: s3.test doesn't answer.",
            "    allow    outgoing connections",
            "    host     s3.test",
            "    port     443",
            "    cause    dropped",
        ] {
            assert!(out.lines().any(|said| said == line), "{line:?} is not in:\n{out}");
        }
        assert!(!out.contains("null"), "{out}");
    }

    #[test]
    fn a_sink_without_steps_still_says_why() {
        let mut out = Vec::new();
        tell("local", &[], Some("local: no folder"), &mut out).unwrap();
        assert!(String::from_utf8(out).unwrap().contains("local can't store: local: no folder."));
    }
}
