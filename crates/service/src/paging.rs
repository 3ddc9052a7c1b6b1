//! Pages of lists (AIP-158): sizes within bounds, and tokens that only continue the list they came from.

use bursar_types::{Failure, FieldViolation, Reason};
use data_encoding::BASE64URL_NOPAD;
use ring::digest;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Rows of a page if the caller does not say.
pub const PAGE_SIZE_DEFAULT: i64 = 100;
/// Most rows of a page: bounds the message and the query.
pub const PAGE_SIZE_MAX: i64 = 1000;

/// Bytes of the query's digest in a token: enough to tell lists apart; it keeps no secret.
const QUERY_DIGEST_LENGTH: usize = 8;
/// Longest token that is looked at.
const TOKEN_LENGTH_MAX: usize = 1024;

/// Why a page cannot be given.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PagingError {
    /// `page_size` is negative or too large.
    #[error("page_size must be 1 to {PAGE_SIZE_MAX}, or 0 for {PAGE_SIZE_DEFAULT}")]
    Size,
    /// `page_token` was not given by this list with these filters.
    #[error("page_token was not given by this list with these filters; start again without one")]
    Token,
}

impl Failure for PagingError {
    fn reason(&self) -> Reason {
        match self {
            Self::Size => Reason::InvalidField,
            Self::Token => Reason::PageTokenInvalid,
        }
    }

    fn violations(&self) -> Vec<FieldViolation> {
        let field = match self {
            Self::Size => "page_size",
            Self::Token => "page_token",
        };
        vec![FieldViolation::new(field, self.to_string())]
    }
}

/// The page that a caller asks for.
///
/// `K` is the key the list is sorted by, as text, number or tuple: what comes after the last key is the next page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<K> {
    size: i64,
    after: Option<K>,
    query: [u8; QUERY_DIGEST_LENGTH],
}

impl<K: Serialize + DeserializeOwned> Page<K> {
    /// Reads `page_size` and `page_token` of a request. `query` tells lists apart: the method's name and every filter,
    /// as text.
    ///
    /// # Errors
    ///
    /// [`PagingError`], naming the field.
    pub fn parse(page_size: impl Into<i64>, page_token: &str, query: &str) -> Result<Self, PagingError> {
        let size = match page_size.into() {
            0 => PAGE_SIZE_DEFAULT,
            size @ 1..=PAGE_SIZE_MAX => size,
            _ => return Err(PagingError::Size),
        };
        let query = query_digest(query);
        let after = match page_token {
            "" => None,
            token => Some(read_token(token, query).ok_or(PagingError::Token)?),
        };
        Ok(Self { size, after, query })
    }

    /// The `LIMIT` to query with: one more than the page, to know whether more follows.
    pub fn limit(&self) -> i64 {
        self.size + 1
    }

    /// The key after which the page begins; `None`: at the beginning.
    pub fn after(&self) -> Option<&K> {
        self.after.as_ref()
    }

    /// Cuts what [`limit`](Self::limit) fetched to the page, and makes the token of the next; empty if this is the last.
    pub fn finish<T>(&self, mut rows: Vec<T>, key: impl FnOnce(&T) -> K) -> (Vec<T>, String) {
        let size = usize::try_from(self.size).unwrap_or(usize::MAX);
        if rows.len() <= size {
            return (rows, String::new());
        }
        rows.truncate(size);
        let token = rows.last().map(|last| make_token(&key(last), self.query)).unwrap_or_default();
        (rows, token)
    }
}

fn query_digest(query: &str) -> [u8; QUERY_DIGEST_LENGTH] {
    let mut short = [0_u8; QUERY_DIGEST_LENGTH];
    let whole = digest::digest(&digest::SHA256, query.as_bytes());
    short.copy_from_slice(&whole.as_ref()[..QUERY_DIGEST_LENGTH]);
    short
}

fn make_token<K: Serialize>(key: &K, query: [u8; QUERY_DIGEST_LENGTH]) -> String {
    let mut bytes = query.to_vec();
    // Keys are text, numbers and tuples of them, which JSON always takes.
    serde_json::to_writer(&mut bytes, key).unwrap_or_default();
    BASE64URL_NOPAD.encode(&bytes)
}

fn read_token<K: DeserializeOwned>(token: &str, query: [u8; QUERY_DIGEST_LENGTH]) -> Option<K> {
    if token.len() > TOKEN_LENGTH_MAX {
        return None;
    }
    let bytes = BASE64URL_NOPAD.decode(token.as_bytes()).ok()?;
    let (found, key) = bytes.split_at_checked(QUERY_DIGEST_LENGTH)?;
    if found != query {
        return None;
    }
    serde_json::from_slice(key).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn pages_follow_each_other_to_the_end() {
        let all: Vec<i64> = (1..=25).collect();
        let mut seen = Vec::new();
        let mut token = String::new();
        loop {
            let page = Page::<i64>::parse(10, &token, "List a").unwrap();
            let after = page.after().copied().unwrap_or(0);
            let limit = usize::try_from(page.limit()).unwrap();
            let rows = all.iter().copied().filter(|n| *n > after).take(limit).collect();
            let (rows, next) = page.finish(rows, |n| *n);
            assert!(rows.len() <= 10);
            seen.extend(rows);
            if next.is_empty() {
                break;
            }
            token = next;
        }
        assert_eq!(seen, all);
    }

    #[test]
    fn a_token_of_another_list_or_kind_is_refused() {
        let (_, token) = Page::<i64>::parse(1, "", "List a").unwrap().finish(vec![1, 2], |n| *n);
        assert!(Page::<i64>::parse(1, &token, "List a").is_ok());
        assert_eq!(Page::<i64>::parse(1, &token, "List b"), Err(PagingError::Token));
        assert_eq!(Page::<(i64, String)>::parse(1, &token, "List a"), Err(PagingError::Token));
        assert_eq!(PagingError::Token.reason(), Reason::PageTokenInvalid);
    }

    #[test]
    fn sizes_out_of_bounds_name_the_field() {
        assert_eq!(Page::<i64>::parse(0, "", "q").unwrap().limit(), PAGE_SIZE_DEFAULT + 1);
        for bad in [-1_i64, PAGE_SIZE_MAX + 1, i64::MAX, i64::MIN] {
            let error = Page::<i64>::parse(bad, "", "q").unwrap_err();
            assert_eq!(
                (error.reason(), error.violations()[0].field.as_str()),
                (Reason::InvalidField, "page_size")
            );
        }
    }

    proptest! {
        #[test]
        fn any_token_is_a_key_or_an_error(token in ".{0,80}", raw in proptest::collection::vec(any::<u8>(), 0..64)) {
            let _ = Page::<(i64, String)>::parse(1, &token, "q");
            let _ = Page::<(i64, String)>::parse(1, &BASE64URL_NOPAD.encode(&raw), "q");
        }
    }
}
