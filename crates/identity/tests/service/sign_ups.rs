//! Sign-up: what it makes, what a repetition does, and what it does not tell.

use std::sync::atomic::Ordering;

use bursar_identity::auth::{Asked, Confirm, SignUp};
use bursar_identity::customer::{CustomerState, Locale};
use bursar_identity::messenger::Message;
use bursar_identity::password::Password;
use bursar_identity::{Error, phone::Phone};
use bursar_testkit::on_both_databases;
use bursar_types::{Failure as _, Reason};

use crate::world::{BACKEND, PASSWORD, PHONE, START, World, asked, other_code, request, sign_up};

on_both_databases! {
    async fn a_proved_phone_becomes_a_customer_with_a_session(database: TestDatabase) {
        let world = World::new(&database).await;
        let started = world.begin(PHONE).await.unwrap();
        assert_eq!(started.code_expires_at, START.plus(std::time::Duration::from_secs(300)));
        let sent = world.notebook.last();
        assert_eq!((sent.phone.expose(), sent.locale, sent.expires_at), (PHONE, Locale::ZhCn, started.code_expires_at));

        let confirm = Confirm { sign_up_id: started.id, code: world.notebook.code() };
        let logged_in = world.core.confirm_sign_up(asked(BACKEND), confirm).await.unwrap();
        assert_eq!(logged_in.customer.state, CustomerState::Unverified);
        let claims = world.claims(&logged_in.tokens.access_token);
        assert_eq!(claims.customer_id, logged_in.customer.customer_id);
        assert_eq!(claims.second_factor_at, Some(START), "the code that proved the phone is a second factor");
        let view = world.core.customer(claims.customer_id).await.unwrap();
        assert_eq!((view.masked_phone.as_str(), view.full_name.as_str()), ("+86*********21", ""));
        assert_eq!(world.event_types().await, ["customer.registered", "session.opened"]);
    }

    async fn a_repetition_is_the_same_sign_up_and_sends_nothing(database: TestDatabase) {
        let world = World::new(&database).await;
        let asked = Asked { principal: BACKEND, request_id: request() };
        let first = world.core.sign_up(asked, sign_up(PHONE)).await.unwrap();
        assert_eq!(world.core.sign_up(asked, sign_up(PHONE)).await.unwrap(), first);
        assert_eq!(world.notebook.count(), 1);

        let others = [
            SignUp { password: Password::parse("another-horse-battery").unwrap(), ..sign_up(PHONE) },
            SignUp { locale: Locale::En, ..sign_up(PHONE) },
            SignUp { phone: Phone::parse("+8613800138022").unwrap(), ..sign_up(PHONE) },
        ];
        for other in others {
            let error = world.core.sign_up(asked, other).await.unwrap_err();
            assert_eq!(error.reason(), Reason::RequestIdReused, "{error}");
        }
        assert_eq!(world.notebook.count(), 1);
    }

    async fn a_code_that_is_not_known_to_be_sent_is_made_anew_by_the_repetition(database: TestDatabase) {
        let world = World::new(&database).await;
        let asked_once = Asked { principal: BACKEND, request_id: request() };
        world.notebook.away.store(1, Ordering::SeqCst);
        let error = world.core.sign_up(asked_once, sign_up(PHONE)).await.unwrap_err();
        assert_eq!(error.reason(), Reason::PeerUnavailable);
        assert!(error.reason().retryable());

        let started = world.core.sign_up(asked_once, sign_up(PHONE)).await.unwrap();
        assert_eq!(world.notebook.count(), 1);
        let confirm = Confirm { sign_up_id: started.id, code: world.notebook.code() };
        world.core.confirm_sign_up(asked(BACKEND), confirm).await.unwrap();
    }

    async fn a_repeated_confirmation_is_the_same_customer_with_another_session(database: TestDatabase) {
        let world = World::new(&database).await;
        let started = world.begin(PHONE).await.unwrap();
        let confirm = Confirm { sign_up_id: started.id, code: world.notebook.code() };
        let once = Asked { principal: BACKEND, request_id: request() };
        let first = world.core.confirm_sign_up(once, confirm.clone()).await.unwrap();
        world.pass(299);
        let again = world.core.confirm_sign_up(once, confirm.clone()).await.unwrap();
        assert_eq!(again.customer.customer_id, first.customer.customer_id);
        assert_ne!(again.tokens.session_id, first.tokens.session_id);
        assert_eq!(world.claims(&again.tokens.access_token).second_factor_at, Some(START));

        let other_request = world.core.confirm_sign_up(asked(BACKEND), confirm.clone()).await;
        assert!(matches!(other_request, Err(Error::CodeExpired)), "a code works once");
        let other_code = Confirm { code: other_code(&confirm.code), ..confirm.clone() };
        let error = world.core.confirm_sign_up(once, other_code).await.err().unwrap();
        assert_eq!(error.reason(), Reason::RequestIdReused);
        world.pass(1);
        let late = world.core.confirm_sign_up(once, confirm).await;
        assert!(matches!(late, Err(Error::CodeExpired)), "a repetition is no way to log in for ever");
        assert_eq!(world.event_types().await, ["customer.registered", "session.opened", "session.opened"]);
    }

    async fn a_known_phone_gets_the_same_answers_and_its_owner_a_notice(database: TestDatabase) {
        let world = World::new(&database).await;
        world.join(PHONE).await;
        world.pass(61);
        let before = world.notebook.count();
        let known = world.begin(PHONE).await.unwrap();
        let unknown = world.begin("+8613800138022").await.unwrap();
        assert_eq!(known.code_expires_at, unknown.code_expires_at);
        assert_eq!(known.id.to_string().len(), unknown.id.to_string().len());
        assert_eq!(world.notebook.count(), before + 2);
        assert!(world.notebook.messages.lock().unwrap()[before].message == Message::AccountExists);

        let wrong = other_code(&world.notebook.code());
        for tries in 1..=6 {
            let reason = async |confirm| {
                world.core.confirm_sign_up(asked(BACKEND), confirm).await.err().unwrap().reason()
            };
            let known = reason(Confirm { sign_up_id: known.id, code: wrong.clone() }).await;
            let unknown = reason(Confirm { sign_up_id: unknown.id, code: wrong.clone() }).await;
            assert_eq!(known, unknown);
            assert_eq!(known, if tries <= 5 { Reason::CodeWrong } else { Reason::CodeTriesExceeded });
        }
        // The limits are the same too.
        let wait = async |phone: &'static str| { world.begin(phone).await.err().unwrap().retry_after() };
        assert_eq!(wait(PHONE).await, wait("+8613800138022").await);
    }

    async fn a_refused_notice_changes_nothing_in_the_answer(database: TestDatabase) {
        let world = World::new(&database).await;
        world.join(PHONE).await;
        world.pass(61);
        *world.notebook.refuses_notices.lock().unwrap() = true;
        world.begin(PHONE).await.unwrap();
    }

    async fn a_weak_password_changes_nothing(database: TestDatabase) {
        let world = World::new(&database).await;
        let weak = SignUp { password: Password::parse("password1").unwrap(), ..sign_up(PHONE) };
        let error = world.core.sign_up(asked(BACKEND), weak).await.unwrap_err();
        assert_eq!((error.reason(), error.metadata()), (Reason::PasswordWeak, vec![("weakness", "common".to_owned())]));
        assert_eq!(world.notebook.count(), 0);
        world.begin(PHONE).await.unwrap();
    }

    async fn two_sign_ups_of_one_phone_make_one_customer(database: TestDatabase) {
        let world = World::new(&database).await;
        let first = world.begin(PHONE).await.unwrap();
        let first_code = world.notebook.code();
        world.pass(61);
        let second = world.begin(PHONE).await.unwrap();
        let confirm = Confirm { sign_up_id: second.id, code: world.notebook.code() };
        world.core.confirm_sign_up(asked(BACKEND), confirm).await.unwrap();
        let replaced = Confirm { sign_up_id: first.id, code: first_code };
        let outcome = world.core.confirm_sign_up(asked(BACKEND), replaced).await;
        assert!(matches!(outcome, Err(Error::CodeExpired)), "only the newest code works");
        assert!(world.log_in(PHONE, PASSWORD).await.is_ok());
    }
}
