//! The issuer's desk: the card product, the KYC queue, the shop's webhook.

use bursar_proto::identity::v1::{
    CaseState, CheckOutcome, ClaimCaseRequest, DecideCaseRequest, GetCaseRequest,
};
use bursar_proto::ledger::v1::{
    Controls, CreateCardProductRequest, GetProgramRequest, Limit, LimitWindow, ListCardProductsRequest,
};
use bursar_proto::notifications::v1::CreateWebhookEndpointRequest;
use bursar_proto::vault::v1::{CreateBinRangeRequest, ListBinRangesRequest};

use super::{ASSET, shop_as_merchant};
use crate::demo::callers::{Callers, ask, request_id};
use crate::demo::report::Report;
use crate::demo::shop::Shop;

/// The BIN range of the demo. ISO/IEC 7812 leaves numbers that start with 9 to national bodies: no network uses it.
const BIN_RANGE: &str = "demo";
const BIN: &str = "99000001";
const PRODUCT: &str = "Demo virtual card";
/// Name at the desk.
const REVIEWER: &str = "demo-reviewer";

/// The demo's card product: found again on a second run.
pub(super) async fn product(report: &mut Report, callers: &Callers) -> Result<String, String> {
    report.begin("card_product", "setting up a card product");
    let program = ask!(callers.program, get_program, GetProgramRequest {})?.program.unwrap_or_default();
    let ranges = ask!(
        callers.ranges,
        list_bin_ranges,
        ListBinRangesRequest { page_size: 1000, ..Default::default() }
    )?;
    if !ranges.bin_ranges.iter().any(|range| range.bin_range_id == BIN_RANGE) {
        let request = CreateBinRangeRequest {
            request_id: request_id(),
            bin_range_id: BIN_RANGE.into(),
            bin: BIN.into(),
            pan_length: 16,
        };
        ask!(callers.ranges, create_bin_range, request)?;
    }
    let list = ListCardProductsRequest { page_size: 1000, ..Default::default() };
    let known = ask!(callers.program, list_card_products, list)?;
    let product = match known.card_products.into_iter().find(|product| product.name == PRODUCT) {
        Some(product) => product,
        None => {
            let limits = vec![
                Limit { window: LimitWindow::Payment.into(), amount_minor_max: 500_000, ..Limit::default() },
                Limit {
                    window: LimitWindow::Day.into(),
                    amount_minor_max: 2_000_000,
                    count_max: 50,
                    ..Limit::default()
                },
            ];
            let controls = Controls { limits, denied_mccs: vec!["7995".into()], ..Default::default() };
            let request = CreateCardProductRequest {
                request_id: request_id(),
                name: PRODUCT.into(),
                bin_range_id: BIN_RANGE.into(),
                asset: ASSET.into(),
                validity_months: 36,
                controls: Some(controls),
                ..CreateCardProductRequest::default()
            };
            ask!(callers.program, create_card_product, request)?.card_product.unwrap_or_default()
        }
    };
    report.held(&format!(
        "{} of program {}: BIN {BIN}, at most 5000.00 {ASSET} a payment",
        product.card_product_id, program.name
    ));
    Ok(product.card_product_id)
}

/// A reviewer looks at the checks and the screening, and approves.
pub(super) async fn review(report: &mut Report, callers: &Callers, case_id: &str) -> Result<(), String> {
    report.begin("screening", "reading the checks");
    let request = GetCaseRequest { case_id: case_id.to_owned() };
    let case = ask!(callers.review, get_case, request)?.kyc_case.unwrap_or_default();
    if let Some(check) = case.checks.iter().find(|check| check.outcome() != CheckOutcome::Passed) {
        return Err(format!("check {} is {}: {}", check.name, check.outcome().as_str_name(), check.detail));
    }
    let names: Vec<&str> = case.checks.iter().map(|check| check.name.as_str()).collect();
    if !names.contains(&"screening") || !case.hits.is_empty() {
        return Err(format!("screening did not run clean: checks {names:?}, {} hits", case.hits.len()));
    }
    report.held(&format!("passed: {}", names.join(", ")));

    report.begin("review", "a reviewer decides");
    let request =
        ClaimCaseRequest { request_id: request_id(), case_id: case_id.to_owned(), reviewer: REVIEWER.into() };
    ask!(callers.review, claim_case, request)?;
    let request = DecideCaseRequest {
        request_id: request_id(),
        case_id: case_id.to_owned(),
        reviewer: REVIEWER.into(),
        decision: CaseState::Approved.into(),
        kyc_level: 2,
        internal_reason: "images and number agree".into(),
        customer_reason: String::new(),
    };
    let decided = ask!(callers.review, decide_case, request)?.kyc_case.unwrap_or_default();
    if decided.state() != CaseState::Approved {
        return Err(format!("the case is {}", decided.state().as_str_name()));
    }
    report.held(&format!("{REVIEWER} approved {} at level 2", decided.masked_id_number));
    Ok(())
}

/// The shop wants to hear of its payments.
pub(super) async fn webhook(report: &mut Report, callers: &Callers, shop: &Shop) -> Result<(), String> {
    report.begin("webhook", "declaring the shop's webhook");
    let request = CreateWebhookEndpointRequest {
        request_id: request_id(),
        url: shop.url.clone(),
        event_types: vec!["ledger.payment.*".into()],
        merchant_id: shop_as_merchant().merchant_id,
        ..CreateWebhookEndpointRequest::default()
    };
    let answer = ask!(callers.webhooks, create_webhook_endpoint, request)?;
    shop.trust(&answer.secret).await?;
    let endpoint = answer.webhook_endpoint.unwrap_or_default();
    report.held(&format!("{} for {}", endpoint.webhook_endpoint_id, endpoint.url));
    Ok(())
}
