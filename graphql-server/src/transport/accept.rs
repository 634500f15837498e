//! Content negotiation of the GraphQL endpoint: the types that the client accepts, and the type of its body.

use axum::http::{
    HeaderMap,
    header::{ACCEPT, CONTENT_ENCODING, CONTENT_TYPE},
};

/// The media type of a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum MediaType {
    /// `application/json`: well-formed requests are answered with status 200 regardless of their outcome, for clients
    /// that cannot distinguish the responses of this server from those of a proxy.
    Json,
    /// `application/graphql-response+json`: the status shows whether the request was executed.
    GraphqlResponse,
}

impl MediaType {
    /// Returns the value of `Content-Type`.
    pub(super) fn content_type(self) -> &'static str {
        match self {
            Self::Json => "application/json; charset=utf-8",
            Self::GraphqlResponse => "application/graphql-response+json; charset=utf-8",
        }
    }

    fn subtype(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::GraphqlResponse => "graphql-response+json",
        }
    }
}

/// The types that the client accepts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Accepted {
    /// The type of a single response, if the client accepts one.
    pub(super) plain: Option<MediaType>,
    /// Whether the client accepts `text/event-stream`. Wildcards do not include it.
    pub(super) events: Events,
}

/// Whether a client accepts `text/event-stream`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Events {
    /// Not accepted.
    #[default]
    Never,
    /// Accepted, but used only if the operation needs a stream: some clients send one header for all operations.
    IfNeeded,
    /// Preferred.
    Always,
}

/// Chooses the type of the response.
///
/// The type with the higher quality wins. With equal quality, a type that the client names wins over a type that only
/// matches a wildcard. If the client names neither type, JSON wins. If it names both, the newer type wins.
pub(super) fn negotiate(headers: &HeaderMap) -> Accepted {
    let values: Vec<&str> = headers
        .get_all(ACCEPT)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .collect();
    let accept = values.join(",");
    if accept.trim().is_empty() {
        let readable = values.len() == headers.get_all(ACCEPT).iter().count();
        return Accepted {
            plain: readable.then_some(MediaType::Json),
            events: Events::Never,
        };
    }
    let ranges: Vec<Range<'_>> = split(&accept, ',').filter_map(Range::parse).collect();
    let best = |media_type: MediaType| {
        let fitting = ranges
            .iter()
            .filter_map(|range| Some((range.fits(media_type)?, range.quality)));
        fitting
            .max_by_key(|&(precision, _)| precision)
            .filter(|&(_, quality)| quality > 0)
    };
    let (new, old) = (best(MediaType::GraphqlResponse), best(MediaType::Json));
    let quality = |best: Option<(u8, u16)>| best.map_or(0, |(_, quality)| quality);
    let events = ranges.iter().filter(|range| range.is_events());
    let events = match events.map(|range| range.quality).max() {
        None | Some(0) => Events::Never,
        Some(events) if events > quality(new).max(quality(old)) => Events::Always,
        Some(_) => Events::IfNeeded,
    };
    Accepted {
        plain: plain(new, old),
        events,
    }
}

/// Chooses the type of a single response by the specificity and quality of the client's ranges.
fn plain(new: Option<(u8, u16)>, old: Option<(u8, u16)>) -> Option<MediaType> {
    let rank = |(precision, quality): (u8, u16)| (quality, precision);
    match (new, old) {
        (None, None) => None,
        (None, Some(_)) => Some(MediaType::Json),
        (Some(_), None) => Some(MediaType::GraphqlResponse),
        (Some(new), Some(old)) if rank(new) == rank(old) && new.0 < EXACT => Some(MediaType::Json),
        (Some(new), Some(old)) if rank(new) >= rank(old) => Some(MediaType::GraphqlResponse),
        _ => Some(MediaType::Json),
    }
}

/// Specificity of a range that names the media type exactly.
const EXACT: u8 = 2;
const SUBTYPE_WILDCARD: u8 = 1;
const WILDCARD: u8 = 0;

/// One media range of an `Accept` header.
struct Range<'a> {
    name: &'a str,
    /// Quality in thousandths.
    quality: u16,
}

impl<'a> Range<'a> {
    /// Parses a range. `None` if it is malformed or requires a charset other than UTF-8.
    fn parse(text: &'a str) -> Option<Self> {
        let mut parts = split(text, ';');
        let name = parts.next()?.trim();
        let mut quality = 1_000;
        for parameter in parts {
            let (key, value) = parameter.split_once('=')?;
            match key.trim() {
                key if key.eq_ignore_ascii_case("q") => {
                    quality = thousandths(value.trim())?;
                    // Parameters after the quality are extensions. No extension is in use, so they are ignored.
                    break;
                }
                key if key.eq_ignore_ascii_case("charset") && !is_utf8(value) => return None,
                _ => {}
            }
        }
        Some(Self { name, quality })
    }

    fn is_events(&self) -> bool {
        self.name.eq_ignore_ascii_case("text/event-stream")
    }

    fn fits(&self, media_type: MediaType) -> Option<u8> {
        let (main, subtype) = self.name.split_once('/')?;
        let application = main.eq_ignore_ascii_case("application");
        if application && subtype.eq_ignore_ascii_case(media_type.subtype()) {
            Some(EXACT)
        } else if application && subtype == "*" {
            Some(SUBTYPE_WILDCARD)
        } else {
            (self.name == "*/*").then_some(WILDCARD)
        }
    }
}

