//! What a call about a payment asks for, parsed.

use bursar_ledger_engine::{
    Channel, Country, EntryMode, Merchant, Name, PaymentKind, PaymentRef, PaymentStatus, Reference, Text,
};
use bursar_proto::ledger::v1 as proto;
use bursar_service::{CallContext, Invalid, parse};
use bursar_types::{Money, ProofResult, Reason};

use crate::config::Program;
use crate::journal::Body;
use crate::project::controls::mcc;
use crate::proof::Proven;
use crate::store::read::PaymentSearch;

/// What an authorization asks for, parsed.
pub(super) struct Asked {
    pub(super) amount: Money,
    pub(super) merchant: Merchant,
    pub(super) channel: Channel,
    pub(super) network: Option<Reference>,
}

impl Asked {
    pub(super) fn of(message: &proto::AuthorizeRequest, program: &Program) -> Result<Self, Invalid> {
        let amount = parse::money("amount", message.amount.as_ref())?;
        if amount.minor_units < 0 {
            let wrong = Invalid::because(Reason::InvalidAmount);
            return Err(wrong.field("amount.minor_units", "must not be negative"));
        }
        let merchant = merchant(message.merchant.as_ref(), program)?;
        let channel = channel(message.channel)?;
        Ok(Self { amount, merchant, channel, network: network(message.network.as_ref())? })
    }

    /// What kind of payment it is.
    pub(super) fn kind(&self) -> PaymentKind {
        match (self.amount.minor_units, self.channel) {
            (0, _) => PaymentKind::AccountCheck,
            (_, Channel::Atm) => PaymentKind::Cash,
            _ => PaymentKind::Purchase,
        }
    }
}

/// How the card's data come through a channel, as far as the contract says.
pub(super) fn entry_mode(channel: Channel) -> EntryMode {
    match channel {
        Channel::InApp => EntryMode::InApp,
        Channel::Online => EntryMode::Keyed,
        _ => EntryMode::Unknown,
    }
}

/// The channel of a payment.
pub(super) fn channel(number: i32) -> Result<Channel, Invalid> {
    Ok(match parse::enumeration::<proto::Channel>("channel", number)? {
        proto::Channel::Pos => Channel::Pos,
        proto::Channel::InApp => Channel::InApp,
        proto::Channel::Atm => Channel::Atm,
        proto::Channel::Ecommerce | proto::Channel::Unspecified => Channel::Online,
    })
}

/// The merchant of a payment.
pub(super) fn merchant(message: Option<&proto::Merchant>, program: &Program) -> Result<Merchant, Invalid> {
    let merchant = parse::required("merchant", message)?;
    let country = match merchant.country.as_str() {
        "" => program.country,
        code => Country::new(code)
            .ok_or_else(|| Invalid::new().field("merchant.country", "must be an ISO 3166-1 alpha-2 code"))?,
    };
    let merchant_id = parse::text("merchant.merchant_id", &merchant.merchant_id, 1..=15)?;
    let name = parse::text("merchant.name", &merchant.name, 0..=40)?;
    let long = |field| move |_| Invalid::new().field(field, "is too long in bytes");
    Ok(Merchant {
        id: Reference::new(merchant_id).map_err(long("merchant.merchant_id"))?,
        name: name_of(name),
        country,
        mcc: mcc(&merchant.mcc).ok_or_else(|| Invalid::new().field("merchant.mcc", "must be four digits"))?,
    })
}

/// How a later message names its payment: by id, or by the message on its network.
pub(super) fn payment_ref(
    payment_id: &str,
    message: Option<&proto::NetworkReference>,
) -> Result<PaymentRef, Invalid> {
    match (payment_id, network(message)?) {
        ("", Some(reference)) => Ok(PaymentRef::Network(reference)),
        ("", None) => {
            Err(Invalid::new().field("payment_id", "is required, or `network` with a trace number"))
        }
        (_, Some(_)) => Err(Invalid::new().field("network", "must not be given beside `payment_id`")),
        (id, None) => parse::id("payment_id", id).map(PaymentRef::Id),
    }
}

/// An authorization code that was given elsewhere.
pub(super) fn given_code(text: &str) -> Result<Option<Text<6>>, Invalid> {
    let text = parse::text("authorization_code", text, 0..=6)?;
    let code =
        Text::new(text).map_err(|_| Invalid::new().field("authorization_code", "is too long in bytes"))?;
    Ok(Some(code).filter(|code| !code.is_empty()))
}

