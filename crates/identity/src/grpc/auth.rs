//! `bursar.identity.v1.AuthService`.

use std::sync::Arc;

use bursar_proto::identity::v1 as proto;
use bursar_proto::identity::v1::auth_service_server::AuthService;
use bursar_service::parse::{self, timestamp_message};
use bursar_service::{CallContext, Invalid, OrStatus as _};
use tonic::{Request, Response, Status};
use zeroize::Zeroizing;

use super::{convert, customer_of};
use crate::auth::{Answer, Asked, Confirm, LogIn, LoggedIn, SignUp, Tokens};
use crate::code::Code;
use crate::password::Password;
use crate::{Core, Error};

/// Longest refresh token that is looked at; ours have 43 characters.
const REFRESH_TOKEN_CHARS_MAX: usize = 128;

/// Sign-up, login, sessions.
#[derive(Debug)]
pub struct AuthApi {
    core: Arc<Core>,
}

impl AuthApi {
    /// The service over `core`.
    pub fn new(core: Arc<Core>) -> Self {
        Self { core }
    }

    fn logged_in(&self, logged_in: LoggedIn) -> Result<(proto::Customer, proto::SessionTokens), Status> {
        let view = self.core.customer_view(logged_in.customer).or_status()?;
        Ok((convert::customer_message(&view), tokens_message(&logged_in.tokens)))
    }
}

fn tokens_message(tokens: &Tokens) -> proto::SessionTokens {
    proto::SessionTokens {
        session_id: tokens.session_id.to_string(),
        access_token: tokens.access_token.to_string(),
        access_expire_time: Some(timestamp_message(tokens.access_expires_at)),
        refresh_token: tokens.refresh_token.to_string(),
        refresh_expire_time: Some(timestamp_message(tokens.refresh_expires_at)),
    }
}

fn code(text: &str) -> Result<Code, Invalid> {
    Code::parse(text).map_err(|error| Invalid::new().field("code", error.to_string()))
}

#[tonic::async_trait]
impl AuthService for AuthApi {
    async fn sign_up(
        &self,
        request: Request<proto::SignUpRequest>,
    ) -> Result<Response<proto::SignUpResponse>, Status> {
        let principal = CallContext::of(&request).principal();
        let mut message = request.into_inner();
        let text = Zeroizing::new(std::mem::take(&mut message.password));
        let request_id = parse::request_id(&message.request_id)?;
        let mut invalid = Invalid::new();
        let phone = invalid.take(convert::phone(&message.phone));
        let locale = invalid.take(convert::locale(message.locale));
        let (Some(phone), Some(locale)) = (phone, locale) else { return Err(invalid.into()) };
        let password = Password::parse(&text).map_err(Error::Password).or_status()?;
        let asked = Asked { principal: &principal, request_id };
        let started = self.core.sign_up(asked, SignUp { phone, password, locale }).await.or_status()?;
        Ok(Response::new(proto::SignUpResponse {
            sign_up_id: started.id.to_string(),
            code_expire_time: Some(timestamp_message(started.code_expires_at)),
        }))
    }

    async fn confirm_sign_up(
        &self,
        request: Request<proto::ConfirmSignUpRequest>,
    ) -> Result<Response<proto::ConfirmSignUpResponse>, Status> {
        let principal = CallContext::of(&request).principal();
        let mut message = request.into_inner();
        let text = Zeroizing::new(std::mem::take(&mut message.code));
        let request_id = parse::request_id(&message.request_id)?;
        let mut invalid = Invalid::new();
        let id = invalid.take(parse::id("sign_up_id", &message.sign_up_id));
        let code = invalid.take(code(&text));
        let (Some(sign_up_id), Some(code)) = (id, code) else { return Err(invalid.into()) };
        let asked = Asked { principal: &principal, request_id };
        let logged_in = self.core.confirm_sign_up(asked, Confirm { sign_up_id, code }).await.or_status()?;
        let (customer, tokens) = self.logged_in(logged_in)?;
        Ok(Response::new(proto::ConfirmSignUpResponse { customer: Some(customer), tokens: Some(tokens) }))
    }

    async fn log_in(
        &self,
        request: Request<proto::LogInRequest>,
    ) -> Result<Response<proto::LogInResponse>, Status> {
        let principal = CallContext::of(&request).principal();
        let mut message = request.into_inner();
        let text = Zeroizing::new(std::mem::take(&mut message.password));
        let request_id = parse::request_id(&message.request_id)?;
        let phone = convert::phone(&message.phone)?;
        let password = Password::parse(&text).map_err(Error::Password).or_status()?;
        let asked = Asked { principal: &principal, request_id };
        let logged_in = self.core.log_in(asked, LogIn { phone, password }).await.or_status()?;
        let (customer, tokens) = self.logged_in(logged_in)?;
        Ok(Response::new(proto::LogInResponse { customer: Some(customer), tokens: Some(tokens) }))
    }

    async fn start_step_up(
        &self,
        request: Request<proto::StartStepUpRequest>,
    ) -> Result<Response<proto::StartStepUpResponse>, Status> {
        let (principal, claims) = customer_of(&self.core, &request).await?;
        let request_id = parse::request_id(&request.get_ref().request_id)?;
        let asked = Asked { principal: &principal, request_id };
        let started = self.core.start_step_up(asked, &claims).await.or_status()?;
        Ok(Response::new(proto::StartStepUpResponse {
            challenge_id: started.id.to_string(),
            code_expire_time: Some(timestamp_message(started.code_expires_at)),
        }))
    }

    async fn complete_step_up(
        &self,
        request: Request<proto::CompleteStepUpRequest>,
    ) -> Result<Response<proto::CompleteStepUpResponse>, Status> {
        let (principal, claims) = customer_of(&self.core, &request).await?;
        let mut message = request.into_inner();
        let text = Zeroizing::new(std::mem::take(&mut message.code));
        let request_id = parse::request_id(&message.request_id)?;
        let mut invalid = Invalid::new();
        let id = invalid.take(parse::id("challenge_id", &message.challenge_id));
        let code = invalid.take(code(&text));
        let (Some(challenge_id), Some(code)) = (id, code) else { return Err(invalid.into()) };
        let asked = Asked { principal: &principal, request_id };
        let answer = Answer { challenge_id, code };
        let stepped = self.core.complete_step_up(asked, &claims, answer).await.or_status()?;
        Ok(Response::new(proto::CompleteStepUpResponse {
            access_token: stepped.access_token.to_string(),
            access_expire_time: Some(timestamp_message(stepped.access_expires_at)),
        }))
    }

    async fn refresh_session(
        &self,
        request: Request<proto::RefreshSessionRequest>,
    ) -> Result<Response<proto::RefreshSessionResponse>, Status> {
        let token = Zeroizing::new(request.into_inner().refresh_token);
        parse::text("refresh_token", &token, 1..=REFRESH_TOKEN_CHARS_MAX)?;
        let tokens = self.core.refresh_session(&token).await.or_status()?;
        Ok(Response::new(proto::RefreshSessionResponse { tokens: Some(tokens_message(&tokens)) }))
    }

    async fn log_out(
        &self,
        request: Request<proto::LogOutRequest>,
    ) -> Result<Response<proto::LogOutResponse>, Status> {
        // Of a session that is ended already too: whoever repeats a logout has logged out.
        let context = CallContext::of(&request);
        let (principal, claims) = (context.principal(), context.require_customer()?.clone());
        let request_id = parse::request_id(&request.get_ref().request_id)?;
        self.core.log_out(Asked { principal: &principal, request_id }, &claims).await.or_status()?;
        Ok(Response::new(proto::LogOutResponse {}))
    }
}
