//! Values that cross between Rust and both databases with the native drivers' types.
//!
//! The schema uses `BIGINT` for numbers, `TEXT`, `{{bytes}}` and `BOOLEAN` only, so these few types are all there is;
//! that `u64` or `f64` cannot be bound is on purpose.

use bursar_types::{Timestamp, TypedId};
use sqlx::Row as _;
use sqlx::postgres::{PgArguments, PgRow};
use sqlx::sqlite::{SqliteArguments, SqliteRow};
use sqlx::{Arguments as _, Decode, Encode, Postgres, Sqlite, Type};

use super::error::{DbError, classify};

/// The arguments of one statement, in the driver's own encoding.
pub(super) enum Arguments {
    Postgres(Box<PgArguments>),
    Sqlite(SqliteArguments),
}

impl Arguments {
    fn add<'v, T>(&mut self, value: T) -> Result<(), DbError>
    where
        T: Encode<'v, Postgres> + Type<Postgres> + Encode<'v, Sqlite> + Type<Sqlite>,
    {
        let added = match self {
            Self::Postgres(arguments) => arguments.add(value),
            Self::Sqlite(arguments) => arguments.add(value),
        };
        added.map_err(|error| classify(sqlx::Error::Encode(error)).0)
    }
}

mod sealed {
    pub trait Sealed {}
}

/// A value that can be bound to `$n`: `i64`, `bool`, text, bytes, [`Timestamp`], and `Option`s of them.
///
/// Ids are bound with [`Query::bind_id`](super::Query::bind_id).
pub trait Bind: sealed::Sealed {
    #[doc(hidden)]
    fn add_to(self, arguments: &mut ArgumentList) -> Result<(), DbError>;
}

/// Opaque: where [`Bind`] puts its value.
#[doc(hidden)]
pub struct ArgumentList(pub(super) Arguments);

macro_rules! bind_natively {
    ($($type:ty),+ $(,)?) => {$(
        impl sealed::Sealed for $type {}
        impl Bind for $type {
            fn add_to(self, arguments: &mut ArgumentList) -> Result<(), DbError> {
                arguments.0.add(self)
            }
        }
        impl sealed::Sealed for Option<$type> {}
        impl Bind for Option<$type> {
            fn add_to(self, arguments: &mut ArgumentList) -> Result<(), DbError> {
                arguments.0.add(self)
            }
        }
    )+};
}

bind_natively!(i64, bool, String, Vec<u8>, &str, &[u8]);

impl sealed::Sealed for &String {}
impl Bind for &String {
    fn add_to(self, arguments: &mut ArgumentList) -> Result<(), DbError> {
        arguments.0.add(self.as_str())
    }
}

impl sealed::Sealed for &Vec<u8> {}
impl Bind for &Vec<u8> {
    fn add_to(self, arguments: &mut ArgumentList) -> Result<(), DbError> {
        arguments.0.add(self.as_slice())
    }
}

impl<const N: usize> sealed::Sealed for [u8; N] {}
impl<const N: usize> Bind for [u8; N] {
    fn add_to(self, arguments: &mut ArgumentList) -> Result<(), DbError> {
        arguments.0.add(self.as_slice())
    }
}

impl<const N: usize> sealed::Sealed for &[u8; N] {}
impl<const N: usize> Bind for &[u8; N] {
    fn add_to(self, arguments: &mut ArgumentList) -> Result<(), DbError> {
        arguments.0.add(self.as_slice())
    }
}

impl sealed::Sealed for Timestamp {}
impl Bind for Timestamp {
    fn add_to(self, arguments: &mut ArgumentList) -> Result<(), DbError> {
        arguments.0.add(self.as_micros())
    }
}

impl sealed::Sealed for Option<Timestamp> {}
impl Bind for Option<Timestamp> {
    fn add_to(self, arguments: &mut ArgumentList) -> Result<(), DbError> {
        arguments.0.add(self.map(Timestamp::as_micros))
    }
}

