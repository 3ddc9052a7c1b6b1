//! Half a message is answered, too: what was read is there, and the fault has its place.

use bursar_iso8583::{DecodeError, Fault, Place};

use crate::support::{profile, unhex};

const GOOD: &[u8] = b"0100722000000080000016411111111111111100000000000001250006041234560000421234TERM";

fn decode(raw: &[u8]) -> (Vec<u8>, Option<DecodeError>) {
    let decoded = profile("iso87-hexbitmap").decode(raw);
    (decoded.message.map(|m| m.fields().iter().collect()).unwrap_or_default(), decoded.error)
}

#[test]
fn the_sound_one_is_sound() {
    // Fields 2, 3, 4, 7, 11, 41; field 41 has eight characters.
    assert_eq!(decode(GOOD), (vec![2, 3, 4, 7, 11, 41], None));
}

#[test]
fn a_cut_message_keeps_what_was_whole() {
    let field = |field, offset, fault| Some(DecodeError { place: Place::Field(field), offset, fault });
    assert_eq!(decode(&GOOD[..75]), (vec![2, 3, 4, 7, 11], field(41, 72, Fault::Truncated)));
    assert_eq!(decode(&GOOD[..70]), (vec![2, 3, 4, 7], field(11, 66, Fault::Truncated)));
    assert_eq!(decode(&GOOD[..30]), (vec![], field(2, 20, Fault::Truncated)));
    assert_eq!(decode(&GOOD[..21]), (vec![], field(2, 20, Fault::Truncated)));
    let head = DecodeError { place: Place::Bitmap(1), offset: 4, fault: Fault::Truncated };
    assert_eq!(decode(&GOOD[..12]), (vec![], Some(head)));
}

#[test]
fn without_a_type_there_is_no_message() {
    for (raw, fault) in [(&b"010"[..], Fault::Truncated), (b"01x07220000000008000", Fault::BadCharacter)] {
        let decoded = profile("iso87-hexbitmap").decode(raw);
        assert!(decoded.message.is_none());
        assert_eq!(decoded.error, Some(DecodeError { place: Place::Mti, offset: 0, fault }));
        assert_eq!(decoded.into_result().map_err(|e| e.fault), Err(fault));
    }
}

#[test]
fn a_wrong_character_costs_its_field_only() {
    let mut raw = GOOD.to_vec();
    raw[50] = b'x';
    let (fields, error) = decode(&raw);
    assert_eq!(fields, [2, 3, 7, 11, 41]);
    let error = error.expect("field 4 is at fault");
    assert_eq!((error.field(), error.offset, error.fault), (Some(4), 44, Fault::BadCharacter));
    assert_eq!(error.to_string(), "field 4 at byte 44: it has a character outside its class");
}

#[test]
fn bytes_after_the_end_are_a_fault_of_the_whole() {
    let raw = [GOOD, b"!"].concat();
    let (fields, error) = decode(&raw);
    assert_eq!(fields, [2, 3, 4, 7, 11, 41]);
    let expected = DecodeError { place: Place::Message, offset: GOOD.len(), fault: Fault::Trailing };
    assert_eq!(error, Some(expected));
}

#[test]
fn lengths_are_checked_before_values() {
    for (indicator, fault) in [("1x", Fault::BadLength), ("20", Fault::TooLong)] {
        let mut raw = GOOD.to_vec();
        raw[20..22].copy_from_slice(indicator.as_bytes());
        let (fields, error) = decode(&raw);
        assert_eq!((fields, error.map(|e| (e.offset, e.fault))), (vec![], Some((20, fault))));
    }
}

#[test]
fn an_undefined_field_ends_the_reading() {
    let text = "name = \"small\"\nextends = \"iso87-hexbitmap\"\n[fields]\n11 = { absent = true }\n";
    let profile = bursar_iso8583::Profile::from_toml(text, |_| None).expect("compiles");
    let decoded = profile.decode(GOOD);
    assert_eq!(
        decoded.error.map(|e| (e.place, e.offset, e.fault)),
        Some((Place::Field(11), 66, Fault::Undefined))
    );
    assert_eq!(decoded.message.map(|m| m.fields().len()), Some(4));
}

#[test]
fn the_half_read_message_can_be_answered() {
    let profile = profile("iso87-hexbitmap");
    let decoded = profile.decode(&GOOD[..75]);
    let request = decoded.message.expect("the type could be read");
    let mut reply = profile.reply_to(&request).expect("wants an answer");
    reply.set(39, "30").expect("sets");
    assert_eq!(
        reply.to_string(),
        "0110 2=411111******1111 3=000000 4=000000012500 7=0604123456 11=000042 39=30"
    );
}

#[test]
fn a_foreign_bitmap_form_is_named() {
    let text = "name = \"t\"\nextends = \"iso87-ascii\"\n[bitmap]\nsecondary = \"always\"\n";
    let profile = bursar_iso8583::Profile::from_toml(text, |_| None).expect("compiles");
    let short = unhex("30383030 2000000000000000 393930303030".replace(' ', "").as_str());
    let decoded = profile.decode(&short);
    let fault = DecodeError { place: Place::Bitmap(1), offset: 4, fault: Fault::BitmapForm };
    assert_eq!(decoded.error, Some(fault));
    assert_eq!(decoded.message.expect("is read").text(3), Some("990000"));
}
