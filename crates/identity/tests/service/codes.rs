//! One-time codes under attack and at their limits.

use std::sync::Arc;

use bursar_identity::Error;
use bursar_identity::auth::{Answer, Asked, Confirm};
use bursar_testkit::on_both_databases;
use bursar_types::{Failure as _, Reason};
use futures::future::join_all;

use crate::world::{BACKEND, PHONE, World, asked, other_code, request};

/// Guesses at once.
const GUESSES: usize = 1_000;

on_both_databases! {
    async fn of_a_thousand_guesses_at_once_five_are_judged(database: TestDatabase) {
        let world = Arc::new(World::new(&database).await);
        let started = world.begin(PHONE).await.unwrap();
        let right = world.notebook.code();
        let wrong = other_code(&right);
        let guesses = (0..GUESSES).map(|_| {
            let confirm = Confirm { sign_up_id: started.id, code: wrong.clone() };
            async { world.core.confirm_sign_up(asked(BACKEND), confirm).await.err().unwrap().reason() }
        });
        let answers = join_all(guesses).await;
        let count = |reason| answers.iter().filter(|answer| **answer == reason).count();
        assert_eq!(count(Reason::CodeWrong), 5, "{answers:?}");
        assert_eq!(count(Reason::CodeTriesExceeded), GUESSES - 5);
        let confirm = Confirm { sign_up_id: started.id, code: right };
        let late = world.core.confirm_sign_up(asked(BACKEND), confirm).await;
        assert!(matches!(late, Err(Error::CodeTriesExceeded)), "the right one comes too late");
    }

    async fn the_right_code_many_times_at_once_makes_one_customer(database: TestDatabase) {
        let world = World::new(&database).await;
        let started = world.begin(PHONE).await.unwrap();
        let confirm = Confirm { sign_up_id: started.id, code: world.notebook.code() };
        let tries = (0..5).map(|_| world.core.confirm_sign_up(asked(BACKEND), confirm.clone()));
        let won = join_all(tries).await.into_iter().filter(Result::is_ok).count();
        assert_eq!(won, 1);
        let registered = world.event_types().await.iter().filter(|name| *name == "customer.registered").count();
        assert_eq!(registered, 1);
    }

    async fn a_code_ends_after_five_minutes(database: TestDatabase) {
        let world = World::new(&database).await;
        let started = world.begin(PHONE).await.unwrap();
        let confirm = Confirm { sign_up_id: started.id, code: world.notebook.code() };
        world.pass(300);
        let outcome = world.core.confirm_sign_up(asked(BACKEND), confirm).await;
        assert!(matches!(outcome, Err(Error::CodeExpired)));
    }

    async fn the_next_code_comes_after_a_minute_and_ten_a_day(database: TestDatabase) {
        let world = World::new(&database).await;
        world.begin(PHONE).await.unwrap();
        for wait in [0, 30] {
            world.pass(wait);
            let error = world.begin(PHONE).await.unwrap_err();
            assert_eq!(error.reason(), Reason::RateLimited);
            assert_eq!(error.retry_after().unwrap().as_secs(), 60 - wait);
        }
        world.pass(30);
        for sent in 2..=10 {
            world.begin(PHONE).await.unwrap();
            assert_eq!(world.notebook.count(), sent);
            world.pass(60);
        }
        let error = world.begin(PHONE).await.unwrap_err();
        assert_eq!(error.reason(), Reason::RateLimited);
        // Until the first of the ten is a day old: ten minutes of waits have passed since it.
        assert_eq!(error.retry_after().unwrap().as_secs(), 24 * 3600 - 600);
        assert_eq!(world.notebook.count(), 10);
        world.begin("+8613800138022").await.expect("the limit is the phone's");
        world.pass(24 * 3600 - 600);
        world.begin(PHONE).await.unwrap();
    }

    async fn sends_that_fail_count_for_the_day_too(database: TestDatabase) {
        let world = World::new(&database).await;
        world.notebook.away.store(10, std::sync::atomic::Ordering::SeqCst);
        let once = Asked { principal: BACKEND, request_id: request() };
        for _ in 0..10 {
            let error = world.core.sign_up(once, crate::world::sign_up(PHONE)).await.unwrap_err();
            assert_eq!(error.reason(), Reason::PeerUnavailable);
        }
        let error = world.core.sign_up(once, crate::world::sign_up(PHONE)).await.unwrap_err();
        assert_eq!(error.reason(), Reason::RateLimited, "a repetition is no way around the limit");
    }

    async fn a_send_that_certainly_failed_is_given_back(database: TestDatabase) {
        let world = World::new(&database).await;
        world.notebook.unreached.store(true, std::sync::atomic::Ordering::SeqCst);
        let once = Asked { principal: BACKEND, request_id: request() };
        for _ in 0..11 {
            let error = world.core.sign_up(once, crate::world::sign_up(PHONE)).await.unwrap_err();
            assert_eq!(error.reason(), Reason::PeerUnavailable);
        }
        world.notebook.unreached.store(false, std::sync::atomic::Ordering::SeqCst);
        let started = world.core.sign_up(once, crate::world::sign_up(PHONE)).await.unwrap();
        let confirm = Confirm { sign_up_id: started.id, code: world.notebook.code() };
        world.core.confirm_sign_up(asked(BACKEND), confirm).await.expect("the last code is the one that counts");
    }

    async fn a_step_up_tells_in_the_token_when_it_was(database: TestDatabase) {
        let world = World::new(&database).await;
        world.join(PHONE).await;
        let logged_in = world.log_in(PHONE, crate::world::PASSWORD).await.unwrap();
        let claims = world.claims(&logged_in.tokens.access_token);
        assert_eq!(claims.second_factor_at, None, "a password alone is one factor");

        let once = Asked { principal: "customer/x", request_id: request() };
        let started = world.core.start_step_up(once, &claims).await.unwrap();
        assert_eq!(world.core.start_step_up(once, &claims).await.unwrap(), started);
        assert_eq!(world.notebook.count(), 2, "one for the sign-up, one for the step-up");
        let answer = Answer { challenge_id: started.id, code: world.notebook.code() };
        let wrong = Answer { code: other_code(&answer.code), ..answer.clone() };
        let outcome = world.core.complete_step_up(asked("customer/x"), &claims, wrong).await;
        assert!(matches!(outcome, Err(Error::CodeWrong)));

        // Another session of the same customer cannot use the challenge.
        let other = world.log_in(PHONE, crate::world::PASSWORD).await.unwrap();
        let others = world.claims(&other.tokens.access_token);
        let outcome = world.core.complete_step_up(asked("customer/x"), &others, answer.clone()).await;
        assert!(matches!(outcome, Err(Error::CodeExpired)));

        world.pass(7);
        let completes = Asked { principal: "customer/x", request_id: request() };
        let stepped = world.core.complete_step_up(completes, &claims, answer.clone()).await.unwrap();
        let at = world.claims(&stepped.access_token).second_factor_at;
        assert_eq!(at, Some(crate::world::START.plus(std::time::Duration::from_secs(7))));
        world.pass(5);
        let again = world.core.complete_step_up(completes, &claims, answer.clone()).await.unwrap();
        assert_eq!(world.claims(&again.access_token).second_factor_at, at, "a repetition shows no new factor");
        let outcome = world.core.complete_step_up(asked("customer/x"), &claims, answer).await;
        assert!(matches!(outcome, Err(Error::CodeExpired)), "a code works once");

        let refreshed = world.core.refresh_session(&logged_in.tokens.refresh_token).await.unwrap();
        assert_eq!(world.claims(&refreshed.access_token).second_factor_at, at);
    }
}
