use std::sync::Arc;
use std::time::Duration;

use bursar_service::cert::{Authority, LEAF_LIFETIME, SigningFiles};
use bursar_service::client::with_token;
use bursar_service::tls::Tls;
use bursar_service::token::{Grant, TokenError, TokenSigner, TokenVerifier, Trust};
use bursar_service::{CustomerClaims, Identity};
use bursar_types::id::{CustomerId, SessionId};
use bursar_types::{Clock, ManualClock, Reason, SystemClock, Timestamp, TypedId as _};
use data_encoding::BASE64URL_NOPAD;
use serde::{Deserialize, Serialize};
use tonic::{Code, Request};

use super::support::*;

const HOUR: Duration = Duration::from_secs(3_600);

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Proof {
    card: String,
    amount: i64,
}

fn proof() -> Proof {
    Proof { card: "card_x".to_owned(), amount: 31_240 }
}

fn load(files: &SigningFiles) -> TokenSigner {
    TokenSigner::load(&files.cert, &files.key).unwrap()
}

fn signer(place: &Place, identity: Identity) -> TokenSigner {
    load(&place.authority.signing(identity).unwrap())
}

fn verifier(place: &Place) -> TokenVerifier {
    let tls = Tls::load(place.authority.leaf(Identity::Ledger).unwrap()).unwrap();
    TokenVerifier::new(tls, Arc::new(SystemClock))
}

fn grant(now: Timestamp) -> Grant<'static> {
    Grant { audience: "ledger", issued_at: now, lifetime: HOUR }
}

fn customer(now: Timestamp, second_factor_at: Option<Timestamp>) -> CustomerClaims {
    CustomerClaims {
        customer_id: CustomerId::from_uuid(bursar_types::id::Uuid::from_u128(7)),
        session_id: SessionId::from_uuid(bursar_types::id::Uuid::from_u128(8)),
        issued_at: now,
        second_factor_at,
        device: Some("phone".to_owned()),
    }
}

#[test]
fn a_good_token_says_what_was_signed_and_only_in_its_time_and_for_its_audience() {
    let place = Place::new();
    let (signer, verifier, now) = (signer(&place, Identity::Vault), verifier(&place), SystemClock.now());
    let token = signer.sign(&grant(now), &proof()).unwrap();
    let at = |moment| verifier.verify::<Proof>(&token, Identity::Vault, "ledger", moment);
    // Twice: the second finds the certificate checked.
    for _ in 0..2 {
        let verified = at(now).unwrap();
        assert_eq!(verified.claims, proof());
        assert_eq!(verified.expires_at.since(verified.issued_at), HOUR);
    }
    assert!(at(now.plus(HOUR).minus(Duration::from_secs(2))).is_ok());
    assert_eq!(at(now.plus(HOUR)), Err(TokenError::Expired));
    assert_eq!(at(now.minus(Duration::from_secs(10))), Err(TokenError::NotYet));
    let other = verifier.verify::<Proof>(&token, Identity::Vault, "gateway", now);
    assert_eq!(other, Err(TokenError::Audience));
    assert!(matches!(
        verifier.verify::<Proof>(&token, Identity::Identity, "ledger", now),
        Err(TokenError::Signer { .. })
    ));
}

#[test]
fn no_changed_byte_is_taken() {
    let place = Place::new();
    let (signer, verifier, now) = (signer(&place, Identity::Vault), verifier(&place), SystemClock.now());
    let token = signer.sign(&grant(now), &proof()).unwrap();
    for index in 0..token.len() {
        let mut changed = token.clone().into_bytes();
        changed[index] = if changed[index] == b'A' { b'B' } else { b'A' };
        let changed = String::from_utf8(changed).unwrap();
        assert!(verifier.verify::<Proof>(&changed, Identity::Vault, "ledger", now).is_err(), "byte {index}");
    }
    for cut in 0..token.len() {
        assert!(
            verifier.verify::<Proof>(&token[..cut], Identity::Vault, "ledger", now).is_err(),
            "cut at {cut}"
        );
    }
    for longer in [format!("{token}."), format!("{token}A"), format!("{token}="), format!(" {token}")] {
        assert!(verifier.verify::<Proof>(&longer, Identity::Vault, "ledger", now).is_err(), "{longer}");
    }
    assert_eq!(
        verifier.verify::<Proof>(&"A".repeat(100_000), Identity::Vault, "ledger", now),
        Err(TokenError::Malformed("too long"))
    );
}

