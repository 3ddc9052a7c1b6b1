//! Parsing at the edge: from the texts and numbers of a request to values that cannot be wrong any more.
//!
//! Each function names the field in its error. Collect several with [`Invalid::take`].

use std::ops::RangeInclusive;

use bursar_proto::common::v1 as proto;
use bursar_types::{Asset, Money, Reason, RequestId, RequestIdError, Timestamp, TypedId};

use crate::error::Invalid;

/// The typed id in `text`.
///
/// # Errors
/// [`Invalid`] naming `field` if it is empty, of another kind, or malformed.
pub fn id<I: TypedId>(field: &str, text: &str) -> Result<I, Invalid> {
    if text.is_empty() {
        return Err(
            Invalid::new().field(field, format!("is required: an id that starts with `{}_`", I::PREFIX))
        );
    }
    text.parse().map_err(|error| Invalid::new().field(field, format!("{error}")))
}

/// The typed id in `text`, or `None` if the field is empty.
///
/// # Errors
/// [`Invalid`] naming `field` if it is of another kind or malformed.
pub fn optional_id<I: TypedId>(field: &str, text: &str) -> Result<Option<I>, Invalid> {
    if text.is_empty() { Ok(None) } else { id(field, text).map(Some) }
}

/// The request id of a mutation (AIP-155).
///
/// # Errors
/// [`Invalid`] with reason `REQUEST_ID_MISSING` or `REQUEST_ID_MALFORMED`.
pub fn request_id(text: &str) -> Result<RequestId, Invalid> {
    text.parse().map_err(|error| {
        let reason = match error {
            RequestIdError::Missing => Reason::RequestIdMissing,
            RequestIdError::Malformed => Reason::RequestIdMalformed,
        };
        Invalid::because(reason).field("request_id", error.to_string())
    })
}

/// An amount of money of any sign.
///
/// # Errors
/// [`Invalid`] naming `field` if it is absent, or its asset if that is unknown.
pub fn money(field: &str, message: Option<&proto::Money>) -> Result<Money, Invalid> {
    let message = message.ok_or_else(|| Invalid::new().field(field, "is required"))?;
    let asset = asset(&format!("{field}.asset"), &message.asset)?;
    Ok(Money::new(message.minor_units, asset))
}

/// An amount above zero.
///
/// # Errors
/// As [`money`], and reason `INVALID_AMOUNT` if it is zero or negative.
pub fn positive_money(field: &str, message: Option<&proto::Money>) -> Result<Money, Invalid> {
    let money = money(field, message)?;
    if money.minor_units > 0 {
        Ok(money)
    } else {
        Err(Invalid::because(Reason::InvalidAmount)
            .field(format!("{field}.minor_units"), "must be above zero"))
    }
}

/// The asset with this code.
///
/// # Errors
/// [`Invalid`] naming `field` if the platform does not know it.
pub fn asset(field: &str, code: &str) -> Result<Asset, Invalid> {
    Asset::from_code(code).map_err(|error| Invalid::new().field(field, error.to_string()))
}

/// Money as the contract writes it.
pub fn money_message(money: Money) -> proto::Money {
    proto::Money { minor_units: money.minor_units, asset: money.asset.code().to_owned() }
}

/// Text of a length in characters within `length`, without control characters and without blanks at its ends.
///
/// # Errors
/// [`Invalid`] naming `field`; the text itself is not repeated.
pub fn text<'a>(field: &str, text: &'a str, length: RangeInclusive<usize>) -> Result<&'a str, Invalid> {
    // Bytes first: counting the characters of a text of megabytes would be work for nothing.
    let characters =
        if text.len() > length.end().saturating_mul(4) { usize::MAX } else { text.chars().count() };
    let problem = if text.is_empty() && *length.start() > 0 {
        "is required".to_owned()
    } else if !length.contains(&characters) {
        format!("must be {} to {} characters long", length.start(), length.end())
    } else if text.chars().any(char::is_control) {
        "must not contain control characters".to_owned()
    } else if text.trim() != text {
        "must not begin or end with blanks".to_owned()
    } else {
        return Ok(text);
    };
    Err(Invalid::new().field(field, problem))
}

/// Bytes of a length within `length`.
///
/// # Errors
/// [`Invalid`] naming `field`.
pub fn bytes<'a>(field: &str, bytes: &'a [u8], length: RangeInclusive<usize>) -> Result<&'a [u8], Invalid> {
    if length.contains(&bytes.len()) {
        return Ok(bytes);
    }
    let (least, most) = length.into_inner();
    let wanted = if least == most { format!("{least} bytes") } else { format!("{least} to {most} bytes") };
    Err(Invalid::new().field(field, format!("must be {wanted} long")))
}

/// A number within `range`.
///
/// # Errors
/// [`Invalid`] naming `field`.
pub fn number<N: PartialOrd + Copy + std::fmt::Display>(
    field: &str,
    value: N,
    range: RangeInclusive<N>,
) -> Result<N, Invalid> {
    if range.contains(&value) {
        return Ok(value);
    }
    Err(Invalid::new().field(field, format!("must be {} to {}", range.start(), range.end())))
}

