//! Lists where they lie: read when they changed, replaced by a good version only.

use std::fs::File;
use std::io::{BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use bursar_screening::{Format, List, Watch};
use bursar_types::Timestamp;

/// The made-up list that ships with the crate.
const SAMPLE: &str = include_str!("../../data/watchlist.csv");

/// Name of that list.
const SAMPLE_NAME: &str = "bursar-sample";

/// Files of OFAC's set; the first two must be there.
const OFAC_FILES: [&str; 4] = ["sdn.csv", "alt.csv", "add.csv", "sdn_comments.csv"];

/// Why the file of a list was not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceProblem {
    /// Name of the list.
    pub list: String,
    /// What is wrong.
    pub problem: String,
}

/// How a list stands.
#[derive(Clone, Debug)]
pub struct ListStatus {
    /// Name.
    pub name: String,
    /// SHA-256 of the version in force, hex; empty if there never was a good one.
    pub hash: String,
    /// When it was published, as it says itself; empty if it does not.
    pub date: String,
    /// Its entries.
    pub entries: usize,
    /// When the version in force was loaded.
    pub loaded_at: Option<Timestamp>,
    /// When the file was last seen to be good.
    pub checked_at: Option<Timestamp>,
    /// Why the file that lies there now is not taken; empty if it is.
    pub problem: String,
    /// Whether the last good look is too old.
    pub stale: bool,
}

/// Times and lengths of files: as long as they stay, the files are taken to be the same.
type Stamp = Vec<(SystemTime, u64)>;

/// A list and where it comes from.
#[derive(Clone, Debug)]
pub(super) struct Source {
    pub(super) name: String,
    /// `None`: the list that ships with the program.
    path: Option<PathBuf>,
    pub(super) list: Option<Arc<List>>,
    pub(super) loaded_at: Option<Timestamp>,
    pub(super) checked_at: Option<Timestamp>,
    pub(super) problem: Option<String>,
    stamp: Option<Stamp>,
}

impl Source {
    /// The source at `path`, not read yet.
    pub(super) fn at(path: Option<PathBuf>) -> Self {
        let name = match &path {
            None => SAMPLE_NAME.to_owned(),
            Some(path) => path.file_stem().and_then(|name| name.to_str()).unwrap_or("list").to_owned(),
        };
        Self { name, path, list: None, loaded_at: None, checked_at: None, problem: None, stamp: None }
    }

    /// Looks at the files; takes what is new and good. True if another version is in force now. Blocks.
    pub(super) fn look(&mut self, watch: Watch, now: Timestamp) -> bool {
        let Some(path) = self.path.clone() else { return self.take_sample(now) };
        let stamp = stamp(&path);
        if stamp.is_some() && stamp == self.stamp {
            if self.problem.is_none() {
                self.checked_at = Some(now);
            }
            return false;
        }
        self.stamp = stamp;
        let list = match read(&path, &self.name).and_then(|list| self.judge(list, watch)) {
            Ok(list) => list,
            Err(problem) => {
                self.problem = Some(problem);
                return false;
            }
        };
        self.problem = None;
        self.checked_at = Some(now);
        if self.list.as_ref().is_some_and(|known| known.version.hash == list.version.hash) {
            return false;
        }
        self.list = Some(Arc::new(list));
        self.loaded_at = Some(now);
        true
    }

    fn judge(&self, list: List, watch: Watch) -> Result<List, String> {
        if let Some(known) = &self.list {
            watch.accepts(known.entries.len(), list.entries.len()).map_err(|error| error.to_string())?;
        }
        Ok(list)
    }

    fn take_sample(&mut self, now: Timestamp) -> bool {
        self.checked_at = Some(now);
        if self.list.is_some() {
            return false;
        }
        match List::read(SAMPLE_NAME, Format::OwnCsv, SAMPLE.as_bytes()) {
            Ok(list) => {
                self.list = Some(Arc::new(list));
                self.loaded_at = Some(now);
                true
            }
            Err(error) => {
                self.problem = Some(error.to_string());
                false
            }
        }
    }
}

/// The list at `path`.
fn read(path: &Path, name: &str) -> Result<List, String> {
    if path.is_dir() {
        let file = |name: &str| open(&path.join(name));
        let optional = |name: &str| path.join(name).exists().then(|| file(name)).transpose();
        let [entries, names, addresses, comments] = OFAC_FILES;
        let list = List::ofac(name, file(entries)?, file(names)?, optional(addresses)?, optional(comments)?);
        return list.map_err(|error| error.to_string());
    }
    let mut head = Vec::new();
    open(path)?.take(4_096).read_to_end(&mut head).map_err(|error| cannot_read(path, &error))?;
    if head.is_empty() {
        return Err(format!("{} is empty", path.display()));
    }
    let file_name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let format = Format::guess(file_name, &head).ok_or_else(|| {
        format!("{} is in no format that is known, or has nothing but a beginning", path.display())
    })?;
    List::read(name, format, open(path)?).map_err(|error| format!("{}: {error}", path.display()))
}

fn open(path: &Path) -> Result<BufReader<File>, String> {
    File::open(path).map(BufReader::new).map_err(|error| cannot_read(path, &error))
}

fn cannot_read(path: &Path, error: &std::io::Error) -> String {
    format!("cannot read {}: {error}", path.display())
}

fn stamp(path: &Path) -> Option<Stamp> {
    let of = |path: &Path| {
        let metadata = std::fs::metadata(path).ok()?;
        Some((metadata.modified().ok()?, metadata.len()))
    };
    if path.is_dir() {
        return Some(OFAC_FILES.iter().filter_map(|name| of(&path.join(name))).collect());
    }
    of(path).map(|stamp| vec![stamp])
}
