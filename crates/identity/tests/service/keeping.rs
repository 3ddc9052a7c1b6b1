//! What is kept, how, and for how long.

use std::sync::atomic::Ordering;

use bursar_identity::Error;
use bursar_identity::auth::Asked;
use bursar_identity::customer::Locale;
use bursar_identity::kyc::document::DocumentKind;
use bursar_service::db::{AssertSqlSafe, DbError, Dialect};
use bursar_testkit::on_both_databases;
use bursar_types::{Failure as _, Reason};
use data_encoding::HEXLOWER;

use crate::world::{
    ADDRESS, BORN, ID_NUMBER, NAME, OPERATOR, PASSWORD, PHONE, World, asked, folder, png, request,
};

impl World {
    /// Every row of every table as text, bytes in hexadecimal.
    async fn dump(&self) -> String {
        let dialect = self.db.dialect();
        let tables = match dialect {
            Dialect::Postgres => {
                "SELECT tablename AS name FROM pg_tables WHERE schemaname = 'public' ORDER BY 1"
            }
            Dialect::Sqlite => "SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY 1",
        };
        self.db
            .read(|tx| {
                Box::pin(async move {
                    let mut dump = String::new();
                    for table in tx.query(tables).fetch_all().await? {
                        let table: String = table.get("name")?;
                        let statement = match dialect {
                            Dialect::Postgres => format!("SELECT t::text AS line FROM {table} t"),
                            Dialect::Sqlite => {
                                let columns = format!("SELECT name FROM pragma_table_info('{table}')");
                                let mut parts = Vec::new();
                                for column in tx.query(AssertSqlSafe(columns)).fetch_all().await? {
                                    let column: String = column.get("name")?;
                                    parts.push(format!(
                                        "CASE typeof({column}) WHEN 'blob' THEN lower(hex({column}))
                                         ELSE coalesce(CAST({column} AS TEXT), '') END"
                                    ));
                                }
                                format!("SELECT {} AS line FROM {table}", parts.join(" || ' ' || "))
                            }
                        };
                        for row in tx.query(AssertSqlSafe(statement)).fetch_all().await? {
                            dump.push_str(&row.get::<String>("line")?);
                            dump.push('\n');
                        }
                    }
                    Ok::<_, DbError>(dump)
                })
            })
            .await
            .unwrap()
    }
}

