//! The card vault: the only process that ever sees a full card number, CVV2 or card password.
