//! Receives the plan in the body of a request, piece by piece, plain or compressed with gzip.

use std::io::{self, Write as _};
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
use crate::services::plans::{Limits, Refusal, Spool};

/// Compressed bytes that are decompressed at a time. Other requests run in between, because they may become 1,000 times
/// as many.
const COMPRESSED_STEP: usize = 4 * 1024;

/// Limits how many plans are received at the same time, and how long one may take.
pub(super) struct Uploads {
    permits: Arc<Semaphore>,
    timeout: Duration,
}

/// A plan that has arrived. While it exists, it counts as one upload.
pub(super) struct Upload {
    pub(super) plan: Result<Spool, Refusal>,
    pub(super) permit: OwnedSemaphorePermit,
}

/// Why a plan was not received.
pub(super) enum UploadError {
    /// As many plans as allowed were received all the time.
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
                "Other plans are being imported: send the plan again later.",
            ),
            Self::TimedOut => (
                StatusCode::REQUEST_TIMEOUT,
                None,
                "upload_timeout",
                "The plan did not arrive in time: send it compressed with gzip, or over a faster connection.",
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

    /// Receives a plan. Waits first if as many plans as allowed are received.
    pub(super) async fn receive(&self, headers: &HeaderMap, body: Body) -> Result<Upload, UploadError> {
        let mut plan = Incoming::new(headers)?;
        let until = Instant::now() + self.timeout;
        let permit = timeout_at(until, Arc::clone(&self.permits).acquire_owned()).await;
        let permit = permit.map_err(|_| UploadError::TooMany)?;
        let permit = permit.map_err(|closed| Error::Internal(closed.to_string()))?;
        let received = timeout_at(until, plan.read(body)).await;
        let received = received.map_err(|_| UploadError::TimedOut)?;
        match received.and_then(|()| plan.finish()) {
            Ok(spool) => Ok(Upload {
                plan: Ok(spool),
                permit,
            }),
            Err(Broken::Refused(refusal)) => Ok(Upload {
                plan: Err(refusal),
                permit,
            }),
            Err(Broken::Body(why)) => Err(Error::BadUserInput(why.to_owned()).into()),
        }
    }
}

/// Why a body cannot be read.
enum Broken {
    Refused(Refusal),
    Body(&'static str),
}

/// The plan as it arrives.
enum Incoming {
    Plain(Spool),
    Gzip(Box<MultiGzDecoder<Spool>>),
}

impl Incoming {
    fn new(headers: &HeaderMap) -> Result<Self, UploadError> {
        let spool = Spool::new(Limits::default());
        let mut encodings = headers.get_all(CONTENT_ENCODING).iter();
        let encoding = encodings.next().map(HeaderValue::as_bytes);
        match (
            encoding.map(<[u8]>::to_ascii_lowercase).as_deref(),
            encodings.next(),
        ) {
            (None | Some(b"identity" | b""), None) => Ok(Self::Plain(spool)),
            (Some(b"gzip" | b"x-gzip"), None) => Ok(Self::Gzip(Box::new(MultiGzDecoder::new(spool)))),
            _ => Err(UploadError::Encoding),
        }
    }

    async fn read(&mut self, body: Body) -> Result<(), Broken> {
        let mut pieces = body.into_data_stream();
        while let Some(piece) = pieces.next().await {
            let piece = piece.map_err(|_| Broken::Body("the body ended early"))?;
            match self {
                Self::Plain(spool) => spool.push(&piece).map_err(Broken::Refused)?,
                Self::Gzip(decoder) => {
                    for part in piece.chunks(COMPRESSED_STEP) {
                        decoder.write_all(part).map_err(|error| broken(&error))?;
                        tokio::task::yield_now().await;
                    }
                }
            }
        }
        Ok(())
    }

    fn finish(self) -> Result<Spool, Broken> {
        match self {
            Self::Plain(spool) => Ok(spool),
            Self::Gzip(decoder) => decoder.finish().map_err(|error| broken(&error)),
        }
    }
}

/// Returns the refusal that the spool had, or that the compression is broken.
fn broken(error: &io::Error) -> Broken {
    let refusal = error.get_ref().and_then(|inner| inner.downcast_ref::<Refusal>());
    refusal.map_or(Broken::Body("the body is not complete gzip"), |refusal| {
        Broken::Refused(*refusal)
    })
}
