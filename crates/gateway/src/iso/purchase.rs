//! What a message about a payment says of it, read from its fields. Pure.

use bursar_card_data::{Cvv2, Pan};
use bursar_iso8583::{Message, Profile, Version};
use bursar_proto::ledger::v1::{Channel, DeclineReason, Merchant, NetworkReference};
use bursar_types::{Asset, Money};

use super::reference;

/// Field 3, transaction type: cash.
const CASH: u8 = 1;
/// Field 3, transaction type: goods and services.
const PURCHASE: u8 = 0;
/// Field 3, transaction type: returned goods.
const REFUND: u8 = 20;
/// Field 25: the card was used in electronic commerce.
const CONDITION_ECOMMERCE: &str = "59";
/// Field 22, how the number was entered (first two digits): chip, chip without contact, stripe, and stripe without contact.
const CARD_PRESENT: [&str; 5] = ["02", "05", "07", "90", "91"];
/// Field 60 in the sandbox's profile: the terminal can take less than it asked for.
const PARTIAL_ALLOWED: &str = "1";
/// Width of the merchant's name in field 43; 13 of city and 2 of country follow.
const NAME_WIDTH: usize = 25;

/// A purchase as the network asks for it.
pub(super) struct Purchase {
    pub(super) pan: Pan,
    /// `YYMM`; empty: absent.
    pub(super) expiry: String,
    pub(super) cvv2: Option<Cvv2>,
    pub(super) amount: Money,
    pub(super) merchant: Merchant,
    pub(super) channel: Channel,
    pub(super) partial_allowed: bool,
    pub(super) network: NetworkReference,
}

impl Purchase {
    /// Reads the request, or says with which reason it is refused.
    pub(super) fn read(profile: &Profile, message: &Message) -> Result<Self, DeclineReason> {
        let malformed = |_| DeclineReason::FormatError;
        let (pan, stripe) = card(message)?;
        let code = message.processing_code().map_err(malformed)?.ok_or(DeclineReason::FormatError)?;
        if ![PURCHASE, CASH].contains(&code.transaction) {
            return Err(DeclineReason::InvalidTransaction);
        }
        let expiry = match message.expiry().map_err(malformed)? {
            Some(expiry) => format!("{:02}{:02}", expiry.year, expiry.month),
            None => stripe,
        };
        // Nobody here can open a PIN block or a password block yet: what cannot be checked is not approved.
        if message.has(52) || profile.card_password(message).is_some() {
            return Err(DeclineReason::PinUnverifiable);
        }
        let cvv2 = match profile.cvv2(message) {
            Some(digits) => {
                let digits = std::str::from_utf8(&digits).map_err(|_| DeclineReason::FormatError)?;
                Some(Cvv2::parse(digits).map_err(|_| DeclineReason::FormatError)?)
            }
            None => None,
        };
        Ok(Self {
            pan,
            expiry,
            cvv2,
            amount: amount(message)?,
            merchant: merchant(message)?,
            channel: channel(message, code.transaction),
            partial_allowed: message.text(60) == Some(PARTIAL_ALLOWED),
            network: reference::network(message)?,
        })
    }
}

/// Whether money goes back to the card.
pub(super) fn is_refund(message: &Message) -> bool {
    message.processing_code().is_ok_and(|code| code.is_some_and(|code| code.transaction == REFUND))
}

/// The card number, from field 2 or the stripe, and the stripe's expiry (`YYMM`), empty without one.
pub(super) fn card(message: &Message) -> Result<(Pan, String), DeclineReason> {
    let malformed = DeclineReason::FormatError;
    let stripe = message.text(35).and_then(|track| track.split_once(['=', 'D']));
    let number = message.pan().map_err(|_| malformed)?.or(stripe.map(|(pan, _)| pan)).ok_or(malformed)?;
    let expiry =
        stripe.and_then(|(_, rest)| rest.get(..4)).filter(|it| it.bytes().all(|b| b.is_ascii_digit()));
    // A number that is no card number can be nobody's card.
    let pan = Pan::parse(number).map_err(|_| DeclineReason::CardNotFound)?;
    Ok((pan, expiry.unwrap_or_default().to_owned()))
}

pub(super) fn amount(message: &Message) -> Result<Money, DeclineReason> {
    let minor = message.amount(4).ok().flatten().ok_or(DeclineReason::FormatError)?;
    let minor = i64::try_from(minor).map_err(|_| DeclineReason::InvalidAmount)?;
    let currency = message.currency().ok().flatten().ok_or(DeclineReason::FormatError)?;
    let asset = Asset::from_numeric(currency).ok_or(DeclineReason::InvalidTransaction)?;
    Ok(Money::new(minor, asset))
}

