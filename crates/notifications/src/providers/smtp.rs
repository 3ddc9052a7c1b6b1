//! E-mail by SMTP (RFC 5321), encrypted from the start or by STARTTLS (RFC 3207), never without but in the sandbox.
//!
//! `Message-ID` follows from the message's id, so that a message that is sent twice, because nobody knows whether the
//! first arrived, is known as the same by who reads it.

use std::fmt;
use std::time::Duration;

use bursar_service::config::Secret;
use futures::future::BoxFuture;
use lettre::message::header::{ContentType, HeaderName, HeaderValue};
use lettre::message::{Mailbox as Sender, MultiPart};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, Tls, TlsParameters};
use lettre::{AsyncSmtpTransport, AsyncTransport as _, Message, Tokio1Executor};
use serde::{Deserialize, Serialize};

use super::{Address, Carrier, Outgoing, SendError};

/// How the connection is encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Security {
    /// From the start (port 465).
    Tls,
    /// By STARTTLS, and not at all if the server does not offer it (port 587).
    StartTls,
    /// Not: in the sandbox only.
    None,
}

/// What is needed to reach a server.
#[derive(Clone, Debug)]
pub struct Server {
    /// Its name.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// How the connection is encrypted.
    pub security: Security,
    /// User and password, if it asks for them.
    pub login: Option<(String, Secret)>,
    /// Who writes: `Bursar <no-reply@bank.example>`.
    pub from: String,
    /// Longest time for handing a mail over.
    pub timeout: Duration,
    /// Further authorities (PEM) its certificate may be under.
    pub extra_ca: Option<Vec<u8>>,
}

/// The provider.
pub struct Smtp {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    from: Sender,
    timeout: Duration,
}

impl fmt::Debug for Smtp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Smtp")
    }
}

impl Smtp {
    /// The provider at this server. Connects when it must.
    ///
    /// # Errors
    /// A text that says what is wrong.
    pub fn new(server: &Server) -> Result<Self, String> {
        let from: Sender = server.from.parse().map_err(|error| format!("mail.from: {error}"))?;
        let mut tls = TlsParameters::builder(server.host.clone());
        if let Some(pem) = &server.extra_ca {
            tls = tls.add_root_certificate(Certificate::from_pem(pem).map_err(|error| error.to_string())?);
        }
        let parameters = tls.build_rustls().map_err(|error| error.to_string())?;
        let tls = match server.security {
            Security::Tls => Tls::Wrapper(parameters),
            Security::StartTls => Tls::Required(parameters),
            Security::None => Tls::None,
        };
        let mut builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(server.host.clone())
            .port(server.port)
            .tls(tls)
            .timeout(Some(server.timeout));
        if let Some((user, password)) = &server.login {
            builder = builder.credentials(Credentials::new(user.clone(), password.expose().to_owned()));
        }
        Ok(Self { transport: builder.build(), from, timeout: server.timeout })
    }

    fn write(&self, mail: &Outgoing) -> Result<Message, String> {
        let Address::Email(to) = &mail.address else { return Err("it goes to no e-mail address".to_owned()) };
        let to = to.expose().parse().map_err(|_| "the address cannot be used".to_owned())?;
        let domain = self.from.email.domain();
        // Not answered by machines (RFC 3834 §5), and known to be none of a person's.
        let header = |name| HeaderName::new_from_ascii_str(name);
        Message::builder()
            .from(self.from.clone())
            .to(Sender::new(None, to))
            .subject(mail.title.as_str())
            .message_id(Some(format!("<{}@{domain}>", mail.message_id)))
            .raw_header(HeaderValue::new(header("Auto-Submitted"), "auto-generated".to_owned()))
            .raw_header(HeaderValue::new(header("Content-Language"), mail.locale.tag().to_owned()))
            .multipart(
                MultiPart::alternative().singlepart(
                    lettre::message::SinglePart::builder()
                        .header(ContentType::TEXT_PLAIN)
                        .body(mail.text.to_string()),
                ),
            )
            .map_err(|error| error.to_string())
    }

    async fn deliver(&self, mail: &Outgoing) -> Result<(), SendError> {
        let message = self.write(mail).map_err(SendError::Refused)?;
        // The transport bounds connecting alone.
        let sending = tokio::time::timeout(self.timeout, self.transport.send(message)).await;
        let Ok(sent) = sending else {
            return Err(SendError::Uncertain("it did not answer in time".to_owned()));
        };
        match sent {
            Ok(_) => Ok(()),
            // The server's words may repeat the address: only its number is kept.
            Err(error) if error.is_permanent() => Err(SendError::Refused(answered(&error))),
            Err(error) if error.is_transient() => Err(SendError::TryAgain(answered(&error))),
            // Without an answer the mail may have been taken.
            Err(error) if error.is_timeout() => {
                Err(SendError::Uncertain("it did not answer in time".to_owned()))
            }
            Err(error) if error.is_tls() => {
                Err(SendError::TryAgain("the connection is not secure".to_owned()))
            }
            Err(_) => Err(SendError::Uncertain("the connection failed".to_owned())),
        }
    }
}

fn answered(error: &lettre::transport::smtp::Error) -> String {
    error.status().map_or_else(|| "it answered".to_owned(), |code| format!("it answered {code}"))
}

impl Carrier for Smtp {
    fn send<'a>(&'a self, message: &'a Outgoing) -> BoxFuture<'a, Result<(), SendError>> {
        Box::pin(self.deliver(message))
    }
}
