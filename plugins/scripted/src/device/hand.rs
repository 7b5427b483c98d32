//! What a pointer's motion and clicks are looked at for.

use super::*;

impl Device {
    pub(super) fn began(&mut self, now: u64, config: &Config, limits: &Limits) -> Option<Seen> {
        if let Some(kept) = beat(&self.strokes, config.period_share)
            && self.enough(Rule::Period, now, CERTAIN, config, limits)
        {
            return Some(in_time(kept, now, "strokes of the pointer", &self.strokes, true));
        }
        let equal = self.motion.equal_strokes()?;
        if !self.enough(Rule::Strokes, now, rising(equal, 0.2, config.strokes_share), config, limits) {
            return None;
        }
        let text = format!(
            "{:.0} of the last {STROKES} strokes of the pointer are one of two, to the pixel. People hardly make the same stroke twice.",
            equal * STROKES as f64
        );
        Some(self.same(Rule::Strokes, now, text, vec![Feature::new("equal_strokes", equal, 0.0, 0.2)]))
    }

    pub(super) fn steps(&mut self, now: u64, config: &Config, limits: &Limits) -> Option<Seen> {
        if let Some((share, steps)) = self.motion.patterns()
            && self.enough(Rule::Steps, now, rising(share, 0.3, config.pattern_share), config, limits)
        {
            let text = format!(
                "{:.0} % of the pointer's last {PATTERNS} long steps equal, to the pixel, those {steps} before: it repeats a pattern.",
                share * 100.0
            );
            return Some(self.same(Rule::Steps, now, text, vec![Feature::new("pattern", share, 0.0, 0.3)]));
        }
        let equal = self.motion.equal_steps()?;
        if !self.enough(Rule::Steps, now, rising(equal, 0.8, config.steps_share), config, limits) {
            return None;
        }
        let text = format!(
            "{:.0} % of the pointer's steps were as fast and in the same direction as the one before. People speed up, slow down and curve.",
            equal * 100.0
        );
        Some(self.same(Rule::Steps, now, text, vec![Feature::new("equal_steps", equal, 0.0, 0.8)]))
    }

    pub(super) fn clicks(&mut self, now: u64, config: &Config, limits: &Limits) -> Option<Seen> {
        if let Some(kept) = beat(&self.clicks, config.period_share)
            && self.enough(Rule::Period, now, CERTAIN, config, limits)
        {
            return Some(in_time(kept, now, "clicks", &self.clicks, true));
        }
        let equal = self.motion.equal_spots()?;
        if !self.enough(Rule::Spots, now, rising(equal, 0.1, config.spots_share), config, limits) {
            return None;
        }
        let text = format!(
            "{:.0} % of the clicks hit exactly the pixel of an earlier one after the pointer had gone elsewhere. People miss it by a few pixels.",
            equal * 100.0
        );
        Some(self.same(Rule::Spots, now, text, vec![Feature::new("equal_spots", equal, 0.0, 0.1)]))
    }

    /// Clicks without any motion between, and how long half of them were held, in seconds.
    pub(super) fn still(&mut self, now: u64, hold: f32, config: &Config, limits: &Limits) -> Option<Seen> {
        let ms = f64::from(hold) * 1e3;
        if ms > config.clicks_hold_ms || !self.enough(Rule::Holds, now, CERTAIN, config, limits) {
            return None;
        }
        let text = format!(
            "{STILL} clicks in a row without the least motion between, half of them held for {ms:.0} ms or less. A finger takes 40 ms and more."
        );
        Some(self.same(Rule::Holds, now, text, vec![Feature::new("click_hold_ms", ms, 40.0, 250.0)]))
    }