pub(super) fn merchant(message: &Message) -> Result<Merchant, DeclineReason> {
    let merchant_id = message.merchant_id().map(str::trim).filter(|id| !id.is_empty());
    // Merchant type (1987), card acceptor business code (1993).
    let field = if message.mti().version() == Version::V1993 { 26 } else { 18 };
    let mcc =
        message.code4(field).map_err(|_| DeclineReason::FormatError)?.ok_or(DeclineReason::FormatError)?;
    let place = message.merchant_name().unwrap_or_default();
    let name: String = place.chars().take(NAME_WIDTH).collect();
    let country = place.get(place.len().saturating_sub(2)..).unwrap_or_default();
    let country =
        if place.len() == 40 && country.bytes().all(|byte| byte.is_ascii_uppercase()) { country } else { "" };
    Ok(Merchant {
        merchant_id: merchant_id.ok_or(DeclineReason::InvalidMerchant)?.to_owned(),
        name: name.trim().to_owned(),
        mcc: format!("{mcc:04}"),
        country: country.to_owned(),
    })
}

pub(super) fn channel(message: &Message, transaction: u8) -> Channel {
    if message.mti().version() == Version::V1993 {
        return channel_93(message, transaction);
    }
    let entry = message.pos_entry_mode().and_then(|mode| mode.get(..2)).unwrap_or_default();
    if transaction == CASH {
        Channel::Atm
    } else if CARD_PRESENT.contains(&entry) && message.text(25) != Some(CONDITION_ECOMMERCE) {
        Channel::Pos
    } else {
        // Keyed in, on file, or said to be: the card was not there.
        Channel::Ecommerce
    }
}

/// Field 22 of 1993: its sixth place says whether the card was there (1), its fifth where the holder was.
fn channel_93(message: &Message, transaction: u8) -> Channel {
    let present = message.pos_entry_mode().and_then(|mode| mode.get(5..6)) == Some("1");
    match transaction {
        CASH => Channel::Atm,
        _ if present => Channel::Pos,
        _ => Channel::Ecommerce,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(change: impl FnOnce(&mut Message, &Profile)) -> (Profile, Message) {
        let profile = Profile::builtin("iso87-ascii").unwrap();
        let mut message = profile.message("0100".parse().unwrap());
        for (field, value) in [
            (2, "4111111111111111"),
            (3, "000000"),
            (4, "000000008850"),
            (7, "0102030405"),
            (11, "000042"),
            (14, "2912"),
            (18, "5499"),
            (22, "812"),
            (42, "DEMOSHOP0000001"),
            (43, "Demo Tea House           Beijing      CN"),
            (49, "156"),
        ] {
            message.set(field, value).unwrap();
        }
        profile.set_cvv2(&mut message, "737").unwrap();
        change(&mut message, &profile);
        (profile, message)
    }

    fn read(change: impl FnOnce(&mut Message, &Profile)) -> Result<Purchase, DeclineReason> {
        let (profile, message) = request(change);
        Purchase::read(&profile, &message)
    }

    #[test]
    fn a_purchase_is_read() {
        let purchase = read(|_, _| {}).ok().unwrap();
        assert_eq!(purchase.amount.to_string(), "88.50 CNY");
        assert_eq!(purchase.expiry, "2912");
        assert!(purchase.cvv2.is_some());
        assert_eq!(purchase.merchant.name, "Demo Tea House");
        assert_eq!((purchase.merchant.country.as_str(), purchase.merchant.mcc.as_str()), ("CN", "5499"));
        assert_eq!(purchase.channel, Channel::Ecommerce);
    }

    #[test]
    fn the_channel_follows_from_how_the_number_came() {
        let channel = |mode: &'static str, code: &'static str| {
            let read = read(|message, _| {
                message.set(22, mode).unwrap();
                message.set(3, code).unwrap();
            });
            read.ok().unwrap().channel
        };
        assert_eq!(channel("051", "000000"), Channel::Pos);
        assert_eq!(channel("010", "000000"), Channel::Ecommerce);
        assert_eq!(channel("051", "010000"), Channel::Atm);
    }

    #[test]
    fn the_card_may_be_on_the_stripe_only() {
        let purchase = read(|message, _| {
            message.remove(2);
            message.remove(14);
            message.set(35, "4111111111111111=29121010000000000000").unwrap();
        });
        let purchase = purchase.ok().unwrap();
        assert_eq!((purchase.pan.expose(), purchase.expiry.as_str()), ("4111111111111111", "2912"));
    }

    #[test]
    fn what_nobody_can_check_is_not_approved() {
        let refused = read(|message, _| message.set(52, [1_u8; 8]).unwrap());
        assert_eq!(refused.err(), Some(DeclineReason::PinUnverifiable));
    }

    #[test]
    fn what_is_missing_or_wrong_has_its_reason() {
        for field in [2, 3, 4, 7, 11, 18, 49] {
            let refused = read(|message, _| {
                message.remove(field);
            });
            assert_eq!(refused.err(), Some(DeclineReason::FormatError), "field {field}");
        }
        let with =
            |field: u8, value: &'static str| read(move |message, _| message.set(field, value).unwrap()).err();
        assert_eq!(with(2, "4111111111111112"), Some(DeclineReason::CardNotFound));
        assert_eq!(with(3, "200000"), Some(DeclineReason::InvalidTransaction));
        assert_eq!(with(49, "000"), Some(DeclineReason::InvalidTransaction));
        assert_eq!(with(42, "               "), Some(DeclineReason::InvalidMerchant));
    }
}
