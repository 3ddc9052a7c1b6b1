//! Receipts: good offline, and not if any bit of them is another.

use bursar_ledger_engine::{
    Action, Actor, Command, Name, Note, Outcome, Reference, Role, TransferCode, TransferMode, TransferOrder,
};
use bursar_proto::ledger::v1 as proto;
use bursar_proto::ledger::v1::account_service_server::AccountService as _;
use bursar_proto::ledger::v1::books_service_server::BooksService as _;
use bursar_proto::ledger::v1::transfer_service_server::TransferService as _;
use bursar_service::Identity;
use bursar_service::token::Trust;
use bursar_testkit::on_both_databases;
use bursar_types::id::AccountId;
use bursar_types::{Money, RequestId};
use tonic::Status;

use super::world::{Node, Wish, World, by, cny, customer, reason, uuid, yuan};
use crate::receipt::{ReceiptError, check_checkpoint, check_receipt};
use crate::writer::Order;

async fn receipt(node: &Node, transfer_id: &str) -> Result<proto::Receipt, Status> {
    let request = proto::GetReceiptRequest { transfer_id: transfer_id.into() };
    Ok(node.api.get_receipt(by(Identity::Backend, request)).await?.into_inner().receipt.unwrap())
}

async fn transfer(node: &Node, message: proto::CreateTransferRequest) -> proto::Transfer {
    let answer = node.api.create_transfer(by(Identity::Operator, message)).await.unwrap();
    answer.into_inner().transfer.unwrap()
}

fn order(from: &proto::Account, to: &proto::Account, amount: i64) -> proto::CreateTransferRequest {
    proto::CreateTransferRequest {
        request_id: uuid(),
        debit_account_id: from.account_id.clone(),
        credit_account_id: to.account_id.clone(),
        amount: yuan(amount),
        reference: "rent-3".into(),
        description: "March".into(),
        ..Default::default()
    }
}

/// The transfers on an account, the newest first.
async fn entries(node: &Node, account: &proto::Account) -> Vec<proto::Entry> {
    let position = node.handle.read(|_, position| position).await.unwrap();
    let request = proto::ListEntriesRequest {
        account_id: account.account_id.clone(),
        at_least_position: position,
        ..Default::default()
    };
    node.api.list_entries(by(Identity::Operator, request)).await.unwrap().into_inner().entries
}

fn refused(receipt: &proto::Receipt, trust: &Trust, what: &str) {
    assert!(check_receipt(receipt, trust).is_err(), "{what}");
}

