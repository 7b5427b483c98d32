//! Certificates that only the tests trust.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// An authority and the certificates it issued.
pub struct Certificates {
    folder: PathBuf,
}

impl Certificates {
    /// An authority of this name.
    pub fn new(folder: &Path, name: &str) -> Self {
        fs::create_dir_all(folder).unwrap();
        let own = Self { folder: folder.to_owned() };
        let subject = format!("/CN={name}");
        own.openssl(&[
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
            "-days",
            "30",
            "-keyout",
            "ca.key",
            "-out",
            "ca.pem",
            "-subj",
            &subject,
            "-addext",
            "basicConstraints=critical,CA:TRUE",
        ]);
        own
    }

    /// The authority's own certificate, for `ca`.
    pub fn authority(&self) -> PathBuf {
        self.folder.join("ca.pem")
    }

    /// Issues a certificate for names and addresses, such as `DNS:localhost,IP:127.0.0.1`: certificate and key.
    pub fn issue(&self, name: &str, alternatives: &str, days: &str) -> (PathBuf, PathBuf) {
        let file = |ending: &str| format!("{name}.{ending}");
        let (key, request, certificate, extensions) = (file("key"), file("csr"), file("pem"), file("ext"));
        let text = format!("subjectAltName={alternatives}\nextendedKeyUsage=serverAuth\n");
        fs::write(self.folder.join(&extensions), text).unwrap();
        let subject = format!("/CN={name}");
        self.openssl(&[
            "req",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
            "-keyout",
            &key,
            "-out",
            &request,
            "-subj",
            &subject,
        ]);
        self.openssl(&[
            "x509",
            "-req",
            "-in",
            &request,
            "-CA",
            "ca.pem",
            "-CAkey",
            "ca.key",
            "-CAcreateserial",
            "-days",
            days,
            "-out",
            &certificate,
            "-extfile",
            &extensions,
        ]);
        (self.folder.join(certificate), self.folder.join(key))
    }

    fn openssl(&self, arguments: &[&str]) {
        let output =
            Command::new("openssl").args(arguments).current_dir(&self.folder).output().expect("openssl");
        assert!(
            output.status.success(),
            "openssl {arguments:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
}
