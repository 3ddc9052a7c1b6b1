//! The text of checkpoints.

use bursar_transparency::{Checkpoint, SignedCheckpoint};
use bursar_transparency::{CheckpointError, TEXT_BYTES_MAX};
use bursar_types::Timestamp;
use proptest::prelude::*;

const TEXT: &str = "bursar/ledger/prog_00000000000000000000000001
28
XcnaeacGWamtVZy3Ad7Zoqudgjqsvkl6z+Nw7/RgQyg=
time 2026-11-25T21:58:00.123456Z

— bursar/ledger/prog_00000000000000000000000001 eyJhbGciOiJFZERTQSJ9.e30.AA
";

fn parse(text: &str) -> Result<SignedCheckpoint, CheckpointError> {
    text.parse()
}

#[test]
fn a_checkpoint_reads_as_documented() {
    let signed = parse(TEXT).unwrap();
    assert_eq!(signed.to_string(), TEXT);
    assert_eq!(signed.checkpoint.origin, "bursar/ledger/prog_00000000000000000000000001");
    assert_eq!((signed.checkpoint.size, signed.checkpoint.root[0]), (28, 0x5d));
    assert_eq!(signed.checkpoint.time, Timestamp::from_micros(1_795_643_880_123_456));
    assert_eq!(signed.signature, "eyJhbGciOiJFZERTQSJ9.e30.AA");
}

#[test]
fn other_texts_are_refused() {
    use CheckpointError as E;
    for (from, to, error) in [
        ("\n28\n", "\n028\n", E::Lines),
        ("\n28\n", "\n+28\n", E::Lines),
        ("\n28\n", "\n-1\n", E::Size),
        ("\n28\n", "\n9223372036854775808\n", E::Size),
        ("Xcna", "Xcn", E::Root),
        ("Qyg=", "Qyh=", E::Root),
        ("21:58:00.123456Z", "22:58:00.123456+01:00", E::Lines),
        ("21:58:00.123456Z", "21:58:00.123456000Z", E::Lines),
        ("time ", "", E::Time),
        ("time 2026", "time", E::Time),
        ("Z\n\n", "Z\nmore\n\n", E::Lines),
        ("— bursar/ledger", "— bursar/vault", E::Signature),
        ("— bursar", "- bursar", E::Signature),
        ("e30.AA", "e30 AA", E::Signature),
        ("e30.AA\n", "e30.AA\n\n", E::Lines),
        ("e30.AA\n", "e30.AA", E::Lines),
    ] {
        assert_eq!(parse(&TEXT.replacen(from, to, 1)), Err(error), "{from:?} → {to:?}");
    }
    assert_eq!(parse(""), Err(E::Lines));
    assert_eq!(parse(&TEXT.replace("bursar/ledger/prog", "bursar ledger prog")), Err(E::Origin));
    assert_eq!(parse(&TEXT.replace("bursar/ledger/prog", &"x".repeat(250))), Err(E::Origin));
    assert_eq!(parse(&"x".repeat(TEXT_BYTES_MAX + 1)), Err(E::TooLong));
    assert_eq!(parse(&TEXT.replace('\n', "\r\n")), Err(E::Lines));
}

proptest! {
    #[test]
    fn texts_come_back(origin in "[!-~]{1,255}", size in 0_u64..=1 << 62, root: [u8; 32], micros in 0_i64..1 << 55, signature in "[!-~]{1,2000}") {
        let checkpoint = Checkpoint { origin, size, root, time: Timestamp::from_micros(micros) };
        let signed = SignedCheckpoint { checkpoint, signature };
        prop_assert_eq!(parse(&signed.to_string()), Ok(signed));
    }

    #[test]
    fn any_text_is_a_checkpoint_or_an_error(text in "\\PC{0,200}") {
        let _ = parse(&text);
    }

    #[test]
    fn a_changed_byte_is_another_checkpoint_or_an_error(at in 0..TEXT.len(), byte in 0_u8..0x80) {
        let mut bytes = TEXT.as_bytes().to_vec();
        bytes[at] = byte;
        if let Ok(text) = String::from_utf8(bytes)
            && text != TEXT
            && let Ok(other) = parse(&text)
        {
            prop_assert_ne!(other, parse(TEXT).unwrap());
        }
    }
}
