//! The shop's acquirer: sends a purchase over ISO 8583 as a network would, and reads the answer.

use std::time::Duration;

use bursar_iso8583::{FrameDecoder, Message, Profile, SecretBytes};
use bursar_proto::vault::v1::RevealedCard;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::person::random;
use super::story_merchant;

/// The sandbox's profile.
const PROFILE: &str = "iso87-ascii";
/// A network's own time for an answer.
const ANSWER_MAX: Duration = Duration::from_secs(5);
/// Times the request is sent: a network repeats what is not answered, and the repetition is told by its fields.
const TRIES: u32 = 12;
/// Wait before it is sent again.
const AGAIN: Duration = Duration::from_millis(500);
/// Answers after which a network tries again: the issuer was away.
const TRY_AGAIN: [&str; 2] = ["91", "96"];

/// What came back.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) mti: String,
    pub(super) response_code: String,
    pub(super) authorization_code: String,
}

/// Buys for `minor_units` of CNY with the card; repeats with the same fields while the issuer is away.
pub(super) async fn purchase(address: &str, card: &RevealedCard, minor_units: i64) -> Result<Answer, String> {
    let profile = Profile::builtin(PROFILE).map_err(|error| error.to_string())?;
    let request = request(&profile, card, minor_units)?;
    let mut last = String::new();
    for attempt in 0..TRIES {
        if attempt > 0 {
            tokio::time::sleep(AGAIN).await;
        }
        match exchange(address, &profile, &request).await {
            Ok(answer) if TRY_AGAIN.contains(&answer.response_code.as_str()) => {
                last = format!("the issuer answers {}", answer.response_code);
            }
            Ok(answer) => return Ok(answer),
            Err(problem) => last = problem,
        }
    }
    Err(format!("no decision on the 0100 after {TRIES} tries: {last}"))
}

fn request(profile: &Profile, card: &RevealedCard, minor_units: i64) -> Result<Message, String> {
    let wrong = |error: bursar_iso8583::EncodeError| format!("the 0100 cannot be made: {error}");
    let merchant = story_merchant();
    let mti = "0100".parse().map_err(|_| "0100 is no message type".to_owned())?;
    let mut message = profile.message(mti);
    let now = jiff::Timestamp::now();
    let amount = u64::try_from(minor_units).map_err(|_| "a purchase has no negative amount".to_owned())?;
    message.set_amount(4, amount).map_err(wrong)?;
    let stan = format!("{:06}", 1 + random(999_999));
    for (field, value) in [
        (2, card.pan.clone()),
        (3, "000000".to_owned()),
        (7, now.strftime("%m%d%H%M%S").to_string()),
        (11, stan.clone()),
        (14, card.expiry.clone()),
        (18, merchant.mcc.clone()),
        (19, "156".to_owned()),
        // Electronic commerce, no PIN entry.
        (22, "812".to_owned()),
        (25, "59".to_owned()),
        (32, "990001".to_owned()),
        (37, format!("{}{stan}", now.strftime("%y%j%H").to_string().get(1..7).unwrap_or("000000"))),
        (41, "DEMOTERM".to_owned()),
        (42, merchant.merchant_id.clone()),
        (43, format!("{:<25}{:<13}{:2}", merchant.name, "Beijing", merchant.country)),
        (49, "156".to_owned()),
    ] {
        message.set(field, value).map_err(wrong)?;
    }
    profile.set_cvv2(&mut message, &card.cvv2).map_err(wrong)?;
    Ok(message)
}

async fn exchange(address: &str, profile: &Profile, request: &Message) -> Result<Answer, String> {
    let broken = |error: std::io::Error| format!("{address}: {error}");
    let mut framed = SecretBytes::default();
    let bytes = profile.encode(request).map_err(|error| error.to_string())?;
    profile.framing().write_plain(&bytes, &mut framed).map_err(|error| error.to_string())?;
    let mut stream = TcpStream::connect(address).await.map_err(broken)?;
    stream.write_all(&framed).await.map_err(broken)?;
    let reply = tokio::time::timeout(ANSWER_MAX, read(&mut stream, profile)).await;
    let reply = reply.map_err(|_| format!("no answer within {} s", ANSWER_MAX.as_secs()))??;
    let text = |field: u8| reply.text(field).unwrap_or_default().to_owned();
    if reply.text(11) != request.text(11) || reply.text(7) != request.text(7) {
        return Err("the answer is another message's".into());
    }
    let mti = reply.mti().digits().map(char::from).iter().collect();
    Ok(Answer { mti, response_code: text(39), authorization_code: text(38) })
}

async fn read(stream: &mut TcpStream, profile: &Profile) -> Result<Message, String> {
    let mut decoder = FrameDecoder::new(profile.framing());
    let mut buffer = [0_u8; 2048];
    loop {
        let count =
            stream.read(&mut buffer).await.map_err(|error| format!("the connection broke: {error}"))?;
        if count == 0 {
            return Err("the connection was closed without an answer".into());
        }
        let mut input = &buffer[..count];
        if let Some(frame) = decoder.next(&mut input).map_err(|error| error.to_string())? {
            return profile.decode(frame.message()).into_result().map_err(|error| error.to_string());
        }
    }
}
