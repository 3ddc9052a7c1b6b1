//! The closed list of reasons a call can fail for. A reason is stable: callers may match on it for ever.
//!
//! Each service's error enum says its [`Reason`]; `bursar-service` alone turns that into a gRPC status with
//! `google.rpc.ErrorInfo`. What declines a card payment is not an error and has a list of its own in the ledger.

use std::time::Duration;

/// The kind of failure, after the canonical gRPC codes; these are all a Bursar service ever answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Code {
    /// The request is wrong in itself: do not repeat it unchanged.
    InvalidArgument,
    /// The request is right but the state of things forbids it.
    FailedPrecondition,
    /// The thing named does not exist, or not for this caller.
    NotFound,
    /// The thing exists already, or the request id was used for something else.
    AlreadyExists,
    /// The caller is known and may not do this.
    PermissionDenied,
    /// The caller did not prove who they are.
    Unauthenticated,
    /// A limit or quota was met: try again later.
    ResourceExhausted,
    /// Somebody else was faster: read again, then retry.
    Aborted,
    /// A cursor or position is outside what exists.
    OutOfRange,
    /// The deadline passed before the answer was known.
    DeadlineExceeded,
    /// Something this service needs is away for the moment: retry.
    Unavailable,
    /// Stored data is damaged.
    DataLoss,
    /// The method exists in the contract and is not served here.
    Unimplemented,
    /// A fault of ours.
    Internal,
}

/// Who must act, and so the level a failure is logged at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// The caller's mistake, no alarm: debug.
    Caller,
    /// Expected under load or outage: warn.
    Weather,
    /// Somebody of ours must look: error.
    Ours,
}

