//! The merchants of the book.

use bursar_proto::ledger::v1::Merchant;

/// By what the scenarios call them: name, category (ISO 18245) and country.
const MERCHANTS: &[(&str, &str, &str, &str)] = &[
    ("shop", "Corner Shop", "5331", "CN"),
    ("bookshop", "Page & Ink", "5942", "CN"),
    ("grocer", "Green Grocer", "5411", "CN"),
    ("restaurant", "Lantern House", "5812", "CN"),
    ("fuel", "Ring Road Fuel", "5542", "CN"),
    ("hotel", "Lake Hotel", "7011", "CN"),
    ("casino", "Golden Dice", "7995", "CN"),
    ("taxi", "City Taxi", "4121", "CN"),
    ("atm", "Bank Street ATM", "6011", "CN"),
    ("abroad", "Harbor Goods", "5331", "US"),
    ("cafe-abroad", "Seine Cafe", "5814", "FR"),
];

/// The merchant that is called so.
pub(crate) fn called(name: &str) -> Result<Merchant, String> {
    let found = MERCHANTS.iter().find(|(known, ..)| *known == name);
    let Some((known, title, mcc, country)) = found else {
        let all: Vec<_> = MERCHANTS.iter().map(|(known, ..)| *known).collect();
        return Err(format!("there is no merchant `{name}`; there are {}", all.join(", ")));
    };
    Ok(Merchant {
        merchant_id: format!("BOOK{:0>11}", known.to_uppercase().replace('-', "")),
        name: (*title).to_owned(),
        mcc: (*mcc).to_owned(),
        country: (*country).to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_has_an_id_of_its_own_that_fits_field_42() {
        let ids: std::collections::BTreeSet<_> =
            MERCHANTS.iter().map(|(known, ..)| called(known).unwrap().merchant_id).collect();
        assert_eq!(ids.len(), MERCHANTS.len());
        assert!(ids.iter().all(|id| id.len() == 15), "{ids:?}");
        assert!(called("market").unwrap_err().contains("grocer"));
    }
}
