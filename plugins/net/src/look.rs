//! A look at who answers in a host's place, when an error alone doesn't tell.

use std::{
    io::{self, Read, Write},
    net::{TcpStream, ToSocketAddrs},
    time::{Duration, SystemTime},
};

use rustls::RootCertStore;

use crate::{
    Cause, Place, Proxy,
    chain::{by_kind, cause_of},
    tls::{self, Hand},
};

/// How long a step may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// From so many minutes on stores refuse because of the time.
const CLOCK: i64 = 5;

/// Looks closer where an error leaves open who is behind it: whose certificate, which sign-in page.
pub fn look(cause: Cause, place: &Place, proxy: Option<&Proxy>, roots: &RootCertStore) -> Cause {
    match cause {
        Cause::Intercepted(_) | Cause::Certificate(_) => portal(place).unwrap_or_else(|| {
            match connect(place, proxy).map(|tcp| tls::shake(&place.host, roots.clone(), tcp)) {
                Ok(Hand::Stranger { error, issuer }) => stranger(&error, issuer),
                _ => cause,
            }
        }),
        // A connection that is cut while it is made is cut because of the name in it.
        Cause::Cut if place.tls => {
            match connect(place, proxy).map(|tcp| tls::shake(&place.host, roots.clone(), tcp)) {
                Ok(Hand::Failed(error)) if is_cut(&error) => Cause::Filtered,
                _ => Cause::Cut,
            }
        }
        other => other,
    }
}

/// What a certificate that isn't trusted says.
pub fn stranger(error: &rustls::Error, issuer: String) -> Cause {
    match cause_of(error) {
        Some(Cause::Intercepted(_)) => Cause::Intercepted(issuer),
        Some(Cause::Certificate(why)) => Cause::Certificate(format!("{why} (issued by {issuer})")),
        Some(other) => other,
        None => Cause::Certificate(error.to_string()),
    }
}

/// Whether a handshake ended as filters end it.
pub fn is_cut(error: &io::Error) -> bool {
    matches!(by_kind(error.kind()), Some(Cause::Cut))
}

/// Connects to a place, by its proxy if it has one.
pub fn connect(place: &Place, proxy: Option<&Proxy>) -> Result<TcpStream, Cause> {
    let (host, port) =
        proxy.map_or((place.host.as_str(), place.port), |proxy| (proxy.host.as_str(), proxy.port));
    let mut last = Cause::Dns;
    for address in (host.trim_matches(['[', ']']), port).to_socket_addrs().map_err(|_| Cause::Dns)? {
        match TcpStream::connect_timeout(&address, PATIENCE) {
            Ok(mut stream) => {
                let timed = stream
                    .set_read_timeout(Some(PATIENCE))
                    .and_then(|()| stream.set_write_timeout(Some(PATIENCE)));
                timed.map_err(|error| Cause::Other(error.to_string()))?;
                if let Some(proxy) = proxy.filter(|_| place.tls) {
                    proxy.connect(&mut stream, &place.host, place.port)?;
                }
                return Ok(stream);
            }
            Err(error) => last = by_kind(error.kind()).unwrap_or_else(|| Cause::Other(error.to_string())),
        }
    }
    Err(last)
}

/// The sign-in page of the network that answers for a host, if one does.
pub fn portal(place: &Place) -> Option<Cause> {
    let plain = Place { port: 80, tls: false, proxy: None, ..place.clone() };
    let mut stream = connect(&plain, None).ok()?;
    head(&mut stream, &place.host).ok()?.portal(&place.host)
}

/// What a server says before its content.
pub struct Head {
    /// The status.
    pub status: u16,
    lines: Vec<(String, String)>,
}

