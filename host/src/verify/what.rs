//! What `candor verify` is told on its command line.

use std::io;

use super::{Options, Place};
use crate::{config::Config, show::Style};

/// Which store, and what must be in it.
#[derive(clap::Args)]
pub struct What {
    /// A folder, or a URL that a plugin opens: s3://BUCKET/PREFIX?region=eu-central-1.
    #[arg(required_unless_present = "sink", conflicts_with = "sink")]
    store: Option<String>,
    /// The store of this sink of the config.
    #[arg(long, value_name = "ID")]
    sink: Option<String>,
    /// The sink whose store it is, where it isn't --sink and the manifests name several.
    #[arg(long = "as", value_name = "ID", conflicts_with = "sink")]
    of_sink: Option<String>,
    /// Only this device.
    #[arg(long, value_name = "ID")]
    device: Option<String>,
    /// The last number that must be there: what the device's `candor status` says is safe.
    #[arg(long, value_name = "SEQ")]
    head: Option<u64>,
}

impl What {
    /// Verifies, prints, and says whether everything is complete.
    pub fn print(self, config: &Config, style: Style, out: &mut impl io::Write) -> anyhow::Result<bool> {
        let place = match (&self.sink, &self.store) {
            (Some(sink), _) => Place::Sink(sink.clone()),
            (None, store) => Place::new(store.as_deref().unwrap_or_default()),
        };
        let store = super::open(&place, config)?;
        let sink = self.sink.or(self.of_sink);
        let options = Options { device: self.device, head: self.head, sink, ..Options::default() };
        super::print(&*store, &options, style, out)
    }
}
