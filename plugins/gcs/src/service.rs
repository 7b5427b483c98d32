//! Between the SDK and its HTTP client: adds the checksum of what is sent, keeps what the store answers to it.

use std::{error::Error as StdError, fmt, time::Duration};

use crc_fast::{CrcAlgorithm::Crc32Iscsi, checksum};
use futures_util::StreamExt;
use http_body_util::BodyExt;
use net::{Cause, Failed};
use object_store::{
    ClientOptions,
    client::{
        HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpResponse, HttpService,
        ReqwestConnector,
    },
};

/// The code of an answer by which a store keeps other bytes than were sent.
const OTHER: &str = "OtherBytes";
/// The code of an answer that doesn't tell what the store keeps.
pub const UNSAID: &str = "Unsaid";

/// What a store answered instead of doing what it was asked.
#[derive(Debug)]
struct Answered {
    /// The status.
    pub status: u16,
    /// What the store calls it.
    pub code: String,
    /// How long the store wants to be left alone.
    pub wait: Option<Duration>,
    /// By how many minutes this computer's clock is ahead.
    ahead: Option<i64>,
    /// Where a page sends to that isn't the store's.
    page: Option<String>,
}

impl fmt::Display for Answered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "status {} {}", self.status, self.code)
    }
}

impl StdError for Answered {}

impl Answered {
    /// What it means.
    fn cause(&self) -> Cause {
        let said =
            || if self.code.is_empty() { format!("status {}", self.status) } else { self.code.clone() };
        match (self.code.as_str(), self.status) {
            (_, _) if self.page.is_some() => Cause::Portal(self.page.clone().unwrap_or_default()),
            ("RequestTimeTooSkewed" | "invalid_grant", _)
                if self.ahead.is_some_and(|minutes| minutes.abs() >= 5) =>
            {
                Cause::Clock(self.ahead)
            }
            // A token is of a time that isn't now there.
            (_, 401) if self.ahead.is_some_and(|minutes| minutes.abs() >= 5) => Cause::Clock(self.ahead),
            ("RequestTimeTooSkewed", _) => Cause::Clock(None),
            (OTHER, _) => Cause::Other(
                "the store says it keeps other bytes than were sent; something on the way changes them"
                    .to_owned(),
            ),
            ("ExpiredToken", _) => Cause::Expired,
            ("NoSuchBucket" | "UserProjectAccountProblem", _) => Cause::NoBucket,
            ("QuotaExceeded", _) | (_, 507) => Cause::Quota,
            ("KeyTooLongError" | "InvalidArgument" | "EntityTooLarge" | "InvalidObjectName", _) => {
                Cause::Rejected(said())
            }
            (_, 401 | 403) => Cause::Denied(said()),
            (_, 407) => Cause::ProxyAuth,
            (_, 429 | 503) => Cause::Busy(self.status),
            (_, 500..) => Cause::Server(self.status),
            _ => Cause::Other(format!("refused with {}", said())),
        }
    }
}

