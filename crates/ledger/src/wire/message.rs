//! Declarations: a struct's fields, an enum's variants, with their numbers.

/// A struct as a message: `message! { Merchant { 1 id, 2 name } }`.
macro_rules! message {
    ($($name:ident { $($tag:literal $field:ident),* $(,)? })+) => {$(
        impl $crate::wire::Message for $name {
            fn encode(&self, out: &mut Vec<u8>) {
                let _ = &out;
                $($crate::wire::Wire::write(&self.$field, $tag, out);)*
            }

            fn decode(bytes: &[u8]) -> Result<Self, $crate::wire::WireError> {
                let fields = $crate::wire::Fields::parse(bytes, stringify!($name), &[$($tag),*])?;
                let _ = &fields;
                Ok(Self { $($field: $crate::wire::Wire::read(&fields, $tag)?),* })
            }
        }

        impl $crate::wire::Wire for $name {
            fn put(&self, tag: u32, out: &mut Vec<u8>) {
                $crate::wire::put_nested(tag, out, |out| $crate::wire::Message::encode(self, out));
            }

            fn from_raw(raw: $crate::wire::Raw<'_>) -> Result<Self, $crate::wire::WireError> {
                $crate::wire::Message::decode(raw.bytes()?)
            }
        }

        impl $crate::wire::Item for $name {}
    )+};
}

/// An enum with data as a message of which exactly one field is set, which is there several times if it is a list:
/// `oneof! { Rule { 1 Deny, 2 AllowOnly, 3 Limit { 1 measure, 2 window } } }`, `4 Other(value)` for tuple variants.
macro_rules! oneof {
    ($($name:ident { $($tag:literal $variant:ident
        $(($inner:ident))? $({ $($ftag:literal $field:ident),* $(,)? })?),* $(,)? })+) => {$(
        impl $crate::wire::Message for $name {
            fn encode(&self, out: &mut Vec<u8>) {
                match self {
                    $(Self::$variant $(($inner))? $({ $($field),* })? => {
                        $crate::wire::oneof!(@put $tag out $(($inner))? $({ $($ftag $field),* })?);
                    })*
                }
            }

            fn decode(bytes: &[u8]) -> Result<Self, $crate::wire::WireError> {
                let fields = $crate::wire::Fields::parse(bytes, stringify!($name), &[$($tag),*])?;
                match fields.only_tag()? {
                    $($tag => $crate::wire::oneof!(@get fields $name $variant $(($inner))? $({ $($ftag $field),* })?),)*
                    _ => Err($crate::wire::WireError::Malformed),
                }
            }
        }

        impl $crate::wire::Wire for $name {
            fn put(&self, tag: u32, out: &mut Vec<u8>) {
                $crate::wire::put_nested(tag, out, |out| $crate::wire::Message::encode(self, out));
            }

            fn from_raw(raw: $crate::wire::Raw<'_>) -> Result<Self, $crate::wire::WireError> {
                $crate::wire::Message::decode(raw.bytes()?)
            }
        }

        impl $crate::wire::Item for $name {}
    )+};
    (@put $tag:literal $out:ident) => { $crate::wire::put_bytes($tag, &[], $out) };
    (@put $tag:literal $out:ident ($inner:ident)) => { $crate::wire::Wire::put($inner, $tag, $out) };
    (@put $tag:literal $out:ident { $($ftag:literal $field:ident),* }) => {
        $crate::wire::put_nested($tag, $out, |out| { $($crate::wire::Wire::write($field, $ftag, out);)* })
    };
    (@get $fields:ident $name:ident $variant:ident) => {
        $fields.only()?.1.bytes().map(|_| $name::$variant)
    };
    (@get $fields:ident $name:ident $variant:ident ($inner:ident)) => {
        $crate::wire::Wire::read_alone(&$fields).map($name::$variant)
    };
    (@get $fields:ident $name:ident $variant:ident { $($ftag:literal $field:ident),* }) => {{
        let raw = $fields.only()?.1;
        let fields = $crate::wire::Fields::parse(raw.bytes()?, stringify!($variant), &[$($ftag),*])?;
        Ok($name::$variant { $($field: $crate::wire::Wire::read(&fields, $ftag)?),* })
    }};
}

/// An enum without data as a number: `numbers! { NormalSide { 1 Debit, 2 Credit } }`.
macro_rules! numbers {
    ($($name:ident { $($number:literal $variant:ident),* $(,)? })+) => {$(
        impl $crate::wire::Wire for $name {
            fn put(&self, tag: u32, out: &mut Vec<u8>) {
                let number: u64 = match self { $(Self::$variant => $number),* };
                $crate::wire::put_number(tag, number, out);
            }

            fn from_raw(raw: $crate::wire::Raw<'_>) -> Result<Self, $crate::wire::WireError> {
                match raw.number()? {
                    $($number => Ok(Self::$variant),)*
                    _ => Err($crate::wire::WireError::Value(stringify!($name))),
                }
            }
        }

        impl $crate::wire::Item for $name {}
    )+};
}

pub(crate) use {message, numbers, oneof};
