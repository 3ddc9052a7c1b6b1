//! Authorization requests of twenty fields, each with other values.

use std::ops::Range;

use bursar_iso8583::{EncodeError, Profile};

use crate::exit::Exit;

/// Fields of each message.
pub(super) const FIELDS: usize = 20;
/// Messages, so that no side profits from meeting the same one again at once.
const MESSAGES: u32 = 64;

/// A message as it is on the wire.
pub(super) struct Sample {
    pub(super) bytes: Vec<u8>,
    /// Where the values of its fields stand.
    pub(super) values: Vec<Range<usize>>,
}

/// The sandbox's profile; pyiso8583 has a specification of its own for the same layout.
pub(super) fn profile() -> Result<Profile, Exit> {
    Profile::builtin("iso87-ascii").map_err(|error| Exit::software(format!("the profile: {error}")))
}

/// The messages. Each is read and written once, and must come out as it went in.
pub(super) fn samples(profile: &Profile) -> Result<Vec<Sample>, Exit> {
    (0..MESSAGES).map(|number| sample(profile, number)).collect()
}

fn sample(profile: &Profile, number: u32) -> Result<Sample, Exit> {
    let bytes = write(profile, number).map_err(|error| Exit::software(format!("a sample: {error}")))?;
    let again = profile.decode(&bytes).into_result().map_err(|error| Exit::software(error.to_string()))?;
    let same = profile.encode(&again).is_ok_and(|encoded| encoded[..] == bytes);
    if !same || again.fields().len() != FIELDS {
        return Err(Exit::software("a sample does not come out as it went in"));
    }
    let mut at = 0;
    let values = again.iter().map(|(_, value)| {
        // Fields follow each other, so each value is found after the one before.
        let found = bytes.get(at..).and_then(|rest| rest.windows(value.len()).position(|here| here == value));
        let start = at + found.unwrap_or(0);
        at = start + value.len();
        start..at
    });
    let values = values.collect();
    Ok(Sample { bytes, values })
}

fn write(profile: &Profile, number: u32) -> Result<Vec<u8>, EncodeError> {
    let mti = bursar_iso8583::Mti::from_digits(*b"0100").ok_or(EncodeError {
        place: bursar_iso8583::Place::Mti,
        fault: bursar_iso8583::Fault::BadCharacter,
    })?;
    let mut message = profile.message(mti);
    let stan = format!("{:06}", 1 + number * 7919 % 999_999);
    // A test number of the range 4111 11, its length and the lengths of names changing as they do in traffic.
    let pan = format!("411111{:010}", u64::from(number) * 104_729);
    let name = format!("Tea house number {number}");
    for (field, value) in [
        (2, pan.clone()),
        (3, "000000".to_owned()),
        (4, format!("{:012}", 100 + number * 31)),
        (7, "1126103000".to_owned()),
        (11, stan.clone()),
        (12, "103000".to_owned()),
        (13, "1126".to_owned()),
        (14, "2912".to_owned()),
        (18, "5499".to_owned()),
        (19, "156".to_owned()),
        (22, "051".to_owned()),
        (25, "00".to_owned()),
        (32, format!("{}", 990_000 + number * number)),
        (35, format!("{pan}=2912101{number:05}")),
        (37, format!("633010{stan}")),
        (41, format!("TERM{number:04}")),
        (42, format!("SHOP{number:011}")),
        (43, format!("{name:<25}{:<13}CN", "Beijing")),
        (49, "156".to_owned()),
    ] {
        message.set(field, value)?;
    }
    // Chip data: cryptogram information, unpredictable number, verification results, amount.
    let mut chip = vec![0x9f, 0x27, 1, 0x80, 0x9f, 0x37, 4];
    chip.extend(number.wrapping_mul(2_654_435_761).to_be_bytes());
    chip.extend([0x95, 5, 0x80, 0, 0, 0x80, 0, 0x9f, 2, 6, 0, 0, 0, 0, 0x50, 0]);
    message.set(55, chip)?;
    profile.encode(&message).map(|bytes| bytes.to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_samples_have_twenty_fields_and_the_places_of_their_values() {
        let profile = profile().unwrap();
        for sample in samples(&profile).unwrap() {
            let message = profile.decode(&sample.bytes).into_result().unwrap();
            assert_eq!(sample.values.len(), FIELDS);
            for ((_, value), place) in message.iter().zip(&sample.values) {
                assert_eq!(&sample.bytes[place.clone()], value);
            }
        }
    }
}