/// What a request of the SDK's came to, if it wasn't done.
pub fn failed(error: object_store::Error) -> Failed {
    let answered = net::chain(&error).find_map(|error| error.downcast_ref::<Answered>());
    if let Some(answered) = answered {
        let (status, code) = (Some(answered.status), answered.code.clone());
        return Failed { cause: answered.cause(), status, code, wait: answered.wait };
    }
    if matches!(error, object_store::Error::AlreadyExists { .. } | object_store::Error::Precondition { .. }) {
        return Failed { status: Some(412), ..Failed::of(Cause::Cut) };
    }
    let error: &(dyn StdError + 'static) = &error;
    let said = net::chain(error).last().map_or_else(String::new, ToString::to_string);
    Failed::of(net::cause_of(error).unwrap_or(Cause::Other(said)))
}

/// Makes clients that check, and have what they store encrypted with a key.
#[derive(Debug)]
pub struct Checked {
    /// The key of Google's key management; none: as the bucket says.
    pub kms_key: Option<String>,
}

impl HttpConnector for Checked {
    fn connect(&self, options: &ClientOptions) -> object_store::Result<HttpClient> {
        let inner = ReqwestConnector::default().connect(options)?;
        Ok(HttpClient::new(Service { inner, kms_key: self.kms_key.clone() }))
    }
}

#[derive(Debug)]
struct Service {
    inner: HttpClient,
    kms_key: Option<String>,
}

#[async_trait::async_trait]
impl HttpService for Service {
    async fn call(&self, mut request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let query = request.uri().query().unwrap_or_default().to_owned();
        // Nothing is overwritten by putting parts together either.
        if request.method() == "POST" && query.contains("uploadId=") {
            request.headers_mut().insert("x-goog-if-generation-match", "0".parse().map_err(header)?);
        }
        // An object is encrypted as was said when it, or its upload in parts, was begun.
        let begins = match request.method().as_str() {
            "PUT" => !query.contains("uploadId="),
            "POST" => query.starts_with("uploads"),
            _ => false,
        };
        if let Some(key) = self.kms_key.as_ref().filter(|_| begins) {
            let key = key.parse().map_err(header)?;
            request.headers_mut().insert("x-goog-encryption-kms-key-name", key);
        }
        let mut sent = None;
        if request.method() == "PUT" {
            let bytes = request.body().clone().collect().await?.to_bytes();
            let crc = u32::try_from(checksum(Crc32Iscsi, &bytes)).unwrap_or_default();
            let value = format!("crc32c={}", net::base64(&crc.to_be_bytes()));
            request.headers_mut().insert("x-goog-hash", value.parse().map_err(header)?);
            *request.body_mut() = bytes.into();
            sent = Some(value);
        }
        let response = self.inner.execute(request).await?;
        let status = response.status().as_u16();
        if let Some(sent) = sent.filter(|_| response.status().is_success()) {
            let doubt = match kept(&response) {
                Some(kept) => (kept != sent).then_some(OTHER),
                // Of parts the whole is looked at.
                None => begins.then_some(UNSAID),
            };
            let answered = |code: &str| {
                let code = code.to_owned();
                HttpError::new(
                    HttpErrorKind::Unknown,
                    Answered { status, code, wait: None, ahead: None, page: None },
                )
            };
            return doubt.map_or(Ok(response), |code| Err(answered(code)));
        }
        // These the SDK knows what to do with.
        if response.status().is_success() || matches!(status, 304 | 409 | 412) {
            return Ok(response);
        }
        let line = |name: &str| {
            response.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned)
        };
        let is_page = line("content-type").is_some_and(|kind| kind.contains("html"));
        let mut answered = Answered {
            status,
            code: String::new(),
            wait: line("retry-after").and_then(|value| net::retry_after(&value)),
            ahead: line("date").and_then(|date| net::ahead(&date)),
            page: line("location").filter(|_| is_page),
        };
        let mut body = Vec::new();
        let mut stream = response.into_body().bytes_stream();
        while body.len() < 65_536
            && let Some(Ok(bytes)) = stream.next().await
        {
            body.extend_from_slice(&bytes);
        }
        answered.code = code(&String::from_utf8_lossy(&body));
        Err(HttpError::new(HttpErrorKind::Unknown, answered))
    }
}

/// The checksum of what a store says it keeps, as it was sent.
fn kept(response: &HttpResponse) -> Option<String> {
    let lines = response.headers().get_all("x-goog-hash").iter().filter_map(|value| value.to_str().ok());
    lines
        .flat_map(|line| line.split(','))
        .map(str::trim)
        .find(|sum| sum.starts_with("crc32c="))
        .map(str::to_owned)
}

fn header(error: impl std::error::Error + Send + Sync + 'static) -> HttpError {
    HttpError::new(HttpErrorKind::Request, error)
}

/// What a store calls a failure, in XML or, of the token endpoint, in JSON.
fn code(body: &str) -> String {
    let between = |from: &str, to: &str| body.split(from).nth(1)?.split(to).next().map(str::to_owned);
    between("<Code>", "</Code>")
        .or_else(|| between("\"error\":\"", "\""))
        .filter(|code| code.len() < 64)
        .unwrap_or_default()
}
