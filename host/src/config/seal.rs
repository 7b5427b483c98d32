//! Who can read what leaves: `[seal]`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::read::{Reader, Table};
use crate::{error::Result, journal::line, seal::Cipher};

/// The `[seal]` table.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Seal {
    /// Recipients, `age1…`, of which any one can read what is sealed; none: it is not encrypted.
    pub encrypt_to: Vec<String>,
    /// Only these kinds are encrypted; default: all.
    #[schemars(extend("examples" = [["screenshot"]]))]
    pub encrypt_kinds: Option<Vec<String>>,
}

impl Seal {
    /// How to encrypt, if at all.
    pub fn cipher(&self) -> Option<Cipher> {
        // Checked as the config was read.
        let cipher = Cipher::new(&self.encrypt_to, self.encrypt_kinds.as_deref()).ok()?;
        (!self.encrypt_to.is_empty()).then_some(cipher)
    }
}

impl Reader<'_> {
    pub(super) fn seal(&self, (seal, table): (Seal, Table)) -> Result<Seal> {
        if let Err(text) = Cipher::new(&seal.encrypt_to, None) {
            return Err(self.fault(&table, "seal", "encrypt_to", &text));
        }
        if let Some(kind) = seal.encrypt_kinds.iter().flatten().find(|kind| !line::is_kind(kind)) {
            let text = format!("{kind:?} is no kind of record; see KINDS.md");
            return Err(self.fault(&table, "seal", "encrypt_kinds", &text));
        }
        Ok(seal)
    }
}

#[cfg(test)]
mod tests {
    use crate::config::Config;

    #[test]
    fn recipients_are_checked_before_anything_is_sealed_in_clear() {
        let one = "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p";
        let cases = [
            ("encrypt_to = [\"age1x\"]".to_owned(), "encrypt_to: \"age1x\" is no recipient"),
            (format!("encrypt_to = [\"{one}\"]\nencrypt_kinds = [\"A\"]"), "\"A\" is no kind of record"),
        ];
        for (seal, text) in cases {
            let error = Config::parse(&format!("[seal]\n{seal}"), None).unwrap_err().to_string();
            assert!(error.contains(text), "{error}");
        }
        let config = Config::parse(&format!("[seal]\nencrypt_to = [\"{one}\"]"), None).unwrap();
        assert!(config.seal.cipher().unwrap().covers("screenshot"));
        assert!(Config::default().seal.cipher().is_none());
    }
}
