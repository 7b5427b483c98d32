//! What a pointer's motion and clicks are looked at for.

use super::*;

/// A beat of clicks or strokes needs so many intervals; slow ones fewer, because chance makes them less often.
const FAST_BEAT: u32 = 24;
const SLOW_BEAT: u32 = 10;
/// In microseconds: strokes that begin sooner after one another may be one motion that comes in bursts.
const STROKES_APART: u32 = 500_000;
/// So many intervals tell the pace of strokes.
const PACED: u32 = 16;

impl Device {
    pub(super) fn began(&mut self, now: u64, ground: &Ground) -> Option<Seen> {
        let echoed = self.pointer.as_mut().and_then(|pointer| pointer.echo.push(now));
        let apart = |kept: &Kept| kept.median >= STROKES_APART;
        if let Some(kept) = beat(&self.strokes, self.worth(Mark::Beat, ground)).filter(apart)
            && self.judge(Mark::Beat, kept.share, now, ground)
        {
            return Some(self.in_time(Mark::Beat, kept, "strokes of the pointer", now, ground));
        }
        if let Some((off, kept)) =
            self.strokes.pace(PACED, self.worth(Mark::Pace, ground).1).filter(|(_, kept)| apart(kept))
            && self.judge(Mark::Pace, off, now, ground)
        {
            let text = format!(
                "The pointer began to move every {} ms or so, {PACED} times in a row: four fifths of the times differ by {:.0} % or less from those {} before. People's times vary by half and more.",
                kept.median / 1_000,
                off * 100.0,
                kept.lag
            );
            let mut seen = self.seen(Mark::Pace, off, now, text, ground);
            seen.features.extend(varied(&self.strokes, [Mark::Entropy, Mark::Round], ground));
            return Some(Seen { histogram: Some(self.strokes.histogram()), ..seen });
        }
        if let Some(again) = echoed
            && self.judge(Mark::Echo, again, now, ground)
        {
            let text = format!(
                "At {:.0} of the last {ECHOES} strokes the pointer began to move as long after the one before as in an earlier row of strokes, within 0.04 s. People's times vary.",
                again * f64::from(ECHOES)
            );
            return Some(self.seen(Mark::Echo, again, now, text, ground));
        }
        let equal = self.motion.equal_strokes()?;
        if !self.judge(Mark::Strokes, equal, now, ground) {
            return None;
        }
        let text = format!(
            "{:.0} of the last {STROKES} strokes of the pointer are one of two, to the pixel. People hardly make the same stroke twice.",
            equal * STROKES as f64
        );
        Some(self.seen(Mark::Strokes, equal, now, text, ground))
    }

    pub(super) fn steps(&mut self, now: u64, ground: &Ground) -> Option<Seen> {
        if let Some((share, steps)) = self.motion.patterns()
            && self.judge(Mark::Pattern, share, now, ground)
        {
            let text = format!(
                "{:.0} % of the pointer's last {PATTERNS} long steps equal, to the pixel, those {steps} before: it repeats a pattern.",
                share * 100.0
            );
            return Some(self.seen(Mark::Pattern, share, now, text, ground));
        }
        let equal = self.motion.equal_steps()?;
        if !self.judge(Mark::Steps, equal, now, ground) {
            return None;
        }
        let text = format!(
            "{:.0} % of the pointer's steps were as fast and in the same direction as the one before. People speed up, slow down and curve.",
            equal * 100.0
        );
        Some(self.seen(Mark::Steps, equal, now, text, ground))
    }

    pub(super) fn clicks(&mut self, now: u64, ground: &Ground) -> Option<Seen> {
        if let Some(kept) = beat(&self.clicks, self.worth(Mark::Beat, ground))
            && self.judge(Mark::Beat, kept.share, now, ground)
        {
            return Some(self.in_time(Mark::Beat, kept, "clicks", now, ground));
        }
        let equal = self.motion.equal_spots()?;
        if !self.judge(Mark::Spots, equal, now, ground) {
            return None;
        }
        let text = format!(
            "{:.0} % of the clicks hit exactly the pixel of an earlier one after the pointer had gone elsewhere. People miss it by a few pixels.",
            equal * 100.0
        );
        Some(self.seen(Mark::Spots, equal, now, text, ground))
    }

    /// Clicks without any motion between, and how long half of them were held, in seconds.
    pub(super) fn still(&mut self, now: u64, hold: f32, ground: &Ground) -> Option<Seen> {
        let ms = f64::from(hold) * 1e3;
        if !self.judge(Mark::ClickHold, ms, now, ground) {
            return None;
        }
        let text = format!(
            "{STILL} clicks in a row without the least motion between, half of them held for {ms:.0} ms or less. A finger takes 40 ms and more."
        );
        Some(self.seen(Mark::ClickHold, ms, now, text, ground))
    }