on_both_databases! {
    async fn a_dump_of_the_database_names_nobody(database: TestDatabase) {
        let world = World::new(&database).await;
        let (customer, case) = world.waiting_case().await;
        let code = world.notebook.code();
        world.core.claim_case(asked(OPERATOR), case, "Chen").await.unwrap();
        let tokens = world.log_in(PHONE, PASSWORD).await.unwrap().tokens;
        let selfie = png(format!("{customer} selfie").as_bytes());

        let dump = world.dump().await;
        assert!(dump.contains(&customer.to_string()), "the dump is one");
        let secrets = [
            PHONE, &PHONE[3..], ID_NUMBER, NAME, BORN, ADDRESS, PASSWORD, &tokens.refresh_token, "selfie IEND",
            // With its neighbours: six digits alone stand in many a number.
            &format!("\"{}\"", code.expose()), &format!(",{},", code.expose()), &format!(" {} ", code.expose()),
        ];
        for secret in secrets {
            assert!(!dump.contains(secret), "{secret} stands in plain");
            assert!(!dump.contains(&HEXLOWER.encode(secret.as_bytes())), "{secret} stands in plain bytes");
        }
        assert!(!dump.contains(&HEXLOWER.encode(&selfie)), "an image stands in plain");
        let digest = HEXLOWER.encode(&crate::world::sha256(&selfie));
        assert!(!dump.contains(&digest), "whoever has the image could find its owner");

        for event in world.events().await {
            let text = String::from_utf8_lossy(&event.data.unwrap().value).into_owned();
            for secret in [PHONE, &PHONE[3..], ID_NUMBER, NAME, BORN, code.expose()] {
                assert!(!text.contains(secret), "{} tells {secret}", event.r#type);
            }
        }
    }

    async fn a_document_comes_back_as_it_was_and_the_trail_knows_who_looked(database: TestDatabase) {
        let world = World::new(&database).await;
        let customer = world.join(PHONE).await.customer.customer_id;
        let case = world.apply(customer).await.unwrap().case_id;
        let image = png(&vec![7; 700_000]);
        let row = world.upload(customer, case, DocumentKind::Selfie, &image).await.unwrap();
        let early = world.core.download_document(OPERATOR, row.document_id, "curious").await.err().unwrap();
        assert_eq!(early.reason(), Reason::NotFound, "a draft is its customer's alone");
        world.upload(customer, case, DocumentKind::Passport, &png(b"passport")).await.unwrap();
        world.core.submit_application(asked("x"), customer, case).await.unwrap();

        let mut download = world.core.download_document(OPERATOR, row.document_id, "review").await.unwrap();
        let mut bytes = Vec::new();
        while let Some(part) = download.next_part().await.unwrap() {
            assert!(part.len() <= 64 * 1024);
            bytes.extend(part);
        }
        assert!(bytes == image);
        let looks = (0..8).map(|_| world.core.download_document(OPERATOR, row.document_id, "again"));
        for look in futures::future::join_all(looks).await {
            look.expect("several may look at once");
        }
        let trail = world
            .db
            .read(|tx| Box::pin(async move { bursar_identity::store::cases::trail(tx, case, 100).await }))
            .await
            .map_err(|error: DbError| error)
            .unwrap();
        let views = trail.iter().filter(|(actor, action)| actor == OPERATOR && action == "VIEW_DOCUMENT").count();
        assert_eq!(views, 9);
    }

    async fn an_image_that_is_moved_to_another_document_is_noticed(database: TestDatabase) {
        let world = World::new(&database).await;
        let (customer, case) = world.waiting_case().await;
        let documents = world.core.application(customer, case).await.unwrap().documents;
        let (one, two) = (documents[0].document_id, documents[1].document_id);
        world
            .db
            .write(|tx| {
                Box::pin(async move {
                    tx.query("DELETE FROM document_chunks WHERE document_id = $1").bind_id(one).execute().await?;
                    tx.query("UPDATE document_chunks SET document_id = $1 WHERE document_id = $2")
                        .bind_id(one)
                        .bind_id(two)
                        .execute()
                        .await
                })
            })
            .await
            .map_err(|error: DbError| error)
            .unwrap();
        let mut download = world.core.download_document(OPERATOR, one, "review").await.unwrap();
        assert_eq!(download.next_part().await.err().unwrap().reason(), Reason::DataCorrupt);
    }

    async fn recipients_are_told_until_they_are_known(database: TestDatabase) {
        let world = World::new(&database).await;
        let customer = world.join(PHONE).await.customer.customer_id;
        world.notebook.away.store(1, Ordering::SeqCst);
        assert_eq!(world.core.tell_pending_recipients().await.err().unwrap().reason(), Reason::PeerUnavailable);
        assert_eq!(world.core.tell_pending_recipients().await.unwrap(), 1);
        assert_eq!(world.core.tell_pending_recipients().await.unwrap(), 0);
        let recipients = world.notebook.recipients.lock().unwrap();
        let told = recipients.first().unwrap();
        assert_eq!((told.customer_id, told.phone.expose(), told.locale), (customer, PHONE, Locale::ZhCn));
        assert_eq!(recipients.len(), 1);
    }

    async fn another_master_key_is_refused_at_the_start(database: TestDatabase) {
        let world = World::new(&database).await;
        let error = World::with(&database, folder(), &[]).await.err().expect("another key is refused");
        assert_eq!(error.exit_code(), 64);
        assert!(error.to_string().contains("keys.master_file"), "{error}");
        let same = World::with(&database, world.folder, &[]).await;
        assert!(same.is_ok());
    }

    async fn sign_ups_that_came_to_nothing_are_forgotten(database: TestDatabase) {
        let world = World::new(&database).await;
        let kept = world.join(PHONE).await.customer.customer_id;
        let once = Asked { principal: "x", request_id: request() };
        world.core.sign_up(once, crate::world::sign_up("+8613800138022")).await.unwrap();
        world.pass(3 * 24 * 3600);
        world.core.keep_house().await.unwrap();
        let dump = world.dump().await;
        assert!(!dump.contains("chal_") && dump.matches("$argon2id$").count() == 1, "{dump}");
        world.core.customer(kept).await.expect("the key of a customer stays");
        let late = world.core.sign_up(once, crate::world::sign_up("+8613800138022")).await;
        assert!(matches!(late, Err(Error::CodeExpired)));
    }
}
