//! Numbers, texts, ids, and what is made of them.

use bursar_ledger_engine::Text;
use bursar_types::id::Uuid;
use bursar_types::id::{AccountId, CardId, CardProductId, CustomerId, PaymentId, ProgramId, TransferId};
use bursar_types::{Asset, Money, RequestId, Timestamp, TypedId};

use super::{Fields, Raw, Wire, WireError, put_bytes, put_nested, put_number};

macro_rules! unsigned {
    ($($type:ty),+) => {$(
        impl Wire for $type {
            fn put(&self, tag: u32, out: &mut Vec<u8>) {
                put_number(tag, u64::from(*self), out);
            }
            fn from_raw(raw: Raw<'_>) -> Result<Self, WireError> {
                raw.number()?.try_into().map_err(|_| WireError::Value(stringify!($type)))
            }
            fn is_default(&self) -> bool {
                *self == 0
            }
            fn absent() -> Result<Self, WireError> {
                Ok(0)
            }
        }
    )+};
}

unsigned!(u8, u16, u32, u64);

/// Signed numbers in protobuf's zigzag form (`sint64`): small negative ones stay short.
macro_rules! signed {
    ($($type:ty),+) => {$(
        impl Wire for $type {
            fn put(&self, tag: u32, out: &mut Vec<u8>) {
                let value = i64::from(*self);
                put_number(tag, ((value << 1) ^ (value >> 63)) as u64, out);
            }
            fn from_raw(raw: Raw<'_>) -> Result<Self, WireError> {
                let value = raw.number()?;
                let value = (value >> 1) as i64 ^ -((value & 1) as i64);
                value.try_into().map_err(|_| WireError::Value(stringify!($type)))
            }
            fn is_default(&self) -> bool {
                *self == 0
            }
            fn absent() -> Result<Self, WireError> {
                Ok(0)
            }
        }
    )+};
}

signed!(i16, i32, i64);

impl Wire for bool {
    fn put(&self, tag: u32, out: &mut Vec<u8>) {
        put_number(tag, u64::from(*self), out);
    }
    fn from_raw(raw: Raw<'_>) -> Result<Self, WireError> {
        match raw.number()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(WireError::Value("bool")),
        }
    }
    fn is_default(&self) -> bool {
        !self
    }
    fn absent() -> Result<Self, WireError> {
        Ok(false)
    }
}

impl Wire for Timestamp {
    fn put(&self, tag: u32, out: &mut Vec<u8>) {
        self.as_micros().put(tag, out);
    }
    fn from_raw(raw: Raw<'_>) -> Result<Self, WireError> {
        i64::from_raw(raw).map(Self::from_micros)
    }
    fn is_default(&self) -> bool {
        self.as_micros() == 0
    }
    fn absent() -> Result<Self, WireError> {
        Ok(Self::default())
    }
}

impl Wire for Asset {
    fn put(&self, tag: u32, out: &mut Vec<u8>) {
        put_bytes(tag, self.code().as_bytes(), out);
    }
    fn from_raw(raw: Raw<'_>) -> Result<Self, WireError> {
        let code = str::from_utf8(raw.bytes()?).map_err(|_| WireError::Value("asset"))?;
        Self::from_code(code).map_err(|_| WireError::Value("asset"))
    }
}

impl Wire for Money {
    fn put(&self, tag: u32, out: &mut Vec<u8>) {
        put_nested(tag, out, |out| {
            self.minor_units.write(1, out);
            self.asset.write(2, out);
        });
    }
    fn from_raw(raw: Raw<'_>) -> Result<Self, WireError> {
        let fields = Fields::parse(raw.bytes()?, "Money", &[1, 2])?;
        Ok(Self::new(i64::read(&fields, 1)?, Asset::read(&fields, 2)?))
    }
}

impl<const MAX: usize> Wire for Text<MAX> {
    fn put(&self, tag: u32, out: &mut Vec<u8>) {
        put_bytes(tag, self.as_str().as_bytes(), out);
    }
    fn from_raw(raw: Raw<'_>) -> Result<Self, WireError> {
        let text = str::from_utf8(raw.bytes()?).map_err(|_| WireError::Value("text"))?;
        Self::new(text).map_err(|_| WireError::Value("text within its bound"))
    }
    fn is_default(&self) -> bool {
        self.is_empty()
    }
    fn absent() -> Result<Self, WireError> {
        Ok(Self::default())
    }
}

impl Wire for String {
    fn put(&self, tag: u32, out: &mut Vec<u8>) {
        put_bytes(tag, self.as_bytes(), out);
    }
    fn from_raw(raw: Raw<'_>) -> Result<Self, WireError> {
        str::from_utf8(raw.bytes()?).map(Self::from).map_err(|_| WireError::Value("text"))
    }
    fn is_default(&self) -> bool {
        self.is_empty()
    }
    fn absent() -> Result<Self, WireError> {
        Ok(Self::new())
    }
}

