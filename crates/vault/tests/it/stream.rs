//! Questions and cards that come at once are committed together, and nothing of that shows.

use std::collections::{HashMap, HashSet};

use bursar_proto::vault::v1::stream_verify_card_response::Result as Outcome;
use bursar_proto::vault::v1::{
    ListBinRangesRequest, StreamVerifyCardRequest, StreamVerifyCardResponse, Verification, VerifyCardRequest,
};
use bursar_service::Identity;
use bursar_types::Reason;
use futures::future::join_all;
use futures::stream;

use super::support::*;

fn question(pan: &str, cvv2: &str) -> VerifyCardRequest {
    VerifyCardRequest { pan: pan.into(), expiry: "2912".into(), cvv2: cvv2.into(), payment: Some(payment()) }
}

fn message(request_id: usize, deadline_ms: i32, question: VerifyCardRequest) -> StreamVerifyCardRequest {
    StreamVerifyCardRequest { request_id: format!("q{request_id}"), deadline_ms, verify_card: Some(question) }
}

async fn ask(vault: &Vault<'_>, messages: Vec<StreamVerifyCardRequest>) -> HashMap<String, Outcome> {
    let count = messages.len();
    let mut answers = vault.gateway().stream_verify_card(stream::iter(messages)).await.unwrap().into_inner();
    let mut found = HashMap::new();
    while let Some(StreamVerifyCardResponse { request_id, result }) = answers.message().await.unwrap() {
        assert!(found.insert(request_id, result.unwrap()).is_none(), "answered once");
    }
    assert_eq!(found.len(), count);
    found
}

fn error_of(outcome: &Outcome) -> (&str, &str) {
    match outcome {
        Outcome::Error(error) => (&error.reason, &error.field),
        Outcome::VerifyCard(answer) => panic!("answered: {answer:?}"),
    }
}

