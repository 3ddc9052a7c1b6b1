//! What programs of others check us by: signs webhooks, and hands mail to an SMTP server. One order a line on standard
//! input, as JSON; one answer a line.

use std::io::{BufRead as _, Write as _};
use std::time::Duration;

use bursar_notifications::people::locale::Locale;
use bursar_notifications::providers::smtp::{Security, Server, Smtp};
use bursar_notifications::providers::{Address, Carrier as _, Outgoing, SendError};
use bursar_notifications::webhooks::signature::{Scheme, WebhookKey};
use bursar_types::OsEntropy;
use serde::Deserialize;
use serde_json::{Value, json};

#[derive(Deserialize)]
#[serde(tag = "do", rename_all = "snake_case")]
enum Order {
    /// Signs with a fresh key of each scheme.
    Sign { id: String, timestamp: i64, body: String },
    /// Hands a mail over.
    Mail {
        port: u16,
        security: Security,
        ca: Option<String>,
        to: String,
        title: String,
        text: String,
        message_id: String,
    },
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    bursar_service::tls::install_provider();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    for line in std::io::stdin().lock().lines() {
        let answer = runtime.block_on(obey(serde_json::from_str(&line?)?));
        writeln!(
            std::io::stdout(),
            "{}",
            answer.unwrap_or_else(|error| json!({ "error": error.to_string() }))
        )?;
    }
    Ok(())
}

async fn obey(order: Order) -> Result<Value, Box<dyn std::error::Error>> {
    match order {
        Order::Sign { id, timestamp, body } => {
            let keys = [Scheme::V1, Scheme::V1a].map(|scheme| WebhookKey::generate(scheme, &OsEntropy));
            let signatures: Vec<String> =
                keys.iter().map(|key| key.sign(&id, timestamp, body.as_bytes())).collect();
            let [secret, public_key] = keys.map(|key| key.to_text().to_string());
            Ok(json!({ "secret": secret, "public_key": public_key, "signature": signatures.join(" ") }))
        }
        Order::Mail { port, security, ca, to, title, text, message_id } => {
            let server = Server {
                host: "localhost".to_owned(),
                port,
                security,
                login: None,
                from: "Bursar <no-reply@bank.example>".to_owned(),
                timeout: Duration::from_secs(2),
                extra_ca: ca.map(std::fs::read).transpose()?,
            };
            let mail = Outgoing {
                message_id: message_id.parse()?,
                address: Address::Email(to.parse()?),
                locale: Locale::ZhCn,
                event_type: "ledger.card.frozen".to_owned(),
                title: title.into(),
                text: text.into(),
                code: None,
            };
            let outcome = match Smtp::new(&server)?.send(&mail).await {
                Ok(()) => "sent",
                Err(SendError::Refused(_)) => "refused",
                Err(SendError::TryAgain(_)) => "again",
                Err(SendError::Uncertain(_)) => "uncertain",
            };
            Ok(json!({ "outcome": outcome }))
        }
    }
}
