use std::time::Duration;

use bursar_proto::vault::v1::RedeemRevealTicketRequest;
use bursar_proto::vault::v1::cardholder_service_client::CardholderServiceClient;
use bursar_service::Identity;
use bursar_service::error::{retry_after_of, violations_of};
use bursar_types::Reason;
use futures::future::join_all;

use super::support::*;

bursar_testkit::on_both_databases! {
    async fn details_reach_the_phone_that_asked_and_nobody_else(database: TestDatabase) {
        let place = Place::new(&database);
        let vault = place.start().await;
        let card = vault.issue().await;
        let (phone, other_phone) = (Phone::new(), Phone::new());
        let ticket = vault.ticket(&card, &phone).await.unwrap();
        assert_eq!(ticket.ticket_secret.len(), 32);
        let sealed = vault.redeem(card.customer, &ticket).await.unwrap();
        assert!(other_phone.open(&ticket.ticket_id, &sealed).is_none());
        assert!(phone.open("rvl_another", &sealed).is_none(), "bound to its ticket");
        let shown = phone.open(&ticket.ticket_id, &sealed).unwrap();
        let again = vault.reveal(&card).await.unwrap();
        assert_eq!(shown, again, "the number and its CVV2 do not change");
        let audit = place
            .ask("SELECT caller || ' ' || outcome || ' ' || reason || ' ' || subject AS answer FROM audit_record
                  WHERE operation = 'reveal.redeem' ORDER BY leaf_index").await;
        assert_eq!(audit, vec![format!("backend allowed shown in the app {}", card.id); 2]);
        let events = place
            .ask("SELECT event_type AS answer FROM bursar_event_log WHERE event_type = 'vault.card.revealed'
                  UNION ALL
                  SELECT event_type AS answer FROM bursar_event_outbox WHERE event_type = 'vault.card.revealed'")
            .await;
        assert_eq!(events.len(), 2);
        vault.stop().await;
    }

    async fn of_32_at_once_one_uses_a_ticket(database: TestDatabase) {
        let place = Place::new(&database);
        let vault = place.start().await;
        let card = vault.issue().await;
        for _ in 0..4 {
            let ticket = vault.ticket(&card, &Phone::new()).await.unwrap();
            let (vault, ticket) = (&vault, &ticket);
            let answers = join_all((0..32).map(|_| vault.redeem(card.customer, ticket))).await;
            assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 1);
            for status in answers.into_iter().filter_map(Result::err) {
                assert_eq!(reason(&status), Reason::TicketInvalid);
            }
        }
        vault.stop().await;
    }

    async fn late_foreign_and_forged_tickets_are_refused_alike_and_told_apart_in_the_audit_log(database: TestDatabase) {
        let place = Place::new(&database);
        let vault = place.start().await;
        let (card, other) = (vault.issue().await, vault.issue().await);
        let ticket = vault.ticket(&card, &Phone::new()).await.unwrap();
        let mut forged = ticket.clone();
        forged.ticket_secret[31] ^= 1;
        let mut short = ticket.clone();
        short.ticket_secret.clear();
        let mut unknown = ticket.clone();
        unknown.ticket_id = ids().next::<bursar_types::id::RevealTicketId>().to_string();
        let refused = [
            vault.redeem(card.customer, &forged).await,
            vault.redeem(card.customer, &short).await,
            vault.redeem(card.customer, &unknown).await,
            vault.redeem(other.customer, &ticket).await,
        ];
        let mut statuses: Vec<_> = refused.into_iter().map(Result::unwrap_err).collect();
        // Through another back end than the one it was made through.
        let request = RedeemRevealTicketRequest {
            ticket_id: ticket.ticket_id.clone(),
            ticket_secret: ticket.ticket_secret.clone(),
        };
        let mut operator = CardholderServiceClient::new(vault.channel(Identity::Operator));
        let through = vault.signed(card.customer, None, request);
        statuses.push(operator.redeem_reveal_ticket(through).await.unwrap_err());
        // None of these used it up; time does.
        place.clock.advance(Duration::from_secs(59));
        vault.redeem(card.customer, &ticket).await.unwrap();
        statuses.push(vault.redeem(card.customer, &ticket).await.unwrap_err());
        let late = vault.ticket(&card, &Phone::new()).await.unwrap();
        place.clock.advance(Duration::from_secs(60));
        statuses.push(vault.redeem(card.customer, &late).await.unwrap_err());
        for status in &statuses {
            assert_eq!((reason(status), status.message()), (Reason::TicketInvalid, statuses[0].message()));
        }
        let audit = place
            .ask("SELECT reason AS answer FROM audit_record
                  WHERE operation = 'reveal.redeem' AND outcome = 'refused' ORDER BY leaf_index").await;
        let expected =
            ["wrong secret", "wrong secret", "unknown", "another customer's", "another caller's", "used", "late"];
        assert_eq!(audit, expected);
        vault.stop().await;
    }

    async fn a_card_is_revealed_a_few_times_and_then_the_caller_waits(database: TestDatabase) {
        let place = Place::new(&database);
        let vault = place.start().await;
        let (card, other) = (vault.issue().await, vault.issue().await);
        // More at once than allowed.
        let (vault_ref, card_ref) = (&vault, &card);
        let answers = join_all((0..12).map(|_| async move { vault_ref.ticket(card_ref, &Phone::new()).await })).await;
        assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 5);
        for status in answers.into_iter().filter_map(Result::err) {
            assert_eq!(reason(&status), Reason::RateLimited);
            assert!(retry_after_of(&status).is_some_and(|wait| wait <= Duration::from_secs(600)));
        }
        assert!(vault.ticket(&other, &Phone::new()).await.is_ok(), "another card has limits of its own");
        place.clock.advance(Duration::from_secs(599));
        assert_eq!(reason(&vault.ticket(&card, &Phone::new()).await.unwrap_err()), Reason::RateLimited);
        place.clock.advance(Duration::from_secs(1));
        assert!(vault.ticket(&card, &Phone::new()).await.is_ok());
        vault.stop().await;
    }

    async fn a_ticket_is_made_once_for_an_own_card_and_a_usable_key(database: TestDatabase) {
        let place = Place::new(&database);
        let vault = place.start().await;
        let (card, other) = (vault.issue().await, vault.issue().await);
        let phone = Phone::new();
        let request = ticket_request(&card, &phone);
        let send = |request| vault.signed(card.customer, Some(Duration::ZERO), request);
        let first = vault.holder().create_reveal_ticket(send(request.clone())).await.unwrap().into_inner();
        let again = vault.holder().create_reveal_ticket(send(request.clone())).await.unwrap().into_inner();
        assert_eq!(
            (&first.ticket_id, &first.ticket_secret, &first.expire_time),
            (&again.ticket_id, &again.ticket_secret, &again.expire_time)
        );
        let mut reused = request;
        reused.device_public_key = Phone::new().public;
        let status = vault.holder().create_reveal_ticket(send(reused)).await.unwrap_err();
        assert_eq!(reason(&status), Reason::RequestIdReused);

        let foreign = ticket_request(&other, &phone);
        let status = vault.holder().create_reveal_ticket(send(foreign)).await.unwrap_err();
        assert_eq!(reason(&status), Reason::NotYours);
        for key in [vec![0; 32], vec![1; 31], Vec::new()] {
            let mut bad = ticket_request(&card, &phone);
            bad.device_public_key = key;
            let status = vault.holder().create_reveal_ticket(send(bad)).await.unwrap_err();
            assert_eq!(violations_of(&status)[0].field, "device_public_key");
        }
        let mut bad = ticket_request(&card, &phone);
        bad.purpose = "x".repeat(129);
        let status = vault.holder().create_reveal_ticket(send(bad)).await.unwrap_err();
        assert_eq!(violations_of(&status)[0].field, "purpose");
        let stale = vault.signed(card.customer, Some(DAY), ticket_request(&card, &phone));
        let status = vault.holder().create_reveal_ticket(stale).await.unwrap_err();
        assert_eq!(reason(&status), Reason::StepUpRequired);
        vault.stop().await;
    }
}
