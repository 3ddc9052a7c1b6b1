//! Network management: sign-on, sign-off, echo, key change, cut-over. And what a connection knows of itself.

use std::sync::atomic::{AtomicBool, Ordering};

use bursar_iso8583::{Message, MessageClass, Version};
use bursar_proto::ledger::v1::DeclineReason;
use tokio::sync::Notify;

use super::exchange::{Decision, Exchange, set};

/// What a message of network management wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wish {
    SignOn,
    SignOff,
    KeyChange,
    CutOver,
    Echo,
}

impl Wish {
    /// By field 70 (1987) or 24 (1993). A message without the field asks whether anybody is there.
    fn of(message: &Message) -> Option<Self> {
        let (field, codes): (u8, [(&str, Self); 7]) = match message.mti().version() {
            Version::V1993 => (
                24,
                [
                    ("801", Self::SignOn),
                    ("802", Self::SignOff),
                    ("811", Self::KeyChange),
                    ("821", Self::CutOver),
                    ("831", Self::Echo),
                    ("", Self::Echo),
                    ("803", Self::SignOn),
                ],
            ),
            _ => (
                70,
                [
                    ("001", Self::SignOn),
                    ("002", Self::SignOff),
                    ("101", Self::KeyChange),
                    ("161", Self::KeyChange),
                    ("162", Self::KeyChange),
                    ("201", Self::CutOver),
                    ("301", Self::Echo),
                ],
            ),
        };
        let Some(code) = message.text(field) else { return Some(Self::Echo) };
        codes.into_iter().find(|(known, _)| *known == code).map(|(_, wish)| wish)
    }

    /// The code that says it.
    pub(super) const fn code(self, version: Version) -> (u8, &'static str) {
        match (version, self) {
            (Version::V1993, Self::SignOn) => (24, "801"),
            (Version::V1993, Self::SignOff) => (24, "802"),
            (Version::V1993, Self::KeyChange) => (24, "811"),
            (Version::V1993, Self::CutOver) => (24, "821"),
            (Version::V1993, Self::Echo) => (24, "831"),
            (_, Self::SignOn) => (70, "001"),
            (_, Self::SignOff) => (70, "002"),
            (_, Self::KeyChange) => (70, "161"),
            (_, Self::CutOver) => (70, "201"),
            (_, Self::Echo) => (70, "301"),
        }
    }
}

/// What one connection knows.
#[derive(Debug, Default)]
pub(super) struct Link {
    signed_on: AtomicBool,
    /// Told when an answer to a message of network management of ours comes.
    managed: Notify,
}

impl Link {
    pub(super) fn is_signed_on(&self) -> bool {
        self.signed_on.load(Ordering::Acquire)
    }

    /// The partner and we have signed on to each other.
    pub(super) fn sign(&self, on: bool) {
        self.signed_on.store(on, Ordering::Release);
    }

    /// A message came that wants no answer.
    pub(super) fn heard(&self, message: &Message) {
        if message.mti().class() == MessageClass::NetworkManagement {
            self.managed.notify_one();
        } else {
            tracing::debug!(mti = %message.mti().describe(), "a message that wants no answer");
        }
    }

    /// Waits for an answer to a message of network management.
    pub(super) async fn managed(&self) {
        self.managed.notified().await;
    }
}

impl Exchange {
    pub(super) fn manage(&self, link: &Link, message: &Message, mut reply: Message) -> Option<Message> {
        let Some(wish) = Wish::of(message) else {
            let refused = Decision::Refused(DeclineReason::InvalidTransaction);
            return self.fill(&mut reply, &refused).then_some(reply);
        };
        match wish {
            Wish::SignOn => link.sign(true),
            Wish::SignOff => link.sign(false),
            // Keys are exchanged outside; that the partner changes to the next one is acknowledged.
            Wish::KeyChange | Wish::CutOver | Wish::Echo => {}
        }
        let code = self.codes().network_accepted().to_owned();
        set(&mut reply, 39, &code).then_some(reply)
    }
}

#[cfg(test)]
mod tests {
    use bursar_iso8583::Profile;

    use super::*;

    #[test]
    fn every_wish_is_read_as_it_is_written() {
        for (profile, mti) in [("iso87-ascii", "0800"), ("iso93", "1804")] {
            let profile = Profile::builtin(profile).unwrap();
            for wish in [Wish::SignOn, Wish::SignOff, Wish::KeyChange, Wish::CutOver, Wish::Echo] {
                let mut message = profile.message(mti.parse().unwrap());
                let (field, code) = wish.code(message.mti().version());
                message.set(field, code).unwrap();
                assert_eq!(Wish::of(&message), Some(wish));
                message.set(field, "999").unwrap();
                assert_eq!(Wish::of(&message), None);
            }
        }
    }
}
