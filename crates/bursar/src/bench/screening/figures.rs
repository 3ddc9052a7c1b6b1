//! The figures, each a ratio in one run on one core.

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bursar_loadgen::{Bar, Figure, Goal, Pairs, in_turns};
use bursar_screening::{Index, List, Name, Person, Policy, compare_names};
use ring::hmac;

use super::super::tell;
use super::made::{self, Dice};
use crate::exit::Exit;

const SCREEN: Goal = Goal { name: "screen", unit: "1/s", bar: Bar::AtLeast(100.0), aim: 500.0 };
const MILLION: Goal = Goal { name: "screen_million", unit: "1/s", bar: Bar::AtLeast(0.3), aim: 0.6 };
const SCORER: Goal = Goal { name: "scorer", unit: "µs", bar: Bar::AtMost(40.0), aim: 15.0 };
const RECALL: Goal = Goal { name: "index_recall", unit: "", bar: Bar::AtLeast(0.999), aim: 1.0 };

/// Entries of the large list.
const LARGE: usize = 1_000_000;

struct Plan {
    rounds: usize,
    length: Duration,
    recall: usize,
}

/// Measures all four.
pub(super) async fn measure(lists: Vec<Arc<List>>, policy: Policy, quick: bool) -> Result<Vec<Figure>, Exit> {
    let plan = if quick {
        Plan { rounds: 3, length: Duration::from_millis(700), recall: 150 }
    } else {
        Plan { rounds: 9, length: Duration::from_secs(2), recall: 1_500 }
    };
    let asked = people(&lists, 2_000);
    let began = Instant::now();
    let index = Index::of(lists.iter().cloned());
    let names: usize = lists.iter().flat_map(|list| &list.entries).map(|entry| entry.names.len()).sum();
    tell::line(&format!(
        "{names} names of {} entries in an index after {:.1} s",
        index.entries(),
        began.elapsed().as_secs_f64()
    ));
    let mut figures =
        vec![screen(&index, &asked, policy, &plan).await?, recall(&index, &asked, policy, &plan)];
    figures.push(scorer(&lists, &plan).await?);
    figures.push(million(&index, policy, &plan).await?);
    Ok(figures)
}

/// Half of them on the lists, spelt otherwise, half on none.
fn people(lists: &[Arc<List>], count: usize) -> Vec<Person> {
    let mut dice = Dice::of(7);
    let listed: Vec<&str> = lists
        .iter()
        .flat_map(|list| &list.entries)
        .filter(|entry| {
            matches!(entry.kind, bursar_screening::EntryKind::Person | bursar_screening::EntryKind::Unknown)
        })
        .flat_map(|entry| entry.names.first().map(|name| &*name.text))
        .collect();
    (0..count)
        .map(|number| {
            if number % 2 == 0 && !listed.is_empty() {
                let name = listed[dice.roll(listed.len())];
                Person::named(&made::otherwise(name, &mut dice))
            } else {
                Person::named(&made::name(&mut dice))
            }
        })
        .collect()
}

/// Searches a second, for about so long.
fn rate(length: Duration, people: &[Person], mut search: impl FnMut(&Person)) -> f64 {
    let (began, mut done) = (Instant::now(), 0_u32);
    for person in people.iter().cycle() {
        search(person);
        done += 1;
        if began.elapsed() >= length {
            break;
        }
    }
    f64::from(done) / began.elapsed().as_secs_f64()
}

async fn screen(index: &Index, asked: &[Person], policy: Policy, plan: &Plan) -> Result<Figure, Exit> {
    let (mut one, mut other) = (index.searcher(), index.searcher());
    let pairs = in_turns(
        plan.rounds,
        async || {
            Ok::<_, Exit>(rate(plan.length, asked, |person| drop(black_box(one.screen(person, &policy)))))
        },
        async || Ok(rate(plan.length, asked, |person| drop(black_box(other.screen_each(person, &policy))))),
        |round| tell::round(SCREEN, round),
    )
    .await?;
    Ok(Figure::of(SCREEN, &pairs))
}

