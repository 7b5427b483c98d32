//! How good predictions are, as the traces' scorer reckons it.

/// What the detector said of one session.
#[derive(Clone, Copy, Debug)]
pub struct Said {
    pub scripted: bool,
    pub score: f64,
    /// How sure that makes.
    pub confidence: f64,
    /// When it first flagged it, in seconds from where the script takes over.
    pub first: Option<f64>,
    /// By which rules, a bit each.
    pub rules: u32,
}

impl Said {
    /// Whether a script was flagged, and not the person before it.
    pub fn found(&self) -> bool {
        self.first.is_some_and(|first| first >= -1.0)
    }
}

/// What a table shows of many sessions.
#[derive(Clone, Copy, Debug)]
pub struct Scores {
    pub auc: f64,
    /// True positives at one percent of false ones, and with none.
    pub at_percent: f64,
    pub at_none: f64,
    /// Flagged at the shipped threshold: the share of scripts, and how many people of how many.
    pub found: f64,
    pub people: usize,
    pub of: usize,
    /// The middle time until a script was flagged, in seconds.
    pub seconds: f64,
}

/// Reckons them.
pub fn scores(said: &[Said]) -> Scores {
    let of = |scripted: bool| -> Vec<f64> {
        said.iter().filter(|said| said.scripted == scripted).map(|said| said.score).collect()
    };
    let (scripts, mut people) = (of(true), of(false));
    people.sort_by(|a, b| b.total_cmp(a));
    let wins = |score: f64| -> f64 {
        let win = |other: &f64| if score > *other { 1.0 } else { 0.5 * f64::from(u8::from(score == *other)) };
        people.iter().map(win).sum()
    };
    let auc = scripts.iter().map(|score| wins(*score)).sum::<f64>() / (scripts.len() * people.len()) as f64;
    let above = |false_ones: usize| {
        let limit = people.get(false_ones).copied().unwrap_or(-1.0);
        share(scripts.iter().filter(|score| **score > limit).count(), scripts.len())
    };
    let mut times: Vec<f64> =
        said.iter().filter(|said| said.scripted && said.found()).filter_map(|said| said.first).collect();
    times.sort_by(f64::total_cmp);
    Scores {
        auc,
        at_percent: above(people.len() / 100),
        at_none: above(0),
        found: share(times.len(), scripts.len()),
        people: said.iter().filter(|said| !said.scripted && said.first.is_some()).count(),
        of: people.len(),
        seconds: times.get(times.len() / 2).copied().unwrap_or(f64::NAN),
    }
}

fn share(some: usize, all: usize) -> f64 {
    some as f64 / all.max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flag_before_the_script_takes_over_finds_nothing() {
        let said = |scripted, score, first| Said { scripted, score, confidence: score, first, rules: 0 };
        let scores = scores(&[
            said(true, 0.9, Some(20.0)),
            said(true, 0.9, Some(-30.0)),
            said(true, 0.1, None),
            said(false, 0.5, None),
            said(false, 0.1, Some(3.0)),
        ]);
        assert!((scores.auc - (2.0 + 2.0 + 0.5) / 6.0).abs() < 1e-9, "{scores:?}");
        assert_eq!((scores.people, scores.of, scores.seconds), (1, 2, 20.0));
        assert!((scores.found - 1.0 / 3.0).abs() < 1e-9 && (scores.at_none - 2.0 / 3.0).abs() < 1e-9);
    }
}
