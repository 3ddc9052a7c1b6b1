//! The issuer's desk: the card product, the KYC queue, the shop's webhook.

use bursar_proto::ledger::v1::{
    Controls, CreateCardProductRequest, GetProgramRequest, Limit, LimitWindow, ListCardProductsRequest,
};
use bursar_proto::notifications::v1::CreateWebhookEndpointRequest;

use super::{ASSET, shop_as_merchant};
use crate::demo::report::Report;
use crate::demo::shop::Shop;
use crate::outside::callers::{Callers, ask, request_id};
use crate::outside::desk;

const PRODUCT: &str = "Demo virtual card";

/// The demo's card product: found again on a second run.
pub(super) async fn product(report: &mut Report, callers: &Callers) -> Result<String, String> {
    report.begin("card_product", "setting up a card product");
    let program = ask!(callers.program, get_program, GetProgramRequest {})?.program.unwrap_or_default();
    desk::bin_range(callers).await?;
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
                bin_range_id: desk::BIN_RANGE.into(),
                asset: ASSET.into(),
                validity_months: 36,
                controls: Some(controls),
                ..CreateCardProductRequest::default()
            };
            ask!(callers.program, create_card_product, request)?.card_product.unwrap_or_default()
        }
    };
    report.held(&format!(
        "{} of program {}: BIN {}, at most 5000.00 {ASSET} a payment",
        product.card_product_id,
        program.name,
        desk::BIN
    ));
    Ok(product.card_product_id)
}

/// A reviewer looks at the checks and the screening, and approves.
pub(super) async fn review(report: &mut Report, callers: &Callers, case_id: &str) -> Result<(), String> {
    report.begin("screening", "reading the checks");
    report.held(&format!("passed: {}", desk::read_checks(callers, case_id).await?));

    report.begin("review", "a reviewer decides");
    let masked = desk::approve(callers, case_id).await?;
    report.held(&format!("{} approved {masked} at level 2", desk::REVIEWER));
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
