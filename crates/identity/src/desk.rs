//! Customers as the ledger, the issuer's desk and they themselves see them.

use bursar_service::paging::Page;
use bursar_types::id::CustomerId;
use zeroize::Zeroizing;

use crate::customer::CustomerState;
use crate::phone::Phone;
use crate::store::customers::{self, CustomerRow};
use crate::{Core, Error};

/// A customer with what may be shown of them.
pub struct CustomerView {
    /// The customer.
    pub row: CustomerRow,
    /// Phone number, masked.
    pub masked_phone: String,
    /// Name as verified; empty until then.
    pub full_name: Zeroizing<String>,
}

impl Core {
    /// What may be shown of a customer.
    ///
    /// # Errors
    /// [`Error::Damaged`] if what is stored of them does not open.
    pub fn customer_view(&self, row: CustomerRow) -> Result<CustomerView, Error> {
        let (key, id) = (row.key(&self.keys)?, row.customer_id.to_string());
        let phone = key.open_text(&customers::phone_place(&id), &row.phone_sealed)?;
        let phone = Phone::parse(&phone).map_err(|_| Error::Corrupt("a stored phone number"))?;
        let full_name = match &row.full_name_sealed {
            Some(sealed) => key.open_text(&customers::name_place(&id), sealed)?,
            None => Zeroizing::default(),
        };
        Ok(CustomerView { masked_phone: phone.masked(), full_name, row })
    }

    /// One customer.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn customer(&self, id: CustomerId) -> Result<CustomerView, Error> {
        let row =
            self.db.read(|tx| Box::pin(async move { Ok::<_, Error>(customers::get(tx, id).await?) })).await?;
        self.customer_view(row.ok_or(Error::NotFound("customer"))?)
    }

    /// Customers, newest first, and the token of the next page.
    ///
    /// # Errors
    /// [`Error`] of the database.
    pub async fn list_customers(
        &self,
        state: Option<CustomerState>,
        page: &Page<String>,
    ) -> Result<(Vec<CustomerView>, String), Error> {
        let rows = self
            .db
            .read(|tx| {
                Box::pin(async move {
                    let after = page.after().map(String::as_str);
                    Ok::<_, Error>(customers::list(tx, state, after, page.limit()).await?)
                })
            })
            .await?;
        let (rows, next) = page.finish(rows, |customer| customer.customer_id.to_string());
        let views = rows.into_iter().map(|row| self.customer_view(row)).collect::<Result<_, _>>()?;
        Ok((views, next))
    }
}
