//! `candor secret`: has a sink keep what opens its store in the key store of the operating system, or forget it.
//!
//! What is asked for, and where it is kept, is the sink's; here it is read, from a terminal without showing it or from
//! standard input, never from an argument, handed over, and wiped.

use std::io::{self, IsTerminal, Read, Write};

use plugin_api::{
    Asked, Form,
    call::{self, Failure},
};
use serde_json::{Value, json};
use zeroize::{Zeroize, Zeroizing};

use crate::{
    config::Config,
    error::{Error, Result},
    reload,
    show::Style,
    verify,
};

/// Asks for what a sink takes and has it kept; what the sink says of it.
pub fn set(id: &str, config: &Config) -> Result<String> {
    let sink = verify::instance(id, config)?;
    let mut answer = secret(id, &sink, "asked", "{}")?;
    let asked: Vec<Asked> = serde_json::from_value(answer["asked"].take()).map_err(|error| {
        wrong(id, &format!("asks for what this version doesn't know ({error}); update it"))
    })?;
    let answers = match io::stdin().is_terminal() {
        true => typed(id, &asked),
        false => read(&mut io::stdin().lock(), &asked),
    };
    let answers = answers.map_err(|error| wrong(id, &error.to_string()))?;
    let mut options = json!({"answers": *answers});
    let text = Zeroizing::new(options.to_string());
    wipe(&mut options);
    let answer = secret(id, &sink, "set", &text)?;
    Ok(format!("{id}: {}", answer["said"].as_str().unwrap_or("kept")))
}

/// Has a sink forget what is kept for it.
pub fn delete(id: &str, config: &Config) -> Result<String> {
    secret(id, &verify::instance(id, config)?, "delete", "{}")?;
    Ok(format!("{id}: nothing is kept for it any more"))
}

/// Prints for which sinks something is kept; never what.
pub fn list(config: &Config, style: Style, out: &mut impl Write) -> Result<()> {
    for entry in &config.sink {
        let kept = verify::instance(&entry.id, config)
            .and_then(|sink| secret(&entry.id, &sink, "is_set", "{}"))
            .map(|answer| answer["is_set"] == true);
        let error = kept.as_ref().err().map(ToString::to_string);
        let kept = kept.ok();
        let told = match style {
            Style::Json => writeln!(out, "{}", json!({"sink": entry.id, "kept": kept, "error": error})),
            Style::Text => match kept {
                Some(true) => writeln!(out, "{}: kept in the key store", entry.id),
                Some(false) => writeln!(out, "{}: nothing is kept", entry.id),
                None => writeln!(out, "{}", error.unwrap_or_default()),
            },
        };
        told.map_err(|source| Error::State { doing: "write", path: "standard output".into(), source })?;
    }
    Ok(())
}

fn secret(id: &str, sink: &call::Sink, name: &str, options: &str) -> Result<Value> {
    sink.secret(name, options).map_err(|failure: Failure| wrong(id, &failure.to_string()))
}

fn wrong(id: &str, text: &str) -> Error {
    Error::Store { text: format!("{id}: {text}") }
}

/// Asks on the terminal.
fn typed(id: &str, asked: &[Asked]) -> io::Result<Zeroizing<Vec<String>>> {
    let mut answers = Zeroizing::new(Vec::new());
    for Asked { text, form } in asked {
        let question = format!("{text}: ");
        answers.push(match form {
            Form::Shown => reload::answer(&question)?,
            Form::Hidden => rpassword::prompt_password(question)?,
            Form::Whole => {
                let text = format!("{text} is a whole file; run: candor secret set {id} < FILE");
                return Err(io::Error::other(text));
            }
        });
    }
    trim(&mut answers);
    Ok(answers)
}

/// Reads what is piped in: a line for each, or everything for the only one that is asked for.
fn read(input: &mut impl Read, asked: &[Asked]) -> io::Result<Zeroizing<Vec<String>>> {
    let mut text = Zeroizing::new(String::new());
    input.read_to_string(&mut text)?;
    let mut answers = Zeroizing::new(match asked {
        [Asked { form: Form::Whole, .. }] => vec![text.to_string()],
        _ => text.lines().map(str::to_owned).collect(),
    });
    if answers.len() != asked.len() {
        let all: Vec<_> = asked.iter().map(|asked| asked.text.as_str()).collect();
        let text =
            format!("standard input has {} lines; give a line each of: {}", answers.len(), all.join(", "));
        return Err(io::Error::other(text));
    }
    trim(&mut answers);
    Ok(answers)
}

/// Takes off what came along with copying.
fn trim(answers: &mut [String]) {
    for answer in answers {
        let trimmed = answer.trim().to_owned();
        answer.zeroize();
        *answer = trimmed;
    }
}

/// Wipes every text in it.
fn wipe(value: &mut Value) {
    match value {
        Value::String(text) => text.zeroize(),
        Value::Array(values) => values.iter_mut().for_each(wipe),
        Value::Object(values) => values.values_mut().for_each(wipe),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(form: Form) -> Asked {
        Asked { text: "Key".to_owned(), form }
    }

    #[test]
    fn what_is_piped_in_is_taken_by_lines_or_whole() {
        let two = [asked(Form::Shown), asked(Form::Hidden)];
        assert_eq!(*read(&mut "id\r\n secret \n".as_bytes(), &two).unwrap(), ["id", "secret"]);
        let whole = [asked(Form::Whole)];
        assert_eq!(*read(&mut "{\n}\n".as_bytes(), &whole).unwrap(), ["{\n}"]);
        let error = read(&mut "hunter2\n".as_bytes(), &two).unwrap_err().to_string();
        assert!(error.contains("1 lines") && !error.contains("hunter2"), "{error}");
    }

    #[test]
    fn wiping_leaves_no_text() {
        let mut value = json!({"answers": ["hunter2", {"a": "hunter2"}]});
        wipe(&mut value);
        assert!(!value.to_string().contains("hunter2"));
    }
}
