//! Bytes no honest partner sends: nothing panics, and what can be read is read.

use bursar_iso8583::{FrameDecoder, Framing, MAX_MESSAGE_BYTES, Profile, ber};
use proptest::prelude::*;

use crate::support::{any_message, builtin, message, profile};

/// Decodes, shows and takes apart whatever came out. Encodes it if it decoded without fault.
fn survive(profile: &Profile, raw: &[u8]) {
    let decoded = profile.decode(raw);
    assert!(decoded.message.is_some() || decoded.error.is_some());
    if let Some(error) = decoded.error {
        assert!(error.offset <= raw.len(), "{error}");
    }
    let Some(message) = &decoded.message else { return };
    let total: usize = message.iter().map(|(_, value)| value.len()).sum();
    assert!(total <= 2 * raw.len());
    let _ = (message.to_string(), profile.table(message).to_string());
    let _ = (message.pan(), message.transmission_time(), message.expiry(), message.original_data());
    let _ = (message.local_date(), message.original_data_93(), message.stan(), message.processing_code());
    let _ = (profile.cvv2(message), profile.card_password(message), profile.reply_to(message));
    for field in message.fields().iter() {
        for subfield in profile.subfields(message, field).into_iter().flatten().flatten() {
            let _ = subfield.value();
        }
    }
    if decoded.error.is_none() {
        assert_eq!(profile.encode(message).expect("encodes")[..], raw[..]);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, ..ProptestConfig::default() })]

    #[test]
    fn arbitrary_bytes(raw in proptest::collection::vec(any::<u8>(), 0..600)) {
        for profile in builtin() {
            survive(profile, &raw);
        }
    }

    /// Behind a sound head, so that the fields are reached.
    #[test]
    fn arbitrary_fields(bitmap in any::<[u8; 16]>(), body in proptest::collection::vec(b'0'..=b'9', 0..900)) {
        let mut raw = b"0100".to_vec();
        raw.extend(bitmap);
        raw.extend(&body);
        survive(&profile("iso87-ascii"), &raw);
        survive(&profile("iso93"), &raw);
    }

    #[test]
    fn arbitrary_subfields(body in proptest::collection::vec(any::<u8>(), 0..200), numbers in "[0-9]{0,60}") {
        let profile = profile("iso87-ascii");
        for value in [&body[..], numbers.as_bytes()] {
            let mut m = profile.message("0100".parse().expect("is an MTI"));
            m.set(48, value).expect("sets");
            m.set(55, value).expect("sets");
            let encoded = profile.encode(&m).expect("encodes");
            survive(&profile, &encoded);
            prop_assert!(ber::elements(value).count() <= value.len());
            // Setting a subfield either works and is found again, or changes nothing.
            let before = m.clone();
            match profile.set_cvv2(&mut m, "737") {
                Ok(()) => {
                    let found = profile.cvv2(&m);
                    prop_assert_eq!(found.as_deref(), Some(&b"737"[..]));
                }
                Err(_) => prop_assert_eq!(&m, &before),
            }
        }
    }

    #[test]
    fn arbitrary_streams(stream in proptest::collection::vec(any::<u8>(), 0..600), step in 1usize..50) {
        for framing in [
            Framing::binary(2),
            Framing::binary(4).inclusive(),
            Framing::ascii(4),
            Framing::bcd(2).with_tpdu().with_self_describing_header(),
            Framing::binary(1).with_reserved(2).with_header(3),
        ] {
            let mut decoder = FrameDecoder::new(framing.with_max(300));
            'stream: for mut chunk in stream.chunks(step) {
                loop {
                    match decoder.next(&mut chunk) {
                        Ok(Some(frame)) => prop_assert!(frame.message().len() <= 300),
                        Ok(None) => break,
                        Err(_) => break 'stream,
                    }
                }
                prop_assert!(chunk.is_empty());
            }
        }
    }

    #[test]
    fn arbitrary_profiles(text in "\\PC{0,200}") {
        let _ = Profile::from_toml(&text, |_| None);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 8, ..ProptestConfig::default() })]

    /// Every byte flipped, every place cut, every byte doubled.
    #[test]
    fn spoilt_messages((at, fields, seed) in any_message()) {
        let profile = &builtin()[at];
        let raw = profile.encode(&message(profile, &fields, seed)).map_err(|e| TestCaseError::fail(e.to_string()))?;
        let raw = raw.get(..600).unwrap_or(&raw);
        for place in 0..raw.len() {
            let mut spoilt = raw.to_vec();
            for flip in [0x01, 0x80, 0xff] {
                spoilt[place] = raw[place] ^ flip;
                survive(profile, &spoilt);
            }
            spoilt[place] = raw[place];
            spoilt.insert(place, raw[place]);
            survive(profile, &spoilt);
            survive(profile, &raw[..place]);
        }
    }
}

#[test]
fn more_than_the_most_is_not_read() {
    let raw = vec![b'0'; MAX_MESSAGE_BYTES + 1];
    for profile in builtin() {
        let decoded = profile.decode(&raw);
        assert!(decoded.error.is_some(), "{}", profile.name());
    }
}
