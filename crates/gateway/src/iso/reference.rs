//! What tells a message from every other, and a repetition from a new one. Pure.

use bursar_iso8583::{Function, Message, MessageClass, Mti, Version};
use bursar_proto::ledger::v1::{DeclineReason, NetworkReference};

use crate::derived;

/// Fields that say what is asked: if the key is the same and one of these is not, it is no repetition.
const CONTENT: [u8; 8] = [3, 4, 30, 42, 49, 56, 90, 95];

/// What a message is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// 0100, 0101: may this be paid?
    Authorization,
    /// 0200, 0201: the same, and pay it.
    Financial,
    /// 0120, 0121: this was approved in your place.
    AuthorizationAdvice,
    /// 0220, 0221: this was paid.
    FinancialAdvice,
    /// 0400, 0401, 0420, 0421: this is taken back.
    Reversal,
}

impl Kind {
    /// The kind of a message; `None`: of none that is served here.
    pub(super) fn of(mti: Mti) -> Option<Self> {
        match (mti.class(), mti.function()) {
            (MessageClass::Authorization, Function::Request) => Some(Self::Authorization),
            (MessageClass::Authorization, Function::Advice) => Some(Self::AuthorizationAdvice),
            (MessageClass::Financial, Function::Request) => Some(Self::Financial),
            (MessageClass::Financial, Function::Advice) => Some(Self::FinancialAdvice),
            (MessageClass::Reversal, Function::Request | Function::Advice) => Some(Self::Reversal),
            _ => None,
        }
    }

    const fn word(self) -> &'static [u8] {
        match self {
            Self::Authorization => b"authorization",
            Self::Financial => b"financial",
            Self::AuthorizationAdvice => b"authorization advice",
            Self::FinancialAdvice => b"financial advice",
            Self::Reversal => b"reversal",
        }
    }
}

/// The reference of a message on its network: fields 7, 11, 32 and 37.
pub(super) fn network(message: &Message) -> Result<NetworkReference, DeclineReason> {
    let field = |number: u8| message.text(number).unwrap_or_default().trim().to_owned();
    let reference = NetworkReference {
        acquirer_id: acquirer(&field(32)),
        stan: field(11),
        rrn: field(37),
        transmission_time: transmission_time(message),
    };
    if reference.stan.is_empty() || reference.transmission_time.is_empty() {
        return Err(DeclineReason::FormatError);
    }
    Ok(reference)
}

/// Zeros in front say nothing: field 90 has them where field 32 has not.
fn acquirer(text: &str) -> String {
    text.trim_start_matches('0').to_owned()
}

/// Field 7; in 1993, where it may be absent, month to second of field 12.
fn transmission_time(message: &Message) -> String {
    match (message.text(7), message.mti().version()) {
        (Some(time), _) => time.to_owned(),
        (None, Version::V1993) => {
            message.text(12).and_then(|it| it.get(2..12)).unwrap_or_default().to_owned()
        }
        (None, _) => String::new(),
    }
}

/// The original that a reversal names: by field 90 (1987) or 56 (1993), else by what the two have in common.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Original {
    pub(super) kind: Kind,
    pub(super) network: NetworkReference,
}

pub(super) fn original(message: &Message) -> Result<Original, DeclineReason> {
    let malformed = |_| DeclineReason::FormatError;
    let own = network(message)?;
    let of = |mti: Mti| Kind::of(mti.without_repeat()).filter(|kind| *kind != Kind::Reversal);
    if message.mti().version() == Version::V1993 {
        return Ok(match message.original_data_93().map_err(malformed)? {
            Some(data) => Original {
                kind: of(data.mti).ok_or(DeclineReason::FormatError)?,
                network: NetworkReference {
                    acquirer_id: acquirer(&data.acquirer),
                    stan: data.stan.to_string(),
                    transmission_time: String::from_utf8_lossy(&data.local[2..]).into_owned(),
                    ..own
                },
            },
            None => Original { kind: Kind::Authorization, network: own },
        });
    }
    Ok(match message.original_data().map_err(malformed)? {
        Some(data) => Original {
            kind: of(data.mti).ok_or(DeclineReason::FormatError)?,
            network: NetworkReference {
                acquirer_id: data.acquirer.map_or(own.acquirer_id, |id| id.to_string()),
                stan: data.stan.to_string(),
                transmission_time: data.transmission.map_or(own.transmission_time, |time| time.to_string()),
                rrn: own.rrn,
            },
        },
        None => Original { kind: Kind::Authorization, network: own },
    })
}

