//! Why a payment was decided as it was: its record, gathered from the journal, and the words for people.

use bursar_ledger_engine::{
    Action, Change, Control, ControlScope, Decision, DecisionFacts, DecisionRecord, DeclineReason,
    Disclosure, FailureSource, FeeEvent, Outcome, Remedy, Retry, Rule, Verdict,
};
use bursar_proto::ledger::v1 as proto;
use bursar_types::{Asset, RequestId};

use crate::disclosure::{self, CustomerText};
use crate::error::LedgerError;
use crate::history::{self, Lookup, Used};
use crate::journal::Record;
use crate::project::PaymentRecord;
use crate::project::controls::{ALLOWED_COUNTRIES, DENIED_MCCS, NO_CROSS_BORDER};
use crate::project::public::Reader;
use crate::writer::{Handle, Shared};

/// A decision as it is journaled.
#[derive(Clone, Debug)]
pub(crate) struct Kept {
    /// All it rests on.
    pub(crate) record: DecisionRecord,
    /// What it was.
    pub(crate) decision: Decision,
    /// Where it is in the journal.
    pub(crate) position: i64,
}

/// The record of a payment's decision.
///
/// # Errors
/// [`LedgerError::NotFound`] if it was journaled by a release that kept no records.
pub(crate) async fn record(handle: &Handle, payment: &PaymentRecord) -> Result<Kept, LedgerError> {
    let shared = &handle.shared;
    let first = payment.payment.elements.first().ok_or(LedgerError::NotFound("decision"))?;
    let (journaled, used) = journaled(shared, first.request_id).await?;
    let position = used.position;
    let (ask, decided) = match (journaled.command.action, journaled.outcome) {
        (Action::Authorize(ask), Outcome::Decided(decided)) => (ask, decided),
        _ => return Err(LedgerError::Internal("a payment begins with another command".into())),
    };
    let facts = decided.facts.ok_or(LedgerError::NotFound("record of the decision"))?;
    let (ask_now, facts_now) = (ask.clone(), facts.clone());
    let current = handle.read(move |engine, _| engine.decision_record(&ask_now, &facts_now)).await?;
    let record = match current {
        Some(record) => record,
        None => gathered(handle, &ask, &facts).await?,
    };
    Ok(Kept { record, decision: decided.decision, position })
}

async fn journaled(shared: &Shared, id: RequestId) -> Result<(Record, Used), LedgerError> {
    match history::request(shared, id).await? {
        Lookup::Used(record, used) => Ok((*record, *used)),
        Lookup::NotUpTo(_) => Err(LedgerError::NotFound("decision")),
    }
}

/// The record with controls that have been set anew since: the commands that set them are in the journal.
async fn gathered(
    handle: &Handle,
    ask: &bursar_ledger_engine::Authorize,
    facts: &DecisionFacts,
) -> Result<DecisionRecord, LedgerError> {
    let mut record = DecisionRecord {
        ask: ask.clone(),
        facts: facts.clone(),
        spec: None,
        program_controls: Vec::new(),
        account_controls: Vec::new(),
        card_controls: Vec::new(),
    };
    let Some(card) = &facts.card else { return Ok(record) };
    let (product, number) = (card.product, card.product_version);
    let look = handle.read(move |engine, _| {
        engine.product(product).iter().find(|version| version.version == number).map(|v| v.spec.clone())
    });
    record.spec = look.await?;
    record.program_controls = controls_of(&handle.shared, card.program_controls).await?;
    record.account_controls = controls_of(&handle.shared, card.account_controls).await?;
    record.card_controls = controls_of(&handle.shared, card.card_controls).await?;
    Ok(record)
}

async fn controls_of(shared: &Shared, set_by: Option<RequestId>) -> Result<Vec<Control>, LedgerError> {
    let Some(id) = set_by else { return Ok(Vec::new()) };
    match journaled(shared, id).await?.0.command.action {
        Action::SetControls { controls, .. } => Ok(controls),
        _ => Err(LedgerError::Internal("controls were set by another command".into())),
    }
}