#[test]
fn only_signing_certificates_of_this_authority_sign() {
    let (place, foreign) = (Place::new(), Place::new());
    let (verifier, now) = (verifier(&place), SystemClock.now());
    let check = |token: &str| verifier.verify::<Proof>(token, Identity::Vault, "ledger", now);

    let token = signer(&foreign, Identity::Vault).sign(&grant(now), &proof()).unwrap();
    assert_eq!(check(&token), Err(TokenError::Certificate("not under the platform's authority")));

    // A good certificate with another's signature: the certificate of ours put into a token of theirs.
    let ours = signer(&place, Identity::Vault).sign(&grant(now), &proof()).unwrap();
    let parts: Vec<&str> = token.split('.').collect();
    let grafted = format!("{}.{}.{}", ours.split('.').next().unwrap(), parts[1], parts[2]);
    assert_eq!(check(&grafted), Err(TokenError::Signature));

    // The certificate for connections is refused by the signer and would be by the verifier.
    let leaf = place.authority.leaf(Identity::Vault).unwrap();
    assert!(TokenSigner::load(&leaf.cert, &leaf.key).is_err());
    let der = pem(&leaf.cert);
    let header = format!(r#"{{"alg":"EdDSA","x5c":["{}"]}}"#, data_encoding::BASE64.encode(&der));
    let rest = ours.split_once('.').unwrap().1;
    let posing = format!("{}.{rest}", BASE64URL_NOPAD.encode(header.as_bytes()));
    assert!(matches!(check(&posing), Err(TokenError::Certificate(_))));

    // A key that is not the certificate's.
    let (vault, ledger) = (
        place.authority.signing(Identity::Vault).unwrap(),
        place.authority.signing(Identity::Ledger).unwrap(),
    );
    assert!(
        TokenSigner::load(&vault.cert, &ledger.key).unwrap_err().to_string().contains("another certificate")
    );
}

fn pem(path: &std::path::Path) -> Vec<u8> {
    use rustls_pki_types::pem::PemObject as _;
    rustls_pki_types::CertificateDer::from_pem_file(path).unwrap().to_vec()
}

#[test]
fn headers_that_are_not_exactly_ours_are_refused() {
    let place = Place::new();
    let (verifier, now) = (verifier(&place), SystemClock.now());
    let token = signer(&place, Identity::Vault).sign(&grant(now), &proof()).unwrap();
    let (header, rest) = token.split_once('.').unwrap();
    let header = String::from_utf8(BASE64URL_NOPAD.decode(header.as_bytes()).unwrap()).unwrap();
    let with = |header: String| format!("{}.{rest}", BASE64URL_NOPAD.encode(header.as_bytes()));
    let check = |token: &str| verifier.verify::<Proof>(token, Identity::Vault, "ledger", now);
    assert!(check(&with(header.clone())).is_ok(), "the control");
    for algorithm in ["none", "HS256", "ES256", "eddsa"] {
        assert_eq!(
            check(&with(header.replace("EdDSA", algorithm))),
            Err(TokenError::Algorithm),
            "{algorithm}"
        );
    }
    let extended = header.replacen('{', r#"{"crit":["exp"],"#, 1);
    assert!(matches!(check(&with(extended)), Err(TokenError::Malformed(_))));
    let two = header.replacen(r#""x5c":["#, r#""x5c":["AA==","#, 1);
    assert!(matches!(check(&with(two)), Err(TokenError::Malformed(_))));
}

#[test]
fn a_certificate_past_its_time_signs_no_more_also_when_it_was_checked_before() {
    let place = Place::new();
    let start = SystemClock.now();
    let clock = Arc::new(ManualClock::at(start));
    let tls = Tls::load(place.authority.leaf(Identity::Ledger).unwrap()).unwrap();
    let verifier = TokenVerifier::new(tls, clock.clone());
    let long = Grant { lifetime: LEAF_LIFETIME * 2, ..grant(start) };
    let token = signer(&place, Identity::Vault).sign(&long, &proof()).unwrap();
    assert!(verifier.verify::<Proof>(&token, Identity::Vault, "ledger", start).is_ok());
    clock.advance(LEAF_LIFETIME + HOUR);
    let late = verifier.verify::<Proof>(&token, Identity::Vault, "ledger", clock.now());
    assert_eq!(late, Err(TokenError::Certificate("past its time")));
}

#[test]
fn a_renewed_signing_certificate_is_taken_up() {
    let (place, other) = (Place::new(), Place::new());
    let files = place.authority.signing(Identity::Vault).unwrap();
    let signer = load(&files);
    let now = SystemClock.now();
    let token = || signer.sign(&grant(now), &proof()).unwrap();
    let check = |place: &Place, token: &str| {
        verifier(place).verify::<Proof>(token, Identity::Vault, "ledger", now).map(|verified| verified.claims)
    };
    assert_eq!(check(&place, &token()), Ok(proof()));
    assert!(!signer.reload_if_changed().unwrap());

    let theirs = other.authority.signing(Identity::Vault).unwrap();
    std::fs::copy(&theirs.key, &files.key).unwrap();
    std::fs::copy(&theirs.cert, &files.cert).unwrap();
    let later = std::time::SystemTime::UNIX_EPOCH + HOUR;
    std::fs::File::options().write(true).open(&files.cert).unwrap().set_modified(later).unwrap();
    assert!(signer.reload_if_changed().unwrap());
    assert_eq!(check(&other, &token()), Ok(proof()));
}

#[tokio::test]
async fn customers_are_who_identity_says_and_step_up_is_asked_for() {
    let place = Place::new();
    let vault = place.start(Identity::Vault, &[]).await;
    let backend = place.channel(&vault, Identity::Backend);
    let identity = signer(&place, Identity::Identity);
    let now = SystemClock.now();
    let with = |text: &str, token: &str| with_token(Request::new(text.to_owned()), token).unwrap();
    let refused = |path, token: String| {
        let backend = backend.clone();
        async move { send(&backend, path, with("echo", &token)).await.unwrap_err() }
    };

    let status = call(&backend, REDEEM_TICKET, "principal").await.unwrap_err();
    assert_eq!((status.code(), reason(&status)), (Code::Unauthenticated, Reason::TokenMissing));

    let claims = customer(now, None);
    let token = identity.sign_customer(&claims, HOUR).unwrap();
    let principal = send(&backend, REDEEM_TICKET, with("principal", &token)).await.unwrap();
    assert_eq!(principal, format!("customer/{}", claims.customer_id));

    // Signed by another service than identity, expired, or for a method that wants a second factor.
    let posing = signer(&place, Identity::Gateway).sign_customer(&claims, HOUR).unwrap();
    assert_eq!(reason(&refused(REDEEM_TICKET, posing).await), Reason::TokenInvalid);
    let old = identity.sign_customer(&customer(now.minus(HOUR * 2), None), HOUR).unwrap();
    let status = refused(REDEEM_TICKET, old.clone()).await;
    assert_eq!((status.code(), reason(&status)), (Code::Unauthenticated, Reason::TokenInvalid));
    assert!(!format!("{status:?}").contains(&old), "the token is not repeated");
    let status = refused(SET_CARD_PASSWORD, token).await;
    assert_eq!((status.code(), reason(&status)), (Code::PermissionDenied, Reason::StepUpRequired));
    let stale = identity.sign_customer(&customer(now, Some(now.minus(HOUR))), HOUR).unwrap();
    assert_eq!(reason(&refused(SET_CARD_PASSWORD, stale).await), Reason::StepUpRequired);
    let fresh = identity.sign_customer(&customer(now, Some(now)), HOUR).unwrap();
    let seen = send(&backend, SET_CARD_PASSWORD, with("second-factor", &fresh)).await.unwrap();
    assert_eq!(seen, format!("{:?}", Some(now)));
    vault.stop().await;
}

#[tokio::test]
async fn an_exempt_caller_may_leave_the_token_out_but_not_send_a_bad_one() {
    let place = Place::new();
    let ledger = place.start(Identity::Ledger, &[]).await;
    let operator = place.channel(&ledger, Identity::Operator);
    assert_eq!(call(&operator, GET_ACCOUNT, "principal").await.unwrap(), "service/operator");
    let bad = with_token(Request::new("principal".to_owned()), "a.b.c").unwrap();
    assert_eq!(reason(&send(&operator, GET_ACCOUNT, bad).await.unwrap_err()), Reason::TokenInvalid);
    let backend = place.channel(&ledger, Identity::Backend);
    assert_eq!(reason(&call(&backend, GET_ACCOUNT, "principal").await.unwrap_err()), Reason::TokenMissing);
    ledger.stop().await;
}

#[test]
fn a_statement_holds_for_ever_and_lets_nobody_in() {
    let clock = Arc::new(ManualClock::at(SystemClock.now().minus(400 * 24 * HOUR)));
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::open(folder.path(), Arc::clone(&clock) as Arc<dyn Clock>).unwrap();
    let files = authority.signing(Identity::Ledger).unwrap();
    let (signer, signed_at) = (load(&files), clock.now());
    let statement = signer.state("checkpoint", signed_at, &proof()).unwrap();
    let token = signer.sign(&grant(signed_at), &proof()).unwrap();

    // More than a year later the certificate's week is long over.
    let trust = Trust::load(&authority.ca()).unwrap();
    let check = |statement: &str| trust.verify::<Proof>(statement, Identity::Ledger, "checkpoint");
    let verified = check(&statement).unwrap();
    assert_eq!((verified.claims, verified.issued_at.as_seconds()), (proof(), signed_at.as_seconds()));
    assert_eq!(
        trust.verify::<Proof>(&statement, Identity::Vault, "checkpoint").unwrap_err(),
        TokenError::Signer {
            expected: "spiffe://bursar/vault/signing".into(),
            found: "spiffe://bursar/ledger/signing".into()
        }
    );
    assert_eq!(trust.verify::<Proof>(&statement, Identity::Ledger, "x"), Err(TokenError::Audience));
    assert_eq!(check(&token), Err(TokenError::Malformed("a token, not a statement")));

    // Signed for a moment at which the certificate was not good.
    for at in [signed_at.minus(HOUR), signed_at.plus(LEAF_LIFETIME).plus(HOUR)] {
        let statement = signer.state("checkpoint", at, &proof()).unwrap();
        assert!(matches!(check(&statement), Err(TokenError::Certificate(_))));
    }

    // Under another authority it is nothing, and to no service is it a token, not even at its own moment.
    let place = Place::new();
    let foreign = Trust::load(&place.authority.ca()).unwrap();
    assert_eq!(
        foreign.verify::<Proof>(&statement, Identity::Ledger, "checkpoint"),
        Err(TokenError::Certificate("not under the platform's authority"))
    );
    let now = SystemClock.now();
    let fresh = self::signer(&place, Identity::Ledger).state("checkpoint", now, &proof()).unwrap();
    assert_eq!(
        verifier(&place).verify::<Proof>(&fresh, Identity::Ledger, "checkpoint", now),
        Err(TokenError::Expired)
    );

    for index in 0..statement.len() {
        for bit in 0..7 {
            let mut changed = statement.clone().into_bytes();
            changed[index] ^= 1 << bit;
            assert!(check(&String::from_utf8(changed).unwrap()).is_err(), "bit {bit} of byte {index}");
        }
    }
}

#[test]
fn tokens_signed_together_are_each_as_good_as_one_signed_alone() {
    let place = Place::new();
    let (signer, verifier, now) = (signer(&place, Identity::Vault), verifier(&place), SystemClock.now());
    let check = |token: &str| verifier.verify::<Proof>(token, Identity::Vault, "ledger", now);
    for count in [1_i64, 2, 3, 7, 8, 33] {
        let claims: Vec<Proof> = (0..count).map(|n| Proof { card: format!("card_{n}"), amount: n }).collect();
        let tokens = signer.sign_all(&grant(now), &claims).unwrap();
        for (token, claims) in tokens.iter().zip(&claims) {
            assert_eq!(&check(token).unwrap().claims, claims, "{count}");
            assert!(verifier.verify::<Proof>(token, Identity::Vault, "bank", now).is_err());
            assert!(verifier.verify::<Proof>(token, Identity::Ledger, "ledger", now).is_err());
            assert_eq!(
                verifier.verify::<Proof>(token, Identity::Vault, "ledger", now.plus(HOUR)).unwrap_err(),
                TokenError::Expired
            );
        }
        if count > 1 {
            // Neither the place nor the signature nor the claims of one serve for another, known tree or not.
            let parts: Vec<Vec<&str>> = tokens.iter().map(|token| token.split('.').collect()).collect();
            let mixed = [parts[0][0], parts[0][1], parts[1][2], parts[1][3]].join(".");
            assert_eq!(check(&mixed).unwrap_err(), TokenError::Signature);
            assert!(check(&parts[0][..3].join(".")).is_err(), "without its place");
        }
    }
    assert!(signer.sign_all::<Proof>(&grant(now), &[]).unwrap().is_empty());
}

#[test]
fn no_bit_of_a_token_of_a_tree_can_be_changed() {
    let place = Place::new();
    let (signer, now) = (signer(&place, Identity::Vault), SystemClock.now());
    let claims: Vec<Proof> = (0..3).map(|amount| Proof { amount, ..proof() }).collect();
    let tokens = signer.sign_all(&grant(now), &claims).unwrap();
    let shared = verifier(&place);
    shared.verify::<Proof>(&tokens[0], Identity::Vault, "ledger", now).unwrap();
    let parts: Vec<&str> = tokens[1].split('.').collect();
    for (part, text) in parts.iter().enumerate().skip(1) {
        let bytes = BASE64URL_NOPAD.decode(text.as_bytes()).unwrap();
        for bit in 0..bytes.len() * 8 {
            let mut changed = bytes.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            let mut parts: Vec<String> = parts.iter().map(ToString::to_string).collect();
            parts[part] = BASE64URL_NOPAD.encode(&changed);
            let refused = shared.verify::<Proof>(&parts.join("."), Identity::Vault, "ledger", now);
            assert!(refused.is_err(), "part {part}, bit {bit}");
        }
    }
}
