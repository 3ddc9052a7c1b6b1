//! `SealService` and `KeyService`: the operators' side.

use bursar_proto::vault::v1::key_service_server::KeyService;
use bursar_proto::vault::v1::seal_service_server::SealService;
use bursar_proto::vault::v1::*;
use bursar_service::context::CallContext;
use bursar_service::error::{Invalid, OrStatus as _};
use bursar_service::{idempotency, parse};
use tonic::{Request, Response, Status};

use super::{Handlers, take_text};
use crate::audit::Actor;
use crate::cases;
use crate::error::VaultError;
use crate::keys::{self, Purpose, SHARES_MAX, SHARES_MIN, Share};
use crate::store::rewrap::Job;

/// Longest reason to seal, in characters.
const REASON_MAX: usize = 128;

#[tonic::async_trait]
impl SealService for Handlers {
    async fn get_seal_status(
        &self,
        _request: Request<GetSealStatusRequest>,
    ) -> Result<Response<GetSealStatusResponse>, Status> {
        Ok(Response::new(GetSealStatusResponse { status: Some(self.status().await.or_status()?) }))
    }

    async fn initialize_vault(
        &self,
        request: Request<InitializeVaultRequest>,
    ) -> Result<Response<InitializeVaultResponse>, Status> {
        let actor = Actor::from(CallContext::of(&request));
        let shares = shares(request.get_ref().shares)?;
        let told = self.vault.initialize(&actor, shares).await.or_status()?;
        Ok(Response::new(InitializeVaultResponse { shares: texts(told) }))
    }

    async fn unseal(&self, mut request: Request<UnsealRequest>) -> Result<Response<UnsealResponse>, Status> {
        let text = take_text(&mut request.get_mut().share);
        let actor = Actor::from(CallContext::of(&request));
        let share = Share::parse(&text).map_err(|error| Invalid::new().field("share", error.to_string()))?;
        drop(text);
        self.vault.unseal(&actor, share).await.or_status()?;
        Ok(Response::new(UnsealResponse { status: Some(self.status().await.or_status()?) }))
    }

    async fn seal_vault(
        &self,
        request: Request<SealVaultRequest>,
    ) -> Result<Response<SealVaultResponse>, Status> {
        let actor = Actor::from(CallContext::of(&request));
        let reason = parse::text("reason", &request.get_ref().reason, 1..=REASON_MAX)?;
        self.vault.seal_vault(&actor, reason).await.or_status()?;
        Ok(Response::new(SealVaultResponse { status: Some(self.status().await.or_status()?) }))
    }

    async fn rekey_vault(
        &self,
        request: Request<RekeyVaultRequest>,
    ) -> Result<Response<RekeyVaultResponse>, Status> {
        let actor = Actor::from(CallContext::of(&request));
        let shares = match request.get_ref().shares {
            0 => 0,
            wanted => shares(wanted)?,
        };
        let told = self.vault.rekey(&actor, shares).await.or_status()?;
        Ok(Response::new(RekeyVaultResponse { shares: texts(told) }))
    }
}

impl Handlers {
    async fn status(&self) -> Result<SealStatus, VaultError> {
        let status = self.vault.seal_status().await?;
        let state = match (status.open, status.initialized) {
            (true, _) => SealState::Unsealed,
            (false, true) => SealState::Sealed,
            (false, false) => SealState::Uninitialized,
        };
        Ok(SealStatus {
            state: state.into(),
            root: status.root.to_owned(),
            shares_total: status.shares_total.into(),
            shares_given: status.shares_given.into(),
        })
    }
}

fn shares(wanted: i32) -> Result<u8, Invalid> {
    let wanted = parse::number("shares", wanted, i32::from(SHARES_MIN)..=i32::from(SHARES_MAX))?;
    Ok(u8::try_from(wanted).unwrap_or(SHARES_MAX))
}

