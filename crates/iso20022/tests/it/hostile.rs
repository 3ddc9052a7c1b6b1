//! Files that are made to hurt.

use std::io::{BufReader, Read};

use bursar_iso20022::{CamtReader, Event, read_status};
use proptest::prelude::*;

use crate::support::read;

const SMALL: &str = r#"<Document xmlns="urn:iso:std:iso:20022:tech:xsd:camt.053.001.08"><BkToCstmrStmt><GrpHdr><MsgId>M</MsgId></GrpHdr><Stmt><Id>S</Id><Bal><Tp><CdOrPrtry><Cd>OPBD</Cd></CdOrPrtry></Tp><Amt Ccy="CNY">1</Amt><CdtDbtInd>CRDT</CdtDbtInd></Bal><Ntry><NtryRef>a&lt;b</NtryRef><Amt Ccy="CNY">100.50</Amt><CdtDbtInd>CRDT</CdtDbtInd><Sts><Cd>BOOK</Cd></Sts><NtryDtls><TxDtls/></NtryDtls></Ntry></Stmt></BkToCstmrStmt></Document>"#;

#[test]
fn a_file_cut_anywhere_is_refused() {
    for cut in 0..SMALL.len() {
        assert!(read(&SMALL.as_bytes()[..cut]).is_err(), "cut at {cut}");
    }
    assert!(read(SMALL.as_bytes()).is_ok());
}

/// Head, then the same bytes without end.
struct Endless {
    head: Vec<u8>,
    then: &'static [u8],
    given: u64,
}

impl Read for Endless {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        for slot in into.iter_mut() {
            let at = usize::try_from(self.given).unwrap();
            *slot = match self.head.get(at) {
                Some(byte) => *byte,
                None => self.then[(at - self.head.len()) % self.then.len()],
            };
            self.given += 1;
        }
        Ok(into.len())
    }
}

#[test]
fn nothing_that_has_no_end_is_collected() {
    let at = |mark: &str| SMALL.find(mark).unwrap();
    let (text, tag) = (at("a&lt;b"), at("<NtryRef>"));
    let cases: [(&str, Vec<u8>, &'static [u8]); 6] = [
        ("a text", SMALL[..text].into(), b"x"),
        ("a comment", [&SMALL[..tag], "<!--"].concat().into(), b"- "),
        ("a tag", [&SMALL[..tag], "<NtryRef a=\""].concat().into(), b"x"),
        ("a name", [&SMALL[..tag], "<"].concat().into(), b"x"),
        ("an instruction", [&SMALL[..tag], "<?"].concat().into(), b"x"),
        ("a nest", SMALL[..tag].into(), b"<a>"),
    ];
    for (what, head, then) in cases {
        let source = BufReader::new(Endless { head, then, given: 0 });
        let mut reader = CamtReader::new(source);
        let error = loop {
            match reader.next() {
                Ok(Some(_)) => {}
                Ok(None) => panic!("{what} came to an end"),
                Err(error) => break error,
            }
        };
        assert!(error.offset < 2_000, "{what} was collected: {error}");
    }
}

#[test]
fn entries_without_end_are_read_one_at_a_time() {
    let entry = &SMALL[SMALL.find("<Ntry>").unwrap()..SMALL.find("</Stmt>").unwrap()];
    let head = SMALL[..SMALL.find("<Ntry>").unwrap()].into();
    let entry: &'static [u8] = entry.as_bytes();
    let mut reader = CamtReader::new(BufReader::new(Endless { head, then: entry, given: 0 }));
    let mut entries = 0;
    while entries < 100_000 {
        if let Some(Event::Entry(_)) = reader.next().unwrap() {
            entries += 1;
        }
    }
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes: Vec<u8>) {
        let _ = read(&bytes);
        let _ = read_status(&bytes[..]);
    }

    #[test]
    fn no_damage_makes_it_panic(at in 0..SMALL.len(), byte: u8, cut in 0..SMALL.len()) {
        let mut document = SMALL.as_bytes().to_vec();
        document[at] = byte;
        let _ = read(&document);
        document.remove(cut);
        let _ = read(&document);
    }
}
