//! What is made of entries, and what is refused.

use bursar_iso20022::{BalanceCheck, Direction, EntryStatus, PaymentStatus, TRANSACTIONS_MAX, read_status};
use bursar_types::{Asset, Money};

use crate::support::{Whole, read};

const ONE: &str = r#"<?xml version="1.0"?>
<Document xmlns="urn:iso:std:iso:20022:tech:xsd:camt.054.001.08"><BkToCstmrDbtCdtNtfctn>
<GrpHdr><MsgId>M-1</MsgId><CreDtTm>2026-01-02T03:04:05Z</CreDtTm></GrpHdr>
<Ntfctn><Id>N-1</Id><Ntry>
<Amt Ccy="CNY">100.50</Amt><CdtDbtInd>CRDT</CdtDbtInd><Sts><Cd>BOOK</Cd></Sts>
<BookgDt><DtTm>2026-01-02T23:59:59Z</DtTm></BookgDt><ValDt><Dt>2026-01-03</Dt></ValDt><AcctSvcrRef>BANK-7</AcctSvcrRef>
<NtryDtls><TxDtls><Refs><EndToEndId>NOTPROVIDED</EndToEndId></Refs>
<RltdPties><Dbtr><Pty><Nm>A &amp; B <![CDATA[& C]]></Nm></Pty></Dbtr></RltdPties>
<RmtInf><Strd><CdtrRefInf><Ref>RF18 5390</Ref></CdtrRefInf></Strd></RmtInf></TxDtls></NtryDtls>
</Ntry></Ntfctn></BkToCstmrDbtCdtNtfctn></Document>"#;

fn cny(minor_units: i64) -> Money {
    Money::new(minor_units, Asset::from_code("CNY").unwrap())
}

fn with_details(details: &str) -> String {
    let start = ONE.find("<NtryDtls>").unwrap();
    let end = ONE.find("</Ntry>").unwrap();
    format!("{}<NtryDtls>{details}</NtryDtls>{}", &ONE[..start], &ONE[end..])
}

#[test]
fn a_booked_credit_is_read_with_all_it_needs() {
    let whole = read(ONE.as_bytes()).unwrap();
    let [movement] = whole.entries[0].movements().try_into().unwrap();
    assert!(movement.is_booked_credit());
    assert_eq!((movement.amount, movement.bank_reference.as_deref()), (cny(10_050), Some("BANK-7")));
    assert_eq!((movement.remittance.as_str(), movement.debtor_name.as_str()), ("RF185390", "A & B & C"));
    assert_eq!((movement.booking_date.as_str(), movement.value_date.as_str()), ("2026-01-02", "2026-01-03"));
    assert_eq!(movement.foreign_reference, None, "NOTPROVIDED is no reference");
}

#[test]
fn a_prefix_or_an_envelope_changes_nothing() {
    let plain = read(ONE.as_bytes()).unwrap();
    let prefixed = ONE
        .replace("<?xml version=\"1.0\"?>\n", "")
        .replace("</", "</c:")
        .replace('<', "<c:")
        .replace("<c:/c:", "</c:")
        .replace("<c:![CDATA", "<![CDATA")
        .replace("xmlns=", "xmlns:c=");
    let wrapped = format!(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?><Envelope xmlns=\"urn:swift:xsd:envelope\"><h:AppHdr xmlns:h=\"x\"><h:Ntry/></h:AppHdr>{prefixed}</Envelope>"
    );
    for text in [prefixed, wrapped] {
        let whole = read(text.as_bytes()).unwrap_or_else(|error| panic!("{error}: {text}"));
        assert_eq!(whole.entries, plain.entries);
    }
    // The same names of another vocabulary say nothing to us.
    let foreign = ONE.replace("<Amt Ccy", "<x:Amt xmlns:x=\"y\" Ccy=\"CNY\">7</x:Amt><Amt Ccy");
    assert_eq!(read(foreign.as_bytes()).unwrap().entries, plain.entries);
}

#[test]
fn several_transactions_of_one_entry_are_movements_of_their_own() {
    let details = "<TxDtls><Amt Ccy=\"CNY\">60.50</Amt></TxDtls><TxDtls><AmtDtls><TxAmt><Amt Ccy=\"CNY\">40</Amt></TxAmt></AmtDtls></TxDtls>";
    let movements = read(with_details(details).as_bytes()).unwrap().entries[0].movements();
    let seen: Vec<_> =
        movements.iter().map(|it| (it.bank_reference.as_deref(), it.amount.minor_units)).collect();
    assert_eq!(seen, [(Some("BANK-7/1"), 6_050), (Some("BANK-7/2"), 4_000)]);
}