impl Wire for Vec<u8> {
    fn put(&self, tag: u32, out: &mut Vec<u8>) {
        put_bytes(tag, self, out);
    }
    fn from_raw(raw: Raw<'_>) -> Result<Self, WireError> {
        Ok(raw.bytes()?.to_vec())
    }
    fn is_default(&self) -> bool {
        self.is_empty()
    }
    fn absent() -> Result<Self, WireError> {
        Ok(Self::new())
    }
}

impl<const N: usize> Wire for [u8; N] {
    fn put(&self, tag: u32, out: &mut Vec<u8>) {
        put_bytes(tag, self, out);
    }
    fn from_raw(raw: Raw<'_>) -> Result<Self, WireError> {
        raw.bytes()?.try_into().map_err(|_| WireError::Value("digest"))
    }
}

fn uuid(raw: Raw<'_>) -> Result<Uuid, WireError> {
    let bytes = raw.bytes()?.try_into().map_err(|_| WireError::Value("id of 16 bytes"))?;
    Ok(Uuid::from_bytes(bytes))
}

macro_rules! ids {
    ($($type:ty),+) => {$(
        impl Wire for $type {
            fn put(&self, tag: u32, out: &mut Vec<u8>) {
                put_bytes(tag, self.as_uuid().as_bytes(), out);
            }
            fn from_raw(raw: Raw<'_>) -> Result<Self, WireError> {
                uuid(raw).map(<$type>::from_uuid)
            }
        }
    )+};
}

ids!(AccountId, CardId, CardProductId, CustomerId, PaymentId, ProgramId, RequestId, TransferId);

impl<T: Wire> Wire for Box<T> {
    fn put(&self, tag: u32, out: &mut Vec<u8>) {
        (**self).put(tag, out);
    }
    fn from_raw(raw: Raw<'_>) -> Result<Self, WireError> {
        T::from_raw(raw).map(Self::new)
    }
}

impl<T: Wire> Wire for Option<T> {
    fn put(&self, tag: u32, out: &mut Vec<u8>) {
        if let Some(value) = self {
            value.put(tag, out);
        }
    }
    fn from_raw(raw: Raw<'_>) -> Result<Self, WireError> {
        T::from_raw(raw).map(Some)
    }
    fn is_default(&self) -> bool {
        self.is_none()
    }
    fn absent() -> Result<Self, WireError> {
        Ok(None)
    }
}

/// A type that may stand in a list: everything but bytes, which are one value.
pub(crate) trait Item: Wire {}

impl<T: Item> Wire for Vec<T> {
    fn put(&self, tag: u32, out: &mut Vec<u8>) {
        for item in self {
            item.put(tag, out);
        }
    }
    fn from_raw(raw: Raw<'_>) -> Result<Self, WireError> {
        Ok(vec![T::from_raw(raw)?])
    }
    fn is_default(&self) -> bool {
        self.is_empty()
    }
    fn absent() -> Result<Self, WireError> {
        Ok(Self::new())
    }
    fn read(fields: &Fields<'_>, tag: u32) -> Result<Self, WireError> {
        fields.all(tag).map(T::from_raw).collect()
    }
    fn read_alone(fields: &Fields<'_>) -> Result<Self, WireError> {
        Self::read(fields, fields.only_tag()?)
    }
}

impl Item for u32 {}
impl Item for i64 {}
impl<const MAX: usize> Item for Text<MAX> {}
impl Item for TransferId {}
impl<A: Wire, B: Wire> Item for (A, B) {}
impl<T: Wire, E: Wire> Item for Result<T, E> {}

impl<A: Wire, B: Wire> Wire for (A, B) {
    fn put(&self, tag: u32, out: &mut Vec<u8>) {
        put_nested(tag, out, |out| {
            self.0.write(1, out);
            self.1.write(2, out);
        });
    }
    fn from_raw(raw: Raw<'_>) -> Result<Self, WireError> {
        let fields = Fields::parse(raw.bytes()?, "pair", &[1, 2])?;
        Ok((A::read(&fields, 1)?, B::read(&fields, 2)?))
    }
}

impl<T: Wire, E: Wire> Wire for Result<T, E> {
    fn put(&self, tag: u32, out: &mut Vec<u8>) {
        put_nested(tag, out, |out| match self {
            Ok(value) => value.put(1, out),
            Err(error) => error.put(2, out),
        });
    }
    fn from_raw(raw: Raw<'_>) -> Result<Self, WireError> {
        match Fields::parse(raw.bytes()?, "result", &[1, 2])?.only()? {
            (1, raw) => T::from_raw(raw).map(Ok),
            (_, raw) => E::from_raw(raw).map(Err),
        }
    }
}