/// What a list of payments is narrowed to.
pub(super) fn search(message: &proto::ListPaymentsRequest) -> Result<PaymentSearch, Invalid> {
    let moment = |field, time: Option<&prost_types::Timestamp>| {
        time.map(|time| parse::timestamp(field, Some(time))).transpose()
    };
    let mcc = match message.mcc.as_str() {
        "" => None,
        text => Some(mcc(text).ok_or_else(|| Invalid::new().field("mcc", "must be four digits"))?),
    };
    let wrong = || Invalid::new().field("state", "must be one of the values of the contract");
    let state = proto::PaymentState::try_from(message.state).map_err(|_| wrong())?;
    Ok(PaymentSearch {
        from: moment("from", message.from.as_ref())?,
        until: moment("until", message.until.as_ref())?,
        merchant: parse::text("merchant", &message.merchant, 0..=40)?.to_lowercase(),
        mcc,
        state: Some(state).filter(|state| *state != proto::PaymentState::Unspecified).map(statuses),
    })
}

fn statuses(state: proto::PaymentState) -> &'static [PaymentStatus] {
    use proto::PaymentState as S;

    match state {
        S::Unspecified => &[],
        S::Approved => &[PaymentStatus::Authorized, PaymentStatus::Checked],
        S::PartiallyApproved => &[PaymentStatus::Authorized],
        S::Declined => &[PaymentStatus::Declined],
        S::PartiallyCleared => &[PaymentStatus::PartiallyCleared],
        S::Cleared => &[PaymentStatus::Cleared],
        S::Reversed => &[PaymentStatus::Reversed],
        S::Expired => &[PaymentStatus::Expired],
        S::Refunded => &[PaymentStatus::Refunded],
    }
}

/// As much of a merchant's name as is kept.
fn name_of(text: &str) -> Name {
    let mut end = text.len().min(120);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    Name::new(&text[..end]).unwrap_or_default()
}

/// One text for the message on its network. Without a trace number there is nothing to tell messages apart by.
pub(super) fn network(message: Option<&proto::NetworkReference>) -> Result<Option<Reference>, Invalid> {
    let Some(message) = message else { return Ok(None) };
    let acquirer = parse::text("network.acquirer_id", &message.acquirer_id, 0..=11)?;
    let stan = parse::text("network.stan", &message.stan, 0..=12)?;
    let rrn = parse::text("network.rrn", &message.rrn, 0..=12)?;
    let time = parse::text("network.transmission_time", &message.transmission_time, 0..=14)?;
    if stan.is_empty() && rrn.is_empty() {
        return Ok(None);
    }
    let text = format!("{acquirer}/{stan}/{rrn}/{time}");
    Reference::new(&text).map(Some).map_err(|_| Invalid::new().field("network", "is too long in bytes"))
}

/// What makes two authorizations the same request. The proof's own id and time are no part of it: who asks again
/// fetches a fresh one.
pub(super) fn body(
    context: &CallContext,
    message: &proto::AuthorizeRequest,
    asked: &Asked,
    proven: &Proven,
) -> Body {
    let result = |result: ProofResult| [result as u8];
    let [expiry, cvv2, password] = proven.results;
    let body = Body::new("Authorize", &context.principal())
        .field("card_id", proven.card.to_string())
        .money("amount", Some(asked.amount))
        .field("merchant.merchant_id", asked.merchant.id.as_str())
        .field("merchant.name", asked.merchant.name.as_str())
        .number("merchant.mcc", asked.merchant.mcc.number().into())
        .field("merchant.country", asked.merchant.country.as_str())
        .number("channel", message.channel.into())
        .field("proof.expiry", result(expiry))
        .field("proof.cvv2", result(cvv2))
        .field("proof.card_password", result(password))
        .number("partial_allowed", i64::from(message.partial_allowed))
        .number("capture_now", i64::from(message.capture_now))
        .field("network", asked.network.as_ref().map(Reference::as_str).unwrap_or_default());
    // Absent fields are left out, as before there were any: what was asked then is the same request now.
    match (message.stand_in, message.authorization_code.as_str()) {
        (false, "") => body,
        (stand_in, code) => body.number("stand_in", i64::from(stand_in)).field("authorization_code", code),
    }
}
