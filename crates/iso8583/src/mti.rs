//! The message type indicator: four digits for version, class, function and origin.

use std::fmt;
use std::str::FromStr;

/// A message type indicator. Always four decimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Mti(u16);

/// The first digit: the version of the standard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Version {
    /// ISO 8583:1987.
    V1987,
    /// ISO 8583:1993.
    V1993,
    /// ISO 8583:2003.
    V2003,
    /// National use (8), private use (9) or reserved (3–7).
    Other(u8),
}

/// The second digit: what the message is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MessageClass {
    /// 1: authorization.
    Authorization,
    /// 2: financial presentment.
    Financial,
    /// 3: file action.
    FileAction,
    /// 4: reversal and chargeback.
    Reversal,
    /// 5: reconciliation.
    Reconciliation,
    /// 6: administrative.
    Administrative,
    /// 7: fee collection.
    FeeCollection,
    /// 8: network management.
    NetworkManagement,
    /// 0 and 9: reserved.
    Reserved(u8),
}

/// The third digit: what the message wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Function {
    /// 0: a request; the sender waits for the answer.
    Request,
    /// 1: the answer to a request.
    RequestResponse,
    /// 2: advice of what has happened.
    Advice,
    /// 3: the answer to an advice.
    AdviceResponse,
    /// 4: a notification.
    Notification,
    /// 5: the acknowledgement of a notification.
    NotificationAcknowledgement,
    /// 6: an instruction (2003).
    Instruction,
    /// 7: the acknowledgement of an instruction (2003).
    InstructionAcknowledgement,
    /// 8 and 9: reserved.
    Reserved(u8),
}

/// The fourth digit: who began, and whether it is said again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Origin {
    /// 0: the acquirer.
    Acquirer,
    /// 1: the acquirer, repeating.
    AcquirerRepeat,
    /// 2: the issuer.
    Issuer,
    /// 3: the issuer, repeating.
    IssuerRepeat,
    /// 4: another.
    Other,
    /// 5: another, repeating.
    OtherRepeat,
    /// 6–9: reserved.
    Reserved(u8),
}

impl Mti {
    /// The indicator of the given digits, or `None` if one of them is no digit.
    pub fn from_digits(digits: [u8; 4]) -> Option<Self> {
        digits
            .iter()
            .try_fold(0u16, |sum, digit| match digit {
                b'0'..=b'9' => Some(sum * 10 + u16::from(digit - b'0')),
                _ => None,
            })
            .map(Self)
    }

    /// The four ASCII digits.
    pub fn digits(self) -> [u8; 4] {
        [1000, 100, 10, 1].map(|place| b'0' + (self.0 / place % 10) as u8)
    }

    fn digit(self, place: u16) -> u8 {
        (self.0 / place % 10) as u8
    }

    /// The version of the standard.
    pub fn version(self) -> Version {
        match self.digit(1000) {
            0 => Version::V1987,
            1 => Version::V1993,
            2 => Version::V2003,
            other => Version::Other(other),
        }
    }

    /// What the message is about.
    pub fn class(self) -> MessageClass {
        match self.digit(100) {
            1 => MessageClass::Authorization,
            2 => MessageClass::Financial,
            3 => MessageClass::FileAction,
            4 => MessageClass::Reversal,
            5 => MessageClass::Reconciliation,
            6 => MessageClass::Administrative,
            7 => MessageClass::FeeCollection,
            8 => MessageClass::NetworkManagement,
            other => MessageClass::Reserved(other),
        }
    }

    /// What the message wants.
    pub fn function(self) -> Function {
        match self.digit(10) {
            0 => Function::Request,
            1 => Function::RequestResponse,
            2 => Function::Advice,
            3 => Function::AdviceResponse,
            4 => Function::Notification,
            5 => Function::NotificationAcknowledgement,
            6 => Function::Instruction,
            7 => Function::InstructionAcknowledgement,
            other => Function::Reserved(other),
        }
    }

    /// Who began, and whether it is said again.
    pub fn origin(self) -> Origin {
        match self.digit(1) {
            0 => Origin::Acquirer,
            1 => Origin::AcquirerRepeat,
            2 => Origin::Issuer,
            3 => Origin::IssuerRepeat,
            4 => Origin::Other,
            5 => Origin::OtherRepeat,
            other => Origin::Reserved(other),
        }
    }

