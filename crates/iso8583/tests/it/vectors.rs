//! Messages of public test suites, where they are present: each decodes to its fields and encodes back byte for byte.

use std::fmt::Write;
use std::path::Path;

use bursar_iso8583::{FrameDecoder, Framing, Profile, SecretBytes, ber};
use serde_json::Value;

use crate::support::{hex, unhex};

/// Beside the workspace, not part of it: other people's messages are read in place.
#[expect(clippy::print_stderr, reason = "whoever runs the tests must see what was skipped")]
fn vectors() -> Option<Value> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/iso8583/vectors.json");
    let Ok(text) = std::fs::read_to_string(&path) else {
        eprintln!("shared/data/iso8583/vectors.json: not present, skipped");
        return None;
    };
    Some(serde_json::from_str(&text).expect("the vectors are JSON"))
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_default()
}

/// The vector's description of its layout as one of our profiles.
fn profile_of(vector: &Value, secondary: &str) -> Profile {
    let described = &vector["profile"];
    let bitmap = if text(described, "bitmap") == "ascii_hex" { "hex" } else { "binary" };
    let mut toml = format!(
        "name = \"vector\"\n[mti]\nencoding = \"{}\"\n[bitmap]\nencoding = \"{bitmap}\"\nsecondary = \"{secondary}\"\n",
        text(described, "mti"),
    );
    for (number, field) in described["fields"].as_object().expect("fields is an object") {
        let length = text(field, "len_enc");
        let mut max = field["max"].as_u64().expect("max is a number");
        let dots = match text(field, "type") {
            "fixed" => " ".to_owned(),
            ls => ".".repeat(ls.len()),
        };
        let (class, encoding) = match text(field, "enc") {
            "ascii" => ("ansb", "ascii"),
            "ebcdic" => ("ansb", "ebcdic"),
            "bcd" => ("n", "bcd"),
            "binary" => ("b", "binary"),
            other => panic!("{other}"),
        };
        writeln!(toml, "[fields.{number}]\nencoding = \"{encoding}\"\nlength = \"{length}\"")
            .expect("writes");
        if let Some(bytes) = field["len_bytes"].as_u64() {
            writeln!(toml, "length-bytes = {bytes}").expect("writes");
            if length == "binary" && bytes == 1 {
                max = max.min(255);
            }
        }
        match text(field, "pad") {
            "left0" => toml.push_str("pad = \"left-0\"\n"),
            "right0" => toml.push_str("pad = \"right-0\"\n"),
            _ => {}
        }
        writeln!(toml, "format = \"{class}{dots}{max}\"").expect("writes");
    }
    Profile::from_toml(&toml, |_| None).unwrap_or_else(|e| panic!("{e}\n{toml}"))
}

/// Decodes, compares each field, encodes, compares each byte.
fn check(id: &str, vector: &Value, profile: &Profile, raw: &[u8]) {
    let message = profile.decode(raw).into_result().unwrap_or_else(|e| panic!("{id}: {e}"));
    assert_eq!(message.mti().to_string(), text(vector, "mti"), "{id}");
    let expected = vector["fields"].as_object().expect("fields is an object");
    let seen: Vec<String> = message.fields().iter().map(|field| field.to_string()).collect();
    let mut wanted: Vec<&String> = expected.keys().collect();
    wanted.sort_by_key(|field| field.parse::<u8>().unwrap_or_default());
    assert_eq!(seen.iter().collect::<Vec<_>>(), wanted, "{id}");
    for (field, value) in expected {
        let number = field.parse().expect("is a number");
        let have = message.get(number).expect("is present");
        let binary = profile.field(number).is_some_and(|spec| spec.encoding() == "binary");
        let have = if binary { hex(have) } else { String::from_utf8_lossy(have).into_owned() };
        assert_eq!(Some(have.as_str()), value.as_str(), "{id}: field {field}");
    }
    let encoded = profile.encode(&message).unwrap_or_else(|e| panic!("{id}: {e}"));
    assert_eq!(hex(&encoded), hex(raw), "{id}");
    if let Some(tags) = vector["emv_tags"].as_object() {
        let icc = message.get(55).expect("has field 55");
        assert_eq!(ber::elements(icc).filter(Result::is_ok).count(), tags.len(), "{id}");
        for (tag, value) in tags {
            let found = ber::find(icc, tag.parse().expect("is a tag"));
            assert_eq!(found.map(hex).as_deref(), value.as_str(), "{id}: tag {tag}");
        }
    }
}

#[test]
fn every_vector_decodes_and_encodes_back() {
    let Some(data) = vectors() else { return };
    let vectors = data["vectors"].as_array().expect("vectors is an array");
    assert!(!vectors.is_empty());
    let mut normalised = 0;
    for vector in vectors {
        let id = text(vector, "id");
        check(id, vector, &profile_of(vector, "auto"), &unhex(text(vector, "hex")));
        // Before it was normalised the message had a second bitmap always, and bit 1 never: a habit profiles can say.
        if let Some(upstream) = vector["upstream_hex"].as_str() {
            check(id, vector, &profile_of(vector, "unmarked"), &unhex(upstream));
            normalised += 1;
        }
    }
    assert!(normalised > 0);
}

/// The public vectors in the clothes of the profiles we ship.
#[test]
fn shipped_profiles_read_the_vectors_made_for_them() {
    let Some(data) = vectors() else { return };
    let vectors = data["vectors"].as_array().expect("vectors is an array");
    let mut seen = 0;
    for (id, name) in [
        ("moov-simple-0100", "iso87-hexbitmap"),
        ("npm-0800-nosecondary", "iso87-ascii"),
        ("npm-0800-echo-301", "iso87-hexbitmap"),
        ("payex-1820-echo-1993", "iso93"),
    ] {
        let vector = vectors.iter().find(|vector| text(vector, "id") == id).unwrap_or_else(|| panic!("{id}"));
        check(id, vector, &crate::support::profile(name), &unhex(text(vector, "hex")));
        seen += 1;
    }
    assert_eq!(seen, 4);
}

#[test]
fn lengths_are_written_as_the_public_framings_write_them() {
    let Some(data) = vectors() else { return };
    let examples = data["framing_examples"].as_array().expect("framing_examples is an array");
    let mut seen = 0;
    for example in examples {
        let length = example["len"].as_u64().expect("len is a number") as usize;
        for (key, framing) in [
            ("bin2-excl", Framing::binary(2)),
            ("bcd2-excl", Framing::bcd(2)),
            ("vmlh", Framing::binary(2).with_reserved(2)),
        ] {
            let Some(head) = example[key].as_str() else { continue };
            let mut out = SecretBytes::default();
            framing.write_plain(&vec![b'x'; length], &mut out).expect("writes");
            assert_eq!(hex(&out[..out.len() - length]), head.to_uppercase(), "{key}");
            let mut input: &[u8] = &out;
            let mut decoder = FrameDecoder::new(framing);
            let frame = decoder.next(&mut input).expect("cuts").expect("is whole");
            assert_eq!(frame.message().len(), length);
            seen += 1;
        }
    }
    assert!(seen >= 3);
}
