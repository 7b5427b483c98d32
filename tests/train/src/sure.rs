//! How sure what is seen makes, counted on sessions that were judged by what had not seen their tool or source.

use candor_scripted::{Sensitivity, learned::CERTAIN};

/// Sessions where no limit is reached are parted into so many, by what speaks for a machine.
const GROUPS: usize = 4;

/// What was said of one session.
#[derive(Clone, Copy)]
pub struct Judged {
    pub scripted: bool,
    /// The farthest limit it reached.
    pub reached: Option<Sensitivity>,
    /// What speaks for a machine, 0 to 1.
    pub speaks: f64,
}

/// How sure a limit that is reached makes, and what speaks for a machine where none is, in order.
pub struct Sure {
    pub certain: [f64; CERTAIN.len()],
    pub knots: Vec<(f64, f64)>,
}

/// Sessions that are said to be as surely a machine's.
#[derive(Clone, Copy)]
struct Group {
    scripts: f64,
    people: f64,
    /// What speaks for a machine, all added up.
    speaks: f64,
    /// Groups of the begin that are in it.
    of: usize,
}

/// Counts sessions, of which each was judged `times`. More that speaks for a machine never makes less sure: groups that
/// say so are one (isotonic regression).
pub fn learn(judged: &[Judged], times: usize) -> Sure {
    let times = times as f64;
    let mut quiet: Vec<&Judged> = judged.iter().filter(|one| one.reached < Some(CERTAIN[0])).collect();
    quiet.sort_by(|a, b| a.speaks.total_cmp(&b.speaks));
    let mut groups: Vec<Group> = quiet.chunks(quiet.len().div_ceil(GROUPS).max(1)).map(group).collect();
    let first = groups.len();
    groups.extend(CERTAIN.map(|sensitivity| {
        group(judged.iter().filter(|one| one.reached == Some(sensitivity)).collect::<Vec<_>>())
    }));
    let all =
        [false, true].map(|scripted| judged.iter().filter(|one| one.scripted == scripted).count() as f64);
    // One more of each than were seen (Laplace), both labels equally frequent.
    let share = |group: &Group| {
        let (people, scripts) = (
            (group.people + times) / (all[0] + 2.0 * times),
            (group.scripts + times) / (all[1] + 2.0 * times),
        );
        scripts / (scripts + people)
    };
    let mut pooled: Vec<Group> = Vec::new();
    for mut group in groups {
        while let Some(before) = pooled.pop_if(|before| share(before) >= share(&group)) {
            group = Group {
                scripts: before.scripts + group.scripts,
                people: before.people + group.people,
                speaks: before.speaks + group.speaks,
                of: before.of + group.of,
            };
        }
        pooled.push(group);
    }
    let each: Vec<f64> = pooled.iter().flat_map(|group| vec![share(group); group.of]).collect();
    let mut knots = Vec::new();
    let mut from = 0;
    for group in pooled {
        if from < first {
            let mean = group.speaks / (group.people + group.scripts).max(1.0);
            knots.push((mean, share(&group)));
        }
        from += group.of;
    }
    Sure { certain: std::array::from_fn(|place| each[first + place]), knots }
}

fn group<'a>(these: impl AsRef<[&'a Judged]>) -> Group {
    let these = these.as_ref();
    let scripts = these.iter().filter(|one| one.scripted).count();
    Group {
        scripts: scripts as f64,
        people: (these.len() - scripts) as f64,
        speaks: these.iter().map(|one| one.speaks).sum(),
        of: 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_show_makes_unsure_however_loud_it_is_and_what_none_shows_makes_sure() {
        let one = |scripted, reached, speaks| Judged { scripted, reached, speaks };
        let mut judged: Vec<Judged> = (0..80).map(|n| one(false, None, f64::from(n) / 100.0)).collect();
        judged.extend((0..4).map(|n| one(true, None, f64::from(n) / 5.0)));
        judged.extend((0..5).map(|_| one(true, Some(Sensitivity::Balanced), 1.0)));
        judged.push(one(false, Some(Sensitivity::Balanced), 1.0));
        judged.extend((0..90).map(|_| one(true, Some(Sensitivity::Lenient), 1.0)));
        let sure = learn(&judged, 1);
        assert!(sure.knots.iter().all(|(_, sure)| *sure < 0.2), "{:?}", sure.knots);
        assert!(sure.knots.windows(2).all(|two| two[0].0 < two[1].0 && two[0].1 < two[1].1));
        let [balanced, lenient] = sure.certain;
        assert!(0.5 < balanced && balanced <= lenient && lenient > 0.97, "{:?}", sure.certain);
    }
}
