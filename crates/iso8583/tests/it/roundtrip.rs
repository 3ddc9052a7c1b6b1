//! What is encoded decodes to itself, and what is decoded encodes to itself.

use bursar_iso8583::{Message, Profile};
use proptest::prelude::*;

use crate::support::{any_message, builtin, message};

/// Encodes, decodes, and encodes again.
fn both_ways(profile: &Profile, original: &Message) -> Result<(), TestCaseError> {
    let encoded = profile.encode(original).map_err(|e| TestCaseError::fail(e.to_string()))?;
    let decoded = profile.decode(&encoded);
    prop_assert_eq!(decoded.error, None);
    let decoded = decoded.message.ok_or_else(|| TestCaseError::fail("no message"))?;
    prop_assert_eq!(&decoded, original);
    let again = profile.encode(&decoded).map_err(|e| TestCaseError::fail(e.to_string()))?;
    prop_assert_eq!(&again[..], &encoded[..]);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn every_shipped_profile_reads_what_it_writes((at, fields, seed) in any_message()) {
        let profile = &builtin()[at];
        both_ways(profile, &message(profile, &fields, seed))?;
    }

    /// Whatever bytes decode without fault encode to the same bytes: the guarantee duplicates rely on.
    #[test]
    fn what_decodes_encodes_back((at, fields, seed) in any_message(), place in any::<usize>(), byte in any::<u8>()) {
        let profile = &builtin()[at];
        let encoded = profile.encode(&message(profile, &fields, seed)).map_err(|e| TestCaseError::fail(e.to_string()))?;
        let mut changed = encoded.to_vec();
        let place = place % changed.len();
        changed[place] = byte;
        if let Ok(message) = profile.decode(&changed).into_result() {
            let again = profile.encode(&message).map_err(|e| TestCaseError::fail(e.to_string()))?;
            prop_assert_eq!(&again[..], &changed[..]);
        }
    }
}

/// Every field of every profile at once, at both ends of its length.
#[test]
fn every_field_of_every_profile() {
    for profile in builtin() {
        let fields: Vec<u8> = profile.fields().iter().collect();
        assert!(fields.len() > 120, "{}", profile.name());
        for seed in 0..20 {
            let original = message(profile, &fields, seed);
            let encoded = profile.encode(&original).unwrap_or_else(|e| panic!("{}: {e}", profile.name()));
            let decoded =
                profile.decode(&encoded).into_result().unwrap_or_else(|e| panic!("{}: {e}", profile.name()));
            assert_eq!(decoded, original, "{} {seed}", profile.name());
        }
    }
}

/// A tertiary bitmap, in both places it is met in.
#[test]
fn three_bitmaps() {
    for (place, head, tail) in [
        ("follows", "0100C0000000000000018000000000000000800000000000000002", "01x"),
        ("in-place", "0100C000000000000001800000000000000002", "800000000000000001x"),
    ] {
        let text = format!(
            "name = \"t\"\nextends = \"iso87-hexbitmap\"\n[bitmap]\ntertiary = \"{place}\"\n[fields]\n\
             65 = {{ absent = true }}\n129 = {{ format = \"ans..10\" }}\n192 = {{ format = \"n 3\" }}\n"
        );
        let profile = Profile::from_toml(&text, |_| None).expect("compiles");
        for fields in [&[129, 192][..], &[2, 64, 128, 129], &[3, 192], &[2, 3]] {
            let original = message(&profile, fields, 7);
            let encoded = profile.encode(&original).expect("encodes");
            let decoded = profile.decode(&encoded).into_result().expect("decodes");
            assert_eq!(decoded, original, "{place} {fields:?}");
            assert_eq!(profile.encode(&decoded).expect("encodes")[..], encoded[..]);
        }
        // In its own place the third bitmap stands after field 64 and before field 129.
        let mut small = profile.message("0100".parse().expect("is an MTI"));
        for (field, value) in [(2, "12"), (64, "\u{1}2345678"), (129, "x")] {
            small.set(field, value).expect("sets");
        }
        let encoded =
            String::from_utf8(profile.encode(&small).expect("encodes").to_vec()).expect("is printable");
        assert!(encoded.starts_with(head) && encoded.ends_with(tail), "{place}: {encoded}");
    }
}

/// An empty second bitmap that is announced comes back.
#[test]
fn an_empty_secondary_bitmap_is_kept() {
    let profile = crate::support::profile("iso87-hexbitmap");
    let raw = b"0800A0000000000000000000000000000000990000";
    let message = profile.decode(raw).into_result().expect("decodes");
    assert_eq!(message.text(3), Some("990000"));
    assert_eq!(&profile.encode(&message).expect("encodes")[..], raw);
    // A message made from it says it in its own, shorter, way.
    let reply = profile.reply_to(&message).expect("wants an answer");
    assert_eq!(&profile.encode(&reply).expect("encodes")[..], b"08102000000000000000990000");
}