/// The key of a message: card token, fields 7, 11, 32, 37, and the class.
pub(super) fn key(card_id: &str, network: &NetworkReference, kind: Kind) -> [u8; 32] {
    derived::digest(&parts(b"iso8583/key", card_id, network, kind))
}

fn parts<'a>(
    purpose: &'a [u8],
    card_id: &'a str,
    network: &'a NetworkReference,
    kind: Kind,
) -> [&'a [u8]; 7] {
    [
        purpose,
        card_id.as_bytes(),
        network.transmission_time.as_bytes(),
        network.stan.as_bytes(),
        network.acquirer_id.as_bytes(),
        network.rrn.as_bytes(),
        kind.word(),
    ]
}

/// The request id at the ledger of what a message asks.
pub(super) fn request_id(card_id: &str, network: &NetworkReference, kind: Kind) -> String {
    derived::request_id(&parts(b"iso8583/request", card_id, network, kind)).to_string()
}

/// What a message asks, as a digest.
pub(super) fn content(message: &Message) -> [u8; 32] {
    let parts: Vec<&[u8]> = CONTENT.iter().map(|field| message.get(*field).unwrap_or_default()).collect();
    derived::digest(&parts)
}

#[cfg(test)]
mod tests {
    use bursar_iso8583::Profile;

    use super::*;

    fn message(profile: &str, mti: &str, fields: &[(u8, &str)]) -> Message {
        let mut message = Profile::builtin(profile).unwrap().message(mti.parse().unwrap());
        for (field, value) in fields {
            message.set(*field, value).unwrap();
        }
        message
    }

    const OWN: [(u8, &str); 4] = [(7, "0102030406"), (11, "000043"), (32, "990001"), (37, "000000000042")];

    #[test]
    fn a_repetition_has_the_key_of_its_first_and_an_advice_has_another() {
        let kind = |mti: &str| Kind::of(mti.parse().unwrap());
        assert_eq!(kind("0101"), kind("0100"));
        assert_eq!(kind("1421"), Some(Kind::Reversal));
        assert_eq!(kind("0110"), None);
        let network = network(&message("iso87-ascii", "0100", &OWN)).unwrap();
        assert_ne!(key("c", &network, Kind::Authorization), key("c", &network, Kind::AuthorizationAdvice));
        assert_ne!(key("c", &network, Kind::Authorization), key("d", &network, Kind::Authorization));
    }

    #[test]
    fn a_reversal_names_its_original() {
        let data = "010000004201020304050000099000100000000000";
        let reversal = message("iso87-ascii", "0400", &[&OWN[..], &[(90, data)]].concat());
        let first = message("iso87-ascii", "0100", &[(7, "0102030405"), (11, "000042"), OWN[2], OWN[3]]);
        let found = original(&reversal).unwrap();
        assert_eq!((found.kind, &found.network), (Kind::Authorization, &network(&first).unwrap()));
        // Without field 90 the two have their fields in common.
        let found = original(&message("iso87-ascii", "0400", &OWN)).unwrap();
        assert_eq!(found.network.stan, "000043");
        let wrong =
            message("iso87-ascii", "0400", &[&OWN[..], &[(90, &data.replace("0100", "0800"))]].concat());
        assert_eq!(original(&wrong), Err(DeclineReason::FormatError));
    }

    #[test]
    fn a_reversal_of_1993_names_its_original_by_local_time() {
        let own = [(11, "000043"), (12, "260102030406"), (32, "990001"), (37, "000000000042")];
        let reversal =
            message("iso93", "1420", &[&own[..], &[(56, "110000004226010203040506990001")]].concat());
        let found = original(&reversal).unwrap();
        assert_eq!(found.network.transmission_time, "0102030405");
        assert_eq!((found.network.stan.as_str(), found.network.acquirer_id.as_str()), ("000042", "990001"));
        assert_eq!(network(&reversal).unwrap().transmission_time, "0102030406");
    }
}
