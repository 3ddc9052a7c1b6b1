//! Identity: sign-up, login, KYC, screening and review.