/// Parses a number from `0` to `1` with at most three decimals, in thousandths.
fn thousandths(text: &str) -> Option<u16> {
    let (whole, decimals) = text.split_once('.').unwrap_or((text, ""));
    let digits = decimals.len() <= 3 && decimals.bytes().all(|byte| byte.is_ascii_digit());
    match whole {
        "0" if digits => format!("{decimals:0<3}").parse().ok(),
        "1" if digits && decimals.bytes().all(|byte| byte == b'0') => Some(1_000),
        _ => None,
    }
}

/// Returns whether the headers declare an uncompressed JSON body in UTF-8, exactly once.
///
/// Browsers let pages of other origins send text and forms without a preflight request. Requiring the JSON media type
/// prevents such pages from acting on behalf of the user (CSRF).
pub(super) fn sends_json(headers: &HeaderMap) -> bool {
    let mut types = headers.get_all(CONTENT_TYPE).iter();
    let (Some(value), None) = (types.next(), types.next()) else {
        return false;
    };
    let Ok(value) = value.to_str() else {
        return false;
    };
    let mut parts = split(value, ';');
    let json = parts
        .next()
        .is_some_and(|name| name.trim().eq_ignore_ascii_case("application/json"));
    let utf8 = parts.all(|parameter| match parameter.split_once('=') {
        Some((key, value)) => !key.trim().eq_ignore_ascii_case("charset") || is_utf8(value),
        None => parameter.trim().is_empty(),
    });
    let mut encodings = headers.get_all(CONTENT_ENCODING).iter();
    json && utf8 && encodings.all(|encoding| encoding.as_bytes().eq_ignore_ascii_case(b"identity"))
}

fn is_utf8(charset: &str) -> bool {
    charset.trim().trim_matches('"').eq_ignore_ascii_case("utf-8")
}

/// Splits at separators that are not inside a quoted string.
fn split(text: &str, separator: char) -> impl Iterator<Item = &str> {
    let mut quoted = false;
    let mut escaped = false;
    text.split(move |character| {
        let was_escaped = std::mem::take(&mut escaped);
        match character {
            '\\' if quoted && !was_escaped => escaped = true,
            '"' if !was_escaped => quoted = !quoted,
            _ => {}
        }
        character == separator && !quoted
    })
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderName, HeaderValue};

    use super::*;

    fn with(name: HeaderName, values: &[&'static str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(&name, HeaderValue::from_static(value));
        }
        headers
    }

    #[test]
    fn the_response_has_the_media_type_with_the_highest_preference() {
        let json = Some(MediaType::Json);
        let new = Some(MediaType::GraphqlResponse);
        let cases: [(&[&'static str], Option<MediaType>); 24] = [
            (&[], json),
            (&[""], json),
            (&["*/*"], json),
            (&["application/*"], json),
            (&["application/json"], json),
            (&["APPLICATION/JSON ; charset=UTF-8"], json),
            (&["application/graphql-response+json"], new),
            (&["application/graphql-response+json, application/json"], new),
            (&["application/json, application/graphql-response+json"], new),
            (
                &["application/json, application/graphql-response+json;q=0.9"],
                json,
            ),
            (&["application/graphql-response+json;q=0.9, */*"], json),
            (&["application/graphql-response+json, */*;q=0.1"], new),
            (&["*/*;q=0.1, application/graphql-response+json;q=0.001"], json),
            (&["*/*, application/json;q=0"], new),
            (&["text/html, application/xhtml+xml, */*;q=0.8"], json),
            (&["text/event-stream, application/json;q=0.5"], json),
            (&["text/html", "application/graphql-response+json"], new),
            (&["text/event-stream"], None),
            (&["text/html"], None),
            (&["application/json;q=0"], None),
            (&["application/json;charset=latin1"], None),
            (&["application/json;q=2"], None),
            (&["application/json;q=nan"], None),
            (&["text/html;a=\", */*\""], None),
        ];
        for (accept, expected) in cases {
            assert_eq!(negotiate(&with(ACCEPT, accept)).plain, expected, "{accept:?}");
        }
    }

    #[test]
    fn event_streams_require_an_explicit_media_type() {
        let cases: [(&[&'static str], Events); 10] = [
            (&[], Events::Never),
            (&["*/*"], Events::Never),
            (&["text/*"], Events::Never),
            (&["application/json"], Events::Never),
            (&["text/event-stream;q=0"], Events::Never),
            (&["text/event-stream"], Events::Always),
            (&["Text/Event-Stream, application/json;q=0.5"], Events::Always),
            (&["text/event-stream", "*/*;q=0.1"], Events::Always),
            (&["application/json, text/event-stream"], Events::IfNeeded),
            (&["application/json, text/event-stream;q=0.9"], Events::IfNeeded),
        ];
        for (accept, expected) in cases {
            assert_eq!(negotiate(&with(ACCEPT, accept)).events, expected, "{accept:?}");
        }
    }

    #[test]
    fn only_uncompressed_json_in_utf8_is_accepted() {
        for value in [
            "application/json",
            "Application/JSON;charset=\"UTF-8\"",
            "application/json; charset=utf-8;",
            "application/json;x=y",
        ] {
            assert!(sends_json(&with(CONTENT_TYPE, &[value])), "{value}");
        }
        for value in [
            "text/plain",
            "application/x-www-form-urlencoded",
            "multipart/form-data; boundary=x",
            "application/json;charset=latin1",
            "application/jsonp",
            "text/plain; application/json",
            "application/graphql",
            "",
        ] {
            assert!(!sends_json(&with(CONTENT_TYPE, &[value])), "{value}");
        }
        assert!(!sends_json(&HeaderMap::new()));
        assert!(!sends_json(&with(
            CONTENT_TYPE,
            &["application/json", "text/plain"]
        )));
        let mut zipped = with(CONTENT_TYPE, &["application/json"]);
        zipped.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        assert!(!sends_json(&zipped));
    }
}
