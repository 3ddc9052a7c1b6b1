//! Payment orders.

use std::process::Command;

use bursar_iso20022::{Account, Agent, Order, Transfer, write_pain001};
use bursar_types::{Asset, Money};

use crate::support::published;

fn order() -> Order {
    let money = |minor, code| Money::new(minor, Asset::from_code(code).unwrap());
    let transfer = |id: &str, amount, account, agent| Transfer {
        instruction_id: id.to_owned(),
        end_to_end_id: format!("WD-{id}"),
        amount,
        creditor_name: "张三 <&> \"Sons\"".to_owned(),
        creditor_account: account,
        creditor_agent: agent,
        remittance: "Withdrawal & more".to_owned(),
    };
    Order {
        message_id: "BURSAR-1".to_owned(),
        created: "2026-01-02T03:04:05Z".to_owned(),
        payment_id: "BURSAR-1-1".to_owned(),
        execution_date: "2026-01-02".to_owned(),
        debtor_name: "Demo Issuer".to_owned(),
        debtor_account: Account::Iban("GB82WEST12345698765432".to_owned()),
        debtor_agent: Agent::Bic("WESTGB22".to_owned()),
        transfers: vec![
            transfer("1", money(12_345, "CNY"), Account::Other("6200000000000005".to_owned()), None),
            transfer(
                "2",
                money(7, "JPY"),
                Account::Iban("DE89370400440532013000".to_owned()),
                Some(Agent::Bic("COBADEFFXXX".to_owned())),
            ),
            transfer(
                "3",
                money(1, "KWD"),
                Account::Other("1".to_owned()),
                Some(Agent::Clearing { system: "CNAPS".to_owned(), member: "102100099996".to_owned() }),
            ),
        ],
    }
}

#[test]
fn an_order_says_what_is_paid_and_how_much_it_is_together() {
    let text = write_pain001(&order()).unwrap();
    for wanted in [
        "<NbOfTxs>3</NbOfTxs><CtrlSum>130.451</CtrlSum>",
        "<InstdAmt Ccy=\"CNY\">123.45</InstdAmt>",
        "<InstdAmt Ccy=\"JPY\">7</InstdAmt>",
        "<InstdAmt Ccy=\"KWD\">0.001</InstdAmt>",
        "张三 &lt;&amp;&gt;",
        "<Ustrd>Withdrawal &amp; more</Ustrd>",
    ] {
        assert!(text.contains(wanted), "{wanted} is not in {text}");
    }
}

#[test]
fn an_order_that_no_bank_could_carry_out_is_refused() {
    let refused = |change: fn(&mut Order)| {
        let mut order = order();
        change(&mut order);
        write_pain001(&order).unwrap_err().field
    };
    assert_eq!(refused(|it| it.transfers.clear()), "transfers");
    assert_eq!(refused(|it| it.transfers[1].amount.minor_units = 0), "transfers[1].amount");
    assert_eq!(refused(|it| it.transfers[2].instruction_id = "1".into()), "transfers[2].instruction_id");
    assert_eq!(refused(|it| it.transfers[0].creditor_name = "a\u{1}".into()), "transfers[0].creditor_name");
    assert_eq!(refused(|it| it.message_id = "x".repeat(36)), "message_id");
    assert_eq!(refused(|it| it.created = "2026-01-02".into()), "created");
    assert_eq!(refused(|it| it.debtor_agent = Agent::Bic("WEST".into())), "debtor_agent");
    assert_eq!(
        refused(|it| it.debtor_account = Account::Iban("GB83WEST12345698765432".into())),
        "debtor_account"
    );
    let points = |it: &mut Order| it.transfers[0].amount = Money::new(5, Asset::from_code("POINTS").unwrap());
    assert_eq!(refused(points), "transfers[0].amount");
    let huge = |it: &mut Order| it.transfers.iter_mut().for_each(|each| each.amount.minor_units = i64::MAX);
    assert_eq!(refused(huge), "transfers");
}

/// The schema is the judge where it is present, and a program that can read it: Python with lxml, or xmllint.
#[test]
fn the_schema_finds_an_order_valid() {
    let Some(folder) = published() else { return };
    let schema = folder.join("xsd/pain.001.001.09.xsd");
    let file = std::env::temp_dir().join(format!("bursar-pain001-{}.xml", std::process::id()));
    std::fs::write(&file, write_pain001(&order()).unwrap()).unwrap();
    let python = "import sys; from lxml import etree; etree.XMLSchema(etree.parse(sys.argv[1])).assertValid(etree.parse(sys.argv[2]))";
    let mut judges = [Command::new("xmllint"), Command::new("python3")];
    judges[0].args(["--noout", "--schema"]).arg(&schema).arg(&file);
    judges[1].args(["-c", python]).arg(&schema).arg(&file);
    let mut judged = 0;
    for judge in &mut judges {
        let Ok(said) = judge.output() else { continue };
        let problem = String::from_utf8_lossy(&said.stderr).into_owned();
        if problem.contains("No module named") {
            continue;
        }
        judged += 1;
        assert!(said.status.success(), "{problem}");
    }
    let _ = std::fs::remove_file(&file);
    if judged == 0 {
        println!("neither xmllint nor Python with lxml is present: not judged by the schema");
    }
}
