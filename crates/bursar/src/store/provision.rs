//! A database for each service: a file each, or on PostgreSQL one database and one role each.

use std::collections::HashMap;
use std::fs;

use bursar_proto::access::Identity;
use bursar_types::{Entropy, OsEntropy};
use data_encoding::HEXLOWER;
use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, Executor as _, PgConnection, Row as _};

use crate::exit::Exit;
use crate::platform::{Layout, SERVICES};

/// The database URL of each service; holds passwords, so it is never printed.
pub(crate) struct Databases(HashMap<Identity, String>);

impl Databases {
    /// The URL of the service's database.
    pub(crate) fn url(&self, service: Identity) -> &str {
        self.0.get(&service).map_or("", String::as_str)
    }
}

/// A file a service in the platform's folder.
pub(crate) fn embedded(layout: &Layout) -> Databases {
    Databases(
        SERVICES
            .iter()
            .map(|service| (*service, format!("sqlite://{}", layout.database(*service).display())))
            .collect(),
    )
}

/// One database and one role a service, made where they are missing. The roles' passwords are made here, kept in the
/// platform's folder, and set again at each start.
pub(crate) async fn postgres(url: &str, prefix: &str, layout: &Layout) -> Result<Databases, Exit> {
    let options: PgConnectOptions = url.parse().map_err(|error| {
        Exit::usage(format!("--database-url: {error}; give postgres://ROLE:PASSWORD@HOST:PORT/DATABASE"))
    })?;
    let well_formed = !prefix.is_empty()
        && prefix.len() <= 32
        && prefix.starts_with(|c: char| c.is_ascii_lowercase())
        && prefix.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
    if !well_formed {
        return Err(Exit::usage("--database-prefix: give 1 to 32 of a-z, 0-9 and _, a letter first"));
    }
    let mut admin = PgConnection::connect_with(&options).await.map_err(|error| connect_failure(&error))?;
    let may_create_roles = may_create_roles(&mut admin).await?;
    let mut urls = HashMap::new();
    for service in SERVICES {
        let name = format!("{prefix}_{service}");
        let own = if may_create_roles {
            // A role that is there and whose password is not in this folder is another platform's: setting a new
            // password would shut that one out.
            let foreign = !layout.key(&format!("{service}-database")).exists()
                && exists(&mut admin, "SELECT 1 FROM pg_roles WHERE rolname = $1", &name).await?;
            if foreign {
                return Err(Exit::usage(format!(
                    "role {name} belongs to a platform in another folder: name that folder with --data, or choose another --database-prefix"
                )));
            }
            let password = password(layout, service)?;
            role(&mut admin, &name, &password).await?;
            database(&mut admin, &name, Some(&name)).await?;
            options.clone().username(&name).password(&password).database(&name)
        } else {
            // A role that may not make roles can still own the databases, if somebody made them for it.
            database(&mut admin, &name, None).await?;
            options.clone().database(&name)
        };
        urls.insert(service, own.to_url_lossy().to_string());
    }
    let _ = admin.close().await;
    Ok(Databases(urls))
}

/// Takes away what [`postgres`] made under this prefix, with all that is in it. What cannot be taken away stays.
pub(crate) async fn remove(url: &str, prefix: &str) {
    let Ok(options) = url.parse::<PgConnectOptions>() else { return };
    let Ok(mut admin) = PgConnection::connect_with(&options).await else { return };
    for service in SERVICES {
        for statement in [
            format!("DROP DATABASE IF EXISTS \"{prefix}_{service}\" WITH (FORCE)"),
            format!("DROP ROLE IF EXISTS \"{prefix}_{service}\""),
        ] {
            let _ = admin.execute(AssertSqlSafe(statement)).await;
        }
    }
    let _ = admin.close().await;
}

fn connect_failure(error: &sqlx::Error) -> Exit {
    match error {
        sqlx::Error::Database(refused) if matches!(refused.code().as_deref(), Some("28P01" | "28000")) => {
            Exit::usage("PostgreSQL refuses the role or its password: correct --database-url")
        }
        sqlx::Error::Database(refused) if refused.code().as_deref() == Some("3D000") => Exit::usage(
            "the database named in --database-url does not exist: name one that does, such as `postgres`",
        ),
        other => Exit::unavailable(format!(
            "PostgreSQL cannot be reached: {other}; start it, or correct --database-url"
        )),
    }
}

fn failed(what: &str, error: &sqlx::Error) -> Exit {
    Exit::unavailable(format!("PostgreSQL: {what}: {error}"))
}

async fn may_create_roles(admin: &mut PgConnection) -> Result<bool, Exit> {
    sqlx::query("SELECT rolcreaterole OR rolsuper AS may FROM pg_roles WHERE rolname = current_user")
        .fetch_one(admin)
        .await
        .and_then(|row| row.try_get("may"))
        .map_err(|error| failed("the rights of the role cannot be read", &error))
}

async fn exists(admin: &mut PgConnection, query: &'static str, name: &str) -> Result<bool, Exit> {
    let found = sqlx::query(query).bind(name).fetch_optional(admin).await;
    found.map(|row| row.is_some()).map_err(|error| failed("the catalogue cannot be read", &error))
}

/// Names come from a checked prefix and a fixed list, passwords from 64 hexadecimal digits: neither can hold a quote.
async fn role(admin: &mut PgConnection, name: &str, password: &str) -> Result<(), Exit> {
    let there = exists(admin, "SELECT 1 FROM pg_roles WHERE rolname = $1", name).await?;
    let verb = if there { "ALTER" } else { "CREATE" };
    let statement =
        format!("{verb} ROLE \"{name}\" LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE PASSWORD '{password}'");
    admin
        .execute(AssertSqlSafe(statement))
        .await
        .map(|_| ())
        .map_err(|error| failed(&format!("role {name} cannot be made"), &error))?;
    // A database can only be given to a role one is a member of (PostgreSQL 16 and later grant it at creation).
    let grant = format!("GRANT \"{name}\" TO CURRENT_USER");
    admin
        .execute(AssertSqlSafe(grant))
        .await
        .map(|_| ())
        .map_err(|error| failed(&format!("role {name} cannot be used"), &error))
}

async fn database(admin: &mut PgConnection, name: &str, owner: Option<&str>) -> Result<(), Exit> {
    if exists(admin, "SELECT 1 FROM pg_database WHERE datname = $1", name).await? {
        return Ok(());
    }
    let owner = owner.map(|owner| format!(" OWNER \"{owner}\"")).unwrap_or_default();
    let made = admin.execute(AssertSqlSafe(format!("CREATE DATABASE \"{name}\"{owner}"))).await;
    made.map_err(|error| {
        Exit::usage(format!(
            "database {name} cannot be made: {error}; let the role of --database-url create databases and roles, or make the five databases for it"
        ))
    })?;
    let private = format!("REVOKE ALL ON DATABASE \"{name}\" FROM PUBLIC");
    admin
        .execute(AssertSqlSafe(private))
        .await
        .map(|_| ())
        .map_err(|error| failed("rights cannot be set", &error))
}

/// The password of a service's role: 256 random bits, made once.
fn password(layout: &Layout, service: Identity) -> Result<String, Exit> {
    let path = layout.key(&format!("{service}-database"));
    if let Ok(password) = fs::read_to_string(&path) {
        return Ok(password.trim().to_owned());
    }
    let mut random = [0_u8; 32];
    OsEntropy.fill(&mut random);
    let password = HEXLOWER.encode(&random);
    crate::platform::write_private(&path, password.as_bytes())?;
    Ok(password)
}