/// A row of a result.
pub enum Row {
    #[doc(hidden)]
    Postgres(PgRow),
    #[doc(hidden)]
    Sqlite(SqliteRow),
}

/// A type a column can be read as: `i64`, `bool`, `String`, `Vec<u8>`, [`Timestamp`], and `Option`s of them.
pub trait Column: Sized + sealed::Sealed {
    #[doc(hidden)]
    fn read(row: &Row, name: &str) -> Result<Self, DbError>;
}

fn read_natively<T>(row: &Row, name: &str) -> Result<T, DbError>
where
    T: for<'r> Decode<'r, Postgres> + Type<Postgres> + for<'r> Decode<'r, Sqlite> + Type<Sqlite>,
{
    match row {
        Row::Postgres(row) => row.try_get(name),
        Row::Sqlite(row) => row.try_get(name),
    }
    .map_err(|error| classify(error).0)
}

macro_rules! read_natively {
    ($($type:ty),+ $(,)?) => {$(
        impl Column for $type {
            fn read(row: &Row, name: &str) -> Result<Self, DbError> {
                read_natively(row, name)
            }
        }
        impl Column for Option<$type> {
            fn read(row: &Row, name: &str) -> Result<Self, DbError> {
                read_natively(row, name)
            }
        }
    )+};
}

read_natively!(i64, bool, String, Vec<u8>);

impl Column for Timestamp {
    fn read(row: &Row, name: &str) -> Result<Self, DbError> {
        read_natively(row, name).map(Self::from_micros)
    }
}

impl Column for Option<Timestamp> {
    fn read(row: &Row, name: &str) -> Result<Self, DbError> {
        Ok(read_natively::<Option<i64>>(row, name)?.map(Timestamp::from_micros))
    }
}

impl<const N: usize> Column for [u8; N] {
    fn read(row: &Row, name: &str) -> Result<Self, DbError> {
        let bytes: Vec<u8> = read_natively(row, name)?;
        let found = bytes.len();
        bytes.try_into().map_err(|_| damaged(name, format!("expected {N} bytes, found {found}")))
    }
}

fn damaged(column: &str, what: String) -> DbError {
    DbError::Column { column: column.into(), what }
}

impl Row {
    /// The value of the column `name`.
    ///
    /// # Errors
    ///
    /// [`DbError::Column`] if there is no such column, it is of another type, or NULL where `T` is not an `Option`.
    /// In PostgreSQL `sum` of a `BIGINT` is `NUMERIC`: write `CAST(sum(x) AS BIGINT)`.
    pub fn get<T: Column>(&self, name: &str) -> Result<T, DbError> {
        T::read(self, name)
    }

    /// The id in the `TEXT` column `name`.
    ///
    /// # Errors
    ///
    /// [`DbError::Column`] if there is no such column or it holds no id of this kind.
    pub fn id<I: TypedId>(&self, name: &str) -> Result<I, DbError> {
        let text: String = self.get(name)?;
        text.parse().map_err(|error: bursar_types::IdError| damaged(name, error.to_string()))
    }

    /// The id in the `TEXT` column `name`, if there is one.
    ///
    /// # Errors
    ///
    /// [`DbError::Column`] if there is no such column or it holds no id of this kind.
    pub fn id_opt<I: TypedId>(&self, name: &str) -> Result<Option<I>, DbError> {
        let text: Option<String> = self.get(name)?;
        text.map(|text| text.parse().map_err(|error: bursar_types::IdError| damaged(name, error.to_string())))
            .transpose()
    }

    /// The value of the `TEXT` column `name` through its [`FromStr`](std::str::FromStr): states, assets, locales.
    ///
    /// # Errors
    ///
    /// [`DbError::Column`] if there is no such column or `T` does not take its text.
    pub fn parse<T>(&self, name: &str) -> Result<T, DbError>
    where
        T: std::str::FromStr,
        T::Err: std::fmt::Display,
    {
        let text: String = self.get(name)?;
        text.parse().map_err(|error: T::Err| damaged(name, error.to_string()))
    }
}