#[test]
fn transactions_that_do_not_make_up_their_entry_are_one_movement_of_nobody() {
    let amount = |text: &str| format!("<Amt Ccy=\"CNY\">{text}</Amt>");
    for amounts in [["", ""], [&amount("60.50"), ""], [&amount("100.50"), &amount("1")]] {
        let details: String = amounts
            .map(|amount| {
                format!("<TxDtls>{amount}<RmtInf><Ustrd>RF18539007547034</Ustrd></RmtInf></TxDtls>")
            })
            .concat();
        let movements = read(with_details(&details).as_bytes()).unwrap().entries[0].movements();
        let [movement] = movements.try_into().unwrap();
        assert_eq!((movement.amount, movement.remittance.as_str()), (cny(10_050), ""));
    }
}

#[test]
fn what_is_not_a_booked_credit_is_told_apart() {
    for (from, to) in [
        ("<CdtDbtInd>CRDT", "<CdtDbtInd>DBIT"),
        ("<Cd>BOOK", "<Cd>PDNG"),
        ("<Sts>", "<RvslInd>true</RvslInd><Sts>"),
        ("100.50", "0.00"),
    ] {
        let whole = read(ONE.replace(from, to).as_bytes()).unwrap();
        assert!(!whole.entries[0].movements()[0].is_booked_credit(), "{to}");
    }
    // The status as the older versions write it.
    let old = ONE.replace("<Sts><Cd>BOOK</Cd></Sts>", "<Sts>BOOK</Sts>").replace("001.08", "001.02");
    assert_eq!(read(old.as_bytes()).unwrap().entries[0].status, EntryStatus::Booked);
}

fn statement(opening: &str, entries: &[(&str, &str, &str)], closing: &str) -> String {
    let balance = |code: &str, amount: &str| {
        let (way, amount) = amount.strip_prefix('-').map_or(("CRDT", amount), |amount| ("DBIT", amount));
        format!(
            "<Bal><Tp><CdOrPrtry><Cd>{code}</Cd></CdOrPrtry></Tp><Amt Ccy=\"CNY\">{amount}</Amt><CdtDbtInd>{way}</CdtDbtInd></Bal>"
        )
    };
    let entries: String = entries
        .iter()
        .map(|(amount, way, status)| {
            format!(
                "<Ntry><Amt Ccy=\"CNY\">{amount}</Amt><CdtDbtInd>{way}</CdtDbtInd><Sts>{status}</Sts></Ntry>"
            )
        })
        .collect();
    format!(
        "<Document xmlns=\"urn:iso:std:iso:20022:tech:xsd:camt.053.001.02\"><BkToCstmrStmt><GrpHdr><MsgId>M</MsgId></GrpHdr><Stmt><Id>S</Id><ElctrncSeqNb>7</ElctrncSeqNb><Acct><Id><IBAN>GB82WEST12345698765432</IBAN></Id></Acct>{}{}{entries}</Stmt></BkToCstmrStmt></Document>",
        balance("OPBD", opening),
        balance("CLBD", closing)
    )
}

fn check(opening: &str, entries: &[(&str, &str, &str)], closing: &str) -> (Whole, BalanceCheck) {
    let whole = read(statement(opening, entries, closing).as_bytes()).unwrap();
    let check = whole.checks()[0];
    (whole, check)
}

#[test]
fn booked_entries_must_lead_from_the_opening_balance_to_the_closing_one() {
    let entries = [("100.00", "CRDT", "BOOK"), ("30.25", "DBIT", "BOOK"), ("9.00", "CRDT", "PDNG")];
    let (whole, holds) = check("-20.00", &entries, "49.75");
    assert_eq!(holds, BalanceCheck::Holds);
    assert_eq!(whole.accounts, ["GB82WEST12345698765432"]);
    assert_eq!(whole.entries[1].direction, Direction::Debit);
    let (_, differs) = check("-20.00", &entries[..1], "49.75");
    assert_eq!(differs, BalanceCheck::Differs { expected: cny(8_000), given: cny(4_975) });
    // Without entries there is a head and an end, too.
    let (whole, holds) = check("5.00", &[], "5.00");
    assert_eq!((whole.accounts.len(), holds), (1, BalanceCheck::Holds));
}

#[test]
fn a_bank_may_close_by_value_date() {
    let later = |closing: &str| {
        let text = statement("10.00", &[("1.00", "CRDT", "BOOK"), ("5.00", "CRDT", "BOOK")], closing);
        let day = |date: &str| format!("<Dt><Dt>{date}</Dt></Dt>");
        let text = text.replace("</CdtDbtInd></Bal>", &format!("</CdtDbtInd>{}</Bal>", day("2026-01-02")));
        let value = |amount: &str, date: &str, text: &str| {
            let entry = format!("<Amt Ccy=\"CNY\">{amount}</Amt><CdtDbtInd>CRDT</CdtDbtInd><Sts>BOOK</Sts>");
            text.replace(&entry, &format!("{entry}<ValDt><Dt>{date}</Dt></ValDt>"))
        };
        let text = value("5.00", "2026-01-03", &value("1.00", "2026-01-02", &text));
        read(text.as_bytes()).unwrap().checks()[0]
    };
    assert_eq!(later("16.00"), BalanceCheck::Holds, "all that is booked");
    assert_eq!(later("11.00"), BalanceCheck::Holds, "what has its value by then");
    assert!(matches!(later("15.00"), BalanceCheck::Differs { .. }));
}