/// The caller gets them; the copies of ours are wiped.
fn texts(told: cases::Told) -> Vec<String> {
    told.into_iter().map(|mut text| std::mem::take(&mut *text)).collect()
}

#[tonic::async_trait]
impl KeyService for Handlers {
    async fn list_keys(
        &self,
        _request: Request<ListKeysRequest>,
    ) -> Result<Response<ListKeysResponse>, Status> {
        let keys = self.vault.list_keys().await.or_status()?.into_iter().map(|counted| Key {
            purpose: counted.key.purpose.as_str().to_owned(),
            scope: counted.key.scope,
            version: version(counted.key.version),
            state: state(counted.key.state).into(),
            create_time: Some(parse::timestamp_message(counted.key.created_at)),
            records: counted.records,
        });
        Ok(Response::new(ListKeysResponse { keys: keys.collect() }))
    }

    async fn rotate_key(
        &self,
        request: Request<RotateKeyRequest>,
    ) -> Result<Response<RotateKeyResponse>, Status> {
        let actor = Actor::from(CallContext::of(&request));
        let request = request.into_inner();
        let request_id = parse::request_id(&request.request_id)?;
        let purpose = purpose(&request.purpose, &Purpose::ROTATABLE)?;
        let digest = idempotency::body_digest(&request);
        let fresh = self.vault.rotate_key(&actor, request_id, digest, purpose).await.or_status()?;
        Ok(Response::new(RotateKeyResponse { version: version(fresh) }))
    }

    async fn start_rewrap(
        &self,
        request: Request<StartRewrapRequest>,
    ) -> Result<Response<StartRewrapResponse>, Status> {
        let actor = Actor::from(CallContext::of(&request));
        let job = self.vault.start_rewrap(&actor).await.or_status()?;
        Ok(Response::new(StartRewrapResponse { rewrap: Some(rewrap(job)) }))
    }

    async fn get_rewrap(
        &self,
        _request: Request<GetRewrapRequest>,
    ) -> Result<Response<GetRewrapResponse>, Status> {
        let job = self.vault.rewrap_status().await.or_status()?;
        Ok(Response::new(GetRewrapResponse { rewrap: Some(rewrap(job)) }))
    }

    async fn retire_key(
        &self,
        request: Request<RetireKeyRequest>,
    ) -> Result<Response<RetireKeyResponse>, Status> {
        let actor = Actor::from(CallContext::of(&request));
        let request = request.into_inner();
        let mut invalid = Invalid::new();
        let request_id = invalid.take(parse::request_id(&request.request_id));
        let purpose = invalid.take(purpose(&request.purpose, &Purpose::RETIRABLE));
        let version = invalid.take(parse::number("version", request.version, 1..=i32::MAX));
        let (Some(request_id), Some(purpose), Some(version)) = (request_id, purpose, version) else {
            return Err(invalid.into());
        };
        let digest = idempotency::body_digest(&request);
        let version = version.unsigned_abs();
        self.vault.retire_key(&actor, request_id, digest, purpose, version).await.or_status()?;
        Ok(Response::new(RetireKeyResponse {}))
    }
}

fn version(version: u32) -> i32 {
    i32::try_from(version).unwrap_or(i32::MAX)
}

fn state(state: keys::KeyState) -> KeyState {
    match state {
        keys::KeyState::Primary => KeyState::Primary,
        keys::KeyState::Active => KeyState::Active,
        keys::KeyState::Retired => KeyState::Retired,
    }
}

fn purpose(text: &str, allowed: &[Purpose]) -> Result<Purpose, Invalid> {
    let found = allowed.iter().copied().find(|purpose| purpose.as_str() == text);
    found.ok_or_else(|| {
        let names: Vec<&str> = allowed.iter().map(|purpose| purpose.as_str()).collect();
        Invalid::new().field("purpose", format!("must be one of {}", names.join(", ")))
    })
}

fn rewrap(job: Job) -> Rewrap {
    Rewrap { version: version(job.version), done: job.done, left: job.left, running: job.running }
}
