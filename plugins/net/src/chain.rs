//! What an error of a client library means, read from the errors behind it.

use std::{error::Error, io};

use crate::Cause;

/// An error and all those behind it.
pub fn chain<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |error: &&'a (dyn Error + 'static)| behind(*error))
}

/// The error behind one; some libraries hide it inside an `io::Error`.
fn behind<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a (dyn Error + 'static)> {
    let inner = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
    inner.map(|inner| inner as &(dyn Error + 'static)).or_else(|| error.source())
}

/// What stopped a request on its way, if one of the errors says.
pub fn cause_of(error: &(dyn Error + 'static)) -> Option<Cause> {
    chain(error)
        .find_map(tls)
        .or_else(|| chain(error).find_map(words))
        .or_else(|| chain(error).filter_map(by_io).last())
}

fn tls(error: &(dyn Error + 'static)) -> Option<Cause> {
    use rustls::{CertificateError as C, Error as T};
    Some(match error.downcast_ref::<T>()? {
        T::InvalidCertificate(C::UnknownIssuer) => {
            Cause::Intercepted("somebody this computer doesn't trust".to_owned())
        }
        T::InvalidCertificate(C::Expired | C::ExpiredContext { .. }) => {
            Cause::Certificate("it has expired, or this computer's clock is fast".to_owned())
        }
        T::InvalidCertificate(C::NotValidYet | C::NotValidYetContext { .. }) => Cause::Clock(None),
        T::InvalidCertificate(C::NotValidForName | C::NotValidForNameContext { .. }) => {
            Cause::Certificate("it is for another name".to_owned())
        }
        T::InvalidCertificate(other) => Cause::Certificate(format!("{other:?}")),
        T::InvalidMessage(_) => Cause::Certificate("what answers doesn't speak TLS".to_owned()),
        _ => return None,
    })
}

/// What libraries say in words only.
fn words(error: &(dyn Error + 'static)) -> Option<Cause> {
    let text = error.to_string().to_lowercase();
    if text.contains("proxy auth") {
        return Some(Cause::ProxyAuth);
    }
    // getaddrinfo has no io::ErrorKind.
    let dns = ["dns error", "lookup address", "name or service not known", "name resolution", "no such host"];
    if dns.iter().any(|word| text.contains(word)) {
        return Some(Cause::Dns);
    }
    if text.contains("closed before message completed") {
        return Some(Cause::Cut);
    }
    if text.contains("timed out") || text.contains("timeout") {
        return Some(Cause::Dropped);
    }
    // The peer closed while the handshake ran, which `Cut` wouldn't tell.
    text.contains("tls handshake eof").then_some(Cause::Filtered)
}

fn by_io(error: &(dyn Error + 'static)) -> Option<Cause> {
    by_kind(error.downcast_ref::<io::Error>()?.kind())
}

/// What a failed system call says of the way.
pub fn by_kind(kind: io::ErrorKind) -> Option<Cause> {
    use io::ErrorKind as K;
    Some(match kind {
        K::NetworkUnreachable
        | K::NetworkDown
        | K::HostUnreachable
        | K::AddrNotAvailable
        | K::InvalidInput => Cause::NoRoute,
        K::ConnectionRefused => Cause::Refused,
        K::TimedOut | K::WouldBlock => Cause::Dropped,
        K::ConnectionReset | K::ConnectionAborted | K::BrokenPipe | K::UnexpectedEof => Cause::Cut,
        // A rule of this computer's own firewall.
        K::PermissionDenied => Cause::Refused,
        _ => return None,
    })
}
