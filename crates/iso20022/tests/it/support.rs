//! What the tests share.

use std::path::PathBuf;

use bursar_iso20022::{BalanceCheck, CamtReader, Entry, Event, FileError, FileHeader, StatementEnd};

/// All that a file says.
#[derive(Debug, Default)]
pub(crate) struct Whole {
    pub(crate) file: Option<FileHeader>,
    pub(crate) accounts: Vec<String>,
    pub(crate) entries: Vec<Entry>,
    pub(crate) ends: Vec<StatementEnd>,
}

impl Whole {
    pub(crate) fn checks(&self) -> Vec<BalanceCheck> {
        self.ends.iter().map(|end| end.check).collect()
    }
}

pub(crate) fn read(file: &[u8]) -> Result<Whole, FileError> {
    let mut reader = CamtReader::new(file);
    let mut whole = Whole::default();
    while let Some(event) = reader.next()? {
        match event {
            Event::File(file) => whole.file = Some(file),
            Event::Statement(header) => whole.accounts.push(header.account),
            Event::Entry(entry) => whole.entries.push(entry),
            Event::End(end) => whole.ends.push(end),
        }
    }
    Ok(whole)
}

/// Published files and schemas, where they are present.
#[allow(clippy::print_stdout)] // a test that did not run says so
pub(crate) fn published() -> Option<PathBuf> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/iso20022");
    let there = folder.join("manifest.json").exists();
    if !there {
        println!("published samples are not present: skipped");
    }
    there.then_some(folder)
}
