//! What people are told about a decline: the contract's reason, and the customer's texts in English and Chinese.

use bursar_ledger_engine::{DeclineReason as Inner, Disclosure};
use bursar_proto::ledger::v1::DeclineReason as Outer;

/// What the customer may be told, in both languages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CustomerText {
    /// English.
    pub(crate) en: &'static str,
    /// Simplified Chinese.
    pub(crate) zh: &'static str,
}

const GENERIC: CustomerText = CustomerText {
    en: "Your bank declined this payment. Contact customer service if you need help.",
    zh: "发卡机构拒绝了这笔交易。如需帮助，请联系客服。",
};

/// The reason as the contract names it, for those who may know all.
pub(crate) fn reason(inner: Inner) -> Outer {
    match inner {
        Inner::FormatError => Outer::FormatError,
        Inner::NoSuchIssuer => Outer::NoSuchIssuer,
        Inner::CardNotFound => Outer::CardNotFound,
        Inner::Duplicate => Outer::Duplicate,
        Inner::AlreadyReversed | Inner::InvalidTransaction => Outer::InvalidTransaction,
        Inner::OriginalNotFound => Outer::OriginalNotFound,
        Inner::LegalBlock => Outer::LegalBlock,
        Inner::CardStolen => Outer::CardStolen,
        Inner::CardLost => Outer::CardLost,
        Inner::CardClosed => Outer::CardClosed,
        Inner::CardExpired => Outer::CardExpired,
        Inner::ExpiryMismatch => Outer::ExpiryMismatch,
        Inner::SuspectedFraud => Outer::SuspectedFraud,
        Inner::SecurityViolation | Inner::VerificationRequired => Outer::SecurityViolation,
        Inner::PinTriesExceeded | Inner::PasswordTriesExceeded => Outer::PinTriesExceeded,
        Inner::PinIncorrect | Inner::PasswordIncorrect => Outer::PinIncorrect,
        Inner::CvvMismatch => Outer::CvvMismatch,
        Inner::PinUnverifiable | Inner::PasswordUnverifiable => Outer::PinUnverifiable,
        Inner::NotPermittedCardholder => Outer::NotPermittedCardholder,
        Inner::NotPermittedTerminal => Outer::NotPermittedTerminal,
        Inner::InvalidMerchant => Outer::InvalidMerchant,
        Inner::InvalidAmount => Outer::InvalidAmount,
        Inner::KycIncomplete => Outer::KycIncomplete,
        Inner::CardNotActivated => Outer::CardNotActivated,
        Inner::CardFrozen => Outer::CardFrozen,
        Inner::AccountFrozen => Outer::AccountFrozen,
        Inner::ControlForbids => Outer::AdjustableControl,
        Inner::AmountLimitExceeded => Outer::AmountLimitExceeded,
        Inner::CountLimitExceeded => Outer::CountLimitExceeded,
        Inner::InsufficientFunds => Outer::InsufficientFunds,
        Inner::IssuerUnavailable => Outer::IssuerUnavailable,
        Inner::SystemError => Outer::SystemError,
        Inner::GenericDecline => Outer::GenericDecline,
    }
}

/// The reason as a customer may see it: what is not theirs to know is a decline without a nearer reason.
pub(crate) fn disclosed(inner: Inner) -> Outer {
    match inner.disclosure() {
        Disclosure::Show => reason(inner),
        Disclosure::Generic | Disclosure::Hide => Outer::GenericDecline,
    }
}

/// The customer's text; `None`: nothing is told.
pub(crate) fn text(inner: Inner) -> Option<CustomerText> {
    match inner.disclosure() {
        Disclosure::Hide => None,
        Disclosure::Generic => Some(GENERIC),
        Disclosure::Show => Some(shown(inner)),
    }
}

fn shown(inner: Inner) -> CustomerText {
    let (en, zh) = match inner {
        Inner::CardClosed => ("This card is closed.", "此卡已注销。"),
        Inner::CardExpired => ("This card has expired.", "此卡已过有效期。"),
        Inner::ExpiryMismatch => ("The expiry date does not match the card.", "有效期与卡片不符。"),
        Inner::PinTriesExceeded => {
            ("Too many wrong PINs. Reset your PIN.", "密码错误次数过多，请重置取款密码。")
        }
        Inner::PasswordTriesExceeded => (
            "Too many wrong card passwords. Try again after 24 hours or reset it.",
            "支付密码错误次数过多，请24小时后再试或重置密码。",
        ),
        Inner::PinIncorrect => ("The PIN is wrong.", "取款密码错误。"),
        Inner::PasswordIncorrect => ("The card password is wrong.", "支付密码错误。"),
        Inner::CvvMismatch => ("The security code does not match the card.", "卡片安全码不正确。"),
        Inner::VerificationRequired => {
            ("This payment needs the security code or card password.", "此交易需要卡片安全码或支付密码。")
        }
        Inner::NotPermittedCardholder => {
            ("This card cannot be used for such payments.", "此卡不支持该类交易。")
        }
        Inner::NotPermittedTerminal => (
            "This card cannot be used in this way. Try another way to pay.",
            "此卡不支持该交易渠道，请换一种方式支付。",
        ),
        Inner::InvalidMerchant => ("This card cannot be used at this merchant.", "此卡不能在该商户使用。"),
        Inner::InvalidAmount => ("The amount is not valid for this card.", "交易金额无效。"),
        Inner::CardNotActivated => ("Activate the card first.", "此卡尚未激活，请先激活。"),
        Inner::CardFrozen => ("The card is frozen. Unfreeze it to pay.", "此卡已冻结，解冻后方可支付。"),
        Inner::AccountFrozen => {
            ("The account is frozen. Contact customer service.", "账户已冻结，请联系客服。")
        }
        Inner::ControlForbids => (
            "Your card's settings do not allow this payment. You can change them.",
            "您的卡片设置不允许此交易，您可以修改设置。",
        ),
        Inner::AmountLimitExceeded => ("The payment is over the card's limit.", "交易金额超过此卡限额。"),
        Inner::CountLimitExceeded => {
            ("The number of payments is over the card's limit.", "交易次数超过此卡限制。")
        }
        Inner::InsufficientFunds => ("The balance is not enough.", "余额不足。"),
        _ => return GENERIC,
    };
    CustomerText { en, zh }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_that_is_shown_has_a_text_of_its_own() {
        for inner in Inner::ALL {
            match inner.disclosure() {
                Disclosure::Show => assert_ne!(text(*inner), Some(GENERIC), "{}", inner.as_str()),
                Disclosure::Generic => assert_eq!(disclosed(*inner), Outer::GenericDecline),
                Disclosure::Hide => {
                    assert_eq!(text(*inner), None);
                    assert_eq!(disclosed(*inner), Outer::GenericDecline);
                }
            }
        }
    }
}
