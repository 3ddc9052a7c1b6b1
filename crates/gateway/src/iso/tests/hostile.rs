//! Partners that do harm, by accident or not.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bursar_testkit::TestDatabase;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::world::{Traits, WAIT, World, purchase};
use crate::tests::fake::FakeIssuer;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_flipped_cut_or_doubled_anywhere_harms_nobody() {
    let issuer = Arc::new(FakeIssuer::default());
    let world = World::with(&TestDatabase::sqlite(), Arc::clone(&issuer), Traits::default()).await;
    let mut line = world.connect().await;
    let whole = line.profile.encode(&purchase(&line, "0100", 1, 8_850)).unwrap().to_vec();
    let mut spoilt: Vec<Vec<u8>> = Vec::new();
    for at in 0..whole.len() {
        for bit in [0, 3, 7] {
            let mut flipped = whole.clone();
            flipped[at] ^= 1 << bit;
            spoilt.push(flipped);
        }
        spoilt.push(whole[..at].to_vec());
        let mut doubled = whole.clone();
        doubled.insert(at, whole[at]);
        spoilt.push(doubled);
    }
    let mut answered = 0;
    for message in spoilt.iter().filter(|message| !message.is_empty()) {
        let readable = line.profile.decode(message).message;
        let wants_answer = readable.is_some_and(|it| it.mti().reply_mti().is_some());
        line.send_raw(message).await;
        if wants_answer {
            let reply = line.hear().await.expect("a message whose type can be read is answered");
            assert!(line.profile.decode(&reply).into_result().is_ok(), "the answer is well formed");
            answered += 1;
        }
    }
    assert!(answered > whole.len() * 3, "{answered} of {}", spoilt.len());
    // After all that, an ordinary purchase on the same line.
    assert_eq!(line.code(&purchase(&line, "0100", 2, 100)).await, "00");
}

#[tokio::test]
async fn of_a_message_that_cannot_be_read_to_its_end_what_could_be_read_comes_back_with_30() {
    let world = World::new(&TestDatabase::sqlite()).await;
    let mut line = world.connect().await;
    let whole = line.profile.encode(&purchase(&line, "0100", 1, 8_850)).unwrap().to_vec();
    line.send_raw(&whole[..whole.len() - 40]).await;
    let raw = line.hear().await.unwrap();
    let reply = line.profile.decode(&raw).into_result().unwrap();
    assert_eq!((reply.response_code(), reply.text(11)), (Some("30"), Some("000001")));
    assert_eq!(world.issuer.known().decisions, 0);
}

#[tokio::test]
async fn who_sends_a_byte_now_and_then_is_cut_off_and_who_is_silent_too() {
    let quick = Duration::from_millis(300);
    let traits = Traits { message_max: quick, idle_max: quick * 4, ..Traits::default() };
    let world = World::with(&TestDatabase::sqlite(), Arc::default(), traits).await;
    let mut slow = world.connect().await;
    let began = Instant::now();
    let mut byte = [0_u8; 1];
    // A byte each 50 ms of a message that is announced with 257: never silent, never done.
    loop {
        let sent = slow.stream.write_all(&[1]).await;
        let read = tokio::time::timeout(Duration::from_millis(50), slow.stream.read(&mut byte)).await;
        if sent.is_err() || matches!(read, Ok(Ok(0) | Err(_))) {
            break;
        }
        assert!(began.elapsed() < WAIT, "it is still served");
    }
    assert!(began.elapsed() < quick * 4);
    let mut silent = world.connect().await;
    assert!(silent.hear().await.is_none(), "a connection without messages ends");
    // Whoever behaves is served.
    let mut line = world.connect().await;
    assert_eq!(line.code(&purchase(&line, "0100", 1, 100)).await, "00");
}

#[tokio::test]
async fn a_stream_that_cannot_be_understood_is_closed_at_once() {
    let world = World::new(&TestDatabase::sqlite()).await;
    let mut line = world.connect().await;
    // A length that no message has.
    line.stream.write_all(&[0xff, 0xff, 1, 2, 3]).await.unwrap();
    assert!(line.hear().await.is_none());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_connections_are_served_and_no_more_than_may_be() {
    let traits = Traits { connections_max: 1_000, answer_max: Duration::from_secs(15), ..Traits::default() };
    let world = World::with(&TestDatabase::sqlite(), Arc::default(), traits).await;
    let mut lines = Vec::new();
    for _ in 0..1_000 {
        lines.push(world.connect().await);
    }
    let asked = lines.iter_mut().zip(1..).map(|(line, stan)| async move {
        let request = purchase(line, "0100", stan, 10);
        line.code(&request).await
    });
    let codes = futures::future::join_all(asked).await;
    assert!(codes.iter().all(|code| code == "00"), "{codes:?}");
    let mut one_more = world.connect().await;
    assert!(one_more.hear().await.is_none(), "the next is closed at once");
    drop(lines.pop());
    let served = async {
        loop {
            let mut line = world.connect().await;
            let request = purchase(&line, "0100", 2_000, 10);
            let bytes = line.profile.encode(&request).unwrap();
            let mut framed = bursar_iso8583::SecretBytes::default();
            line.profile.framing().write_plain(&bytes, &mut framed).unwrap();
            if line.stream.write_all(&framed).await.is_ok() && line.hear().await.is_some() {
                break;
            }
        }
    };
    tokio::time::timeout(WAIT, served).await.expect("a place that is free is given to the next");
}
