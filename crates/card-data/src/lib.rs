//! Card numbers and the secrets around them, as types that wipe themselves and cannot be printed.
//!
//! Only the vault and the gateway link this crate. A value leaves its type through [`Pan::expose`] and its siblings
//! alone, so that `grep expose` lists every place where card data is in the open. None of the types is `Clone`,
//! `Display` or serializable; their `Debug` shows the name of the type only; comparing takes the same time for any
//! two values ([`subtle`]). The digits lie in a box of fixed size: moving a value moves a pointer and leaves no copy
//! of the digits behind, and the box is wiped when it is dropped.

mod card_password;
mod cvv2;
mod digits;
mod expiry;
mod pan;

pub use card_password::{CardPassword, CardPasswordError};
pub use cvv2::{Cvv2, Cvv2Error};
pub use expiry::{ExpiryError, ExpiryYymm};
pub use pan::{MaskedPan, Pan, PanError, luhn_check_digit, luhn_holds};
