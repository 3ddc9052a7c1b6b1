//! The shop's acquirer: sends purchases, advices and reversals over ISO 8583 as a network would, and reads the answers.

use std::sync::LazyLock;
use std::time::Duration;

use bursar_iso8583::{EncodeError, FrameDecoder, Message, Profile, SecretBytes};
use bursar_proto::ledger::v1::{Merchant, NetworkReference};
use bursar_proto::vault::v1::RevealedCard;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::person::random;

/// The sandbox's profile, compiled once.
static PROFILE: LazyLock<Result<Profile, String>> =
    LazyLock::new(|| Profile::builtin("iso87-ascii").map_err(|error| error.to_string()));
/// A network's own time for an answer.
const ANSWER_MAX: Duration = Duration::from_secs(5);
/// Times the request is sent: a network repeats what is not answered, and the repetition is told by its fields.
const TRIES: u32 = 12;
/// Wait before it is sent again.
const AGAIN: Duration = Duration::from_millis(500);
/// Answers after which the shop tries again, as another payment: the issuer was away, and what it answered stays answered.
const TRY_AGAIN: [&str; 2] = ["91", "96"];
/// Field 32 of the made-up acquirer.
const ACQUIRER: &str = "990001";

/// How the card is used (fields 3, 22 and 25).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Use {
    /// Electronic commerce, no PIN entry.
    Online,
    /// Chip at a terminal.
    Chip,
    /// Cash, by chip.
    Cash,
}

/// What a message says (field 0).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// 0100: may this be paid?
    Authorization,
    /// 0200: the same, and pay it.
    Payment,
    /// 0200 with the processing code of returned goods: pay this back.
    Refund,
    /// 0120: this was approved in your place, with this code (field 38).
    Approved(String),
    /// 0220: this was paid, of the approval with this code (field 38).
    Paid(String),
    /// 0400: take back the message with this reference, an 0200 if it was one (field 90).
    Reversal {
        /// The original's reference.
        original: NetworkReference,
        /// Whether the original was an 0200.
        paid: bool,
        /// What of the original's amount remains (field 95), in minor units; `None`: nothing.
        remains: Option<i64>,
    },
}

impl Kind {
    /// The message type, and that of its reply.
    const fn types(&self) -> (&'static str, &'static str) {
        match self {
            Self::Authorization => ("0100", "0110"),
            Self::Payment | Self::Refund => ("0200", "0210"),
            Self::Approved(_) => ("0120", "0130"),
            Self::Paid(_) => ("0220", "0230"),
            Self::Reversal { .. } => ("0400", "0410"),
        }
    }

    /// The fields that only such a message has.
    fn fields(&self) -> Vec<(u8, String)> {
        match self {
            Self::Authorization | Self::Payment => Vec::new(),
            Self::Refund => vec![(3, "200000".to_owned())],
            Self::Approved(code) | Self::Paid(code) => vec![(38, code.clone()), (39, "00".to_owned())],
            Self::Reversal { original, paid, remains } => {
                let mti = if *paid { "0200" } else { "0100" };
                let NetworkReference { acquirer_id, stan, transmission_time, .. } = original;
                let data = format!("{mti}{stan}{transmission_time}{acquirer_id:0>11}{:011}", 0);
                let part = remains.map(|remains| (95, format!("{remains:012}{:030}", 0)));
                [(90, data)].into_iter().chain(part).collect()
            }
        }
    }
}

/// A message of an acquirer's about a purchase. The same one sent again is a repetition.
#[derive(Clone)]
pub(crate) struct Purchase {
    pub(crate) kind: Kind,
    /// Field 2.
    pub(crate) pan: String,
    /// Field 14, `YYMM`; `None`: left out.
    pub(crate) expiry: Option<String>,
    /// `None`: left out.
    pub(crate) cvv2: Option<String>,
    /// Minor units of CNY.
    pub(crate) minor_units: i64,
    pub(crate) merchant: Merchant,
    pub(crate) used: Use,
    /// Whether the terminal can take less than it asked for.
    pub(crate) partial: bool,
    pub(crate) reference: NetworkReference,
    /// Further fields, over the others.
    pub(crate) fields: Vec<(u8, String)>,
    /// Fields that are left out.
    pub(crate) without: Vec<u8>,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) mti: String,
    pub(crate) response_code: String,
    pub(crate) authorization_code: String,
    /// Field 4 in minor units, if there is one.
    pub(crate) minor_units: Option<u64>,
}

/// A message's identity on its network, never the same again within a day.
pub(crate) fn reference() -> NetworkReference {
    let now = jiff::Timestamp::now();
    let stan = format!("{:06}", 1 + random(999_999));
    NetworkReference {
        acquirer_id: ACQUIRER.to_owned(),
        rrn: format!("{}{stan}", now.strftime("%y%j%H").to_string().get(1..7).unwrap_or("000000")),
        stan,
        transmission_time: now.strftime("%m%d%H%M%S").to_string(),
    }
}

impl Purchase {
    /// A purchase in an online shop with everything on the card.
    pub(crate) fn online(card: &RevealedCard, minor_units: i64, merchant: Merchant) -> Self {
        Self {
            kind: Kind::Authorization,
            pan: card.pan.clone(),
            expiry: Some(card.expiry.clone()),
            cvv2: Some(card.cvv2.clone()),
            minor_units,
            merchant,
            used: Use::Online,
            partial: false,
            reference: reference(),
            fields: Vec::new(),
            without: Vec::new(),
        }
    }