#[test]
fn bad_files_are_refused_and_the_place_is_named() {
    let two = format!("{}{}", ONE.trim_end(), ONE.trim_start_matches("<?xml version=\"1.0\"?>"));
    for (text, told) in [
        (ONE.replace("camt.054.001.08", "camt.052.001.08"), "give camt.053 or camt.054"),
        (ONE.replace("camt.054.001.08", "camt.054.001.99"), "give camt.053 or camt.054"),
        (ONE.replace("camt.054.001.08", "camt.053.001.08"), "its content is not that of"),
        (ONE.replace("100.50", "100.505"), "no amount"),
        (ONE.replace("100.50", "-1"), "no amount"),
        (ONE.replace(" Ccy=\"CNY\"", ""), "no currency"),
        (ONE.replace("Ccy=\"CNY\"", "Ccy=\"XXQ\""), "unknown asset"),
        (ONE.replace("<MsgId>M-1</MsgId>", ""), "MsgId is missing"),
        (ONE.replace("A &amp; B", "A &x; B"), "not one of XML's own"),
        (ONE.replace("2026-01-03", "3 January"), "YYYY-MM-DD"),
        (ONE.replace("</BkToCstmrDbtCdtNtfctn></Document>", ""), "cut short"),
        (ONE.replace("<?xml version=\"1.0\"?>", "<!DOCTYPE a [<!ENTITY x \"y\">]>"), "document type"),
        (
            ONE.replace("<?xml version=\"1.0\"?>", "<?xml version=\"1.0\" encoding=\"GB18030\"?>"),
            "give UTF-8",
        ),
        (ONE.replace("</Ntry>", "</Ntfctn>"), "well-formed"),
        (two, "more than one root"),
        ("<Invoice/>".to_owned(), "not a <Document>"),
        (String::new(), "no <Document>"),
    ] {
        let error = read(text.as_bytes()).unwrap_err();
        assert!(error.problem.contains(told), "{told}: {error}");
    }
}

#[test]
fn an_entry_of_too_many_transactions_is_refused() {
    let details = "<TxDtls/>".repeat(TRANSACTIONS_MAX);
    assert!(read(with_details(&details).as_bytes()).is_ok());
    let error = read(with_details(&format!("{details}<TxDtls/>")).as_bytes()).unwrap_err();
    assert!(error.problem.contains("10000 transactions"), "{error}");
}

#[test]
fn a_report_tells_of_the_group_of_payments_and_of_each() {
    let report = r#"<Document xmlns="urn:iso:std:iso:20022:tech:xsd:pain.002.001.10"><CstmrPmtStsRpt>
<GrpHdr><MsgId>R-1</MsgId><CreDtTm>2026-01-02T03:04:05Z</CreDtTm></GrpHdr>
<OrgnlGrpInfAndSts><OrgnlMsgId>M-1</OrgnlMsgId><OrgnlMsgNmId>pain.001.001.09</OrgnlMsgNmId><GrpSts>PART</GrpSts></OrgnlGrpInfAndSts>
<OrgnlPmtInfAndSts><OrgnlPmtInfId>P-1</OrgnlPmtInfId>
<TxInfAndSts><OrgnlInstrId>I-1</OrgnlInstrId><OrgnlEndToEndId>E-1</OrgnlEndToEndId><TxSts>ACSC</TxSts></TxInfAndSts>
<TxInfAndSts><OrgnlInstrId>I-2</OrgnlInstrId><OrgnlEndToEndId>E-2</OrgnlEndToEndId><TxSts>RJCT</TxSts>
<StsRsnInf><Rsn><Cd>AC04</Cd></Rsn><AddtlInf>closed</AddtlInf></StsRsnInf></TxInfAndSts>
</OrgnlPmtInfAndSts></CstmrPmtStsRpt></Document>"#;
    let read = read_status(report.as_bytes()).unwrap();
    let seen: Vec<_> = read
        .statuses
        .iter()
        .map(|it| (it.original_message_id.as_str(), it.instruction_id.as_str(), it.status()))
        .collect();
    assert_eq!(
        seen,
        [
            ("M-1", "", PaymentStatus::UnderWay),
            ("M-1", "I-1", PaymentStatus::Settled),
            ("M-1", "I-2", PaymentStatus::Rejected)
        ]
    );
    assert_eq!(read.statuses[2].reasons, ["AC04", "closed"]);
    assert_eq!(read.statuses[2].original_payment_id, "P-1");
    let unknown = report.replace("ACSC", "XXXX");
    assert_eq!(read_status(unknown.as_bytes()).unwrap().statuses[1].status(), PaymentStatus::Unknown);
    let error = read_status(report.replace("pain.002.001.10", "pain.001.001.09").as_bytes()).unwrap_err();
    assert!(error.problem.contains("give pain.002"), "{error}");
}
