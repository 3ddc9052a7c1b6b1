//! `bursar.gateway.v1.BankFileService`: the files of the issuer's bank.

use bursar_proto::gateway::v1::bank_file_service_server::BankFileService;
use bursar_proto::gateway::v1::{
    BankEntry, ImportBankFileRequest, ImportBankFileResponse, ListBankFilesRequest, ListBankFilesResponse,
};
use bursar_service::error::{Invalid, OrStatus as _};
use bursar_service::paging::Page;
use bursar_service::{CallContext, parse};
use tonic::{Request, Response, Status};

use crate::bank::{Import, Imported};
use crate::error::GatewayError;
use crate::store;

/// Largest document, in bytes.
const CONTENT_MAX: usize = 4 * 1024 * 1024;

/// Serves `BankFileService`.
pub(crate) struct BankFiles {
    import: Import,
}

impl BankFiles {
    pub(crate) fn new(import: Import) -> Self {
        Self { import }
    }

    async fn import(
        &self,
        principal: &str,
        request: ImportBankFileRequest,
    ) -> Result<ImportBankFileResponse, GatewayError> {
        let request_id = parse::request_id(&request.request_id)?;
        if request.content.is_empty() || request.content.len() > CONTENT_MAX {
            let wanted = format!("must be an XML document of 1 to {CONTENT_MAX} bytes");
            return Err(Invalid::new().field("content", wanted).into());
        }
        self.import.import(principal, request_id, &request.content).await.map(|imported| response(&imported))
    }
}

fn response(imported: &Imported) -> ImportBankFileResponse {
    let entries = imported.entries.iter().map(entry).collect();
    ImportBankFileResponse {
        bank_file: Some(imported.file.message()),
        entries,
        duplicate: imported.duplicate,
    }
}

/// As the contract has it.
pub(super) fn entry(entry: &store::StoredEntry) -> BankEntry {
    BankEntry {
        bank_transaction_id: entry.bank_transaction_id.clone(),
        amount: Some(parse::money_message(entry.amount)),
        funding_reference: entry.funding_reference.clone(),
        outcome: entry.outcome,
        top_up_id: entry.top_up_id.map(|id| id.to_string()).unwrap_or_default(),
    }
}

#[tonic::async_trait]
impl BankFileService for BankFiles {
    async fn import_bank_file(
        &self,
        request: Request<ImportBankFileRequest>,
    ) -> Result<Response<ImportBankFileResponse>, Status> {
        let principal = CallContext::of(&request).principal();
        self.import(&principal, request.into_inner()).await.or_status().map(Response::new)
    }

    async fn list_bank_files(
        &self,
        request: Request<ListBankFilesRequest>,
    ) -> Result<Response<ListBankFilesResponse>, Status> {
        let request = request.into_inner();
        let page =
            Page::<String>::parse(request.page_size, &request.page_token, "ListBankFiles").or_status()?;
        let after = page.after().cloned();
        let limit = page.limit();
        let rows = self
            .import
            .db
            .read(|tx| {
                let after = after.clone();
                Box::pin(
                    async move { store::list(tx, after.as_deref(), limit).await.map_err(GatewayError::from) },
                )
            })
            .await
            .or_status()?;
        let (rows, next_page_token) = page.finish(rows, |file| file.id.to_string());
        let bank_files = rows.iter().map(store::StoredFile::message).collect();
        Ok(Response::new(ListBankFilesResponse { bank_files, next_page_token }))
    }
}