/// The best hit of the index against the best hit of scoring every entry.
fn recall(index: &Index, asked: &[Person], policy: Policy, plan: &Plan) -> Figure {
    let mut searcher = index.searcher();
    let (mut hits, mut same) = (0_u32, 0_u32);
    let mut first = None;
    for person in asked.iter().take(plan.recall) {
        let each = searcher.screen_each(person, &policy);
        let Some(best) = each.hits.first() else { continue };
        hits += 1;
        let found = searcher.screen(person, &policy);
        if found.hits.first().is_some_and(|hit| hit.bps >= best.bps) {
            same += 1;
        } else if first.is_none() {
            first = Some(format!("{:?} was not found as {}", person.names(), best.entry_name));
        }
    }
    if let Some(first) = first {
        tell::line(&first);
    }
    let mut pairs = Pairs::default();
    pairs.push(f64::from(same), f64::from(hits.max(1)));
    let mut figure = Figure::of(RECALL, &pairs);
    figure.note = format!("{hits} people with a hit");
    figure
}

async fn scorer(lists: &[Arc<List>], plan: &Plan) -> Result<Figure, Exit> {
    let mut dice = Dice::of(3);
    let names: Vec<Name> = lists
        .iter()
        .flat_map(|list| &list.entries)
        .filter_map(|entry| entry.names.first())
        .take(2_000)
        .map(|name| Name::of(&name.text))
        .collect();
    let asked: Vec<Name> = (0..names.len()).map(|_| Name::of(&made::name(&mut dice))).collect();
    let key = hmac::Key::new(hmac::HMAC_SHA256, &[7; 32]);
    let message = [9_u8; 64];
    let micros = |length: Duration, work: &mut dyn FnMut(usize)| {
        let (began, mut done) = (Instant::now(), 0_usize);
        while began.elapsed() < length {
            for _ in 0..256 {
                work(done);
                done += 1;
            }
        }
        #[allow(clippy::cast_precision_loss)] // a count of seconds' work
        let count = done as f64;
        began.elapsed().as_secs_f64() * 1e6 / count
    };
    let length = plan.length / 2;
    let pairs = in_turns(
        plan.rounds,
        async || {
            Ok::<_, Exit>(micros(length, &mut |at| {
                // Every other pair is alike: those cost most.
                let listed = &names[at % names.len()];
                let asked = if at % 2 == 0 { listed } else { &asked[at * 7 % asked.len()] };
                black_box(compare_names(black_box(asked), black_box(listed)));
            }))
        },
        async || {
            Ok(micros(length, &mut |_| {
                black_box(hmac::sign(&key, black_box(&message)));
            }))
        },
        |round| tell::round(SCORER, round),
    )
    .await?;
    Ok(Figure::of(SCORER, &pairs))
}

async fn million(small: &Index, policy: Policy, plan: &Plan) -> Result<Figure, Exit> {
    let began = Instant::now();
    let list = Arc::new(made::list(LARGE)?);
    tell::line(&format!("a list of {LARGE} entries after {:.1} s", began.elapsed().as_secs_f64()));
    let large = Index::of([Arc::clone(&list)]);
    tell::line(&format!(
        "in an index after {:.1} s, {} MiB resident",
        began.elapsed().as_secs_f64(),
        resident_mib()
    ));
    let asked = people(&[list], 2_000);
    let small_asked = people(small.lists(), 2_000);
    let (mut one, mut other) = (large.searcher(), small.searcher());
    let mut times = Vec::new();
    let pairs = in_turns(
        plan.rounds,
        async || {
            Ok::<_, Exit>(rate(plan.length, &asked, |person| {
                let began = Instant::now();
                drop(black_box(one.screen(person, &policy)));
                times.push(began.elapsed());
            }))
        },
        async || Ok(rate(plan.length, &small_asked, |person| drop(black_box(other.screen(person, &policy))))),
        |round| tell::round(MILLION, round),
    )
    .await?;
    times.sort_unstable();
    let at = |share: usize| times.get(times.len() * share / 100).map_or(0.0, |time| time.as_secs_f64() * 1e3);
    let mut figure = Figure::of(MILLION, &pairs);
    figure.note = format!("p50 {:.2} ms, p99 {:.2} ms, {} MiB resident", at(50), at(99), resident_mib());
    Ok(figure)
}

/// Memory of this process, as Linux counts it; 0 elsewhere.
fn resident_mib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or_default();
    line.split_whitespace().next().and_then(|kib| kib.parse::<u64>().ok()).unwrap_or(0) / 1024
}
