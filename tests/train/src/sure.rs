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

    fn many(count: usize, scripted: bool, reached: Option<Sensitivity>, speaks: f64) -> Vec<Judged> {
        vec![Judged { scripted, reached, speaks }; count]
    }

    #[test]
    fn it_is_the_share_of_scripts_with_one_more_of_each_and_both_as_frequent() {
        // Four times as many people as scripts: that doesn't make a limit less sure.
        let mut judged = many(40, false, None, 0.1);
        judged.extend(many(10, true, Some(Sensitivity::Lenient), 1.0));
        let (script, person) = (11.0 / 12.0, 1.0 / 42.0);
        let sure = learn(&judged, 1);
        assert!((sure.certain[1] - script / (script + person)).abs() < 1e-12, "{:?}", sure.certain);
        // Each judged three times is no more evidence than once.
        let thrice = learn(&judged.repeat(3), 3);
        assert!((thrice.certain[1] - sure.certain[1]).abs() < 1e-12, "{:?}", thrice.certain);
        assert!(learn(&judged.repeat(3), 1).certain[1] > sure.certain[1] + 0.01);
        // A person there makes it less sure, by as much as one of so many is.
        judged.push(Judged { scripted: false, reached: Some(Sensitivity::Lenient), speaks: 1.0 });
        let (script, person) = (11.0 / 12.0, 2.0 / 43.0);
        let less = learn(&judged, 1).certain[1];
        assert!((less - script / (script + person)).abs() < 1e-12, "{less}");
    }

    #[test]
    fn a_limit_that_only_people_reach_makes_no_surer_than_what_lies_below() {
        let mut judged = many(20, false, None, 0.1);
        judged.extend(many(20, true, None, 0.4));
        judged.extend(many(9, false, Some(Sensitivity::Balanced), 0.95));
        judged.extend(many(1, true, Some(Sensitivity::Lenient), 1.0));
        let sure = learn(&judged, 1);
        let last = sure.knots.last().map_or(0.0, |knot| knot.1);
        assert!(last <= sure.certain[0] && sure.certain[0] <= sure.certain[1], "{last}, {:?}", sure.certain);
        assert!(sure.certain[0] < 0.8, "{:?}", sure.certain);
    }

    #[test]
    fn what_reaches_the_strict_limit_alone_is_judged_by_what_speaks_for_it_and_nobody_is_no_error() {
        let mut judged = many(8, false, Some(Sensitivity::Strict), 0.2);
        judged.extend(many(8, true, Some(Sensitivity::Balanced), 0.95));
        let sure = learn(&judged, 1);
        assert_eq!(sure.knots.iter().map(|knot| knot.0).fold(0.0, f64::max), 0.2, "{:?}", sure.knots);
        let nobody = learn(&[], 1);
        assert!(
            nobody.certain.iter().all(|sure| *sure == 0.5) && nobody.knots.is_empty(),
            "{:?}",
            nobody.certain
        );
    }
}
