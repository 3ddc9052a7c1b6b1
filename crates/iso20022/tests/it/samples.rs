//! Files that banks and networks published give the figures that another reader found in them.

use bursar_iso20022::{BalanceCheck, Direction, FileKind, amount, read_status};
use bursar_types::Asset;
use serde_json::Value;

use crate::support::{published, read};

#[test]
fn statements_and_notifications_give_the_figures_of_the_list() {
    let Some(folder) = published() else { return };
    let list: Value = serde_json::from_slice(&std::fs::read(folder.join("manifest.json")).unwrap()).unwrap();
    let mut seen = 0;
    for sample in list["samples"].as_array().unwrap() {
        let (name, expect) = (sample["file"].as_str().unwrap(), &sample["expect"]);
        let message = expect["message"].as_str().unwrap();
        if !message.starts_with("camt.") {
            continue;
        }
        seen += 1;
        let whole = read(&std::fs::read(folder.join(name)).unwrap()).unwrap();
        let file = whole.file.as_ref().unwrap();
        assert_eq!(
            (file.document_type.as_str(), file.message_id.as_str()),
            (message, expect["MsgId"].as_str().unwrap())
        );
        assert_eq!(file.kind == FileKind::Statement, message.starts_with("camt.053"), "{name}");
        let transactions: usize = whole.entries.iter().map(|entry| entry.transactions.len()).sum();
        assert_eq!(whole.entries.len() as u64, expect["entries"].as_u64().unwrap(), "{name}");
        assert_eq!(transactions as u64, expect["tx_details"].as_u64().unwrap(), "{name}");
        for (entry, wanted) in whole.entries.iter().zip(expect["entry_list"].as_array().unwrap()) {
            let asset = Asset::from_code(wanted["ccy"].as_str().unwrap()).unwrap();
            assert_eq!(Some(entry.amount), amount::parse(wanted["amt"].as_str().unwrap(), asset), "{name}");
            assert_eq!(entry.direction == Direction::Credit, wanted["ind"] == "CRDT", "{name}");
            assert_eq!(entry.reference, wanted["ref"].as_str().unwrap_or_default(), "{name}");
        }
        let ids: Vec<&str> = whole
            .entries
            .iter()
            .flat_map(|entry| &entry.transactions)
            .map(|transaction| transaction.end_to_end_id.as_str())
            .filter(|id| !id.is_empty())
            .collect();
        let wanted: Vec<&str> =
            expect["end_to_end_ids"].as_array().unwrap().iter().map(|id| id.as_str().unwrap()).collect();
        assert_eq!(ids, wanted, "{name}");
        let balances: Vec<(String, i64)> = whole
            .ends
            .iter()
            .flat_map(|end| &end.balances)
            .map(|balance| (balance.code.clone(), balance.amount.minor_units))
            .collect();
        let wanted: Vec<(String, i64)> = expect["balances"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|balance| {
                let asset = Asset::from_code(balance["ccy"].as_str().unwrap()).unwrap();
                let minor = amount::parse(balance["amt"].as_str().unwrap(), asset).unwrap().minor_units;
                let minor = if balance["ind"] == "DBIT" { -minor } else { minor };
                (balance["type"].as_str().unwrap().to_owned(), minor)
            })
            .collect();
        assert_eq!(balances, wanted, "{name}");
        // The published statements add up; a notification has nothing to add up.
        let check =
            if file.kind == FileKind::Statement { BalanceCheck::Holds } else { BalanceCheck::NotGiven };
        assert!(whole.checks().iter().all(|it| *it == check), "{name}: {:?}", whole.checks());
    }
    assert_eq!(seen, 8, "samples of camt in the list");
}

#[test]
fn a_published_status_is_read() {
    let Some(folder) = published() else { return };
    let file = "samples/pacs.002.001.10__iso20022-cbpr-ur__pacs002_status_report_sample.xml";
    let report = read_status(&std::fs::read(folder.join(file)).unwrap()[..]).unwrap();
    assert_eq!(
        (report.document_type.as_str(), report.message_id.as_str()),
        ("pacs.002.001.10", "P002-20260413-9102")
    );
    let [status] = report.statuses.as_slice() else { panic!("{report:?}") };
    assert_eq!(status.end_to_end_id, "E2E-04127823");
    assert_eq!(status.original_message_id, "P008-20260412-4410");
    assert_eq!(status.status(), bursar_iso20022::PaymentStatus::UnderWay);
}
