//! Receives plans and inventory lines in the bodies of requests, piece by piece, plain or compressed with gzip.

use std::io::{self, Write};
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::body::Body;
use axum::http::header::{ACCEPT_ENCODING, CONTENT_ENCODING, RETRY_AFTER};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use flate2::write::MultiGzDecoder;
use futures_util::StreamExt as _;
use serde_json::json;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout_at};

use super::rest::RestError;
use crate::error::Error;

/// Compressed bytes that are decompressed at a time. Other requests run in between, because they may become 1,000 times
/// as many.
const COMPRESSED_STEP: usize = 4 * 1024;

/// Limits how many uploads are received at the same time, and how long one may take.
pub(super) struct Uploads {
    permits: Arc<Semaphore>,
    timeout: Duration,
}

/// A body that has arrived. While it exists, it counts as one upload.
pub(super) struct Upload<W> {
    pub(super) body: Result<W, Broken>,
    pub(super) permit: OwnedSemaphorePermit,
}

/// Why an upload was not received.
pub(super) enum UploadError {
    /// As many uploads as allowed were received all the time.
    TooMany,
    /// The body did not arrive in time.
    TimedOut,
    /// The body has another encoding than gzip.
    Encoding,
    /// Another error.
    Other(RestError),
}

impl<E: Into<RestError>> From<E> for UploadError {
    fn from(error: E) -> Self {
        Self::Other(error.into())
    }
}

impl IntoResponse for UploadError {
    fn into_response(self) -> Response {
        let (status, header, error, message) = match self {
            Self::TooMany => (
                StatusCode::SERVICE_UNAVAILABLE,
                Some((RETRY_AFTER, "60")),
                "too_many_uploads",
                "Other uploads are being stored: send it again later.",
            ),
            Self::TimedOut => (
                StatusCode::REQUEST_TIMEOUT,
                None,
                "upload_timeout",
                "The body did not arrive in time: send it compressed with gzip, or over a faster connection.",
            ),
            Self::Encoding => (
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                Some((ACCEPT_ENCODING, "gzip")),
                "unsupported_encoding",
                "The body has an encoding that is not supported: send it without compression, or with gzip.",
            ),
            Self::Other(error) => return error.into_response(),
        };
        let mut response = (status, Json(json!({ "error": error, "message": message }))).into_response();
        if let Some((name, value)) = header {
            response
                .headers_mut()
                .insert(name, HeaderValue::from_static(value));
        }
        response
    }
}

impl Uploads {
    pub(super) fn new(simultaneous: usize, timeout: Duration) -> Self {
        Self {
            permits: Arc::new(Semaphore::new(simultaneous.min(Semaphore::MAX_PERMITS))),
            timeout,
        }
    }

    /// Receives a body into `sink`. Waits first if as many uploads as allowed are received.
    pub(super) async fn receive<W: Write + Send>(
        &self,
        headers: &HeaderMap,
        body: Body,
        sink: W,
    ) -> Result<Upload<W>, UploadError> {
        let mut incoming = Incoming::new(headers, sink)?;
        let until = Instant::now() + self.timeout;
        let permit = timeout_at(until, Arc::clone(&self.permits).acquire_owned()).await;
        let permit = permit.map_err(|_| UploadError::TooMany)?;
        let permit = permit.map_err(|closed| Error::Internal(closed.to_string()))?;
        let received = timeout_at(until, incoming.read(body)).await;
        let received = received.map_err(|_| UploadError::TimedOut)?;
        Ok(Upload {
            body: received.and_then(|()| incoming.finish()),
            permit,
        })
    }
}

/// Why a body cannot be read.
pub(super) enum Broken {
    /// The sink refused it.
    Sink(io::Error),
    /// It is incomplete or not valid gzip.
    Body(&'static str),
}

/// The body as it arrives.
enum Incoming<W: Write> {
    Plain(W),
    Gzip(Box<MultiGzDecoder<Sink<W>>>),
}

/// Marks the errors of the sink, which the decoder would mix with its own.
struct Sink<W>(W);

/// An error of the sink.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Refused(io::Error);

impl<W: Write> Write for Sink<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0
            .write(bytes)
            .map_err(|error| io::Error::other(Refused(error)))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

impl<W: Write> Incoming<W> {
    fn new(headers: &HeaderMap, sink: W) -> Result<Self, UploadError> {
        let mut encodings = headers.get_all(CONTENT_ENCODING).iter();
        let encoding = encodings.next().map(HeaderValue::as_bytes);
        match (
            encoding.map(<[u8]>::to_ascii_lowercase).as_deref(),
            encodings.next(),
        ) {
            (None | Some(b"identity" | b""), None) => Ok(Self::Plain(sink)),
            (Some(b"gzip" | b"x-gzip"), None) => Ok(Self::Gzip(Box::new(MultiGzDecoder::new(Sink(sink))))),
            _ => Err(UploadError::Encoding),
        }
    }

    async fn read(&mut self, body: Body) -> Result<(), Broken> {
        let mut pieces = body.into_data_stream();
        while let Some(piece) = pieces.next().await {
            let piece = piece.map_err(|_| Broken::Body("the body ended early"))?;
            match self {
                Self::Plain(sink) => sink.write_all(&piece).map_err(Broken::Sink)?,
                Self::Gzip(decoder) => {
                    for part in piece.chunks(COMPRESSED_STEP) {
                        decoder.write_all(part).map_err(broken)?;
                        tokio::task::yield_now().await;
                    }
                }
            }
        }
        Ok(())
    }

    fn finish(self) -> Result<W, Broken> {
        match self {
            Self::Plain(sink) => Ok(sink),
            Self::Gzip(decoder) => decoder.finish().map(|Sink(sink)| sink).map_err(broken),
        }
    }
}

/// Returns whether the sink or the compression failed.
fn broken(error: io::Error) -> Broken {
    match error.downcast::<Refused>() {
        Ok(Refused(error)) => Broken::Sink(error),
        Err(_) => Broken::Body("the body is not complete gzip"),
    }
}
