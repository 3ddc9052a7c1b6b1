//! Why a payment is declined. Networks' codes (ISO 8583 field 39) are profiles, data outside the engine.

macro_rules! decline_reasons {
    ($($(#[$doc:meta])+ $name:ident $text:literal $disclosure:ident $retry:ident [$($remedy:ident)*]),+ $(,)?) => {
        /// Why a payment is declined, in order of rank: of several failing reasons the one that stands first here
        /// answers. First what concerns the message, then what is for good, then security, then states, then what
        /// the customer can change, then money: whoever is told "insufficient funds" can pay once there is money.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum DeclineReason { $($(#[$doc])+ $name),+ }

        impl DeclineReason {
            /// Every reason, by rank.
            pub const ALL: &'static [Self] = &[$(Self::$name),+];

            /// The stable text, such as `INSUFFICIENT_FUNDS`.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text),+ }
            }

            /// What the customer may be told.
            pub const fn disclosure(self) -> Disclosure {
                match self { $(Self::$name => Disclosure::$disclosure),+ }
            }

            /// Whether trying again can help.
            pub const fn retry(self) -> Retry {
                match self { $(Self::$name => Retry::$retry),+ }
            }

            /// What the customer or the issuer can do about it.
            pub const fn remedies(self) -> &'static [Remedy] {
                match self { $(Self::$name => &[$(Remedy::$remedy),*]),+ }
            }
        }
    };
}

decline_reasons! {
    /// The message contradicts itself.
    FormatError "FORMAT_ERROR" Generic FixData [],
    /// The card belongs to nobody here: no such issuer or BIN range.
    NoSuchIssuer "NO_SUCH_ISSUER" Generic Never [],
    /// No such card.
    CardNotFound "CARD_NOT_FOUND" Generic Never [],
    /// The transaction came before under another request.
    Duplicate "DUPLICATE" Hide Never [],
    /// The merchant took it back before it arrived.
    AlreadyReversed "ALREADY_REVERSED" Generic Never [],
    /// What it refers to is not known.
    OriginalNotFound "ORIGINAL_NOT_FOUND" Generic FixData [],
    /// A court or an authority forbids it.
    LegalBlock "LEGAL_BLOCK" Hide Never [ContactIssuer],
    /// The card was stolen.
    CardStolen "CARD_STOLEN" Generic Never [ReplaceCard],
    /// The card was lost.
    CardLost "CARD_LOST" Generic Never [ReplaceCard],
    /// The card is closed.
    CardClosed "CARD_CLOSED" Show Never [ReplaceCard],
    /// The card is past its date.
    CardExpired "CARD_EXPIRED" Show FixData [ReplaceCard],
    /// The expiry given is not the card's.
    ExpiryMismatch "EXPIRY_MISMATCH" Show FixData [CheckData],
    /// The fraud desk stopped it.
    SuspectedFraud "SUSPECTED_FRAUD" Generic Never [ContactIssuer],
    /// A proof was used before, is out of time, or not this payment's.
    SecurityViolation "SECURITY_VIOLATION" Generic Never [ContactIssuer],
    /// The tries of the PIN are used up.
    PinTriesExceeded "PIN_TRIES_EXCEEDED" Show Later [ResetPin],
    /// The tries of the card password are used up.
    PasswordTriesExceeded "CARD_PASSWORD_TRIES_EXCEEDED" Show Later [ResetPassword],
    /// The PIN is wrong.
    PinIncorrect "PIN_INCORRECT" Show FixData [CheckData],
    /// The card password is wrong.
    PasswordIncorrect "CARD_PASSWORD_INCORRECT" Show FixData [CheckData],
    /// CVV2 is wrong.
    CvvMismatch "CVV_MISMATCH" Show FixData [CheckData],
    /// The PIN could not be checked.
    PinUnverifiable "PIN_UNVERIFIABLE" Generic Later [],
    /// The card password could not be checked.
    PasswordUnverifiable "CARD_PASSWORD_UNVERIFIABLE" Generic Later [],
    /// The channel needs a CVV2, PIN or card password and none came.
    VerificationRequired "VERIFICATION_REQUIRED" Show FixData [CheckData],
    /// The customer is closed, or a control of the issuer's forbids such purchases for good.
    NotPermittedCardholder "NOT_PERMITTED_CARDHOLDER" Show Never [ContactIssuer],
    /// A control of the issuer's forbids this channel.
    NotPermittedTerminal "NOT_PERMITTED_TERMINAL" Show Never [UseOtherChannel],
    /// The merchant is one this card is not for.
    InvalidMerchant "INVALID_MERCHANT" Show Never [],
    /// The transaction is not one this card can do.
    InvalidTransaction "INVALID_TRANSACTION" Generic FixData [],
    /// The amount or its asset is not one this card can pay.
    InvalidAmount "INVALID_AMOUNT" Show FixData [],
    /// The customer must show something first, or is under review.
    KycIncomplete "KYC_INCOMPLETE" Generic Later [CompleteKyc],
    /// The card waits to be activated.
    CardNotActivated "CARD_NOT_ACTIVATED" Show FixData [ActivateCard],
    /// The card is frozen.
    CardFrozen "CARD_FROZEN" Show Later [Unfreeze],
    /// The account is frozen or closed.
    AccountFrozen "ACCOUNT_FROZEN" Show Later [ContactIssuer],
    /// A control the customer can change forbids it.
    ControlForbids "CONTROL_FORBIDS" Show Later [ChangeControl],
    /// A limit by amount.
    AmountLimitExceeded "AMOUNT_LIMIT_EXCEEDED" Show Later [ChangeControl PayLess],
    /// A limit by count.
    CountLimitExceeded "COUNT_LIMIT_EXCEEDED" Show Later [ChangeControl],
    /// There is not enough money.
    InsufficientFunds "INSUFFICIENT_FUNDS" Show Later [TopUp PayLess],
    /// The issuer cannot decide now.
    IssuerUnavailable "ISSUER_UNAVAILABLE" Generic Later [],
    /// A fault of ours: arithmetic or set-up of the program.
    SystemError "SYSTEM_ERROR" Generic Later [],
    /// For a reason that is not told further.
    GenericDecline "GENERIC_DECLINE" Generic Later [],
}

/// What the customer may be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disclosure {
    /// The reason itself.
    Show,
    /// That the issuer declined, no more.
    Generic,
    /// Nothing: telling would itself do harm.
    Hide,
}

/// Whether trying again can help.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// Never.
    Never,
    /// Later, unchanged.
    Later,
    /// With other data.
    FixData,
}

/// What can be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Remedy {
    /// Activate the card.
    ActivateCard,
    /// Change the control or limit.
    ChangeControl,
    /// Check what was entered.
    CheckData,
    /// Finish identification.
    CompleteKyc,
    /// Speak with the issuer.
    ContactIssuer,
    /// Pay a smaller amount.
    PayLess,
    /// Have the card replaced.
    ReplaceCard,
    /// Reset the card password.
    ResetPassword,
    /// Reset the PIN.
    ResetPin,
    /// Put money on the account.
    TopUp,
    /// Lift the freeze.
    Unfreeze,
    /// Pay through another channel.
    UseOtherChannel,
}
