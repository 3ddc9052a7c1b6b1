use bursar_proto::access::METHODS;
use bursar_service::Identity;
use bursar_types::Reason;
use tonic::Code;

use super::support::*;

#[tokio::test]
async fn the_callers_of_the_contract_get_in_and_the_identity_is_the_certificates() {
    let place = Place::new();
    let vault = place.start(Identity::Vault, &[]).await;
    let gateway = place.channel(&vault, Identity::Gateway);
    assert_eq!(call(&gateway, VERIFY_CARD, "principal").await.unwrap(), "service/gateway");
    vault.stop().await;
}

#[tokio::test]
async fn every_method_refuses_every_caller_it_does_not_name() {
    let place = Place::new();
    let vault = place.start(Identity::Vault, &["service.sandbox=true"]).await;
    let mut refused = 0;
    for caller in Identity::ALL {
        let channel = place.channel(&vault, caller);
        for rule in METHODS.iter().filter(|rule| !rule.callers.contains(&caller)) {
            let status = call(&channel, rule.path, "echo").await.unwrap_err();
            assert_eq!(status.code(), Code::PermissionDenied, "{caller} at {}", rule.path);
            let (reason, metadata) = bursar_service::reason_of(&status).unwrap();
            assert_eq!(reason, Reason::CallerNotAllowed);
            assert_eq!(metadata["method"], rule.path);
            assert_eq!(metadata["caller"], caller.name());
            refused += 1;
        }
    }
    assert!(refused > METHODS.len(), "the table was walked: {refused}");
    vault.stop().await;
}

#[tokio::test]
async fn what_the_contract_does_not_know_is_denied_and_what_is_not_served_says_so() {
    let place = Place::new();
    let vault = place.start(Identity::Vault, &[]).await;
    let operator = place.channel(&vault, Identity::Operator);
    for path in ["/bursar.vault.v1.VerificationService/Nonsense", "/x", "/grpc.health.v1.Healthy/Check"] {
        let status = call(&operator, path, "echo").await.unwrap_err();
        assert_eq!(reason(&status), Reason::CallerNotAllowed, "{path}");
    }
    // In the contract, allowed to this caller, but not mounted here.
    let status = call(&operator, "/bursar.ledger.v1.BooksService/GetTrialBalance", "echo").await.unwrap_err();
    assert_eq!((status.code(), reason(&status)), (Code::Unimplemented, Reason::NotServed));
    vault.stop().await;
}

#[tokio::test]
async fn sandbox_methods_are_absent_outside_the_sandbox() {
    let place = Place::new();
    let real = place.start(Identity::Notifications, &[]).await;
    let status = call(&place.channel(&real, Identity::Operator), READ_MAILBOX, "echo").await.unwrap_err();
    assert_eq!(reason(&status), Reason::NotServed);
    assert!(real.chassis().sandbox_clock.is_none());
    real.stop().await;

    let sandbox = place.start(Identity::Notifications, &["service.sandbox=true"]).await;
    let operator = place.channel(&sandbox, Identity::Operator);
    assert_eq!(call(&operator, READ_MAILBOX, "echo here").await.unwrap(), "here");
    // The platform's clock moves there, the machine's does not.
    let chassis = sandbox.chassis();
    chassis.sandbox_clock.as_ref().unwrap().set_offset(3_600_000_000);
    let ahead = chassis.clock.now().since(chassis.machine_clock.now());
    assert!(ahead.as_secs() >= 3_599, "{ahead:?}");
    sandbox.stop().await;
}