impl Head {
    fn line(&self, name: &str) -> Option<&str> {
        self.lines.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// Whether it sends elsewhere, as sign-in pages do.
    pub fn portal(&self, host: &str) -> Option<Cause> {
        let elsewhere = self.line("location").filter(|_| (300..400).contains(&self.status));
        let elsewhere = elsewhere.filter(|url| {
            let authority = url.split("://").nth(1).and_then(|rest| rest.split(['/', '?', ':']).next());
            // A store sends to its other addresses, below the same name.
            let home = host.rsplitn(3, '.').take(2).collect::<Vec<_>>();
            authority.is_some_and(|other| other.rsplitn(3, '.').take(2).collect::<Vec<_>>() != home)
        });
        match (elsewhere, self.status) {
            (Some(url), _) => Some(Cause::Portal(url.to_owned())),
            (None, 511) => Some(Cause::Portal(format!("http://{host}/"))),
            _ => None,
        }
    }

    /// By how many minutes this computer's clock differs, if that matters.
    pub fn clock(&self) -> Option<Cause> {
        let minutes = ahead(self.line("date")?)?;
        (minutes.abs() >= CLOCK).then_some(Cause::Clock(Some(minutes)))
    }
}

/// By how many minutes this computer's clock is ahead of a server's, by what its answer says.
pub fn ahead(date: &str) -> Option<i64> {
    let there = httpdate::parse_http_date(date).ok()?;
    let (seconds, sign) = match SystemTime::now().duration_since(there) {
        Ok(ahead) => (ahead.as_secs(), 1),
        Err(behind) => (behind.duration().as_secs(), -1),
    };
    i64::try_from(seconds / 60).ok().map(|minutes| sign * minutes)
}

/// How long a server wants to be left alone, from its `Retry-After`; an hour at most.
pub fn retry_after(value: &str) -> Option<Duration> {
    const MOST: Duration = Duration::from_secs(3_600);
    let wait = match value.trim().parse() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => httpdate::parse_http_date(value).ok()?.duration_since(SystemTime::now()).ok()?,
    };
    Some(wait.min(MOST))
}

/// Asks a server for nothing but its head.
pub fn head(stream: &mut (impl Read + Write), host: &str) -> io::Result<Head> {
    write!(stream, "HEAD / HTTP/1.1\r\nHost: {host}\r\nUser-Agent: candor\r\nConnection: close\r\n\r\n")?;
    stream.flush()?;
    let mut bytes = Vec::new();
    let mut buffer = [0; 1024];
    while !bytes.windows(4).any(|end| end == b"\r\n\r\n") && bytes.len() < 16_384 {
        match stream.read(&mut buffer)? {
            0 => break,
            n => bytes.extend_from_slice(&buffer[..n]),
        }
    }
    let text = String::from_utf8_lossy(&bytes);
    let mut lines = text.split("\r\n");
    let status = lines
        .next()
        .filter(|line| line.starts_with("HTTP/"))
        .and_then(|line| line.split(' ').nth(1)?.parse().ok());
    let status = status
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "what answers doesn't speak HTTP"))?;
    let lines = lines.filter_map(|line| line.split_once(':'));
    Ok(Head {
        status,
        lines: lines.map(|(name, value)| (name.to_lowercase(), value.trim().to_owned())).collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(status: u16, lines: &[(&str, &str)]) -> Head {
        Head { status, lines: lines.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect() }
    }

    #[test]
    fn a_store_that_sends_to_its_other_address_is_not_a_portal() {
        let other = [("location", "https://b.s3.eu-west-1.amazonaws.com/")];
        assert_eq!(seen(307, &other).portal("b.s3.amazonaws.com"), None);
        let page = [("location", "http://login.hotel.example/welcome")];
        let url = "http://login.hotel.example/welcome".to_owned();
        assert_eq!(seen(302, &page).portal("b.s3.amazonaws.com"), Some(Cause::Portal(url)));
        assert_eq!(seen(403, &page).portal("b.s3.amazonaws.com"), None);
    }

    #[test]
    fn a_server_may_ask_for_time_in_seconds_or_by_date() {
        assert_eq!(retry_after("7"), Some(Duration::from_secs(7)));
        assert_eq!(retry_after("999999"), Some(Duration::from_secs(3_600)));
        let soon = httpdate::fmt_http_date(SystemTime::now() + Duration::from_secs(90));
        assert!(retry_after(&soon).is_some_and(|wait| wait > Duration::from_secs(60)));
        assert_eq!(retry_after("soon"), None);
    }

    #[test]
    fn a_clock_is_off_from_five_minutes_on() {
        let at = |seconds: u64| httpdate::fmt_http_date(SystemTime::now() - Duration::from_secs(seconds));
        assert_eq!(seen(200, &[("date", &at(60))]).clock(), None);
        assert_eq!(seen(200, &[("date", &at(7_260))]).clock(), Some(Cause::Clock(Some(121))));
        assert_eq!(seen(200, &[]).clock(), None);
    }
}
