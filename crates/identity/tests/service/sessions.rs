//! Logins, lock-outs, refresh tokens and the end of sessions.

use std::time::Duration;

use bursar_identity::auth::{Asked, LoggedIn};
use bursar_identity::{Error, password::Password};
use bursar_testkit::on_both_databases;
use bursar_types::{Failure as _, Reason};
use futures::future::join_all;

use crate::world::{BACKEND, PASSWORD, PHONE, World, asked, request};

const NOBODYS: &str = "+8613800138099";

fn reason(outcome: Result<LoggedIn, Error>) -> Reason {
    outcome.err().expect("a refusal").reason()
}

on_both_databases! {
    async fn known_and_unknown_phones_are_answered_alike(database: TestDatabase) {
        let world = World::new(&database).await;
        world.join(PHONE).await;
        for tries in 1..=8 {
            let known = world.log_in(PHONE, "wrong-horse-battery").await.err().unwrap();
            let unknown = world.log_in(NOBODYS, "wrong-horse-battery").await.err().unwrap();
            assert_eq!((known.reason(), known.retry_after()), (unknown.reason(), unknown.retry_after()));
            let wanted = if tries <= 5 { Reason::CredentialsWrong } else { Reason::LoginLocked };
            assert_eq!(known.reason(), wanted, "try {tries}");
        }
    }

    async fn the_wait_after_five_wrong_passwords_doubles_and_ends(database: TestDatabase) {
        let world = World::new(&database).await;
        world.join(PHONE).await;
        for _ in 0..5 {
            assert_eq!(reason(world.log_in(PHONE, "wrong-horse-battery").await), Reason::CredentialsWrong);
        }
        for wait in [5, 10, 20] {
            let locked = world.log_in(PHONE, PASSWORD).await.err().unwrap();
            assert_eq!(locked.reason(), Reason::LoginLocked, "not even the right one is judged");
            assert_eq!(locked.retry_after(), Some(Duration::from_secs(wait)));
            world.pass(wait);
            assert_eq!(reason(world.log_in(PHONE, "wrong-horse-battery").await), Reason::CredentialsWrong);
        }
        world.pass(40);
        world.log_in(PHONE, PASSWORD).await.unwrap();
        for _ in 0..4 {
            assert_eq!(reason(world.log_in(PHONE, "wrong-horse-battery").await), Reason::CredentialsWrong);
        }
        world.log_in(PHONE, PASSWORD).await.expect("the right password forgave the others");
    }

    async fn of_many_wrong_passwords_at_once_five_are_judged(database: TestDatabase) {
        let world = World::new(&database).await;
        world.join(PHONE).await;
        let answers = join_all((0..60).map(|_| world.log_in(PHONE, "wrong-horse-battery"))).await;
        let judged = answers.into_iter().filter(|answer| matches!(answer, Err(Error::CredentialsWrong))).count();
        assert_eq!(judged, 5);
    }

    async fn a_repeated_login_opens_another_session(database: TestDatabase) {
        let world = World::new(&database).await;
        world.join(PHONE).await;
        let once = Asked { principal: BACKEND, request_id: request() };
        let log_in = bursar_identity::auth::LogIn {
            phone: bursar_identity::phone::Phone::parse(PHONE).unwrap(),
            password: Password::parse(PASSWORD).unwrap(),
        };
        let first = world.core.log_in(once, log_in.clone()).await.unwrap();
        let second = world.core.log_in(once, log_in).await.unwrap();
        assert_ne!(first.tokens.session_id, second.tokens.session_id);
        assert_eq!(first.customer.customer_id, second.customer.customer_id);
    }

    async fn a_hash_of_another_cost_is_made_anew_at_the_login(database: TestDatabase) {
        let world = World::new(&database).await;
        let before = world.join(PHONE).await.customer.password_hash;
        let dearer = World::with(&database, world.folder, &["password.iterations=2"]).await.unwrap();
        dearer.log_in(PHONE, PASSWORD).await.unwrap();
        let after = dearer.log_in(PHONE, PASSWORD).await.unwrap().customer.password_hash;
        assert!(before.contains("t=1") && after.contains("t=2"), "{before} {after}");
    }

    async fn a_refresh_token_works_once_and_its_second_use_ends_the_session(database: TestDatabase) {
        let world = World::new(&database).await;
        let tokens = world.join(PHONE).await.tokens;
        let claims = world.claims(&tokens.access_token);
        let second = world.core.refresh_session(&tokens.refresh_token).await.unwrap();
        assert_eq!(second.session_id, tokens.session_id);
        world.core.check_session(&claims).await.unwrap();

        let stolen = world.core.refresh_session(&tokens.refresh_token).await;
        assert!(matches!(stolen, Err(Error::RefreshTokenReused)));
        assert!(matches!(world.core.refresh_session(&second.refresh_token).await, Err(Error::SessionRevoked)));
        assert!(matches!(world.core.check_session(&claims).await, Err(Error::SessionRevoked)));
        let again = world.core.refresh_session(&tokens.refresh_token).await;
        assert!(matches!(again, Err(Error::RefreshTokenReused)));
        let unknown = world.core.refresh_session("no-such-token").await;
        assert!(matches!(unknown, Err(Error::RefreshTokenInvalid)));

        let events = world.events().await;
        let closed: Vec<_> = events.iter().filter(|event| event.r#type == "identity.session.closed").collect();
        assert_eq!(closed.len(), 1, "the end of a session is told once");
        let data = closed[0].data.as_ref().unwrap();
        assert!(String::from_utf8_lossy(&data.value).contains("refresh_token_reused"));
    }

    async fn one_refresh_token_many_times_at_once_gives_at_most_one_pair(database: TestDatabase) {
        let world = World::new(&database).await;
        let token = world.join(PHONE).await.tokens.refresh_token;
        let outcomes = join_all((0..8).map(|_| world.core.refresh_session(&token))).await;
        assert!(outcomes.iter().filter(|outcome| outcome.is_ok()).count() <= 1);
        assert!(outcomes.iter().any(|outcome| matches!(outcome, Err(Error::RefreshTokenReused))));
    }

    async fn tokens_and_sessions_end_at_their_time(database: TestDatabase) {
        let world = World::new(&database).await;
        let tokens = world.join(PHONE).await.tokens;
        assert_eq!(tokens.access_expires_at, crate::world::START.plus(Duration::from_secs(600)));
        world.pass(30 * 24 * 3600);
        let late = world.core.refresh_session(&tokens.refresh_token).await;
        assert!(matches!(late, Err(Error::RefreshTokenInvalid)));
        world.pass(60 * 24 * 3600);
        world.core.keep_house().await.unwrap();
        assert_eq!(world.event_types().await.last().map(String::as_str), Some("session.closed"));
        world.core.keep_house().await.unwrap();
        assert_eq!(world.event_types().await.len(), 3, "once");
    }

    async fn a_logout_ends_the_session_once(database: TestDatabase) {
        let world = World::new(&database).await;
        let tokens = world.join(PHONE).await.tokens;
        let claims = world.claims(&tokens.access_token);
        let once = Asked { principal: "customer/x", request_id: request() };
        world.core.log_out(once, &claims).await.unwrap();
        world.core.log_out(once, &claims).await.unwrap();
        world.core.log_out(asked("customer/x"), &claims).await.unwrap();
        assert!(matches!(world.core.check_session(&claims).await, Err(Error::SessionRevoked)));
        assert!(matches!(world.core.refresh_session(&tokens.refresh_token).await, Err(Error::SessionRevoked)));
        assert_eq!(world.event_types().await, ["customer.registered", "session.opened", "session.closed"]);
    }
}
