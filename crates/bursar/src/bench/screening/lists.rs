//! The lists a bench screens against.

use std::fs::File;
use std::io::{BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bursar_screening::{Format, List};

use super::made;
use crate::exit::Exit;

/// Entries of the list that is made up where none is given: with its aliases some 35 000 names, as many as OFAC and the
/// UN have together.
const MADE_ENTRIES: usize = 17_500;

/// The lists at `paths`; without any, one that is made up.
pub(super) fn of(paths: &[PathBuf]) -> Result<Vec<Arc<List>>, Exit> {
    if paths.is_empty() {
        return Ok(vec![Arc::new(made::list(MADE_ENTRIES)?)]);
    }
    paths.iter().map(|path| read(path).map(Arc::new)).collect()
}

fn read(path: &Path) -> Result<List, Exit> {
    let wrong = |what: String| Exit::usage(format!("--list {}: {what}", path.display()));
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or("list");
    if path.is_dir() || name == "sdn.csv" {
        let folder = if path.is_dir() { path } else { path.parent().unwrap_or(Path::new(".")) };
        let file = |name: &str| open(&folder.join(name));
        let optional = |name: &str| folder.join(name).exists().then(|| file(name)).transpose();
        let read = || -> Result<List, String> {
            let (entries, names) = (file("sdn.csv")?, file("alt.csv")?);
            let (addresses, comments) = (optional("add.csv")?, optional("sdn_comments.csv")?);
            List::ofac("ofac", entries, names, addresses, comments).map_err(|error| error.to_string())
        };
        return read().map_err(wrong);
    }
    let mut head = vec![0; 4_096];
    let length = open(path)
        .and_then(|mut file| file.read(&mut head).map_err(|error| error.to_string()))
        .map_err(wrong)?;
    let format =
        Format::guess(name, &head[..length]).ok_or_else(|| wrong("is in no format that is known".into()))?;
    open(path)
        .and_then(|file| List::read(name, format, file).map_err(|error| error.to_string()))
        .map_err(wrong)
}

fn open(path: &Path) -> Result<BufReader<File>, String> {
    File::open(path).map(BufReader::new).map_err(|error| format!("{}: {error}", path.display()))
}