/// What a reader is told.
#[derive(Clone, Debug)]
pub(crate) struct Told {
    /// What the customer may be told; `None`: nothing.
    pub(crate) customer: Option<CustomerText>,
    /// Every reason, for those who may know all.
    pub(crate) reasons: Vec<proto::ExplainedReason>,
    /// What would have approved it.
    pub(crate) changes: Vec<proto::ApprovingChange>,
}

impl Told {
    /// What `reader` is told of a decision.
    pub(crate) fn of(decision: &Decision, record: &DecisionRecord, reader: Reader) -> Self {
        let customer = decision.reason.and_then(disclosure::text);
        // A change would tell the reason that it takes away.
        let may_know = |reason: DeclineReason| reason.disclosure() == Disclosure::Show;
        let all_shown = decision.failing.iter().all(|failing| may_know(failing.reason));
        let tell = decision.verdict == Verdict::Declined && (reader == Reader::Staff || all_shown);
        let asset = record.spec.as_ref().map_or(record.ask.amount.asset, |spec| spec.asset);
        let changes = match tell {
            true => record.explain().changes.iter().map(|change| words(*change, record, asset)).collect(),
            false => Vec::new(),
        };
        let reasons = match reader {
            Reader::Staff => decision.failing.iter().map(reason).collect(),
            Reader::Customer => Vec::new(),
        };
        Self { customer, reasons, changes }
    }
}

fn reason(failing: &bursar_ledger_engine::Failing) -> proto::ExplainedReason {
    proto::ExplainedReason {
        reason: disclosure::reason(failing.reason).into(),
        name: failing.reason.as_str().to_owned(),
        source: match failing.source {
            FailureSource::Platform => "platform".to_owned(),
            FailureSource::Control { scope, control } => format!("{} control {control}", scope_name(&scope)),
        },
        within: failing.within,
        remedies: failing.reason.remedies().iter().map(|remedy| remedy_name(*remedy).to_owned()).collect(),
    }
}

fn scope_name(scope: &ControlScope) -> String {
    match scope {
        ControlScope::Program => "program".to_owned(),
        ControlScope::Product(id) => format!("product {id}"),
        ControlScope::Account(id) => format!("account {id}"),
        ControlScope::Card(id) => format!("card {id}"),
    }
}

fn remedy_name(remedy: Remedy) -> &'static str {
    match remedy {
        Remedy::ActivateCard => "ACTIVATE_CARD",
        Remedy::ChangeControl => "CHANGE_CONTROL",
        Remedy::CheckData => "CHECK_DATA",
        Remedy::CompleteKyc => "COMPLETE_KYC",
        Remedy::ContactIssuer => "CONTACT_ISSUER",
        Remedy::PayLess => "PAY_LESS",
        Remedy::ReplaceCard => "REPLACE_CARD",
        Remedy::ResetPassword => "RESET_PASSWORD",
        Remedy::ResetPin => "RESET_PIN",
        Remedy::TopUp => "TOP_UP",
        Remedy::Unfreeze => "UNFREEZE",
        Remedy::UseOtherChannel => "USE_OTHER_CHANNEL",
    }
}

/// Whether another try can help, as the contract writes it.
pub(crate) fn retry(reason: DeclineReason) -> &'static str {
    match reason.retry() {
        Retry::Never => "NEVER",
        Retry::Later => "LATER",
        Retry::FixData => "FIX_DATA",
    }
}

/// What a fee is for, as the contract writes it.
pub(crate) fn fee_event(event: FeeEvent) -> &'static str {
    match event {
        FeeEvent::Purchase => "purchase",
        FeeEvent::CrossBorder => "cross_border",
        FeeEvent::Cash => "cash",
        FeeEvent::NonDirect => "non_direct",
        FeeEvent::Exchange => "exchange",
    }
}