    /// The reversal of this message; `remains` of its amount is not taken back.
    pub(crate) fn reversal(&self, remains: Option<i64>) -> Self {
        let (original, paid) = (self.reference.clone(), self.kind == Kind::Payment);
        Self {
            kind: Kind::Reversal { original, paid, remains },
            cvv2: None,
            // One retrieval reference runs through all messages of a payment.
            reference: NetworkReference { rrn: self.reference.rrn.clone(), ..reference() },
            ..self.clone()
        }
    }

    fn message(&self, profile: &Profile) -> Result<Message, String> {
        let (mti, _) = self.kind.types();
        let wrong = |error: EncodeError| format!("the {mti} cannot be made: {error}");
        let mti = mti.parse().map_err(|_| format!("{mti} is no message type"))?;
        let mut message = profile.message(mti);
        let amount =
            u64::try_from(self.minor_units).map_err(|_| "a purchase has no negative amount".to_owned())?;
        message.set_amount(4, amount).map_err(wrong)?;
        let (processing, entry, condition) = match self.used {
            Use::Online => ("000000", "812", "59"),
            Use::Chip => ("000000", "051", "00"),
            Use::Cash => ("010000", "051", "00"),
        };
        let (merchant, reference) = (&self.merchant, &self.reference);
        let country = if merchant.country.is_empty() { "CN" } else { &merchant.country };
        let fields = [
            (2, self.pan.clone()),
            (3, processing.to_owned()),
            (7, reference.transmission_time.clone()),
            (11, reference.stan.clone()),
            (18, merchant.mcc.clone()),
            (19, "156".to_owned()),
            (22, entry.to_owned()),
            (25, condition.to_owned()),
            (32, reference.acquirer_id.clone()),
            (37, reference.rrn.clone()),
            (41, "DEMOTERM".to_owned()),
            (42, merchant.merchant_id.clone()),
            (43, format!("{:<25}{:<13}{country:2}", merchant.name, "Beijing")),
            (49, "156".to_owned()),
        ];
        let expiry = self.expiry.clone().map(|expiry| (14, expiry));
        let partial = self.partial.then(|| (60, "1".to_owned()));
        for (field, value) in fields
            .into_iter()
            .chain(expiry)
            .chain(partial)
            .chain(self.kind.fields())
            .chain(self.fields.clone())
        {
            message.set(field, value).map_err(wrong)?;
        }
        if let Some(cvv2) = &self.cvv2 {
            profile.set_cvv2(&mut message, cvv2).map_err(wrong)?;
        }
        for field in &self.without {
            message.remove(*field);
        }
        Ok(message)
    }
}

/// Sends a message, and repeats it with the same fields while it is not answered. What the issuer was away for is tried
/// anew, under another reference.
pub(crate) async fn send(address: &str, purchase: &mut Purchase) -> Result<Answer, String> {
    let profile = PROFILE.as_ref()?;
    let (mti, reply) = purchase.kind.types();
    let mut last = String::new();
    for attempt in 0..TRIES {
        if attempt > 0 {
            tokio::time::sleep(AGAIN).await;
        }
        match exchange(address, profile, &purchase.message(profile)?).await {
            Ok(answer) if answer.mti != reply => {
                return Err(format!("the {mti} is answered with {}", answer.mti));
            }
            Ok(answer) if TRY_AGAIN.contains(&answer.response_code.as_str()) => {
                purchase.reference = reference();
                last = format!("the issuer answers {}", answer.response_code);
            }
            Ok(answer) => return Ok(answer),
            Err(problem) => last = problem,
        }
    }
    Err(format!("no answer to the {mti} after {TRIES} tries: {last}"))
}

async fn exchange(address: &str, profile: &Profile, request: &Message) -> Result<Answer, String> {
    let broken = |error: std::io::Error| format!("{address}: {error}");
    let mut framed = SecretBytes::default();
    let bytes = profile.encode(request).map_err(|error| error.to_string())?;
    profile.framing().write_plain(&bytes, &mut framed).map_err(|error| error.to_string())?;
    let mut stream = TcpStream::connect(address).await.map_err(broken)?;
    stream.write_all(&framed).await.map_err(broken)?;
    let reply = tokio::time::timeout(ANSWER_MAX, read(&mut stream, profile)).await;
    let reply = reply.map_err(|_| format!("no answer within {} s", ANSWER_MAX.as_secs()))??;
    let text = |field: u8| reply.text(field).unwrap_or_default().to_owned();
    if reply.text(11) != request.text(11) || reply.text(7) != request.text(7) {
        return Err("the answer is another message's".into());
    }
    let mti = reply.mti().digits().map(char::from).iter().collect();
    let minor_units = reply.amount(4).ok().flatten();
    Ok(Answer { mti, response_code: text(39), authorization_code: text(38), minor_units })
}

async fn read(stream: &mut TcpStream, profile: &Profile) -> Result<Message, String> {
    let mut decoder = FrameDecoder::new(profile.framing());
    let mut buffer = [0_u8; 2048];
    loop {
        let count =
            stream.read(&mut buffer).await.map_err(|error| format!("the connection broke: {error}"))?;
        if count == 0 {
            return Err("the connection was closed without an answer".into());
        }
        let mut input = &buffer[..count];
        if let Some(frame) = decoder.next(&mut input).map_err(|error| error.to_string())? {
            return profile.decode(frame.message()).into_result().map_err(|error| error.to_string());
        }
    }
}