    /// True if the message is said again (0101, 0421, …).
    pub fn is_repeat(self) -> bool {
        matches!(self.origin(), Origin::AcquirerRepeat | Origin::IssuerRepeat | Origin::OtherRepeat)
    }

    /// The same message said for the first time: 0401 → 0400.
    #[must_use]
    pub fn without_repeat(self) -> Self {
        if self.is_repeat() { Self(self.0 - 1) } else { self }
    }

    /// The same message said again: 0420 → 0421. A reserved origin stays as it is.
    #[must_use]
    pub fn repeated(self) -> Self {
        match self.origin() {
            Origin::Acquirer | Origin::Issuer | Origin::Other => Self(self.0 + 1),
            _ => self,
        }
    }

    /// The indicator of the answer: 0100 and 0101 → 0110, 0420 and 0421 → 0430, 0800 → 0810.
    /// `None` for answers, and for functions that have none.
    pub fn reply_mti(self) -> Option<Self> {
        match self.function() {
            Function::Request | Function::Advice | Function::Notification | Function::Instruction => {
                Some(Self(self.without_repeat().0 + 10))
            }
            _ => None,
        }
    }

    /// What the message is, in words, for people: `authorization request`.
    pub fn describe(self) -> String {
        let class = match self.class() {
            MessageClass::Authorization => "authorization",
            MessageClass::Financial => "financial",
            MessageClass::FileAction => "file action",
            MessageClass::Reversal => "reversal",
            MessageClass::Reconciliation => "reconciliation",
            MessageClass::Administrative => "administrative",
            MessageClass::FeeCollection => "fee collection",
            MessageClass::NetworkManagement => "network management",
            MessageClass::Reserved(_) => "reserved",
        };
        let function = match self.function() {
            Function::Request => "request",
            Function::RequestResponse => "request response",
            Function::Advice => "advice",
            Function::AdviceResponse => "advice response",
            Function::Notification => "notification",
            Function::NotificationAcknowledgement => "notification acknowledgement",
            Function::Instruction => "instruction",
            Function::InstructionAcknowledgement => "instruction acknowledgement",
            Function::Reserved(_) => "message",
        };
        let repeat = if self.is_repeat() { " (repeat)" } else { "" };
        format!("{class} {function}{repeat}")
    }
}

/// A text that is no message type indicator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a message type indicator is four digits")]
pub struct BadMti;

impl FromStr for Mti {
    type Err = BadMti;

    fn from_str(text: &str) -> Result<Self, BadMti> {
        let digits = <[u8; 4]>::try_from(text.as_bytes()).map_err(|_| BadMti)?;
        Self::from_digits(digits).ok_or(BadMti)
    }
}

impl fmt::Display for Mti {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}", self.0)
    }
}

impl fmt::Debug for Mti {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Mti({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mti(text: &str) -> Mti {
        text.parse().expect("is an MTI")
    }

    #[test]
    fn reads_its_digits() {
        let m = mti("1421");
        assert_eq!(m.version(), Version::V1993);
        assert_eq!(m.class(), MessageClass::Reversal);
        assert_eq!(m.function(), Function::Advice);
        assert_eq!(m.origin(), Origin::AcquirerRepeat);
        assert_eq!(m.digits(), *b"1421");
        assert_eq!(m.to_string(), "1421");
        assert_eq!(m.describe(), "reversal advice (repeat)");
        for bad in ["", "010", "01000", "01a0", "-100"] {
            assert_eq!(bad.parse::<Mti>(), Err(BadMti), "{bad:?}");
        }
    }

    #[test]
    fn knows_the_answer() {
        for (asked, answered) in [
            ("0100", Some("0110")),
            ("0101", Some("0110")),
            ("0120", Some("0130")),
            ("0121", Some("0130")),
            ("0200", Some("0210")),
            ("0220", Some("0230")),
            ("0400", Some("0410")),
            ("0401", Some("0410")),
            ("0421", Some("0430")),
            ("0800", Some("0810")),
            ("0803", Some("0812")),
            ("1100", Some("1110")),
            ("1804", Some("1814")),
            ("1140", Some("1150")),
            ("0110", None),
            ("0430", None),
            ("0190", None),
        ] {
            assert_eq!(mti(asked).reply_mti(), answered.map(mti), "{asked}");
        }
        assert_eq!(mti("0420").repeated(), mti("0421"));
        assert_eq!(mti("0421").repeated(), mti("0421"));
        assert_eq!(mti("0421").without_repeat(), mti("0420"));
    }
}