    /// Whether the way that has just ended was gone before, or was no way at all.
    pub(super) fn ways(&mut self, now: u64, ground: &Ground) -> Option<Seen> {
        let pointer = self.pointer.as_ref()?;
        let (again, stroke) = (pointer.ways.again(), pointer.strokes.back(0)?);
        if let Some(again) = again {
            let share = f64::from(again) / f64::from(WAYS);
            if self.judge(Mark::Ways, share, now, ground) {
                let text = format!(
                    "{again} of the last {WAYS} ways of the pointer between two rests have the lengths of earlier ones to the pixel, two in a row. People hardly go the same ways again."
                );
                return Some(self.seen(Mark::Ways, share, now, text, ground));
            }
        }
        if stroke.path < JUMP {
            return None;
        }
        self.jumps = self.jumps << 1 | u32::from(stroke.jump >= 0.97);
        self.jumped = (self.jumped + 1).min(JUMPS);
        let share = f64::from((self.jumps & ((1 << JUMPS) - 1)).count_ones()) / f64::from(JUMPS);
        if self.jumped < JUMPS || !self.judge(Mark::Jumps, share, now, ground) {
            return None;
        }
        let text = format!(
            "{:.0} % of the pointer's last ways had no points between begin and end: it was elsewhere at once. Touch screens and slow remote connections do this too.",
            share * 100.0
        );
        Some(self.seen(Mark::Jumps, share, now, text, ground))
    }

    /// Measures the last strokes and clicks, and asks the model about them.
    pub(super) fn look(&mut self, now: u64, ground: &Ground) -> Option<Seen> {
        if !self.pointer.as_mut()?.due(now) {
            return None;
        }
        let features = self.pointer.as_ref()?.measure(now)?;
        self.looked = Some(features);
        self.reach(now, &features, ground).or_else(|| self.unlike(now, &features, ground))
    }

    /// Whether the time that ways take follows from their length alone. With people it is longer for far ways, but
    /// never the same twice (Fitts's law is a law of means).
    pub(super) fn reach(&mut self, now: u64, features: &Features, ground: &Ground) -> Option<Seen> {
        let of = |name: &str| feature::value(features, name);
        let (slope, spread, off) = (of("time_slope")?, of("time_spread")?, of("time_off_line")?);
        if of("length_spread")? < WELL_VARIED {
            self.reached.clear();
            return None;
        }
        self.reached.push((off, (slope.abs() / USUAL_SLOPE).max(spread / USUAL_SPREAD)));
        if !self.reached.is_full() {
            return None;
        }
        let most = self.reached.iter().fold((0f32, 0f32), |a, b| (a.0.max(b.0), a.1.max(b.1)));
        let (mark, value, text) = if self.judge(Mark::Flat, most.1.into(), now, ground) {
            let text = "However far the pointer went, it took about the same time. People take longer for far ways (Fitts's law).";
            (Mark::Flat, most.1, text)
        } else if self.judge(Mark::Reach, most.0.into(), now, ground) {
            let text = "How long the pointer took followed from how far it went, almost without exception. People's times vary by a quarter and more.";
            (Mark::Reach, most.0, text)
        } else {
            return None;
        };
        let mut seen = self.seen(mark, value.into(), now, text.to_owned(), ground);
        seen.features.push(Feature { name: "time_slope", value: slope.into(), people: None });
        Some(self.trembling(seen, ground))
    }

    pub(super) fn unlike(&mut self, now: u64, features: &Features, ground: &Ground) -> Option<Seen> {
        let model = &ground.learned.model;
        let odds = model.odds(features);
        let smooth = self.odds.map_or(odds, |before| before + (odds - before) / LOOKS);
        self.odds = Some(smooth);
        let score = ground.learned.score_of(smooth.min(odds));
        let confidence = ground.learned.confidence(score);
        self.note(Rule::Unlike, score, ground);
        if confidence < ground.learned.enough() || !self.due(Rule::Unlike, now, ground) {
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
        let (rule, features) = (Rule::Unlike, features.collect());
        let model = Some(model.version.clone());
        Some(Seen { rule, confidence, model, features, ..self.seen(Mark::Reach, 0.0, now, text, ground) })
    }

    /// A beat that was kept.
    pub(super) fn in_time(&self, mark: Mark, kept: Kept, what: &str, now: u64, ground: &Ground) -> Seen {
        let beat = match what {
            "clicks" => &self.clicks,
            "keys" => self.keys.as_ref().map_or(&self.clicks, |keys| &keys.beat),
            _ => &self.strokes,
        };
        let Kept { lag, share, of, median, from } = kept;
        let rhythm = match lag {
            1 => format!("about {} ms apart", median / 1_000),
            _ => format!("in a rhythm of {lag}"),
        };
        let text = format!(
            "{:.0} of {of} {what} came {rhythm}, each within 3 % of the time before. People's times vary by more, even when they try to keep time.",
            share * f64::from(of)
        );
        let mut seen = self.seen(mark, share, now, text, ground);
        let median = f64::from(median) / 1_000.0;
        seen.features.push(Feature { name: "median_ms", value: median, people: None });
        let entropy = if what == "keys" { Mark::KeyEntropy } else { Mark::Entropy };
        seen.features.extend(varied(beat, [entropy, Mark::Round], ground));
        Seen { from, histogram: Some(beat.histogram()), path: what != "keys", ..seen }
    }
}

/// The beat of the last events, if it is worth so much; that of slow ones shows sooner.
fn beat(beat: &Beat, (limit, least): (f64, f64)) -> Option<Kept> {
    let slow = beat.kept(SLOW_BEAT, limit).filter(|kept| kept.median >= SLOW);
    slow.or_else(|| beat.kept(FAST_BEAT, least))
}
