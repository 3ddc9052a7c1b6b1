//! An acquirer that has many messages under way on one connection, and takes the answers as they come.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use bursar_iso8583::{FrameDecoder, Message, Profile, SecretBytes};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::oneshot;
use tokio::task::JoinSet;

/// What waits for its answer, by trace number and the second it was sent in.
type Waiting = Arc<Mutex<HashMap<String, oneshot::Sender<String>>>>;

/// A connection.
pub(super) struct Acquirer {
    profile: Arc<Profile>,
    writing: tokio::sync::Mutex<OwnedWriteHalf>,
    waiting: Waiting,
    pan: String,
    cvv2: String,
    numbers: AtomicU32,
    line: u32,
    _reading: JoinSet<()>,
}

impl Acquirer {
    /// The connection number `line`, whose messages are told apart from those of other lines.
    pub(super) async fn connect(address: &str, line: u32, pan: &str, cvv2: &str) -> Result<Self, String> {
        let profile = Profile::builtin("iso87-ascii").map_err(|error| error.to_string())?;
        let stream = TcpStream::connect(address).await.map_err(|error| format!("{address}: {error}"))?;
        let _ = stream.set_nodelay(true);
        let (reading, writing) = stream.into_split();
        let (profile, waiting) = (Arc::new(profile), Waiting::default());
        let mut tasks = JoinSet::new();
        tasks.spawn(read(reading, Arc::clone(&profile), Arc::clone(&waiting)));
        let (pan, cvv2) = (pan.to_owned(), cvv2.to_owned());
        let writing = tokio::sync::Mutex::new(writing);
        Ok(Self { profile, writing, waiting, pan, cvv2, numbers: AtomicU32::new(0), line, _reading: tasks })
    }

    /// Buys for one fen, and waits for the approval.
    pub(super) async fn buy(&self) -> Result<(), String> {
        let number = self.numbers.fetch_add(1, Ordering::Relaxed);
        let message = self.request(number).map_err(|error| error.to_string())?;
        let key = key(&message);
        let mut framed = SecretBytes::default();
        let bytes = self.profile.encode(&message).map_err(|error| error.to_string())?;
        self.profile.framing().write_plain(&bytes, &mut framed).map_err(|error| error.to_string())?;
        let (sender, answer) = oneshot::channel();
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).insert(key, sender);
        self.writing.lock().await.write_all(&framed).await.map_err(|error| error.to_string())?;
        match answer.await.as_deref() {
            Ok("00") => Ok(()),
            Ok(code) => Err(format!("a purchase is answered with {code}")),
            Err(_) => Err("the connection ended".to_owned()),
        }
    }

    fn request(&self, number: u32) -> Result<Message, bursar_iso8583::EncodeError> {
        let mti = bursar_iso8583::Mti::from_digits(*b"0100").unwrap_or_else(|| unreachable!("an MTI"));
        let mut message = self.profile.message(mti);
        let (minute, second) = (number / 999_999 % 60, self.line % 60);
        for (field, value) in [
            (2, self.pan.as_str()),
            (3, "000000"),
            (4, "000000000001"),
            (7, &format!("010203{minute:02}{second:02}")),
            (11, &format!("{:06}", 1 + number % 999_999)),
            (18, "5499"),
            (22, "812"),
            (25, "59"),
            (32, "990001"),
            (37, &format!("{:03}{number:09}", self.line)),
            (42, "BENCHSHOP000001"),
            (43, "Bench Tea House          Beijing      CN"),
            (49, "156"),
        ] {
            message.set(field, value)?;
        }
        self.profile.set_cvv2(&mut message, &self.cvv2)?;
        Ok(message)
    }
}

fn key(message: &Message) -> String {
    format!("{}{}", message.text(7).unwrap_or_default(), message.text(11).unwrap_or_default())
}

async fn read(mut stream: OwnedReadHalf, profile: Arc<Profile>, waiting: Waiting) {
    let mut decoder = FrameDecoder::new(profile.framing());
    let mut buffer = vec![0_u8; 16 * 1024];
    while let Ok(count @ 1..) = stream.read(&mut buffer).await {
        let mut input = buffer.get(..count).unwrap_or_default();
        while let Ok(Some(frame)) = decoder.next(&mut input) {
            let Some(message) = profile.decode(frame.message()).message else { continue };
            let sender = waiting.lock().unwrap_or_else(PoisonError::into_inner).remove(&key(&message));
            if let Some(sender) = sender {
                let _ = sender.send(message.response_code().unwrap_or_default().to_owned());
            }
        }
    }
    // Nobody waits for what will not come.
    waiting.lock().unwrap_or_else(PoisonError::into_inner).clear();
}