macro_rules! reasons {
    ($($(#[$doc:meta])+ $name:ident $text:literal $code:ident),+ $(,)?) => {
        /// Why a call failed: the `reason` of `google.rpc.ErrorInfo`, in the domain `bursar`.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Reason { $($(#[$doc])+ $name),+ }

        impl Reason {
            /// Every reason, in the order of the documents.
            pub const ALL: &'static [Self] = &[$(Self::$name),+];

            /// The stable text, such as `REQUEST_ID_REUSED`.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text),+ }
            }

            /// The kind of failure this reason is.
            pub const fn code(self) -> Code {
                match self { $(Self::$name => Code::$code),+ }
            }
        }
    };
}

reasons! {
    // ---- every service ----
    /// A field is missing, too long, out of range or contradicts another; the field is named.
    InvalidField "INVALID_FIELD" InvalidArgument,
    /// A mutation came without `request_id`.
    RequestIdMissing "REQUEST_ID_MISSING" InvalidArgument,
    /// `request_id` is not a UUID.
    RequestIdMalformed "REQUEST_ID_MALFORMED" InvalidArgument,
    /// `request_id` was used before with another request; the metadata names the first difference where it is known.
    RequestIdReused "REQUEST_ID_REUSED" AlreadyExists,
    /// The page token is not one this list gave, or belongs to another query.
    PageTokenInvalid "PAGE_TOKEN_INVALID" InvalidArgument,
    /// The message is larger than this server takes.
    MessageTooLarge "MESSAGE_TOO_LARGE" InvalidArgument,
    /// The calling certificate is not on the method's allow-list.
    CallerNotAllowed "CALLER_NOT_ALLOWED" PermissionDenied,
    /// The method needs a customer's token and none came.
    TokenMissing "TOKEN_MISSING" Unauthenticated,
    /// The token's signature, certificate, audience or lifetime is not good.
    TokenInvalid "TOKEN_INVALID" Unauthenticated,
    /// The token's session was ended.
    SessionRevoked "SESSION_REVOKED" Unauthenticated,
    /// The method needs a second factor used more recently.
    StepUpRequired "STEP_UP_REQUIRED" PermissionDenied,
    /// What is named belongs to another customer.
    NotYours "NOT_YOURS" PermissionDenied,
    /// The thing named does not exist.
    NotFound "NOT_FOUND" NotFound,
    /// A thing with this identity exists.
    AlreadyExists "ALREADY_EXISTS" AlreadyExists,
    /// The state forbids the step; the metadata names the state.
    WrongState "WRONG_STATE" FailedPrecondition,
    /// Somebody changed it meanwhile.
    Conflict "CONFLICT" Aborted,
    /// More calls at once than this process takes.
    Overloaded "OVERLOADED" ResourceExhausted,
    /// A rate limit was met.
    RateLimited "RATE_LIMITED" ResourceExhausted,
    /// The deadline passed; nothing half done remains.
    DeadlineExceeded "DEADLINE_EXCEEDED" DeadlineExceeded,
    /// The process is stopping.
    ShuttingDown "SHUTTING_DOWN" Unavailable,
    /// The database is away.
    DatabaseUnavailable "DATABASE_UNAVAILABLE" Unavailable,
    /// Another service of the platform is away.
    PeerUnavailable "PEER_UNAVAILABLE" Unavailable,
    /// A fault of ours; the log holds the rest under the trace id.
    Internal "INTERNAL" Internal,
    /// Stored data does not hold together.
    DataCorrupt "DATA_CORRUPT" DataLoss,
    /// The method belongs to the contract and is not served by this deployment.
    NotServed "NOT_SERVED" Unimplemented,
    /// A position beyond the end of the log, or a cursor of another epoch: the log was rolled back.
    CursorBeyondLog "CURSOR_BEYOND_LOG" OutOfRange,
    /// A position before the retention of the log.
    CursorTooOld "CURSOR_TOO_OLD" OutOfRange,

    // ---- identity ----
    /// Phone or password is wrong (which of them is not told).
    CredentialsWrong "CREDENTIALS_WRONG" Unauthenticated,
    /// Too many tries: wait.
    LoginLocked "LOGIN_LOCKED" ResourceExhausted,
    /// The password is too easy to guess; the metadata names the weakness.
    PasswordWeak "PASSWORD_WEAK" InvalidArgument,
    /// The one-time code is wrong.
    CodeWrong "CODE_WRONG" PermissionDenied,
    /// The one-time code is past its time, used, or was never sent for this purpose.
    CodeExpired "CODE_EXPIRED" FailedPrecondition,
    /// The tries of this one-time code are used up.
    CodeTriesExceeded "CODE_TRIES_EXCEEDED" ResourceExhausted,
    /// A refresh token was used twice: the whole session family is revoked.
    RefreshTokenReused "REFRESH_TOKEN_REUSED" Unauthenticated,
    /// The identity document's number does not hold together; the metadata names what.
    IdNumberInvalid "ID_NUMBER_INVALID" InvalidArgument,
    /// The document image is not one of the accepted types, too large, or damaged.
    DocumentInvalid "DOCUMENT_INVALID" InvalidArgument,
    /// The case is claimed by another reviewer.
    CaseClaimed "CASE_CLAIMED" FailedPrecondition,
    /// The reviewer may not decide this case.
    ReviewerNotAllowed "REVIEWER_NOT_ALLOWED" PermissionDenied,
    /// The customer's KYC level does not allow this.
    KycLevelTooLow "KYC_LEVEL_TOO_LOW" FailedPrecondition,

    // ---- vault ----
    /// The vault is sealed.
    VaultSealed "VAULT_SEALED" Unavailable,
    /// All numbers of the BIN range are taken.
    BinRangeExhausted "BIN_RANGE_EXHAUSTED" ResourceExhausted,
    /// The card password is one of the weak ones; the metadata names the weakness.
    CardPasswordWeak "CARD_PASSWORD_WEAK" InvalidArgument,
    /// The card password is wrong.
    CardPasswordWrong "CARD_PASSWORD_WRONG" PermissionDenied,
    /// The tries of the card password are used up: locked.
    CardPasswordLocked "CARD_PASSWORD_LOCKED" ResourceExhausted,
    /// No card password was set.
    CardPasswordNotSet "CARD_PASSWORD_NOT_SET" FailedPrecondition,
    /// The reveal ticket was used, is past its time, or is another's.
    TicketInvalid "TICKET_INVALID" PermissionDenied,

    // ---- ledger ----
    /// The amount is zero, negative, too large, or of the wrong asset.
    InvalidAmount "INVALID_AMOUNT" InvalidArgument,
    /// Debit and credit account are the same.
    AccountsMustDiffer "ACCOUNTS_MUST_DIFFER" InvalidArgument,
    /// The account does not exist.
    AccountNotFound "ACCOUNT_NOT_FOUND" NotFound,
    /// The account is frozen.
    AccountFrozen "ACCOUNT_FROZEN" FailedPrecondition,
    /// The account is closed.
    AccountClosed "ACCOUNT_CLOSED" FailedPrecondition,
    /// The account's available balance does not cover the amount.
    InsufficientFunds "INSUFFICIENT_FUNDS" FailedPrecondition,
    /// Another order of the linked group was refused, so this one did not happen either.
    LinkedItemFailed "LINKED_ITEM_FAILED" FailedPrecondition,
    /// The hold is used up, voided or expired.
    HoldNotOpen "HOLD_NOT_OPEN" FailedPrecondition,
    /// The proof is another payment's, past its time, or was used.
    ProofInvalid "PROOF_INVALID" PermissionDenied,
    /// The freeze was placed by someone this caller may not overrule.
    FreezeNotYours "FREEZE_NOT_YOURS" PermissionDenied,
    /// This process does not own the shard now: ask again.
    NotOwner "NOT_OWNER" Unavailable,

    // ---- notifications, gateway ----
    /// The webhook address is one the platform does not call.
    WebhookAddressRefused "WEBHOOK_ADDRESS_REFUSED" InvalidArgument,
    /// The bank file cannot be read; the metadata says where and why.
    BankFileInvalid "BANK_FILE_INVALID" InvalidArgument,
    /// The bank file was imported before.
    BankFileDuplicate "BANK_FILE_DUPLICATE" AlreadyExists,
}

impl Reason {
    /// Who must act on a failure of this kind.
    pub const fn severity(self) -> Severity {
        match self.code() {
            Code::Internal | Code::DataLoss => Severity::Ours,
            Code::Unavailable | Code::DeadlineExceeded => Severity::Weather,
            Code::ResourceExhausted => match self {
                Self::Overloaded | Self::BinRangeExhausted => Severity::Weather,
                _ => Severity::Caller,
            },
            Code::OutOfRange => match self {
                Self::CursorBeyondLog => Severity::Ours,
                _ => Severity::Caller,
            },
            _ => Severity::Caller,
        }
    }

    /// Whether the same request, sent again later, may succeed without the caller changing anything.
    pub const fn retryable(self) -> bool {
        matches!(self.code(), Code::Unavailable | Code::Aborted | Code::DeadlineExceeded)
            || matches!(self, Self::Overloaded | Self::RateLimited | Self::LoginLocked)
    }

    /// The reason with this text.
    pub fn from_text(text: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|reason| reason.as_str() == text)
    }
}

