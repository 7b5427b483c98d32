//! The HTTP proxy on the way, from the config or the environment.

use std::{
    env, fmt,
    io::{self, Read, Write},
    net::TcpStream,
};

use plugin_api::{Error, Fault};
use zeroize::Zeroizing;

use crate::{Cause, loopback};

/// A proxy. Its password is never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Proxy {
    /// The proxy's host.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// `user:password`, from the environment only.
    login: Option<Zeroizing<String>>,
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl fmt::Display for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

impl Proxy {
    /// Reads a proxy of a config, which must not hold a password.
    pub fn configured(url: &str) -> Result<Self, Error> {
        let wrong = |text: &str| Error::new(Fault::Config, format!("`proxy`: {text}"));
        let proxy = Self::parse(url).ok_or_else(|| wrong("not a proxy; write \"http://host:port\""))?;
        match proxy.login {
            Some(_) => Err(wrong(
                "a password has no place in the config; set HTTPS_PROXY=http://user:password@host:port in the agent's environment instead",
            )),
            None => Ok(proxy),
        }
    }

    /// The proxy that the environment names for a host, as other programs read it.
    pub fn from_environment(host: &str, tls: bool) -> Option<Self> {
        let names = if tls { ["HTTPS_PROXY", "https_proxy"] } else { ["HTTP_PROXY", "http_proxy"] };
        let set = |name: &&str| env::var(name).ok().filter(|value| !value.is_empty());
        let exempt = ["NO_PROXY", "no_proxy"].iter().find_map(set).unwrap_or_default();
        if loopback(host) || is_exempt(host, &exempt) {
            return None;
        }
        let url = names.iter().chain(&["ALL_PROXY", "all_proxy"]).find_map(set)?;
        Self::parse(&url)
    }

    /// As a URL without its login.
    pub fn url(&self) -> String {
        format!("http://{self}")
    }

    /// As a URL with user and password, for a client library that takes them so; never printed.
    pub fn url_with_login(&self) -> Zeroizing<String> {
        let url = self.login.as_ref().map(|login| format!("http://{}@{self}", login.as_str()));
        url.unwrap_or_else(|| self.url()).into()
    }

    /// User and password, if there are any.
    pub fn login(&self) -> Option<(&str, &str)> {
        self.login.as_ref().map(|login| login.split_once(':').unwrap_or((login.as_str(), "")))
    }

    fn parse(url: &str) -> Option<Self> {
        let rest = url.strip_prefix("http://").or(if url.contains("://") { None } else { Some(url) })?;
        let rest = rest.split(['/', '?']).next()?;
        let (login, place) = rest
            .rsplit_once('@')
            .map_or((None, rest), |(login, place)| (Some(login.to_owned().into()), place));
        let (host, port) = place.rsplit_once(':').unwrap_or((place, "80"));
        let port = port.parse().ok()?;
        (!host.is_empty()).then(|| Self { host: host.trim_matches(['[', ']']).to_owned(), port, login })
    }

    /// Asks the proxy for a way through.
    pub fn connect(&self, stream: &mut TcpStream, host: &str, port: u16) -> Result<(), Cause> {
        let lost = |error: io::Error| crate::chain::by_kind(error.kind()).unwrap_or(Cause::Cut);
        let login = self.login.as_ref().map_or(String::new(), |login| {
            format!("Proxy-Authorization: Basic {}\r\n", base64(login.as_bytes()))
        });
        let request =
            Zeroizing::new(format!("CONNECT {host}:{port} HTTP/1.1\r\nHost: {host}:{port}\r\n{login}\r\n"));
        stream.write_all(request.as_bytes()).map_err(lost)?;
        let mut head = Vec::new();
        let mut byte = [0];
        // Byte by byte, because what follows belongs to the handshake.
        while !head.ends_with(b"\r\n\r\n") && head.len() < 8_192 {
            if stream.read(&mut byte).map_err(lost)? == 0 {
                return Err(Cause::Cut);
            }
            head.push(byte[0]);
        }
        let head = String::from_utf8_lossy(&head);
        match head.split(' ').nth(1) {
            Some("200") => Ok(()),
            Some("407") => Err(Cause::ProxyAuth),
            Some(status) => Err(Cause::Other(format!("the proxy answers {status} instead of a way through"))),
            None => Err(Cause::Other("the proxy answers something else than HTTP".to_owned())),
        }
    }
}

fn is_exempt(host: &str, rules: &str) -> bool {
    rules.split(',').map(|rule| rule.trim().trim_start_matches("*.").trim_start_matches('.')).any(|rule| {
        !rule.is_empty()
            && (rule == "*"
                || host == rule
                || host.strip_suffix(rule).is_some_and(|rest| rest.ends_with('.')))
    })
}

/// As headers want it.
pub fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let number = chunk.iter().fold(0_u32, |number, byte| number << 8 | u32::from(*byte))
            << (8 * (3 - chunk.len()));
        for place in 0..4 {
            let letter = LETTERS[(number >> (18 - 6 * place) & 63) as usize] as char;
            text.push(if place <= chunk.len() { letter } else { '=' });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_in_the_config_is_refused_and_not_repeated() {
        let error = Proxy::configured("http://me:hunter2@proxy:3128").unwrap_err();
        assert!(error.text.contains("HTTPS_PROXY") && !error.text.contains("hunter2"), "{error}");
        let proxy = Proxy::parse("http://me:hunter2@proxy:3128/").unwrap();
        assert_eq!(format!("{proxy} {proxy:?}"), "proxy:3128 proxy:3128");
        assert_eq!(proxy.login(), Some(("me", "hunter2")));
    }

    #[test]
    fn what_is_exempt_goes_direct() {
        for (host, rules, exempt) in [
            ("s3.example.com", "example.com", true),
            ("s3.example.com", ".example.com", true),
            ("example.com", "*.example.com", true),
            ("badexample.com", "example.com", false),
            ("s3.example.com", "", false),
            ("s3.example.com", "other.org, *", true),
        ] {
            assert_eq!(is_exempt(host, rules), exempt, "{host} {rules}");
        }
    }

    #[test]
    fn a_login_is_encoded_as_the_header_wants_it() {
        for (plain, encoded) in
            [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("me:secret", "bWU6c2VjcmV0")]
        {
            assert_eq!(base64(plain.as_bytes()), encoded);
        }
    }
}
