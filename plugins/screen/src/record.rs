//! The fields of a `screenshot` record.

use serde::Serialize;

use crate::config::{Redact, Strength};

/// What became of a shot. Names no window.
#[derive(Clone, Default, Serialize)]
pub struct Record {
    /// `stored`, `unchanged`, `capture_failed` or `skipped`.
    pub outcome: &'static str,
    /// Why the shot was due.
    pub reason: &'static str,
    /// The monitor; null when it concerns all of them.
    pub monitor: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub width: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub height: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scale: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub redaction: Option<Redaction>,
    /// How many windows were blacked out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub masked: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exclusion: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image_width: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image_height: Option<u32>,
    /// When the picture was taken that this one is the same as.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub same_as_mono_ns: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cause: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fix: Option<String>,
}

/// What was done to the picture.
#[derive(Clone, Copy, Serialize)]
pub struct Redaction {
    mode: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    block_px: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    blur_px: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    step: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    block_em: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    blur_em: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    em_px: Option<u32>,
}

impl Redaction {
    pub fn new(redact: Redact, strength: Strength, policy: Option<crate::redact::Policy>) -> Self {
        let mode = match redact {
            Redact::None => "none",
            Redact::Blur => "blur",
            Redact::Pixelate => "pixelate",
        };
        let some = policy.is_some();
        Self {
            mode,
            block_px: policy.map(|policy| policy.block_px),
            blur_px: policy.map(|policy| policy.blur_px),
            step: policy.map(|policy| policy.step),
            block_em: some.then_some(strength.block_em),
            blur_em: some.then_some(strength.blur_em),
            em_px: some.then_some(strength.em_px),
        }
    }
}
