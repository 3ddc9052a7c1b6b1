//! TopUpService.

use bursar_ledger_engine::{Action, BookBankCredit, Command, Outcome};
use bursar_proto::ledger::v1 as proto;
use bursar_proto::ledger::v1::top_up_service_server::TopUpService;
use bursar_service::{CallContext, Invalid, OrStatus as _, parse};
use tonic::{Request, Response, Status};

use super::{Api, actor, reference};
use crate::day;
use crate::error::LedgerError;
use crate::issue::note;
use crate::journal::Body;
use crate::project::{TopUpRecord, public};
use crate::store::read;
use crate::writer::Order;

#[tonic::async_trait]
impl TopUpService for Api {
    async fn book_bank_credit(
        &self,
        request: Request<proto::BookBankCreditRequest>,
    ) -> Result<Response<proto::BookBankCreditResponse>, Status> {
        let context = CallContext::of(&request).clone();
        let message = request.into_inner();
        let request_id = parse::request_id(&message.request_id).or_status()?;
        let credit = self.credit(&message).or_status()?;
        let body = Body::new("BookBankCredit", &context.principal())
            .field("funding_reference", &message.funding_reference)
            .money("amount", Some(credit.amount))
            .field("bank_transaction_id", &message.bank_transaction_id)
            .field("value_date", &message.value_date)
            .field("debtor_name", &message.debtor_name)
            .finish();
        let action = Action::BookBankCredit(Box::new(credit));
        let command = Command { request_id, actor: actor(&context), action };
        let order = Order { command, body: Some(body), proof: None };
        let (record, duplicate) = self.book(order).await.or_status()?;
        let top_up = Some(public::top_up(&record));
        Ok(Response::new(proto::BookBankCreditResponse { top_up, duplicate }))
    }
}

impl Api {
    fn credit(&self, message: &proto::BookBankCreditRequest) -> Result<BookBankCredit, Invalid> {
        // Printed references come in groups of four; the reference itself has no blanks (ISO 11649).
        let funding: String = message.funding_reference.chars().filter(|c| *c != ' ').collect();
        let mut bank_reference = parse::text("debtor_name", &message.debtor_name, 0..=140)?.to_owned();
        if bank_reference.is_empty() {
            bank_reference.push_str("bank credit");
        }
        parse::text("bank_transaction_id", &message.bank_transaction_id, 1..=64)?;
        Ok(BookBankCredit {
            transfer: self.0.handle.shared.ids.next(),
            funding_reference: reference("funding_reference", &funding.to_ascii_uppercase(), 35)?,
            amount: parse::positive_money("amount", message.amount.as_ref())?,
            bank_reference: note(&bank_reference),
            bank_transaction_id: reference("bank_transaction_id", &message.bank_transaction_id, 64)?,
            value_date: day::parse("value_date", &message.value_date)?,
        })
    }

    async fn book(&self, order: Order) -> Result<(TopUpRecord, bool), LedgerError> {
        let answer = self.0.handle.submit(order).await?;
        let Action::BookBankCredit(credit) = &answer.known.command.action else {
            return Err(LedgerError::Internal("a bank credit was booked by another command".into()));
        };
        let duplicate = match answer.known.outcome {
            Outcome::Booked(_) => false,
            Outcome::BookedBefore { same: true, .. } => true,
            Outcome::BookedBefore { same: false, .. } => return Err(LedgerError::BankCreditDiffers),
            _ => return Err(LedgerError::Internal("a bank credit has another outcome".into())),
        };
        self.0.handle.projected(answer.known.position).await?;
        let shared = &self.0.handle.shared;
        let record = read::top_up(&shared.db, shared.shard, credit.bank_transaction_id.as_str()).await?;
        record
            .map(|record| (record, duplicate))
            .ok_or_else(|| LedgerError::Damaged("a booked bank credit has no row".into()))
    }
}
