//! Card numbers, CVV2, PIN and card password as types that wipe themselves and cannot be printed. Only vault and gateway may link this crate.
