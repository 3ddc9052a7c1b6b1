//! Trace context after W3C (traceparent, level 1): taken from each call, carried by the task, given to each call made.
//!
//! It works without any exporter, so that the log lines of one payment can be found in all five services. Where an
//! exporter is set, the ids are those of its spans.

use std::fmt;
use std::future::Future;

use bursar_types::Entropy;
use http::HeaderMap;
use http::header::HeaderValue;
use opentelemetry::trace::{SpanContext, SpanId, TraceContextExt as _, TraceFlags, TraceId, TraceState};
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

tokio::task_local! {
    static CURRENT: TraceContext;
}

/// Which trace, and which span of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceContext {
    trace_id: [u8; 16],
    span_id: [u8; 8],
    sampled: bool,
}

impl TraceContext {
    /// A new trace.
    pub fn fresh(entropy: &dyn Entropy) -> Self {
        let mut context = Self { trace_id: [0; 16], span_id: [0; 8], sampled: true };
        entropy.fill(&mut context.trace_id);
        entropy.fill(&mut context.span_id);
        // All zeros is no id (W3C §3.2.2.3).
        context.trace_id[15] |= 1;
        context.span_id[7] |= 1;
        context
    }

    /// Another span of the same trace.
    #[must_use]
    pub fn child(self, entropy: &dyn Entropy) -> Self {
        Self { span_id: Self::fresh(entropy).span_id, ..self }
    }

    /// The context in a `traceparent` text; `None` if it is malformed, as the standard asks.
    pub fn parse(text: &str) -> Option<Self> {
        let hex = |part: &str, bytes: &mut [u8]| {
            let lower = part.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
            (lower && part.len() == bytes.len() * 2)
                .then(|| data_encoding::HEXLOWER.decode_mut(part.as_bytes(), bytes).ok())
                .flatten()
                .filter(|_| bytes.iter().any(|byte| *byte != 0))
        };
        let mut parts = text.split('-');
        let (version, trace, span, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        // Later versions may append fields; version 00 has exactly four, and ff is forbidden.
        if version.len() != 2
            || version == "ff"
            || (version == "00" && parts.next().is_some())
            || flags.len() != 2
        {
            return None;
        }
        let (mut trace_id, mut span_id) = ([0; 16], [0; 8]);
        hex(trace, &mut trace_id)?;
        hex(span, &mut span_id)?;
        let flags = u8::from_str_radix(flags, 16).ok().filter(|_| !flags.starts_with('+'))?;
        Some(Self { trace_id, span_id, sampled: flags & 1 == 1 })
    }

    /// The context that a call came with.
    pub(crate) fn of_headers(headers: &HeaderMap) -> Option<Self> {
        headers.get("traceparent")?.to_str().ok().and_then(Self::parse)
    }

    /// The trace id as 32 hexadecimal digits: what log lines carry.
    pub fn trace_id(&self) -> String {
        data_encoding::HEXLOWER.encode(&self.trace_id)
    }

    /// The context of the task that asks: of the exporter's span if there is one, else of the call served.
    pub fn current() -> Option<Self> {
        Self::of_span(&tracing::Span::current()).or_else(|| CURRENT.try_with(|context| *context).ok())
    }

    /// Runs `work` in this context.
    pub async fn scope<F: Future>(self, work: F) -> F::Output {
        CURRENT.scope(self, work).await
    }

    /// The exporter's context of a span, if there is an exporter.
    pub(crate) fn of_span(span: &tracing::Span) -> Option<Self> {
        let context = span.context();
        let inner = context.span().span_context().clone();
        inner.is_valid().then(|| Self {
            trace_id: inner.trace_id().to_bytes(),
            span_id: inner.span_id().to_bytes(),
            sampled: inner.is_sampled(),
        })
    }

    /// This context as the remote parent of `span`, for the exporter.
    pub(crate) fn adopt(self, span: &tracing::Span) {
        let flags = if self.sampled { TraceFlags::SAMPLED } else { TraceFlags::NOT_SAMPLED };
        let remote = SpanContext::new(
            TraceId::from_bytes(self.trace_id),
            SpanId::from_bytes(self.span_id),
            flags,
            true,
            TraceState::default(),
        );
        // An error says that there is no exporter, or that the span began already: then there is nothing to link.
        let _ = span.set_parent(opentelemetry::Context::new().with_remote_span_context(remote));
    }
}

impl fmt::Display for TraceContext {
    /// The `traceparent` text, version 00.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hex = &data_encoding::HEXLOWER;
        let (trace, span) = (hex.encode(&self.trace_id), hex.encode(&self.span_id));
        write!(f, "00-{trace}-{span}-{:02x}", u8::from(self.sampled))
    }
}

/// The `traceparent` text of the current context; empty without one. What the event log stores with an event.
pub fn current_traceparent() -> String {
    TraceContext::current().map(|context| context.to_string()).unwrap_or_default()
}

/// The `traceparent` header for a call that is made now.
pub(crate) fn outgoing() -> Option<HeaderValue> {
    HeaderValue::try_from(TraceContext::current()?.to_string()).ok()
}

#[cfg(test)]
mod tests {
    use bursar_types::SeededEntropy;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_traceparent_is_read_as_the_standard_says() {
        let good = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        assert_eq!(TraceContext::parse(good).map(|context| context.to_string()).as_deref(), Some(good));
        let later = "01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more";
        assert_eq!(TraceContext::parse(later).map(|context| context.to_string()).as_deref(), Some(good));
        for bad in [
            "",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-4bf92f3577b34da6a3ce929d0e0e473-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-+1",
        ] {
            assert_eq!(TraceContext::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_child_is_another_span_of_the_same_trace() {
        let entropy = SeededEntropy::new(1);
        let parent = TraceContext::fresh(&entropy);
        let child = parent.child(&entropy);
        assert_eq!(parent.trace_id(), child.trace_id());
        assert_ne!(parent, child);
    }

    proptest! {
        #[test]
        fn any_text_is_a_context_or_none(text in ".{0,80}") {
            let _ = TraceContext::parse(&text);
        }
    }
}
