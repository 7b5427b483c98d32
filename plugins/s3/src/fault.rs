//! What the store or the way to it refused, in words of what to do.

use std::error::Error as StdError;

use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use net::{Cause, Failed, Shut};

/// What a request of the SDK's came to, if it wasn't done.
pub fn failed<E: ProvideErrorMetadata + StdError + Send + Sync + 'static>(
    error: SdkError<E, HttpResponse>,
) -> Failed {
    let header = |name| error.raw_response().and_then(|answer| answer.headers().get(name)).map(str::to_owned);
    let wait = header("retry-after").and_then(|value| net::retry_after(&value));
    let status = error.raw_response().map(|answer| answer.status().as_u16());
    let code = error.code().unwrap_or_default().to_owned();
    let cause = match (&error, status) {
        (SdkError::TimeoutError(_), _) => Cause::Dropped,
        (SdkError::ResponseError(_) | SdkError::ServiceError(_), Some(status)) => {
            let answer = Answer {
                code: &code,
                message: error.message().unwrap_or_default(),
                status,
                region: header("x-amz-bucket-region"),
                ahead: header("date").and_then(|date| net::ahead(&date)),
                page: header("location")
                    .filter(|_| header("content-type").is_some_and(|kind| kind.contains("html"))),
            };
            answer.cause()
        }
        _ => on_the_way(&error),
    };
    Failed { status, code, cause, wait }
}

/// What stopped a request before anybody answered.
fn on_the_way(error: &(dyn StdError + 'static)) -> Cause {
    let credentials = net::chain(error).find_map(|error| error.downcast_ref::<CredentialsError>());
    if let Some(shut) = net::chain(error).find_map(|error| error.downcast_ref::<Shut>()) {
        return Cause::KeyStore(shut.0.clone());
    }
    match (net::cause_of(error), credentials) {
        (_, Some(CredentialsError::CredentialsNotLoaded(_))) => Cause::NoCredentials,
        (None, Some(_)) => {
            Cause::Denied("no credentials could be got; see the profile, or sign in again".to_owned())
        }
        (Some(cause), _) => cause,
        // The innermost says most, and none of them holds a header or a key.
        (None, None) => match net::chain(error).last().map(ToString::to_string) {
            Some(text) if text.contains("credentials") => Cause::NoCredentials,
            text => Cause::Other(text.unwrap_or_default()),
        },
    }
}

/// What a server answered.
struct Answer<'a> {
    code: &'a str,
    message: &'a str,
    status: u16,
    region: Option<String>,
    ahead: Option<i64>,
    page: Option<String>,
}

impl Answer<'_> {
    fn cause(self) -> Cause {
        let said =
            || if self.code.is_empty() { format!("status {}", self.status) } else { self.code.to_owned() };
        match self.code {
            "ExpiredToken" | "ExpiredTokenException" | "TokenRefreshRequired" => Cause::Expired,
            "RequestTimeTooSkewed" | "RequestExpired" => {
                Cause::Clock(self.ahead.filter(|minutes| *minutes != 0))
            }
            "NoSuchBucket" => Cause::NoBucket,
            "AuthorizationHeaderMalformed"
            | "IllegalLocationConstraintException"
            | "PermanentRedirect"
            | "TemporaryRedirect" => {
                let named =
                    || self.message.split("expecting '").nth(1)?.split('\'').next().map(str::to_owned);
                Cause::WrongRegion(self.region.clone().or_else(named))
            }
            "SlowDown"
            | "RequestLimitExceeded"
            | "Throttling"
            | "ThrottlingException"
            | "TooManyRequests" => Cause::Busy(self.status),
            "QuotaExceeded"
            | "InsufficientStorage"
            | "StorageFull"
            | "XMinioStorageFull"
            | "XMinioAdminBucketQuotaExceeded" => Cause::Quota,
            "EntityTooLarge" | "InvalidArgument" | "InvalidObjectName" | "InvalidURI" | "KeyTooLongError"
            | "MetadataTooLarge" => Cause::Rejected(said()),
            _ => match self.status {
                _ if self.page.is_some() => Cause::Portal(self.page.unwrap_or_default()),
                301 | 307 | 308 => Cause::WrongRegion(self.region),
                401 | 403 => Cause::Denied(said()),
                407 => Cause::ProxyAuth,
                429 | 503 => Cause::Busy(self.status),
                507 => Cause::Quota,
                500.. => Cause::Server(self.status),
                _ => Cause::Other(format!("refused with {}", said())),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(code: &str, status: u16) -> Answer<'_> {
        Answer { code, message: "", status, region: None, ahead: None, page: None }
    }

    #[test]
    fn each_answer_has_its_cause() {
        for (code, status, cause) in [
            ("ExpiredToken", 400, Cause::Expired),
            ("SignatureDoesNotMatch", 403, Cause::Denied("SignatureDoesNotMatch".to_owned())),
            ("", 403, Cause::Denied("status 403".to_owned())),
            ("NoSuchBucket", 404, Cause::NoBucket),
            ("SlowDown", 503, Cause::Busy(503)),
            ("", 429, Cause::Busy(429)),
            ("InternalError", 500, Cause::Server(500)),
            ("", 507, Cause::Quota),
            ("KeyTooLongError", 400, Cause::Rejected("KeyTooLongError".to_owned())),
            ("", 407, Cause::ProxyAuth),
        ] {
            assert_eq!(answer(code, status).cause(), cause, "{code} {status}");
        }
        let moved = Answer {
            message: "the region 'us-east-1' is wrong; expecting 'eu-west-1'",
            ..answer("AuthorizationHeaderMalformed", 400)
        };
        assert_eq!(moved.cause(), Cause::WrongRegion(Some("eu-west-1".to_owned())));
    }
}
