//! Whom to trust, and who answers.

use std::{
    io,
    net::TcpStream,
    sync::{Arc, Mutex, PoisonError},
};

use plugin_api::{Error, Fault};
use rustls::{
    ClientConfig, ClientConnection, DigitallySignedStruct, RootCertStore, SignatureScheme, StreamOwned,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, ServerName, UnixTime, pem::PemObject},
};

/// Whom to trust.
pub type Roots = RootCertStore;

/// A connection by TLS.
pub type Stream = StreamOwned<ClientConnection, TcpStream>;

/// The system's roots and those of a PEM file.
pub fn roots(ca: Option<&[u8]>) -> Result<RootCertStore, Error> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if let Some(pem) = ca {
        let mut found = 0;
        for certificate in CertificateDer::pem_slice_iter(pem) {
            let bad = |what: String| {
                Error::new(Fault::Config, format!("`ca` is not a file of certificates in PEM: {what}"))
            };
            roots
                .add(certificate.map_err(|error| bad(error.to_string()))?)
                .map_err(|error| bad(error.to_string()))?;
            found += 1;
        }
        if found == 0 {
            return Err(Error::new(Fault::Config, "`ca` holds no certificate; name a file in PEM form"));
        }
    }
    Ok(roots)
}

/// For a client that trusts nobody else and speaks HTTP/1.1.
pub fn trusting(roots: RootCertStore) -> Result<ClientConfig, Error> {
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| Error::new(Fault::Other, format!("no TLS: {error}")))?;
    let mut config = config.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

/// What a handshake showed.
pub enum Hand {
    /// The server is who it says it is.
    Shaken(Box<Stream>),
    /// Its certificate isn't trusted; issued by this.
    Stranger {
        /// Why not.
        error: rustls::Error,
        /// The issuer's name.
        issuer: String,
    },
    /// The handshake didn't end.
    Failed(io::Error),
}

/// Makes a handshake; when the certificate isn't trusted, says whose it is.
pub fn shake(host: &str, roots: RootCertStore, tcp: TcpStream) -> Hand {
    let provider = Arc::new(ring::default_provider());
    let seen = Arc::new(Seen { provider: provider.clone(), issuer: Mutex::default(), roots });
    let config =
        ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().map(|builder| {
            builder.dangerous().with_custom_certificate_verifier(seen.clone()).with_no_client_auth()
        });
    let Ok(name) = ServerName::try_from(host.trim_matches(['[', ']']).to_owned()) else {
        return Hand::Failed(io::Error::new(io::ErrorKind::InvalidInput, format!("{host} is not a host")));
    };
    let connection = match config.and_then(|config| ClientConnection::new(Arc::new(config), name)) {
        Ok(connection) => connection,
        Err(error) => return Hand::Failed(io::Error::other(error)),
    };
    let mut stream = StreamOwned::new(connection, tcp);
    while stream.conn.is_handshaking() {
        if let Err(error) = stream.conn.complete_io(&mut stream.sock) {
            let known = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()).cloned();
            let issuer = seen.issuer.lock().unwrap_or_else(PoisonError::into_inner).take();
            return match (known, issuer) {
                (Some(error @ rustls::Error::InvalidCertificate(_)), Some(issuer)) => {
                    Hand::Stranger { error, issuer }
                }
                _ => Hand::Failed(error),
            };
        }
    }
    Hand::Shaken(Box::new(stream))
}

/// Verifies as always, and remembers who issued what it was shown.
#[derive(Debug)]
struct Seen {
    provider: Arc<CryptoProvider>,
    issuer: Mutex<Option<String>>,
    roots: RootCertStore,
}

impl ServerCertVerifier for Seen {
    fn verify_server_cert(
        &self,
        end: &CertificateDer<'_>,
        between: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        *self.issuer.lock().unwrap_or_else(PoisonError::into_inner) =
            Some(issuer(between.last().unwrap_or(end)));
        let verifier = rustls::client::WebPkiServerVerifier::builder_with_provider(
            Arc::new(self.roots.clone()),
            self.provider.clone(),
        )
        .build()
        .map_err(|error| rustls::Error::General(error.to_string()))?;
        verifier.verify_server_cert(end, between, name, ocsp, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// Who issued a certificate, in words.
fn issuer(certificate: &CertificateDer<'_>) -> String {
    x509_parser::parse_x509_certificate(certificate)
        .map_or_else(|_| "a name that can't be read".to_owned(), |(_, parsed)| parsed.issuer().to_string())
}
