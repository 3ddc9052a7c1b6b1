//! Logs, traces and metrics of a process.

pub mod metrics;
pub mod trace;

pub(crate) mod admin;

use std::io::IsTerminal as _;
use std::time::Duration;

use bursar_proto::access::Identity;
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_otlp::WithExportConfig as _;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{Sampler, SdkTracerProvider};
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer as _, Registry};

use crate::config::{ConfigError, LogFormat, TelemetryConfig};

/// Longest wait for the last traces to go out at a stop.
const FLUSH_MAX: Duration = Duration::from_secs(2);

/// What must be flushed when the process ends.
#[derive(Debug, Default)]
pub struct Telemetry {
    traces: Option<SdkTracerProvider>,
}

impl Telemetry {
    /// Starts logs, and traces if a collector is configured, for this process. A second call in one process keeps
    /// the first one's settings.
    ///
    /// # Errors
    /// [`ConfigError`] if `level` or the collector's address cannot be read.
    pub fn start(service: Identity, config: &TelemetryConfig) -> Result<Self, ConfigError> {
        let filter = EnvFilter::builder()
            .parse(directives(&config.level))
            .map_err(|error| ConfigError::new(format!("telemetry.level: {error}")))?;
        let traces = config.otlp_endpoint.as_deref().map(|url| exporter(service, url, config)).transpose()?;
        let spans = traces.as_ref().map(|provider| {
            tracing_opentelemetry::layer()
                .with_tracer(provider.tracer("bursar"))
                .with_target(false)
                // The exporter's own connection must not be traced, or each batch would make the next.
                .with_filter(filter_fn(|of| of.target().starts_with("bursar")))
        });
        let lines = match config.log {
            LogFormat::Human => tracing_subscriber::fmt::layer()
                .with_ansi(std::io::stderr().is_terminal())
                .with_writer(std::io::stderr)
                .boxed(),
            LogFormat::Json => tracing_subscriber::fmt::layer()
                .json()
                .flatten_event(true)
                .with_current_span(false)
                .with_span_list(true)
                .with_writer(std::io::stderr)
                .boxed(),
        };
        // An error says that this process logs already: several services in one test process.
        let _ = Registry::default().with(filter).with(lines).with(spans).try_init();
        Ok(Self { traces })
    }

    /// Sends what has not gone out yet, at most for two seconds.
    pub async fn flush(self) {
        let Some(provider) = self.traces else { return };
        let done = tokio::task::spawn_blocking(move || provider.shutdown_with_timeout(FLUSH_MAX));
        if let Ok(Err(error)) = done.await {
            tracing::warn!(%error, "the last traces were not sent");
        }
    }
}

/// The libraries that speak for others tell frames and statements at their finest levels, headers with tokens among
/// them: a bare level is ours, theirs must be asked for by name.
fn directives(level: &str) -> String {
    if matches!(level.trim().to_ascii_lowercase().as_str(), "debug" | "trace") {
        format!("{level},h2=info,hyper=info,hyper_util=info,tonic=info,tower=info,rustls=info,sqlx=info")
    } else {
        level.to_owned()
    }
}

fn exporter(
    service: Identity,
    url: &str,
    config: &TelemetryConfig,
) -> Result<SdkTracerProvider, ConfigError> {
    let exporter = opentelemetry_otlp::SpanExporter::builder()
        .with_tonic()
        .with_endpoint(url)
        .build()
        .map_err(|error| ConfigError::new(format!("telemetry.otlp_endpoint: {error}")))?;
    let share = f64::from(config.trace_per_mille) / 1_000.0;
    Ok(SdkTracerProvider::builder()
        .with_batch_exporter(exporter)
        .with_sampler(Sampler::ParentBased(Box::new(Sampler::TraceIdRatioBased(share))))
        .with_resource(Resource::builder().with_service_name(format!("bursar-{service}")).build())
        .build())
}
