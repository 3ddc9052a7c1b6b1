//! BIN ranges.

use bursar_proto::vault::v1::{BinRange, CreateBinRangeRequest, CreateBinRangeResponse};
use bursar_service::db::Isolation;
use bursar_service::idempotency::{self, Scope};
use bursar_service::paging::Page;
use bursar_types::RequestId;

use super::Vault;
use crate::audit::{Actor, AuditRecord, Operation, Outcome};
use crate::error::VaultError;
use crate::payment::range::{BinRangeId, RangeShape};
use crate::store;
use crate::store::ranges::StoredRange;

/// A range as the contract writes it.
pub(crate) fn message(range: &StoredRange) -> BinRange {
    BinRange {
        bin_range_id: range.id.to_string(),
        bin: range.shape.bin().to_owned(),
        pan_length: i32::try_from(range.shape.pan_length()).unwrap_or(i32::MAX),
        capacity: i64::try_from(range.shape.capacity()).unwrap_or(i64::MAX),
        issued: range.issued,
    }
}

impl Vault {
    /// Declares a range, and makes the pair of card verification keys that is its own.
    pub(crate) async fn create_bin_range(
        &self,
        actor: &Actor,
        request_id: RequestId,
        request: &CreateBinRangeRequest,
        id: &BinRangeId,
        shape: &RangeShape,
    ) -> Result<CreateBinRangeResponse, VaultError> {
        let now = self.now();
        let ring = self.keys.ring()?;
        let cvk = ring.make_cvk(id, now)?;
        let record = AuditRecord::new(now, actor, Operation::CreateBinRange, id, Outcome::Allowed, "");
        let (cvk, record) = (&cvk, &record);
        let scope = Scope { method: "CreateBinRange", principal: &actor.principal };
        let outcome = self
            .db
            .write_at(Isolation::ReadCommitted, |tx| {
                Box::pin(async move {
                    idempotency::once_message(tx, scope, request_id, request, |tx| {
                        Box::pin(async move {
                            if !store::ranges::insert(tx, id, shape, now).await? {
                                return Err(VaultError::Exists { what: "BIN range" });
                            }
                            store::keys::insert(tx, cvk).await?;
                            store::audit::append(tx, record).await?;
                            let range = StoredRange { id: id.clone(), shape: shape.clone(), issued: 0 };
                            Ok(CreateBinRangeResponse { bin_range: Some(message(&range)) })
                        })
                    })
                    .await
                })
            })
            .await;
        self.audited(actor, Operation::CreateBinRange, id.as_str(), outcome).await
    }

    /// A page of ranges by name, and the token of the next.
    pub(crate) async fn list_bin_ranges(
        &self,
        page: &Page<String>,
    ) -> Result<(Vec<BinRange>, String), VaultError> {
        self.keys.ring()?;
        let after = page.after().map_or("", String::as_str);
        let rows = self
            .db
            .read(|tx| Box::pin(async move { store::ranges::page(tx, after, page.limit()).await }))
            .await?;
        let (rows, next) = page.finish(rows, |range| range.id.to_string());
        Ok((rows.iter().map(message).collect(), next))
    }
}
