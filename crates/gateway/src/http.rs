//! The HTTP listener: what a browser or a load balancer sees. The partners' HTTP/JSON interface is served here too,
//! once it exists.

use axum::routing::get;
use axum::{Json, Router};
use bursar_service::{Chassis, StartError};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::config::HttpConfig;

/// Opens the listener and serves it until the process stops.
pub(crate) async fn serve(chassis: &Chassis, config: &HttpConfig) -> Result<(), StartError> {
    let listener = TcpListener::bind(config.listen).await.map_err(|error| {
        StartError::Unavailable(format!(
            "http.listen {}: {error}; free the port or choose another",
            config.listen
        ))
    })?;
    let router = Router::new().route("/", get(index)).route("/healthz", get(|| async { "ok\n" }));
    let stop = chassis.supervisor.shutdown();
    chassis.supervisor.spawn_once("http", async move {
        if let Err(error) = axum::serve(listener, router).with_graceful_shutdown(stop.cancelled_owned()).await
        {
            tracing::error!(%error, "the HTTP listener ended");
        }
    });
    Ok(())
}

async fn index() -> Json<Value> {
    Json(json!({ "service": "bursar gateway", "version": env!("CARGO_PKG_VERSION") }))
}
