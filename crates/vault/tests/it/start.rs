use std::os::unix::fs::PermissionsExt as _;

use bursar_service::StartError;
use bursar_testkit::TestDatabase;

use super::support::*;

fn configuration(outcome: Result<bursar_service::run::Running, StartError>) -> String {
    match outcome {
        Err(error @ StartError::Configuration(_)) => {
            assert_eq!(error.exit_code(), 64);
            error.to_string()
        }
        other => panic!("{other:?}"),
    }
}

bursar_testkit::on_both_databases! {
    async fn only_the_root_key_that_made_the_keys_opens_them(database: TestDatabase) {
        let place = Place::new(&database);
        let vault = place.start().await;
        let card = vault.issue().await;
        vault.stop().await;
        let right = std::fs::read(place.root_file()).unwrap();

        // Lost: a new one is not made, not even in the sandbox, for it could open nothing.
        std::fs::remove_file(place.root_file()).unwrap();
        assert!(configuration(place.try_start(&[]).await).contains("keys.root_file"));
        assert!(!place.root_file().exists());

        let write = |bytes: &[u8]| {
            std::fs::write(place.root_file(), bytes).unwrap();
            std::fs::set_permissions(place.root_file(), std::fs::Permissions::from_mode(0o600)).unwrap();
        };
        write("0123456789abcdef".repeat(4).as_bytes());
        assert!(configuration(place.try_start(&[]).await).contains("does not open under the root key"));

        write(&right);
        let vault = place.resume().await;
        assert_eq!(vault.reveal(&card).await.unwrap().pan.len(), 16);
        vault.stop().await;

        // Two wrapped keys that change places.
        let swapped = place
            .tamper(
                "UPDATE vault_key SET (wrapped, check_value) = (SELECT o.wrapped, o.check_value FROM vault_key o
                     WHERE o.purpose <> vault_key.purpose AND o.purpose IN ('pan-index', 'password-pepper'))
                 WHERE purpose IN ('pan-index', 'password-pepper')",
            )
            .await;
        assert_eq!(swapped, 2);
        assert!(configuration(place.try_start(&[]).await).contains("version 1"));
    }
}

#[tokio::test]
async fn a_root_key_that_others_can_read_is_not_used() {
    let database = TestDatabase::sqlite();
    let place = Place::new(&database);
    place.start().await.stop().await;
    std::fs::set_permissions(place.root_file(), std::fs::Permissions::from_mode(0o644)).unwrap();
    assert!(configuration(place.try_start(&[]).await).contains("chmod 600"));
}

#[tokio::test]
async fn outside_the_sandbox_no_root_key_is_made() {
    let database = TestDatabase::sqlite();
    let place = Place::new(&database);
    let problem = configuration(place.try_start(&["service.sandbox=false"]).await);
    assert!(problem.contains("keys.root_file"), "{problem}");
    assert!(!place.root_file().exists());
}

#[tokio::test]
async fn another_services_signing_certificate_is_refused() {
    let database = TestDatabase::sqlite();
    let place = Place::new(&database);
    let other = place.authority.signing(bursar_service::Identity::Identity).unwrap();
    let (cert, key) =
        (format!("signing.cert={}", other.cert.display()), format!("signing.key={}", other.key.display()));
    assert!(configuration(place.try_start(&[&cert, &key]).await).contains("not the vault's"));
}
