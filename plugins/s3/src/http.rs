//! The SDK's requests by HTTP/1.1, which is what S3 speaks. The SDK's own client offers HTTP/2 as well: over that, all
//! that is stored at once shares one connection, which costs a quarter more.

use std::{
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use aws_smithy_runtime_api::{
    box_error::BoxError,
    client::{
        http::{HttpConnector, HttpConnectorFuture, SharedHttpClient, SharedHttpConnector, http_client_fn},
        orchestrator::{HttpRequest, HttpResponse},
        result::ConnectorError,
    },
};
use aws_smithy_types::body::SdkBody;
use http::{HeaderValue, Uri};
use hyper_rustls::{HttpsConnector, MaybeHttpsStream};
use hyper_util::{
    client::legacy::{
        Client,
        connect::{HttpConnector as Tcp, proxy::Tunnel},
    },
    rt::{TokioExecutor, TokioIo, TokioTimer},
};
use plugin_api::{Error, Fault};
use tokio::{net::TcpStream, time::timeout};
use tower_service::Service;

use crate::options::Options;

/// How long connecting may take.
pub const CONNECT: Duration = Duration::from_secs(10);
/// The machine's own credentials come from addresses that no proxy may see.
const OWN: [&str; 6] =
    ["localhost", "127.0.0.1", "[::1]", "169.254.169.254", "169.254.170.2", "169.254.170.23"];

/// Makes the client; it connects when something is asked.
pub fn client(options: &Options) -> Result<SharedHttpClient, Error> {
    let tls = net::trusting(options.way.roots.clone())?;
    let mut tcp = Tcp::new();
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    let tunnel = match &options.way.proxy {
        None => None,
        Some(proxy) => {
            let wrong = |error: &dyn std::fmt::Display| {
                Error::new(Fault::Config, format!("s3: the proxy {proxy}: {error}"))
            };
            let tunnel = Tunnel::new(proxy.url().parse().map_err(|error| wrong(&error))?, tcp.clone());
            let login =
                proxy.login().map(|(user, password)| net::base64(format!("{user}:{password}").as_bytes()));
            let login = login.map(|login| HeaderValue::try_from(format!("Basic {login}"))).transpose();
            Some(match login.map_err(|error| wrong(&error))? {
                Some(login) => tunnel.with_auth(login),
                None => tunnel,
            })
        }
    };
    let connect =
        Connect { direct: (tcp, tls.clone()).into(), tunnel: tunnel.map(|tunnel| (tunnel, tls).into()) };
    let client = Client::builder(TokioExecutor::new()).pool_timer(TokioTimer::new()).build(connect);
    Ok(http_client_fn(move |settings, _| {
        // Where the machine's own credentials are asked for, nobody may be there to answer.
        let limit = settings.read_timeout().map(|read| read + settings.connect_timeout().unwrap_or_default());
        SharedHttpConnector::new(Http { client: client.clone(), limit })
    }))
}

#[derive(Debug)]
struct Http {
    client: Client<Connect, SdkBody>,
    /// How long an answer may take to begin.
    limit: Option<Duration>,
}

impl HttpConnector for Http {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let limit = self.limit;
        let answer = request.try_into_http1x().map(|request| self.client.request(request));
        HttpConnectorFuture::new(async move {
            let answer = answer.map_err(|error| ConnectorError::user(error.into()))?;
            let answer = match limit {
                None => answer.await,
                Some(limit) => timeout(limit, answer).await.map_err(|_| late())?,
            };
            let answer = answer.map_err(|error| ConnectorError::io(error.into()))?;
            HttpResponse::try_from(answer.map(SdkBody::from_body_1_x))
                .map_err(|error| ConnectorError::other(error.into(), None))
        })
    }
}

fn late() -> ConnectorError {
    ConnectorError::timeout("no answer: timed out".into())
}

/// Connects, through the proxy (CONNECT, as the doctor does) if there is one.
#[derive(Clone)]
struct Connect {
    direct: HttpsConnector<Tcp>,
    tunnel: Option<HttpsConnector<Tunnel<Tcp>>>,
}

impl Service<Uri> for Connect {
    type Response = MaybeHttpsStream<TokioIo<TcpStream>>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, to: Uri) -> Self::Future {
        let is_own = to.host().is_some_and(|host| OWN.contains(&host));
        let connecting = match &mut self.tunnel {
            Some(tunnel) if !is_own => tunnel.call(to),
            _ => self.direct.call(to),
        };
        Box::pin(async { timeout(CONNECT, connecting).await.map_err(|_| "connecting timed out")? })
    }
}
