//! Calls without a network.

use super::*;

fn id(number: u128) -> RequestId {
    RequestId::from_uuid(bursar_types::id::Uuid::from_u128(number))
}

type Reply = oneshot::Receiver<Result<Outcome, Failure>>;

fn ask(number: u128, deadline: Instant) -> (Ask, Reply) {
    let (reply, answer) = oneshot::channel();
    let request = proto::VoidHoldRequest { request_id: id(number).to_string(), ..Default::default() };
    (Ask { id: id(number), command: Command::VoidHold(request), deadline, reply }, answer)
}

fn response(number: u128, result: Outcome) -> proto::StreamTransfersResponse {
    proto::StreamTransfersResponse { request_id: id(number).to_string(), result: Some(result) }
}

fn done() -> Outcome {
    Outcome::VoidHold(proto::VoidHoldResponse::default())
}

fn says(reason: &str, retry_after_ms: i64) -> Outcome {
    Outcome::Error(proto::StreamError { reason: reason.into(), retry_after_ms, ..Default::default() })
}

fn of(message: &proto::StreamTransfersRequest) -> &str {
    match &message.command {
        Some(Command::VoidHold(request)) => &request.request_id,
        other => panic!("{other:?}"),
    }
}

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn one_request_id_is_on_its_way_once() {
    let (mut calls, now) = (Calls::default(), Instant::now());
    let ((first, mut first_answer), (second, mut second_answer)) =
        (ask(1, now + SECOND), ask(1, now + SECOND));
    assert!(calls.take(first, now).is_some());
    assert!(calls.take(second, now).is_none());
    assert_eq!(calls.len(), 2);
    // The answer to the first sends the second.
    let next = calls.answered(response(1, done()), now).unwrap();
    assert_eq!(of(&next), id(1).to_string());
    assert!(first_answer.try_recv().unwrap().is_ok());
    assert!(second_answer.try_recv().is_err());
    assert!(calls.answered(response(1, says("REQUEST_ID_REUSED", 0)), now).is_none());
    assert!(matches!(second_answer.try_recv().unwrap(), Err(Failure::Refused { .. })));
    assert_eq!(calls.len(), 0);
    // An answer nobody waits for is no harm.
    assert!(calls.answered(response(1, done()), now).is_none());
}

#[test]
fn come_again_is_obeyed_while_the_deadline_allows() {
    let (mut calls, now) = (Calls::default(), Instant::now());
    let (asked, mut answer) = ask(1, now + SECOND);
    calls.take(asked, now).unwrap();
    assert!(calls.answered(response(1, says("OVERLOADED", 50)), now).is_none());
    assert_eq!(calls.alarm(), Some(now + Duration::from_millis(50)));
    assert!(calls.ring(now + Duration::from_millis(49)).is_empty());
    let again = calls.ring(now + Duration::from_millis(50));
    assert_eq!(again.len(), 1);
    assert!((940..=950).contains(&again[0].deadline_ms), "{}", again[0].deadline_ms);
    // The next wait would end after the deadline.
    let late = now + Duration::from_millis(990);
    assert!(calls.answered(response(1, says("NOT_OWNER", 250)), late).is_none());
    assert_eq!(answer.try_recv().unwrap().unwrap_err(), Failure::late("NOT_OWNER"));
    assert_eq!(calls.len(), 0);
}

#[test]
fn a_new_stream_gets_everything_in_order_but_what_nobody_waits_for() {
    let (mut calls, now) = (Calls::default(), Instant::now());
    let mut answers = Vec::new();
    for number in 1..=20 {
        let (asked, answer) = ask(number, now + SECOND);
        calls.take(asked, now).unwrap();
        answers.push(answer);
    }
    answers.remove(4);
    assert!(calls.answered(response(7, says("OVERLOADED", 50)), now).is_none());
    let sent: Vec<String> = calls.all(now).iter().map(|message| of(message).to_owned()).collect();
    let wanted: Vec<String> =
        (1..=20).filter(|n| ![5, 7].contains(n)).map(|number| id(number).to_string()).collect();
    assert_eq!(sent, wanted);
    assert_eq!(calls.len(), 19);
}

#[test]
fn each_call_ends_at_its_deadline() {
    let (mut calls, now) = (Calls::default(), Instant::now());
    let (soon, mut soon_answer) = ask(1, now + SECOND);
    let (behind, mut behind_answer) = ask(1, now + 3 * SECOND);
    let (later, mut later_answer) = ask(2, now + 2 * SECOND);
    for asked in [soon, behind, later] {
        calls.take(asked, now);
    }
    assert_eq!(calls.alarm(), Some(now + SECOND));
    // The one behind takes its place.
    assert_eq!(calls.ring(now + SECOND).len(), 1);
    assert_eq!(soon_answer.try_recv().unwrap().unwrap_err(), Failure::late(""));
    assert_eq!(calls.alarm(), Some(now + 2 * SECOND));
    assert!(calls.ring(now + 2 * SECOND).is_empty());
    assert_eq!(later_answer.try_recv().unwrap().unwrap_err(), Failure::late(""));
    assert_eq!((calls.len(), calls.alarm()), (1, Some(now + 3 * SECOND)));
    calls.end_all(&Failure::Ended);
    assert_eq!(behind_answer.try_recv().unwrap().unwrap_err(), Failure::Ended);
    assert_eq!((calls.len(), calls.alarm()), (0, None));
}