    /// Whether the way that has just ended was gone before, or was no way at all.
    pub(super) fn ways(&mut self, now: u64, config: &Config, limits: &Limits) -> Option<Seen> {
        let pointer = self.pointer.as_ref()?;
        let (again, stroke) = (pointer.ways.again(), pointer.strokes.back(0)?);
        if let Some(again) = again.filter(|again| *again > 0) {
            let confidence = rising(f64::from(again), 1.0, f64::from(config.ways_again));
            if self.enough(Rule::Ways, now, confidence, config, limits) {
                let text = format!(
                    "{again} of the last {WAYS} ways of the pointer between two rests have the lengths of earlier ones to the pixel, two in a row. No recorded person went the same ways again."
                );
                let feature = Feature::new("ways_again", f64::from(again), 0.0, 1.0);
                return Some(self.same(Rule::Ways, now, text, vec![feature]));
            }
        }
        if stroke.path < JUMP {
            return None;
        }
        self.jumps = self.jumps << 1 | u32::from(stroke.jump >= 0.97);
        self.jumped = (self.jumped + 1).min(JUMPS);
        let share = f64::from((self.jumps & ((1 << JUMPS) - 1)).count_ones()) / f64::from(JUMPS);
        if self.jumped < JUMPS || !self.enough(Rule::Jumps, now, rising(share, 0.5, 0.9), config, limits) {
            return None;
        }
        let text = format!(
            "{:.0} % of the pointer's last ways had no points between begin and end: it was elsewhere at once. A hand takes time.",
            share * 100.0
        );
        Some(self.same(Rule::Jumps, now, text, vec![Feature::new("jumps", share, 0.0, 0.5)]))
    }

    /// Measures the last strokes and clicks, and asks the model about them.
    pub(super) fn look(&mut self, now: u64, config: &Config, limits: &Limits, model: &Model) -> Option<Seen> {
        if !self.pointer.as_mut()?.due(now) {
            return None;
        }
        let features = self.pointer.as_ref()?.measure(now)?;
        self.reach(now, &features, config, limits)
            .or_else(|| self.unlike(now, &features, config, limits, model))
    }

    /// Whether the time that ways take follows their length as it does with people: longer, but not in proportion.
    pub(super) fn reach(
        &mut self,
        now: u64,
        features: &Features,
        config: &Config,
        limits: &Limits,
    ) -> Option<Seen> {
        let of = |name: &str| feature::value(features, name);
        let (slope, spread, off) = (of("time_slope")?, of("time_spread")?, of("time_off_line")?);
        let varied = of("length_spread")? >= WELL_VARIED;
        let same = varied && slope.abs() <= SAME_SLOPE && spread <= SAME_SPREAD;
        let even = varied && (slope - 1.0).abs() <= SAME_SLOPE && off <= EVEN_OFF;
        self.reached = if same || even { self.reached.saturating_add(1) } else { 0 };
        let confidence = if self.reached >= REACHED { CERTAIN } else { 0.2 * f64::from(self.reached.min(2)) };
        if !self.enough(Rule::Reach, now, confidence, config, limits) {
            return None;
        }
        let text = if same {
            "However far the pointer went, it took about the same time. People take longer for far ways (Fitts's law)."
        } else {
            "The pointer took exactly as much longer as the way was farther: one speed for all ways. People are faster on far ones."
        };
        let features = vec![
            Feature::new("time_slope", slope.into(), 0.15, 0.95),
            Feature::new("time_spread", spread.into(), 0.3, 1.6),
            Feature::new("time_off_line", off.into(), 0.13, 0.8),
        ];
        Some(self.same(Rule::Reach, now, text.to_owned(), features))
    }

    pub(super) fn unlike(
        &mut self,
        now: u64,
        features: &Features,
        config: &Config,
        limits: &Limits,
        model: &Model,
    ) -> Option<Seen> {
        if !config.rules.contains(&Rule::Unlike) {
            return None;
        }
        let odds = model.odds(features);
        let smooth = self.odds.map_or(odds, |before| before + (odds - before) / LOOKS);
        self.odds = Some(smooth);
        let confidence = probability(f64::from(smooth.min(odds)));
        if !self.enough(Rule::Unlike, now, confidence, config, limits) {
            return None;
        }
        let parts = model.parts(features);
        let words: Vec<&str> = parts.iter().take(3).map(|part| part.name).collect();
        let text = format!(
            "The pointer's last strokes and clicks are more alike, straighter or more even than most people's in {} of {} measures, most in {}.",
            parts.len(),
            features.len(),
            words.join(", ")
        );
        let features = parts.iter().map(|part| Feature {
            name: part.name,
            value: f64::from(part.value),
            people: Some((part.people.0.into(), part.people.1.into())),
        });
        let features = features.collect();
        let model = Some(model.version.clone());
        Some(Seen { confidence, model, ..self.same(Rule::Unlike, now, text, features) })
    }
}
