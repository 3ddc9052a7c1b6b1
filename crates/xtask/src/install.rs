//! What the tests need and can be installed: asked for where it is missing, never skipped in silence.

use std::fs;
use std::path::PathBuf;

use crate::run::{command, exists, root, say, step};

/// PostgreSQL's own programs, of any version from 14 on.
const POSTGRES_PACKAGE: &str = "postgresql";

/// Whether `initdb` is on the path or where Debian puts it.
fn has_postgres() -> bool {
    exists("initdb")
        || fs::read_dir("/usr/lib/postgresql").is_ok_and(|versions| {
            versions.flatten().any(|version| version.path().join("bin/initdb").exists())
        })
}

/// Makes sure that the programs of PostgreSQL are there.
pub(crate) fn postgres() -> Result<(), String> {
    if has_postgres() {
        return Ok(());
    }
    debian(&[POSTGRES_PACKAGE])?;
    if has_postgres() { Ok(()) } else { Err("PostgreSQL was installed and its initdb is not found".into()) }
}

/// Installs Debian packages, if this machine has such and we may; else says the command to type.
pub(crate) fn debian(packages: &[&str]) -> Result<(), String> {
    let typed = format!("apt-get update && apt-get install --yes {}", packages.join(" "));
    let may = exists("apt-get") && is_root();
    if !may {
        return Err(format!("needed and not here: {}; type: sudo sh -c '{typed}'", packages.join(", ")));
    }
    step("package lists", command("apt-get", &["update", "--quiet", "--quiet"]))?;
    let mut arguments = vec!["install", "--yes", "--quiet", "--quiet", "--no-install-recommends"];
    arguments.extend_from_slice(packages);
    let mut install = command("apt-get", &arguments);
    install.env("DEBIAN_FRONTEND", "noninteractive");
    step(&format!("installing {}", packages.join(", ")), install)
}

/// Root owns its own `/proc/self`.
fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt as _;
    fs::metadata("/proc/self").is_ok_and(|me| me.uid() == 0)
}

/// A folder for what the peers need, inside `target/` so that it is never committed.
pub(crate) fn peers_folder() -> PathBuf {
    root().join("target/peers")
}

/// A Python environment with these packages; gives its interpreter.
pub(crate) fn python(packages: &[&str]) -> Result<PathBuf, String> {
    let folder = peers_folder().join("python");
    let interpreter = folder.join("bin/python");
    if !interpreter.exists() {
        let folder = folder.to_string_lossy().into_owned();
        let made = step("a Python environment", command("python3", &["-m", "venv", &folder]));
        if made.is_err() {
            debian(&["python3", "python3-venv"])?;
            step("a Python environment", command("python3", &["-m", "venv", &folder]))?;
        }
    }
    let mut arguments = vec!["-m", "pip", "install", "--quiet", "--disable-pip-version-check"];
    arguments.extend_from_slice(packages);
    let program = interpreter.to_string_lossy().into_owned();
    step(&format!("installing {}", packages.join(", ")), command(&program, &arguments))?;
    Ok(interpreter)
}

/// A program of an npm package; gives its path.
pub(crate) fn npm(package: &str, program: &str) -> Result<PathBuf, String> {
    let folder = peers_folder().join("npm");
    fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    if !exists("npm") {
        debian(&["npm"])?;
    }
    let prefix = folder.to_string_lossy().into_owned();
    let install =
        command("npm", &["install", "--silent", "--no-fund", "--no-audit", "--prefix", &prefix, package]);
    step(&format!("installing {package}"), install)?;
    Ok(folder.join("node_modules/.bin").join(program))
}

/// Makes sure that a cargo subcommand of this version is there; building it takes minutes, so one that is stays.
pub(crate) fn cargo(package: &str, version: &str) -> Result<(), String> {
    let answer = command(package, &["--version"]).output();
    if answer.is_ok_and(|answer| String::from_utf8_lossy(&answer.stdout).contains(version)) {
        return Ok(());
    }
    say(&format!("building {package} {version}: the first time takes a few minutes"));
    let arguments = ["install", "--locked", "--quiet", "--debug", package, "--version", version];
    step(&format!("installing {package}"), command("cargo", &arguments))
}