/// A field of the request that is wrong, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldViolation {
    /// Path of the field in the request message: `details.id_number`.
    pub field: String,
    /// What is wrong with it and what would be right. Never repeats a secret value.
    pub description: String,
}

impl FieldViolation {
    /// The violation of `field` that `description` tells.
    pub fn new(field: impl Into<String>, description: impl Into<String>) -> Self {
        Self { field: field.into(), description: description.into() }
    }
}

/// What a crate's error enum implements, so that one place can turn any of them into an answer.
///
/// The `Display` text goes to the caller for the caller's mistakes only; for all else it stays in our log.
pub trait Failure: std::error::Error {
    /// The stable reason.
    fn reason(&self) -> Reason;

    /// The dynamic words of the message, machine readable.
    fn metadata(&self) -> Vec<(&'static str, String)> {
        Vec::new()
    }

    /// The fields that are wrong.
    fn violations(&self) -> Vec<FieldViolation> {
        Vec::new()
    }

    /// How long to wait before trying again.
    fn retry_after(&self) -> Option<Duration> {
        None
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn texts_are_unique_stable_and_found_again() {
        let texts: HashSet<_> = Reason::ALL.iter().map(|reason| reason.as_str()).collect();
        assert_eq!(texts.len(), Reason::ALL.len());
        for reason in Reason::ALL {
            assert_eq!(Reason::from_text(reason.as_str()), Some(*reason));
            assert!(reason.as_str().bytes().all(|b| b.is_ascii_uppercase() || b == b'_'));
        }
    }

    #[test]
    fn a_callers_mistake_is_no_alarm() {
        assert_eq!(Reason::InvalidField.severity(), Severity::Caller);
        assert_eq!(Reason::DataCorrupt.severity(), Severity::Ours);
        assert!(!Reason::InvalidField.retryable());
        assert!(Reason::DatabaseUnavailable.retryable());
    }
}
