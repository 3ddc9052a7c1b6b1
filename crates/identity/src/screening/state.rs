//! What is in force now, and screening against it.

use std::collections::HashSet;
use std::sync::{Arc, PoisonError, RwLock};

use aws_lc_rs::digest::{Context, SHA256};
use bursar_screening::{Changes, Country, Evidence, Index, List, Person, Policy, Watch};
use bursar_types::{Clock, Timestamp};
use data_encoding::HEXLOWER;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use super::config::ScreeningConfig;
use super::lists::{ListStatus, Source, SourceProblem};

/// Most hits that are kept of one run, best first: who meets more entries than that has met the threshold, not people.
const HITS_MAX: usize = 50;

/// Hexadecimal digits of a hash that people are shown.
const SHOWN_DIGITS: usize = 16;

/// An entry that is like the person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hit {
    /// Name of the list.
    #[serde(default)]
    pub list: String,
    /// Id of the entry on its list.
    pub entry_id: String,
    /// Ids it had before entries were merged.
    #[serde(default)]
    pub referents: Vec<String>,
    /// The entry's name that met best.
    pub entry_name: String,
    /// Hash of what the entry says, hex.
    #[serde(default)]
    pub entry_hash: String,
    /// Basis points: 10000 is perfect.
    pub score_bps: i32,
    /// Which parts met and how. Holds words of the person's name: stored sealed.
    pub explanation: String,
    /// Whether a reviewer cleared it for this person before, and neither has changed since.
    #[serde(default)]
    pub cleared: bool,
}

/// What a screening found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Screened {
    /// It ran over lists.
    Run {
        /// Names of the lists.
        list: String,
        /// Version of the lists, for people.
        version: String,
        /// Hash of all versions, hex: what stands for them in comparisons.
        lists_hash: String,
        /// Entries that were compared.
        entries: usize,
        /// Entries at or above the threshold, best first.
        hits: Vec<Hit>,
        /// Why a person must look all the same: a list is too old.
        stale: Option<String>,
    },
    /// There is no list to run over, or nothing to compare: a person must look.
    Unavailable {
        /// Why.
        reason: String,
    },
}

/// What changed since the lists before.
struct Delta {
    from: String,
    indexes: Vec<Index>,
    /// List and entry of everything that is new, other or gone.
    touched: HashSet<(String, Box<str>)>,
}

struct State {
    sources: Vec<Source>,
    index: Option<Arc<Index>>,
    hash: String,
    delta: Option<Arc<Delta>>,
}

/// Screens people against the lists in force. Cheap to clone; all clones see a reload at once.
#[derive(Clone)]
pub struct Screener {
    state: Arc<RwLock<Arc<State>>>,
    config: Arc<ScreeningConfig>,
    clock: Arc<dyn Clock>,
}

impl std::fmt::Debug for Screener {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Screener({})", self.state().hash)
    }
}

/// A person as screening knows them.
pub(super) struct Subject<'a> {
    pub(super) full_name: &'a str,
    pub(super) birth_date: Date,
    pub(super) nationality: &'a str,
    pub(super) id_number: &'a str,
}

impl Screener {
    /// A screener over the configured lists. A list that cannot be used is no reason not to start: the platform goes on,
    /// and everyone is looked at by a person until it is mended. Reads files.
    pub fn load(config: &ScreeningConfig, clock: Arc<dyn Clock>) -> Self {
        let files = config.files();
        let sources = match files.is_empty() {
            true => vec![Source::at(None)],
            false => files.into_iter().map(|path| Source::at(Some(path))).collect(),
        };
        let state = State { sources, index: None, hash: String::new(), delta: None };
        let screener =
            Self { state: Arc::new(RwLock::new(Arc::new(state))), config: Arc::new(config.clone()), clock };
        screener.reload();
        screener
    }

