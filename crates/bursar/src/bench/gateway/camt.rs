//! A statement of many entries, read as a stream, against the XML parser that reads it and does nothing.

use std::fs::File;
use std::io::{BufReader, BufWriter, Write as _};
use std::path::Path;
use std::time::Instant;

use bursar_iso20022::{BalanceCheck, CamtReader, Event};
use bursar_loadgen::{Bar, Figure, Goal, in_turns};
use quick_xml::Reader;

use super::Plan;
use crate::bench::tell;
use crate::exit::Exit;

const GOAL: Goal = Goal { name: "camt", unit: "MB/s", bar: Bar::AtLeast(0.3), aim: 0.6 };
/// Bytes that both sides read at once.
const BUFFER: usize = 64 * 1024;

pub(super) async fn figure(plan: Plan) -> Result<Figure, Exit> {
    let folder = tempfile::Builder::new().prefix("bursar-bench-").tempdir();
    let folder = folder.map_err(|error| Exit::usage(format!("no temporary folder: {error}")))?;
    let file = folder.path().join("statement.xml");
    tell::line(&format!("writing a statement of {} entries", plan.entries));
    let bytes = write(&file, plan.entries).map_err(|error| Exit::unavailable(error.to_string()))?;
    let megabytes = f64::from(u32::try_from(bytes / 1_000).unwrap_or(u32::MAX)) / 1_000.0;
    let pairs = in_turns(
        plan.rounds,
        async || ours(&file, plan.entries).map(|seconds| megabytes / seconds),
        async || bare(&file).map(|seconds| megabytes / seconds),
        |round| tell::round(GOAL, round),
    );
    let note = format!("camt.053.001.08, {} entries, {megabytes:.0} MB, one core", plan.entries);
    Ok(Figure::of(GOAL, &pairs.await?).with_note(note))
}

fn write(path: &Path, entries: u32) -> std::io::Result<u64> {
    let mut out = BufWriter::with_capacity(1 << 20, File::create(path)?);
    let balance = |code: &str, fen: u64| {
        format!(
            "<Bal><Tp><CdOrPrtry><Cd>{code}</Cd></CdOrPrtry></Tp><Amt Ccy=\"CNY\">{}.{:02}</Amt><CdtDbtInd>CRDT</CdtDbtInd><Dt><Dt>2026-01-05</Dt></Dt></Bal>",
            fen / 100,
            fen % 100
        )
    };
    let total: u64 = (1..=u64::from(entries)).map(|number| 100 + number % 10_000).sum();
    write!(
        out,
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Document xmlns=\"urn:iso:std:iso:20022:tech:xsd:camt.053.001.08\">\n<BkToCstmrStmt>\n<GrpHdr><MsgId>BENCH</MsgId><CreDtTm>2026-01-05T23:00:00Z</CreDtTm></GrpHdr>\n<Stmt>\n<Id>BENCH-1</Id><ElctrncSeqNb>1</ElctrncSeqNb><Acct><Id><IBAN>GB82WEST12345698765432</IBAN></Id><Ccy>CNY</Ccy></Acct>\n{}\n{}\n",
        balance("OPBD", 0),
        balance("CLBD", total)
    )?;
    for number in 1..=entries {
        let fen = 100 + number % 10_000;
        writeln!(
            out,
            "<Ntry>\n <NtryRef>{number}</NtryRef>\n <Amt Ccy=\"CNY\">{}.{:02}</Amt>\n <CdtDbtInd>CRDT</CdtDbtInd>\n <Sts><Cd>BOOK</Cd></Sts>\n <BookgDt><Dt>2026-01-05</Dt></BookgDt>\n <ValDt><Dt>2026-01-05</Dt></ValDt>\n <AcctSvcrRef>BENCH-{number:09}</AcctSvcrRef>\n <BkTxCd><Domn><Cd>PMNT</Cd><Fmly><Cd>RCDT</Cd><SubFmlyCd>ESCT</SubFmlyCd></Fmly></Domn></BkTxCd>\n <NtryDtls>\n  <TxDtls>\n   <Refs><EndToEndId>E2E-{number:09}</EndToEndId></Refs>\n   <RltdPties><Dbtr><Pty><Nm>Payer &amp; Sons {number}</Nm></Pty></Dbtr></RltdPties>\n   <RmtInf><Strd><CdtrRefInf><Ref>RF18{number:014}</Ref></CdtrRefInf></Strd></RmtInf>\n  </TxDtls>\n </NtryDtls>\n</Ntry>",
            fen / 100,
            fen % 100
        )?;
    }
    out.write_all(b"</Stmt>\n</BkToCstmrStmt>\n</Document>\n")?;
    out.flush()?;
    std::fs::metadata(path).map(|file| file.len())
}

fn open(path: &Path) -> Result<BufReader<File>, Exit> {
    let file = File::open(path).map_err(|error| Exit::unavailable(format!("{}: {error}", path.display())))?;
    Ok(BufReader::with_capacity(BUFFER, file))
}

/// Seconds to read every entry and see that they add up.
fn ours(path: &Path, wanted: u32) -> Result<f64, Exit> {
    let began = Instant::now();
    let mut reader = CamtReader::new(open(path)?);
    let (mut credits, mut holds) = (0, false);
    while let Some(event) = reader.next().map_err(|error| Exit::software(error.to_string()))? {
        match event {
            Event::Entry(entry) => {
                credits += entry.movements().iter().map(|it| u32::from(it.is_booked_credit())).sum::<u32>();
            }
            Event::End(end) => holds = end.check == BalanceCheck::Holds,
            Event::File(_) | Event::Statement(_) => {}
        }
    }
    match credits == wanted && holds {
        true => Ok(began.elapsed().as_secs_f64()),
        false => Err(Exit::software(format!("{credits} of {wanted} entries were read, balances: {holds}"))),
    }
}

/// Seconds of the parser alone.
fn bare(path: &Path) -> Result<f64, Exit> {
    let began = Instant::now();
    let mut reader = Reader::from_reader(open(path)?);
    let mut buffer = Vec::new();
    loop {
        buffer.clear();
        match reader.read_event_into(&mut buffer) {
            Ok(quick_xml::events::Event::Eof) => return Ok(began.elapsed().as_secs_f64()),
            Ok(_) => {}
            Err(error) => return Err(Exit::software(error.to_string())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_statement_is_read_whole_by_both() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("statement.xml");
        let bytes = write(&file, 25_000).unwrap();
        assert!(bytes > 25_000 * 600, "{bytes}");
        ours(&file, 25_000).unwrap();
        bare(&file).unwrap();
        assert!(ours(&file, 25_001).is_err());
    }
}
