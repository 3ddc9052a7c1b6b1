//! HTTP: a plain listener for browsers and load balancers, which holds nothing, and the interface in JSON for partners
//! who do not speak gRPC, behind the same certificates, tokens and rules.

mod api;
pub(crate) mod openapi;
pub(crate) mod table;

use axum::routing::get;
use axum::{Json, Router};
use bursar_service::{Chassis, StartError};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::config::HttpConfig;
use crate::grpc::Bridge;

/// Opens the listeners and serves them until the process stops.
pub(crate) async fn serve(chassis: &Chassis, config: &HttpConfig, bridge: Bridge) -> Result<(), StartError> {
    let listener = bind("http.listen", config.listen).await?;
    let router = Router::new()
        .route("/", get(index))
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/openapi.json", get(|| async { Json(openapi::document()) }));
    let stop = chassis.supervisor.shutdown();
    chassis.supervisor.spawn_once("http", async move {
        if let Err(error) = axum::serve(listener, router).with_graceful_shutdown(stop.cancelled_owned()).await
        {
            tracing::error!(%error, "the HTTP listener ended");
        }
    });
    if let Some(address) = config.api_listen {
        let listener = bind("http.api_listen", address).await?;
        let (door, stop) = (bursar_service::Door::new(chassis), chassis.draining.clone());
        chassis.supervisor.spawn_once("http api", api::serve(listener, door, bridge, stop));
    }
    Ok(())
}

async fn bind(key: &str, address: std::net::SocketAddr) -> Result<TcpListener, StartError> {
    TcpListener::bind(address).await.map_err(|error| {
        StartError::Unavailable(format!("{key} {address}: {error}; free the port or choose another"))
    })
}

async fn index() -> Json<Value> {
    Json(json!({
        "service": "bursar gateway",
        "version": env!("CARGO_PKG_VERSION"),
        "description": "/openapi.json",
    }))
}
