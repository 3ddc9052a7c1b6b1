//! The root key in a hardware security module: SoftHSM, where it is installed. `cargo xtask test --peers` installs it.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use bursar_proto::vault::v1::*;
use bursar_service::StartError;

use super::support::*;

const PIN: &str = "493817264";

fn module() -> Option<PathBuf> {
    ["/usr/lib/softhsm/libsofthsm2.so", "/usr/lib64/softhsm/libsofthsm2.so"]
        .into_iter()
        .map(PathBuf::from)
        .find(|path| path.exists())
}

/// A token in a folder of its own. SoftHSM reads where its tokens are from the environment when it is loaded, and there is
/// one library in a process: each test runs in a process of its own and makes one token.
fn token(place: &Place, module: &Path) -> Vec<String> {
    let folder = place.folder.path();
    let config = folder.join("softhsm2.conf");
    std::fs::create_dir(folder.join("tokens")).unwrap();
    let text = format!(
        "directories.tokendir = {}\nobjectstore.backend = file\nlog.level = ERROR\n",
        folder.join("tokens").display()
    );
    std::fs::write(&config, text).unwrap();
    let made = Command::new("softhsm2-util")
        .args(["--init-token", "--free", "--label", "bursar", "--pin", PIN, "--so-pin", "so-pin-of-a-test"])
        .env("SOFTHSM2_CONF", &config)
        .output()
        .unwrap();
    assert!(made.status.success(), "{made:?}");
    let pin_file = folder.join("pin");
    let mut options = std::fs::OpenOptions::new();
    std::os::unix::fs::OpenOptionsExt::mode(options.write(true).create_new(true), 0o600);
    std::io::Write::write_all(&mut options.open(&pin_file).unwrap(), format!("{PIN}\n").as_bytes()).unwrap();
    vec![
        "seal.root=pkcs11".to_owned(),
        format!("pkcs11.module={}", module.display()),
        format!("pkcs11.pin_file={}", pin_file.display()),
    ]
}

/// Runs this test again in a process of its own, with SoftHSM's configuration in its environment; `None` in that process.
fn in_a_process_of_its_own(name: &str, place: &Place) -> Option<bool> {
    if std::env::var_os("SOFTHSM2_CONF").is_some() {
        return None;
    }
    let config = place.folder.path().join("softhsm2.conf");
    let status = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", name, "--nocapture"])
        .env("SOFTHSM2_CONF", config)
        .env("BURSAR_TEST_HSM_FOLDER", place.folder.path())
        .status();
    Some(status.unwrap().success())
}

async fn works(place: &Place, more: &[&str]) {
    let vault = place.resume_with(more).await;
    assert!(!place.root_file().exists());
    let status = vault.custodian().get_seal_status(GetSealStatusRequest {}).await.unwrap().into_inner();
    let status = status.status.unwrap();
    assert_eq!((status.state(), status.root.as_str()), (SealState::Unsealed, "pkcs11"));
    vault.range(RANGE, "99000012", 16).await.unwrap();
    let card = vault.issue().await;
    let shown = vault.reveal(&card).await.unwrap();
    assert_eq!(vault.verify(&shown.pan, "2912", &shown.cvv2).await.cvv2(), Verification::Match);
    // The same life as with a file: rotated, rewrapped, retired, rekeyed, started again.
    assert_eq!(vault.rotate("kek").await.unwrap(), 2);
    vault.key_keeper().start_rewrap(StartRewrapRequest {}).await.unwrap();
    assert_eq!(vault.rewrapped().await.done, 1);
    vault.retire("kek", 1).await.unwrap();
    vault.custodian().rekey_vault(RekeyVaultRequest { shares: 0 }).await.unwrap();
    let second = vault.issue().await;
    vault.stop().await;
    let vault = place.resume_with(more).await;
    place.clock.advance(Duration::from_secs(601));
    assert_eq!(vault.reveal(&card).await.unwrap().pan, shown.pan);
    assert_eq!(vault.reveal(&second).await.unwrap().pan.len(), 16);
    vault.stop().await;
}

#[test]
fn the_root_key_never_leaves_the_module() {
    let Some(module) = module() else {
        eprintln!("NOT RUN: SoftHSM is not installed; `cargo xtask test --peers` installs it");
        return;
    };
    let database = bursar_testkit::TestDatabase::sqlite();
    let place = Place::new(&database);
    // In the child the environment names a configuration that the parent wrote.
    let more = if std::env::var_os("SOFTHSM2_CONF").is_some() {
        let folder = PathBuf::from(std::env::var_os("BURSAR_TEST_HSM_FOLDER").unwrap());
        vec![
            "seal.root=pkcs11".to_owned(),
            format!("pkcs11.module={}", module.display()),
            format!("pkcs11.pin_file={}", folder.join("pin").display()),
        ]
    } else {
        token(&place, &module)
    };
    if let Some(good) = in_a_process_of_its_own("it::hsm::the_root_key_never_leaves_the_module", &place) {
        assert!(good, "see above");
        return;
    }
    let more: Vec<&str> = more.iter().map(String::as_str).collect();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        works(&place, &more).await;
        // Another token's key opens nothing; a PIN that others can read is not used.
        let wrong = [more.as_slice(), &["pkcs11.token=another"]].concat();
        let refused = place.try_start(&wrong).await.unwrap_err();
        assert!(
            matches!(&refused, StartError::Configuration(text) if text.contains("no token")),
            "{refused}"
        );
    });
}