    fn state(&self) -> Arc<State> {
        Arc::clone(&self.state.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Looks at all files and takes what is new and good. What is not stays out, with an alarm; what was in force stays in
    /// force. Tells of the problems that are new. Reads files: blocks.
    pub fn reload(&self) -> Vec<SourceProblem> {
        let before = self.state();
        let watch = Watch { shrink_max: self.config.shrink_percent_max };
        let now = self.clock.now();
        let mut sources = before.sources.clone();
        let (mut changed, mut news) = (false, Vec::new());
        for (source, was) in sources.iter_mut().zip(&before.sources) {
            if source.look(watch, now) {
                changed = true;
                let entries = source.list.as_ref().map_or(0, |list| list.entries.len());
                tracing::info!(list = %source.name, entries, "watch list loaded");
            }
            if let Some(problem) = source.problem.clone().filter(|_| source.problem != was.problem) {
                let (list, in_force) = (source.name.clone(), source.list.is_some());
                tracing::error!(
                    list,
                    problem,
                    in_force,
                    "a watch list was not taken: the last good one stays in force"
                );
                metrics::counter!("bursar_identity_list_refused_total").increment(1);
                news.push(SourceProblem { list, problem });
            }
        }
        let state = if changed {
            let lists: Vec<Arc<List>> = sources.iter().filter_map(|source| source.list.clone()).collect();
            let hash = combined(&lists);
            let delta = delta(&before, &sources).map(Arc::new);
            State { index: Some(Arc::new(Index::of(lists))), sources, hash, delta }
        } else {
            State {
                sources,
                index: before.index.clone(),
                hash: before.hash.clone(),
                delta: before.delta.clone(),
            }
        };
        *self.state.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(state);
        self.measure();
        news
    }

    /// Sets the gauges that alarms look at.
    #[allow(clippy::cast_precision_loss)] // counts of lists and entries
    fn measure(&self) {
        let state = self.state();
        let bad =
            state.sources.iter().filter(|source| source.problem.is_some() || source.list.is_none()).count();
        let stale = self.lists().iter().filter(|list| list.stale).count();
        metrics::gauge!("bursar_identity_lists_bad").set(bad as f64);
        metrics::gauge!("bursar_identity_lists_stale").set(stale as f64);
        metrics::gauge!("bursar_identity_list_entries")
            .set(state.index.as_ref().map_or(0, |index| index.entries()) as f64);
    }

    /// How each list stands.
    pub fn lists(&self) -> Vec<ListStatus> {
        let now = self.clock.now();
        let of = |source: &Source| {
            let version = source.list.as_ref().map(|list| list.version.clone());
            ListStatus {
                name: source.name.clone(),
                hash: version.as_ref().map(|version| version.hash.clone()).unwrap_or_default(),
                date: version.as_ref().and_then(|version| version.date.clone()).unwrap_or_default(),
                entries: version.map_or(0, |version| version.entries),
                loaded_at: source.loaded_at,
                checked_at: source.checked_at,
                problem: source.problem.clone().unwrap_or_default(),
                stale: self.is_stale(source.checked_at, now),
            }
        };
        self.state().sources.iter().map(of).collect()
    }

    fn is_stale(&self, checked_at: Option<Timestamp>, now: Timestamp) -> bool {
        checked_at.is_none_or(|at| at.plus(self.config.stale()) < now)
    }

    /// Least score of a hit, in basis points.
    pub fn threshold_bps(&self) -> i32 {
        self.config.threshold_bps
    }

    /// Hash of all versions in force, hex; empty while nobody can be screened.
    pub fn lists_hash(&self) -> String {
        let state = self.state();
        if state.sources.iter().any(|source| source.list.is_none()) {
            String::new()
        } else {
            state.hash.clone()
        }
    }

    fn policy(&self) -> Policy {
        let threshold_bps = u16::try_from(self.config.threshold_bps).unwrap_or(bursar_screening::PERFECT);
        Policy { threshold_bps, hits_max: HITS_MAX, ..Policy::default() }
    }

    /// Compares a person with every entry that could be them.
    pub(super) fn screen(&self, subject: &Subject<'_>) -> Screened {
        let state = self.state();
        for source in &state.sources {
            if source.list.is_none() {
                let problem = source.problem.as_deref().unwrap_or("it was not read yet");
                return Screened::Unavailable {
                    reason: format!("there is no list {}: {problem}", source.name),
                };
            }
        }
        let Some(index) = &state.index else {
            return Screened::Unavailable { reason: "there is no list".into() };
        };
        let person = person(subject);
        if !person.is_comparable() {
            let reason = "the name holds nothing that could be compared, or more than is";
            return Screened::Unavailable { reason: reason.into() };
        }
        let found = index.screen(&person, &self.policy());
        let hits = found.hits.into_iter().filter_map(|hit| kept(index, hit)).collect();
        let now = self.clock.now();
        let stale = state.sources.iter().find(|source| self.is_stale(source.checked_at, now));
        let names: Vec<&str> = state.sources.iter().map(|source| source.name.as_str()).collect();
        Screened::Run {
            list: names.join(", "),
            version: shown_version(&state),
            lists_hash: state.hash.clone(),
            entries: found.entries,
            hits,
            stale: stale.map(|source| format!("the list {} was not refreshed in time", source.name)),
        }
    }

    /// Whether what a person met can be otherwise now than at the version `from`: whom none of the entries that changed is
    /// like, and who met none of them before, meets the same as before.
    pub(super) fn can_have_changed(
        &self,
        from: &str,
        subject: &Subject<'_>,
        met: &[(String, String)],
    ) -> bool {
        let state = self.state();
        let Some(delta) = state.delta.as_ref().filter(|delta| delta.from == from) else { return true };
        let touched =
            |(list, entry): &(String, String)| delta.touched.contains(&(list.clone(), entry.as_str().into()));
        let (person, policy) = (person(subject), self.policy());
        met.iter().any(touched)
            || delta.indexes.iter().any(|index| !index.screen(&person, &policy).hits.is_empty())
    }
}

fn person(subject: &Subject<'_>) -> Person {
    Person::named(subject.full_name)
        .born(subject.birth_date)
        .from(Country::parse(subject.nationality))
        .with_document(subject.id_number)
}

fn kept(index: &Index, hit: bursar_screening::Hit) -> Option<Hit> {
    let (_, entry) = index.entry(hit.place)?;
    let mut explanation = hit.explanation.to_string();
    for evidence in &hit.evidence {
        explanation.push_str("; ");
        explanation.push_str(told(*evidence));
    }
    if !entry.reasons.is_empty() {
        explanation.push_str(&format!(" ({})", entry.reasons.join(", ")));
    }
    Some(Hit {
        list: hit.list,
        entry_id: hit.entry_id,
        referents: entry.referents.iter().map(ToString::to_string).collect(),
        entry_name: hit.entry_name,
        entry_hash: entry.content_hash(),
        score_bps: hit.bps.into(),
        explanation,
        cleared: false,
    })
}

const fn told(evidence: Evidence) -> &'static str {
    match evidence {
        Evidence::BirthDay => "birth dates agree",
        Evidence::BirthYear => "years of birth agree",
        Evidence::BirthDayDiffers => "birth dates differ within a year",
        Evidence::BirthYearNear => "years of birth are near",
        Evidence::BirthYearDiffers => "years of birth differ",
        Evidence::Country => "a country in common",
        Evidence::CountryDiffers => "no country in common",
        Evidence::GenderDiffers => "of the other gender",
        Evidence::Document => "a document with the same number",
    }
}

/// The version of one list as it says itself, else the beginning of its hash, or of the hash of all.
fn shown_version(state: &State) -> String {
    let digits = |hash: &str| hash.chars().take(SHOWN_DIGITS).collect();
    match &state.sources[..] {
        [source] => source.list.as_ref().map_or_else(String::new, |list| {
            list.version.date.clone().unwrap_or_else(|| digits(&list.version.hash))
        }),
        _ => digits(&state.hash),
    }
}

/// What the new sources have other than the state before; `None` if there was none to compare with.
fn delta(before: &State, sources: &[Source]) -> Option<Delta> {
    if before.hash.is_empty() {
        return None;
    }
    let mut delta = Delta { from: before.hash.clone(), indexes: Vec::new(), touched: HashSet::new() };
    for (was, source) in before.sources.iter().zip(sources) {
        let (old, new) = (was.list.as_ref()?, source.list.as_ref()?);
        if old.version.hash == new.version.hash {
            continue;
        }
        let changes = Changes::between(old, new);
        delta.indexes.push(Index::of_places(Arc::clone(new), &changes.places));
        delta.touched.extend(changes.ids.into_iter().map(|(id, _)| (source.name.clone(), id)));
    }
    Some(delta)
}

/// One hash for several lists and the scorer: another of any of them, and everyone is screened again.
fn combined(lists: &[Arc<List>]) -> String {
    let mut context = Context::new(&SHA256);
    for list in lists {
        context.update(list.name.as_bytes());
        context.update(&[0]);
        context.update(list.version.hash.as_bytes());
    }
    context.update(bursar_screening::ALGORITHM.as_bytes());
    HEXLOWER.encode(context.finish().as_ref())
}

#[cfg(test)]
mod tests;