on_both_databases! {
    async fn a_receipt_is_good_with_the_authority_alone(database: TestDatabase) {
        let world = World::new(database);
        let node = world.node().await;
        let (a, b) = (node.account(customer()).await, node.account(customer()).await);
        node.top_up(&a.funding_reference, 10_000).await;
        let posted = transfer(&node, order(&a, &b, 1_234)).await;
        let hold = proto::CreateTransferRequest { hold_seconds: 3_600, ..order(&a, &b, 400) };
        let held = transfer(&node, hold).await;
        let capture = proto::CaptureHoldRequest {
            request_id: uuid(),
            transfer_id: held.transfer_id.clone(),
            amount: yuan(150),
            last: true,
            ..Default::default()
        };
        node.api.capture_hold(by(Identity::Operator, capture)).await.unwrap();
        let trust = world.trust();

        let of_posted = receipt(&node, &posted.transfer_id).await.unwrap();
        let checked = check_receipt(&of_posted, &trust).unwrap();
        assert_eq!((checked.position, checked.transfer.to_string()), (posted.position, posted.transfer_id));
        assert_eq!(checked.log.program.to_string(), "prog_00000000000000000000000001");
        let (from, to) = (&a.account_id, &b.account_id);
        let asked = format!("transfer 12.34 CNY from {from} to {to}, reference rent-3, “March”.");
        assert!(checked.words[0].starts_with("An operator (operator) asked, with request "), "{:?}", checked.words);
        assert!(checked.words[0].ends_with(&asked), "{:?}", checked.words);
        let became = format!(
            "12.34 CNY was posted. After it {from} has 87.66 CNY posted and 0.00 CNY held. After it {to} has 12.34 CNY posted and 0.00 CNY held."
        );
        assert_eq!(checked.words[1], became);

        // A hold's receipt is of where it was placed; a capture has one of its own.
        let of_hold = receipt(&node, &held.transfer_id).await.unwrap();
        let checked = check_receipt(&of_hold, &trust).unwrap();
        assert!(checked.words[0].contains("hold 4.00 CNY from"), "{:?}", checked.words);
        assert!(checked.words[1].starts_with("4.00 CNY was held."), "{:?}", checked.words);
        let entries = entries(&node, &b).await;
        let captured = check_receipt(&receipt(&node, &entries[0].transfer_id).await.unwrap(), &trust).unwrap();
        let asked = format!("capture 1.50 CNY of hold {} and give the rest back.", held.transfer_id);
        assert!(captured.words[0].ends_with(&asked), "{:?}", captured.words);

        // Nothing that was not signed together goes together.
        let other = proto::Receipt { record: of_hold.record.clone(), ..of_posted.clone() };
        assert_eq!(check_receipt(&other, &trust), Err(ReceiptError::Proof(bursar_transparency::ProofError::Root)));
        let other = proto::Receipt { transfer_id: of_hold.transfer_id.clone(), ..of_posted.clone() };
        assert!(matches!(check_receipt(&other, &trust), Err(ReceiptError::OtherTransfer(_))));

        let missing = receipt(&node, "tran_00000000000000000000000001").await.unwrap_err();
        assert_eq!(reason(&missing), "NOT_FOUND");
        assert!(missing.message().contains("transfer_id"), "{}", missing.message());
        let malformed = receipt(&node, "tran_1").await.unwrap_err();
        assert_eq!(bursar_service::error::violations_of(&malformed)[0].field, "transfer_id");
        node.stop().await;
    }

    async fn no_bit_of_a_receipt_can_be_changed(database: TestDatabase) {
        let world = World::new(database);
        let node = world.node().await;
        let (a, b) = (node.account(customer()).await, node.account(customer()).await);
        node.top_up(&a.funding_reference, 10_000).await;
        let made = transfer(&node, order(&a, &b, 1_234)).await;
        transfer(&node, order(&a, &b, 1)).await;
        let (receipt, trust) = (receipt(&node, &made.transfer_id).await.unwrap(), world.trust());
        check_receipt(&receipt, &trust).unwrap();
        node.stop().await;

        for bit in 0..receipt.record.len() * 8 {
            let mut changed = receipt.clone();
            changed.record[bit / 8] ^= 1 << (bit % 8);
            refused(&changed, &trust, &format!("bit {bit} of the record"));
        }
        assert!(!receipt.path.is_empty());
        for at in 0..receipt.path.len() {
            for bit in 0..256 {
                let mut changed = receipt.clone();
                changed.path[at][bit / 8] ^= 1 << (bit % 8);
                refused(&changed, &trust, &format!("bit {bit} of hash {at}"));
            }
            let mut shorter = receipt.clone();
            shorter.path.remove(at);
            refused(&shorter, &trust, "a hash is missing");
            let mut odd = receipt.clone();
            odd.path[at].push(0);
            refused(&odd, &trust, "a hash is too long");
        }
        let with = |change: &dyn Fn(&mut proto::Checkpoint)| {
            let mut changed = receipt.clone();
            change(changed.checkpoint.as_mut().unwrap());
            changed
        };
        for bit in 0..256 {
            let changed = with(&|checkpoint| checkpoint.root_hash[bit / 8] ^= 1 << (bit % 8));
            refused(&changed, &trust, &format!("bit {bit} of the root"));
        }
        for bit in 0..64 {
            refused(&with(&|checkpoint| checkpoint.size ^= 1 << bit), &trust, &format!("bit {bit} of the size"));
            let changed = proto::Receipt { position: receipt.position ^ (1 << bit), ..receipt.clone() };
            refused(&changed, &trust, &format!("bit {bit} of the position"));
        }
        let text = receipt.checkpoint.as_ref().unwrap().text.clone();
        for at in 0..text.len() {
            let mut bytes = text.clone().into_bytes();
            bytes[at] ^= 1 << (at % 7);
            let Ok(changed) = String::from_utf8(bytes) else { continue };
            refused(&with(&|checkpoint| checkpoint.text = changed.clone()), &trust, &format!("byte {at} of the text"));
        }
        for (at, _) in receipt.transfer_id.char_indices() {
            for other in ['0', '1', 'z'] {
                let mut changed = receipt.clone();
                changed.transfer_id.replace_range(at..=at, &other.to_string());
                if changed != receipt {
                    refused(&changed, &trust, &format!("character {at} of the transfer's id"));
                }
            }
        }
        let time = receipt.time.unwrap();
        for (seconds, nanos) in [(1, 0), (-1, 0), (0, 1_000), (0, 1), (0, -1)] {
            let time = prost_types::Timestamp { seconds: time.seconds + seconds, nanos: time.nanos + nanos };
            refused(&proto::Receipt { time: Some(time), ..receipt.clone() }, &trust, "another time");
        }
        refused(&proto::Receipt { time: None, ..receipt.clone() }, &trust, "no time");
        refused(&proto::Receipt { checkpoint: None, ..receipt.clone() }, &trust, "no checkpoint");
        refused(&proto::Receipt::default(), &trust, "nothing");
    }

    async fn another_platforms_receipt_is_refused(database: TestDatabase) {
        let other = World::new(database.another().await);
        let world = World::new(database);
        let node = world.node().await;
        let (a, b) = (node.account(customer()).await, node.account(customer()).await);
        node.top_up(&a.funding_reference, 10_000).await;
        let made = transfer(&node, order(&a, &b, 1_234)).await;
        let ours = receipt(&node, &made.transfer_id).await.unwrap();
        let checkpoint = ours.checkpoint.clone().unwrap();
        node.stop().await;
        check_checkpoint(&checkpoint, &world.trust()).unwrap();
        for error in [
            check_receipt(&ours, &other.trust()).unwrap_err(),
            check_checkpoint(&checkpoint, &other.trust()).unwrap_err(),
        ] {
            assert!(error.to_string().contains("not under the platform's authority"), "{error}");
        }
        // Another platform's books may have a program of the same id; its checkpoint is another one's all the same.
        let node = other.node().await;
        let (a, b) = (node.account(customer()).await, node.account(customer()).await);
        node.top_up(&a.funding_reference, 10_000).await;
        let made = transfer(&node, order(&a, &b, 1_234)).await;
        let theirs = receipt(&node, &made.transfer_id).await.unwrap();
        node.stop().await;
        let grafted = proto::Receipt { checkpoint: theirs.checkpoint.clone(), ..ours.clone() };
        assert!(check_receipt(&grafted, &other.trust()).is_err());
        assert!(check_receipt(&theirs, &world.trust()).is_err());
    }

    async fn batches_top_ups_and_payments_have_receipts(database: TestDatabase) {
        let world = World::new(database);
        let node = world.node().await;
        let holder = node.holder(10_000).await;
        let other = node.account(customer()).await;
        let trust = world.trust();

        let ids = &node.handle.shared.ids;
        let one = |amount: i64| TransferOrder {
            transfer: ids.next(),
            debit: holder.account.account_id.parse::<AccountId>().unwrap(),
            credit: other.account_id.parse::<AccountId>().unwrap(),
            amount: Money::new(amount, cny()),
            mode: TransferMode::Post,
            code: TransferCode::TRANSFER,
            value_date: None,
            reference: Reference::default(),
            description: Note::default(),
        };
        let orders = vec![one(100), one(1_000_000), one(200)];
        let transfers: Vec<String> = orders.iter().map(|order| order.transfer.to_string()).collect();
        let actor = Actor { role: Role::Operator, name: Name::default() };
        let request_id: RequestId = uuid().parse().unwrap();
        let command = Command { request_id, actor, action: Action::TransferBatch { orders, linked: false } };
        let answer = node.handle.submit(Order::internal(command)).await.unwrap();
        assert!(matches!(answer.known.outcome, Outcome::Batch(_)));
        let third = check_receipt(&receipt(&node, &transfers[2]).await.unwrap(), &trust).unwrap();
        assert!(third.words[0].contains("transfer 2.00 CNY from"), "{:?}", third.words);
        assert!(third.words[0].ends_with("(order 3 of 3)."), "{:?}", third.words);
        assert_eq!(third.position, answer.known.position);
        // The second of them was refused: it is no transfer, and the record is no receipt for it.
        assert_eq!(reason(&receipt(&node, &transfers[1]).await.unwrap_err()), "NOT_FOUND");
        let mut posing = receipt(&node, &transfers[2]).await.unwrap();
        posing.transfer_id = transfers[1].clone();
        assert!(matches!(check_receipt(&posing, &trust), Err(ReceiptError::OtherTransfer(_))));

        let paid = node.pay(world.authorize(&Wish::in_app(&holder.card, 300))).await.unwrap();
        node.pay(world.authorize(&Wish::online(&holder.card, 100))).await.unwrap();
        let entries = entries(&node, &holder.account).await;
        let told = async |kind: &str| {
            let entry = entries.iter().find(|entry| entry.r#type == kind).unwrap();
            let mut receipt = receipt(&node, &entry.transfer_id).await.unwrap();
            let checked = check_receipt(&receipt, &trust).unwrap();
            assert_eq!(checked.position, entry.position);
            // Another id of the same block was never a transfer.
            let last = receipt.transfer_id.pop().unwrap();
            receipt.transfer_id.push(if last == 'y' { 'm' } else { 'y' });
            assert!(check_receipt(&receipt, &trust).is_err());
            checked.words
        };
        let words = told("top_up").await;
        assert!(words[0].contains("book the bank's credit") && words[0].contains("of 100.00 CNY"), "{words:?}");
        assert!(words[1].contains("was credited to"), "{words:?}");
        let words = told("payment").await;
        assert!(words[0].contains("authorize 3.00 CNY at Tea House (M-1) with card"), "{words:?}");
        assert!(words[1].contains(&format!("as payment {}; the transfer is the posting.", paid.payment_id)), "{words:?}");
        node.stop().await;
    }
}
