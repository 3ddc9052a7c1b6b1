//! The buffer under all secrets of this crate: a fixed box of ASCII digits that wipes itself.

use subtle::{Choice, ConstantTimeEq};
use zeroize::{Zeroize, ZeroizeOnDrop};

/// Up to `MAX` ASCII digits. What is behind `length` is zero.
#[derive(Zeroize, ZeroizeOnDrop)]
pub(crate) struct Digits<const MAX: usize> {
    digits: Box<[u8; MAX]>,
    length: usize,
}

impl<const MAX: usize> Digits<MAX> {
    /// The digits in `text`; `None` if it is longer than `MAX` bytes or holds anything but ASCII digits.
    pub(crate) fn copy_of(text: &[u8]) -> Option<Self> {
        if text.len() > MAX || !text.iter().all(u8::is_ascii_digit) {
            return None;
        }
        let mut digits = Box::new([0_u8; MAX]);
        digits[..text.len()].copy_from_slice(text);
        Some(Self { digits, length: text.len() })
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.digits[..self.length]
    }

    pub(crate) fn as_str(&self) -> &str {
        std::str::from_utf8(self.as_bytes())
            .expect("the constructor takes ASCII digits only, and they are UTF-8")
    }
}

impl<const MAX: usize> ConstantTimeEq for Digits<MAX> {
    /// Takes the same time for any two values, also of different lengths.
    fn ct_eq(&self, other: &Self) -> Choice {
        // Zeroes never stand among ASCII digits, so equal buffers mean equal lengths.
        self.digits.as_slice().ct_eq(other.digits.as_slice())
    }
}

/// What every secret type here has in common; written once so that none of them gets a trait the others lack.
macro_rules! secret_digits {
    ($name:ident) => {
        impl ::std::fmt::Debug for $name {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                f.write_str(concat!(stringify!($name), "(<hidden>)"))
            }
        }

        impl ::subtle::ConstantTimeEq for $name {
            fn ct_eq(&self, other: &Self) -> ::subtle::Choice {
                self.0.ct_eq(&other.0)
            }
        }

        impl PartialEq for $name {
            /// In constant time.
            fn eq(&self, other: &Self) -> bool {
                use ::subtle::ConstantTimeEq as _;
                self.ct_eq(other).into()
            }
        }

        impl Eq for $name {}

        impl ::zeroize::ZeroizeOnDrop for $name {}
    };
}

pub(crate) use secret_digits;

/// Fails to compile if a type has a trait that it must not have.
#[cfg(test)]
macro_rules! assert_lacks {
    ($type:ty: $($lacking:path),+ $(,)?) => {$(
        const _: fn() = || {
            trait AmbiguousIfImplemented<Marker> {
                fn probe() {}
            }
            impl<T: ?Sized> AmbiguousIfImplemented<()> for T {}
            #[allow(dead_code)]
            struct Has;
            impl<T: ?Sized + $lacking> AmbiguousIfImplemented<Has> for T {}
            let _ = <$type as AmbiguousIfImplemented<_>>::probe;
        };
    )+};
}

#[cfg(test)]
pub(crate) use assert_lacks;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wiping_leaves_no_digit() {
        let mut digits = Digits::<6>::copy_of(b"493817").unwrap();
        digits.zeroize();
        assert_eq!(*digits.digits, [0; 6]);
        assert_eq!(digits.as_bytes(), b"");
    }

    #[test]
    fn a_shorter_number_is_not_equal_to_a_longer_one_that_begins_like_it() {
        let short = Digits::<6>::copy_of(b"1234").unwrap();
        let long = Digits::<6>::copy_of(b"12340").unwrap();
        assert!(!bool::from(short.ct_eq(&long)));
        assert!(bool::from(short.ct_eq(&Digits::copy_of(b"1234").unwrap())));
    }

    #[test]
    fn anything_but_ascii_digits_is_refused() {
        for bad in ["1234567", "12 4", "１２", "-1", "+1", "1\0"] {
            assert!(Digits::<6>::copy_of(bad.as_bytes()).is_none(), "{bad}");
        }
    }
}