/// An amount for people, such as `CNY 312.40`: minor units and the asset's exponent make it, no float.
pub(crate) fn amount_text(minor_units: i64, asset: Asset) -> String {
    let exponent = usize::from(asset.exponent());
    let digits = format!("{:0width$}", minor_units.unsigned_abs(), width = exponent + 1);
    let (whole, part) = digits.split_at(digits.len() - exponent);
    let sign = if minor_units < 0 { "-" } else { "" };
    let point = if exponent == 0 { "" } else { "." };
    format!("{} {sign}{whole}{point}{part}", asset.code())
}

/// A change in words.
fn words(change: Change, record: &DecisionRecord, asset: Asset) -> proto::ApprovingChange {
    let fixed = |en: &str, zh: &str| (en.to_owned(), zh.to_owned());
    let (what, value, (en, zh)) = match change {
        Change::AmountAtMost(most) => {
            let text = amount_text(most, asset);
            (
                "amount_at_most",
                Some(most),
                (format!("the amount were at most {text}"), format!("金额不超过{text}")),
            )
        }
        Change::SpendableAtLeast(least) => {
            let text = amount_text(least, asset);
            (
                "balance_at_least",
                Some(least),
                (format!("the available balance were at least {text}"), format!("可用余额不少于{text}")),
            )
        }
        Change::ControlOff { scope, control } => ("control", None, control_words(scope, control, record)),
        Change::CardActivated => ("card_state", None, fixed("the card were activated", "卡片已激活")),
        Change::CardUnfrozen => ("card_state", None, fixed("the card were not frozen", "卡片未被冻结")),
        Change::AccountUnfrozen => {
            ("account_state", None, fixed("the account were not frozen", "账户未被冻结"))
        }
        Change::CustomerVerified => {
            ("customer_state", None, fixed("identification were complete", "身份认证已完成"))
        }
        Change::Verified => {
            ("verification", None, fixed("the security code or password were right", "安全码或密码正确"))
        }
        Change::ExpiryRight => ("expiry", None, fixed("the expiry date were right", "有效期正确")),
        Change::MerchantOfCard => {
            ("message", None, fixed("the merchant were the one this card is for", "在此卡指定的商户消费"))
        }
        Change::CardPresent => ("message", None, fixed("the card were present", "持卡到场交易")),
    };
    proto::ApprovingChange { what: what.to_owned(), value, text_en: en, text_zh: zh }
}

fn control_words(scope: ControlScope, id: u16, record: &DecisionRecord) -> (String, String) {
    let fixed = |en: &str, zh: &str| (en.to_owned(), zh.to_owned());
    match (id, rule_of(scope, id, record)) {
        (NO_CROSS_BORDER, _) => fixed("cross-border payments were on", "已开通境外交易"),
        (DENIED_MCCS, _) => fixed("this kind of merchant were allowed", "允许该类商户"),
        (ALLOWED_COUNTRIES, _) => fixed("the merchant's country were allowed", "允许该商户所在国家或地区"),
        (_, Some(Rule::Limit { .. })) => fixed("the card's limit were higher", "卡片限额更高"),
        _ => (format!("rule {id} allowed it"), format!("规则{id}允许该交易")),
    }
}

fn rule_of(scope: ControlScope, id: u16, record: &DecisionRecord) -> Option<Rule> {
    let controls = match scope {
        ControlScope::Program => &record.program_controls,
        ControlScope::Product(_) => &record.spec.as_ref()?.controls,
        ControlScope::Account(_) => &record.account_controls,
        ControlScope::Card(_) => &record.card_controls,
    };
    controls.iter().find(|control| control.id == id).map(|control| control.rule)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_written_with_their_exponent() {
        let asset = |code| Asset::from_code(code).unwrap();
        assert_eq!(amount_text(31_240, asset("CNY")), "CNY 312.40");
        assert_eq!(amount_text(5, asset("CNY")), "CNY 0.05");
        assert_eq!(amount_text(-1_205, asset("CNY")), "CNY -12.05");
        assert_eq!(amount_text(1_200, asset("JPY")), "JPY 1200");
    }
}