/// A value of a protobuf enum other than its zero, which is UNSPECIFIED by the style of the contract.
///
/// # Errors
/// [`Invalid`] naming `field` if it is unspecified or unknown.
pub fn enumeration<E: TryFrom<i32> + Copy + Into<i32>>(field: &str, value: i32) -> Result<E, Invalid> {
    match E::try_from(value) {
        Ok(known) if value != 0 => Ok(known),
        _ => Err(Invalid::new().field(field, "must be one of the values of the contract, not unspecified")),
    }
}

/// The message in an optional field.
///
/// # Errors
/// [`Invalid`] naming `field` if it is absent.
pub fn required<'a, T>(field: &str, value: Option<&'a T>) -> Result<&'a T, Invalid> {
    value.ok_or_else(|| Invalid::new().field(field, "is required"))
}

/// A moment.
///
/// # Errors
/// [`Invalid`] naming `field` if it is absent or outside the range of the calendar.
pub fn timestamp(field: &str, message: Option<&prost_types::Timestamp>) -> Result<Timestamp, Invalid> {
    let message = message.ok_or_else(|| Invalid::new().field(field, "is required"))?;
    // The range of google.protobuf.Timestamp: years 1 to 9999.
    let in_range = (-62_135_596_800..=253_402_300_799).contains(&message.seconds)
        && (0..1_000_000_000).contains(&message.nanos);
    let micros = message
        .seconds
        .checked_mul(1_000_000)
        .and_then(|micros| micros.checked_add(i64::from(message.nanos) / 1_000));
    match micros {
        Some(micros) if in_range => Ok(Timestamp::from_micros(micros)),
        _ => Err(Invalid::new().field(field, "must be a moment of the years 1 to 9999")),
    }
}

/// A moment as the contract writes it.
pub fn timestamp_message(moment: Timestamp) -> prost_types::Timestamp {
    let micros = moment.as_micros().rem_euclid(1_000_000);
    prost_types::Timestamp { seconds: moment.as_seconds(), nanos: i32::try_from(micros * 1_000).unwrap_or(0) }
}

#[cfg(test)]
mod tests {
    use bursar_types::Failure as _;
    use bursar_types::id::{AccountId, CardId, Uuid};
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ids_are_required_and_of_the_kind_that_is_wanted() {
        let card = CardId::from_uuid(Uuid::from_u128(7)).to_string();
        assert_eq!(id::<CardId>("card_id", &card).map(|id| id.to_string()), Ok(card.clone()));
        for (text, wanted) in [("", "is required"), (card.as_str(), "acct_"), ("acct_x", "26 characters")] {
            let error = id::<AccountId>("source", text).unwrap_err().to_string();
            assert!(error.starts_with("source: ") && error.contains(wanted), "{error}");
        }
        assert_eq!(optional_id::<CardId>("card_id", ""), Ok(None));
    }

    #[test]
    fn request_ids_have_reasons_of_their_own() {
        assert_eq!(request_id("").unwrap_err().reason(), Reason::RequestIdMissing);
        assert_eq!(request_id("7").unwrap_err().reason(), Reason::RequestIdMalformed);
    }

    #[test]
    fn money_names_the_field_that_is_wrong() {
        let message = |minor_units, asset: &str| proto::Money { minor_units, asset: asset.to_owned() };
        let good = message(31_240, "CNY");
        assert_eq!(money("amount", Some(&good)).map(money_message), Ok(good));
        assert_eq!(money("amount", None).unwrap_err().violations()[0].field, "amount");
        let unknown = message(1, "XXX1");
        assert_eq!(money("amount", Some(&unknown)).unwrap_err().violations()[0].field, "amount.asset");
        for minor_units in [0, -1, i64::MIN] {
            let error = positive_money("amount", Some(&message(minor_units, "CNY"))).unwrap_err();
            assert_eq!(error.reason(), Reason::InvalidAmount);
        }
    }

    #[test]
    fn text_is_measured_in_characters_and_never_repeated() {
        assert_eq!(text("name", "张伟", 1..=2), Ok("张伟"));
        for bad in ["", "张伟伟", "a\u{0}", " a", "a\n"] {
            let error = text("name", bad, 1..=2).unwrap_err().to_string();
            assert!(error.starts_with("name: "), "{error}");
        }
        assert_eq!(text("note", "", 0..=5), Ok(""));
        let secret = "hunter2".repeat(1_000_000);
        assert!(!text("name", &secret, 1..=64).unwrap_err().to_string().contains("hunter2"));
    }

    proptest! {
        #[test]
        fn moments_of_the_calendar_come_back(micros in -62_135_596_800_000_000_i64..253_402_300_800_000_000) {
            let moment = Timestamp::from_micros(micros);
            prop_assert_eq!(timestamp("at", Some(&timestamp_message(moment))), Ok(moment));
        }

        #[test]
        fn moments_outside_are_refused(seconds: i64, nanos: i32) {
            let inside = (-62_135_596_800..=253_402_300_799).contains(&seconds) && (0..1_000_000_000).contains(&nanos);
            let message = prost_types::Timestamp { seconds, nanos };
            prop_assert_eq!(timestamp("at", Some(&message)).is_ok(), inside);
        }
    }
}