bursar_testkit::on_both_databases! {
    async fn a_stream_answers_every_question_once_as_the_call_would(database: TestDatabase) {
        let place = Place::new(&database);
        let vault = place.start().await;
        let mut cards = Vec::new();
        for _ in 0..3 {
            let card = vault.issue().await;
            let shown = vault.reveal(&card).await.unwrap();
            cards.push((card, shown));
        }
        let before = vault.records().await.len();
        let mut messages = Vec::new();
        for n in 0..300 {
            let (_, shown) = &cards[n % 3];
            messages.push(message(n, 30_000, question(&shown.pan, &shown.cvv2)));
        }
        messages.push(message(300, 30_000, question("4111111111111111", "123")));
        messages.push(message(301, 30_000, question("4111111111111112", "")));
        let wrong = other_cvv2(&cards[0].1.cvv2, 3);
        messages.push(message(302, 30_000, question(&cards[0].1.pan, &wrong)));
        let answers = ask(&vault, messages).await;

        let mut proofs = HashSet::new();
        for n in 0..300 {
            let Outcome::VerifyCard(answer) = &answers[&format!("q{n}")] else { panic!("{n}") };
            assert!(answer.found);
            assert_eq!(answer.card_id, cards[n % 3].0.id);
            assert_eq!((answer.expiry(), answer.cvv2()), (Verification::Match, Verification::Match));
            let claims = place.check_proof(&answer.proof).claims;
            assert_eq!((claims.card_id.as_str(), claims.amount_minor), (answer.card_id.as_str(), 31_240));
            assert!(proofs.insert(claims.jti), "each proof has an id of its own");
        }
        for n in [300, 301] {
            let Outcome::VerifyCard(answer) = &answers[&format!("q{n}")] else { panic!("{n}") };
            assert_eq!(*answer, Default::default());
        }
        let Outcome::VerifyCard(answer) = &answers["q302"] else { panic!() };
        assert_eq!(answer.cvv2(), Verification::Mismatch);
        assert_eq!(vault.records().await.len(), before + 303, "each is recorded");
        vault.stop().await;
    }

    async fn guesses_on_a_stream_are_judged_one_after_another(database: TestDatabase) {
        let place = Place::new(&database);
        let vault = place.start().await;
        let card = vault.issue().await;
        let shown = vault.reveal(&card).await.unwrap();
        // Every CVV2 there is, on several streams at once: the right one is found with a chance of 5 in 1000 only.
        let streams = (0..4).map(|lane| {
            let guesses = (0..250).map(|n| {
                let cvv2 = other_cvv2(&shown.cvv2, lane * 250 + n);
                message(n as usize, 60_000, question(&shown.pan, &cvv2))
            });
            ask(&vault, guesses.collect())
        });
        let answers = join_all(streams).await;
        let results: Vec<Verification> = answers
            .iter()
            .flat_map(HashMap::values)
            .map(|outcome| match outcome {
                Outcome::VerifyCard(answer) => answer.cvv2(),
                Outcome::Error(error) => panic!("{error:?}"),
            })
            .collect();
        let count = |wanted| results.iter().filter(|result| **result == wanted).count();
        assert_eq!((count(Verification::Mismatch), count(Verification::Match)), (5, 0));
        assert_eq!(count(Verification::Locked), 995);
        vault.stop().await;
    }

    async fn nothing_is_answered_without_its_audit_record(database: TestDatabase) {
        let place = Place::new(&database);
        let vault = place.start().await;
        let card = vault.issue().await;
        let shown = vault.reveal(&card).await.unwrap();
        place.tamper("ALTER TABLE audit_record RENAME TO audit_gone").await;
        let messages = (0..20).map(|n| message(n, 30_000, question(&shown.pan, &shown.cvv2))).collect();
        for outcome in ask(&vault, messages).await.values() {
            error_of(outcome);
        }
        let call = vault.gateway().verify_card(question(&shown.pan, &shown.cvv2)).await;
        assert!(call.is_err());
        assert!(vault.issue_in(RANGE).await.is_err());
        place.tamper("ALTER TABLE audit_gone RENAME TO audit_record").await;
        // Nothing of it happened.
        let list = ListBinRangesRequest::default();
        let ranges = vault.cards(Identity::Operator).list_bin_ranges(list).await.unwrap().into_inner();
        assert_eq!(ranges.bin_ranges[0].issued, 1);
        assert_eq!(place.ask("SELECT masked_pan AS answer FROM card").await, [card.masked]);
        assert!(vault.verify(&shown.pan, "2912", &shown.cvv2).await.found);
        vault.stop().await;
    }

    async fn cards_issued_at_once_have_numbers_of_their_own_and_are_counted(database: TestDatabase) {
        let place = Place::new(&database);
        let vault = place.start().await;
        // A range of a thousand, so that the numbers drawn meet each other.
        vault.range("small", "99000013", 12).await.unwrap();
        let (mut cards, small) = futures::future::join(vault.issue_many(200, RANGE), vault.issue_many(400, "small")).await;
        cards.extend(small);
        assert_eq!(cards.iter().map(|card| &card.id).collect::<HashSet<_>>().len(), 600);
        let small: Vec<&str> =
            cards.iter().map(|card| card.masked.as_str()).filter(|masked| masked.len() == 12).collect();
        // The last four digits hold the whole account number of such a small range.
        assert_eq!(small.iter().collect::<HashSet<_>>().len(), 400);
        let list = ListBinRangesRequest::default();
        let ranges = vault.cards(Identity::Operator).list_bin_ranges(list).await.unwrap().into_inner();
        let issued: Vec<_> = ranges.bin_ranges.iter().map(|range| (range.bin_range_id.as_str(), range.issued)).collect();
        assert_eq!(issued, [(RANGE, 200), ("small", 400)]);
        let records = vault.records().await;
        assert!(records.iter().zip(0..).all(|(record, index)| record.index == index));
        let recorded: HashSet<&str> = records
            .iter()
            .filter(|record| record.operation == "card.issue" && record.outcome == "allowed")
            .map(|record| record.subject.as_str())
            .collect();
        assert_eq!(recorded, cards.iter().map(|card| card.id.as_str()).collect());
        vault.stop().await;
    }
}

#[tokio::test]
async fn what_is_wrong_on_a_stream_is_told_for_each_and_the_stream_goes_on() {
    let database = bursar_testkit::TestDatabase::sqlite();
    let place = Place::new(&database);
    let vault = place.start().await;
    let card = vault.issue().await;
    let shown = vault.reveal(&card).await.unwrap();
    let good = question(&shown.pan, &shown.cvv2);
    let mut long = message(4, 30_000, good.clone());
    long.request_id = "x".repeat(65);
    let answers = ask(
        &vault,
        vec![
            message(0, 0, good.clone()),
            message(1, 60_001, good.clone()),
            message(2, 30_000, question("9900-0012", &shown.cvv2)),
            message(3, 30_000, VerifyCardRequest { payment: None, ..good.clone() }),
            long,
            message(5, 30_000, good),
        ],
    )
    .await;
    let invalid = Reason::InvalidField.as_str();
    assert_eq!(error_of(&answers["q0"]), (invalid, "deadline_ms"));
    assert_eq!(error_of(&answers["q1"]), (invalid, "deadline_ms"));
    assert_eq!(error_of(&answers["q2"]), (invalid, "pan"));
    assert_eq!(error_of(&answers["q3"]), (invalid, "payment"));
    assert_eq!(error_of(&answers["x".repeat(65).as_str()]), (invalid, "request_id"));
    assert!(matches!(&answers["q5"], Outcome::VerifyCard(answer) if answer.found));
    assert!(!format!("{:?}", answers["q2"]).contains("0012"));
    vault.stop().await;
}
