//! A store that accepts everything and keeps nothing, so that what is measured is the client.

use std::{
    io::{self, BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    path::PathBuf,
    sync::Arc,
    thread,
};

use rustls::{
    CipherSuite, ServerConfig, ServerConnection, StreamOwned,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    version::TLS13,
};

/// A connection, in plain or by TLS.
trait Stream: Read + Write + Send {}

impl<T: Read + Write + Send> Stream for T {}

/// Starts one on a port of its own, by TLS if there is a certificate with its key; ends with the process.
pub fn start(certificate: Option<&(PathBuf, PathBuf)>) -> SocketAddr {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let address = listener.local_addr().unwrap();
    let tls = certificate.map(|(certificate, key)| {
        let chain = CertificateDer::pem_file_iter(certificate).unwrap().map(Result::unwrap).collect();
        // Stores choose AES-128 of what both sides know, so both clients get the same.
        let mut provider = ring::default_provider();
        provider.cipher_suites.retain(|suite| suite.suite() == CipherSuite::TLS13_AES_128_GCM_SHA256);
        let builder = ServerConfig::builder_with_provider(Arc::new(provider));
        let builder = builder.with_protocol_versions(&[&TLS13]).unwrap().with_no_client_auth();
        Arc::new(builder.with_single_cert(chain, PrivateKeyDer::from_pem_file(key).unwrap()).unwrap())
    });
    thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let tls = tls.clone();
            thread::spawn(move || serve(client, tls));
        }
    });
    address
}

fn serve(client: TcpStream, tls: Option<Arc<ServerConfig>>) -> io::Result<()> {
    client.set_nodelay(true)?;
    let stream: Box<dyn Stream> = match tls {
        None => Box::new(client),
        Some(config) => {
            let connection = ServerConnection::new(config).map_err(io::Error::other)?;
            Box::new(StreamOwned::new(connection, client))
        }
    };
    let mut stream = BufReader::with_capacity(256 << 10, stream);
    while let Some(request) = Request::read(&mut stream)? {
        let (status, lines, body) = request.answer();
        let answer = format!("HTTP/1.1 {status}\r\n{lines}content-length: {}\r\n\r\n{body}", body.len());
        stream.get_mut().write_all(answer.as_bytes())?;
        stream.get_mut().flush()?;
    }
    Ok(())
}

/// A request, without its body.
struct Request {
    first: String,
    lines: Vec<(String, String)>,
}

impl Request {
    fn read(stream: &mut BufReader<Box<dyn Stream>>) -> io::Result<Option<Self>> {
        let mut request = Self { first: String::new(), lines: Vec::new() };
        if stream.read_line(&mut request.first)? == 0 {
            return Ok(None);
        }
        loop {
            let mut line = String::new();
            stream.read_line(&mut line)?;
            let Some((name, value)) = line.split_once(':') else { break };
            request.lines.push((name.to_lowercase(), value.trim().to_owned()));
        }
        if request.line("expect").is_some() {
            stream.get_mut().write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
            stream.get_mut().flush()?;
        }
        let mut left: usize = request.line("content-length").and_then(|len| len.parse().ok()).unwrap_or(0);
        while left > 0 {
            let len = stream.fill_buf()?.len().min(left);
            if len == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            stream.consume(len);
            left -= len;
        }
        Ok(Some(request))
    }

    fn line(&self, name: &str) -> Option<&str> {
        self.lines.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// As S3 answers: status, header lines, body.
    fn answer(&self) -> (&'static str, String, String) {
        let (method, path) = self.first.split_once(' ').unwrap_or_default();
        // What it was told about the bytes it says back.
        let sums = self.lines.iter().filter(|(name, _)| name.starts_with("x-amz-checksum-"));
        let lines = sums.fold("etag: \"0\"\r\n".to_owned(), |lines, (name, value)| {
            lines + &format!("{name}: {value}\r\n")
        });
        let none = String::new;
        match method {
            "PUT" => ("200 OK", lines, none()),
            "HEAD" => ("404 Not Found", none(), none()),
            "DELETE" => ("204 No Content", none(), none()),
            "POST" if path.contains("uploadId=") => {
                let sum = self
                    .line("x-amz-checksum-crc64nvme")
                    .map_or_else(none, |sum| format!("<ChecksumCRC64NVME>{sum}</ChecksumCRC64NVME>"));
                let body = format!(
                    "<CompleteMultipartUploadResult><Key>x</Key>{sum}</CompleteMultipartUploadResult>"
                );
                ("200 OK", none(), body)
            }
            "POST" => {
                let body = "<InitiateMultipartUploadResult><Bucket>shots</Bucket><Key>x</Key><UploadId>1</UploadId></InitiateMultipartUploadResult>";
                ("200 OK", none(), body.to_owned())
            }
            _ if path.contains("uploads") => {
                ("200 OK", none(), "<ListMultipartUploadsResult></ListMultipartUploadsResult>".to_owned())
            }
            _ => ("200 OK", none(), "<ListBucketResult></ListBucketResult>".to_owned()),
        }
    }
}
