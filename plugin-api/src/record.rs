//! What a plugin says in records: findings and its own health.

use serde::Serialize;
use serde_json::Value;

/// A conclusion with its evidence, for a person to read and contest.
#[derive(Clone, Debug, Serialize)]
pub struct Finding {
    rule: String,
    confidence: f64,
    severity: Severity,
    text: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    window: Option<Window>,
    evidence: Value,
}

/// What a finding asks of its reader. It says what was seen, never what anybody meant by it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Good to know beside others; says nothing by itself.
    Note,
    /// Worth a look.
    Flag,
}

#[derive(Clone, Copy, Debug, Serialize)]
struct Window {
    from_mono_ns: u64,
    to_mono_ns: u64,
}

impl Finding {
    /// A finding of a rule, with confidence 1 and no evidence yet.
    pub fn new(rule: impl Into<String>) -> Self {
        let rule = rule.into();
        Self {
            text: rule.clone(),
            rule,
            confidence: 1.0,
            severity: Severity::Flag,
            window: None,
            evidence: Value::Object(Default::default()),
        }
    }

    /// How sure the rule is, 0 to 1.
    #[must_use]
    pub fn confidence(mut self, confidence: f64) -> Self {
        self.confidence = confidence.clamp(0.0, 1.0);
        self
    }

    /// What it asks of its reader; worth a look unless told otherwise.
    #[must_use]
    pub fn severity(mut self, severity: Severity) -> Self {
        self.severity = severity;
        self
    }

    /// One sentence that says what was seen, never why somebody did it.
    #[must_use]
    pub fn text(mut self, text: impl Into<String>) -> Self {
        self.text = text.into();
        self
    }

    /// The time it speaks of, on the monotonic clock.
    #[must_use]
    pub fn window(mut self, from_mono_ns: u64, to_mono_ns: u64) -> Self {
        self.window = Some(Window { from_mono_ns, to_mono_ns });
        self
    }

    /// What was measured: at most 256 points of pointer path, of keys never more than histograms.
    #[must_use]
    pub fn evidence(mut self, evidence: Value) -> Self {
        self.evidence = evidence;
        self
    }
}

/// How a plugin is doing: what `candor status` shows.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Health {
    /// `ok`, `degraded` or `failed`.
    pub state: &'static str,
    /// Why, or what is active.
    pub cause: String,
    /// What to do about it; empty when nothing is to be done.
    pub fix: String,
}

impl Health {
    /// Works; `cause` says how and what it can't see.
    pub fn ok(cause: impl Into<String>) -> Self {
        Self { state: "ok", cause: cause.into(), fix: String::new() }
    }

    /// Works in part, or waits for something.
    pub fn degraded(cause: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { state: "degraded", cause: cause.into(), fix: fix.into() }
    }

    /// Doesn't work until somebody does something.
    pub fn failed(cause: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { state: "failed", cause: cause.into(), fix: fix.into() }
    }
}
