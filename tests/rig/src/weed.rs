//! A real S3 server: SeaweedFS.

use std::{
    fs::{self, File},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use crate::{Certificates, http, tool, until};

/// Who may do what: by these keys, each with its secret.
const IDENTITIES: &str = r#"{"identities":[
 {"name":"admin","credentials":[{"accessKey":"testadmin","secretKey":"testadminsecret"}],"actions":["Admin","Read","List","Tagging","Write"]},
 {"name":"agent","credentials":[{"accessKey":"agentkey","secretKey":"agentsecret"}],"actions":["Read:shots","List:shots","Write:shots","Tagging:shots"]},
 {"name":"reader","credentials":[{"accessKey":"readerkey","secretKey":"readersecret"}],"actions":["Read:shots","List:shots"]}
ANONYMOUS]}"#;
/// For a server behind a front of its own, which checks who asks.
const ANONYMOUS: &str = r#",{"name":"anonymous","actions":["Read","List","Tagging","Write"]}"#;

/// A running server; ends when dropped.
pub struct Weed {
    child: Child,
    /// Where it speaks S3 in plain.
    pub plain: SocketAddr,
    /// Where it speaks S3 by TLS, as `localhost`.
    pub tls: SocketAddr,
    /// The certificate to trust.
    pub ca: PathBuf,
}

impl Weed {
    /// Starts a server with a bucket `shots` and one, `other`, that agents have no right to.
    pub fn start(folder: &Path) -> Self {
        Self::launch(folder, "")
    }

    /// As [`start`](Self::start), but anybody may do anything.
    pub fn open(folder: &Path) -> Self {
        Self::launch(folder, ANONYMOUS)
    }

    fn launch(folder: &Path, anonymous: &str) -> Self {
        let _ = fs::remove_dir_all(folder);
        fs::create_dir_all(folder.join("data")).unwrap();
        let certificates = Certificates::new(folder, "Candor test authority");
        certificates.issue("s3", "DNS:localhost,DNS:store.test,DNS:shots.store.test,IP:127.0.0.1", "30");
        fs::write(folder.join("s3.json"), IDENTITIES.replace("ANONYMOUS", anonymous)).unwrap();
        let log = File::create(folder.join("weed.log")).unwrap();
        // Its sockets in /tmp are named by port only: with a /tmp of its own no other server's are in the way.
        let shell = "mount -t tmpfs tmpfs /tmp && exec \"$0\" \"$@\"";
        let child = Command::new("unshare")
            .args(["--mount", "sh", "-c", shell])
            .arg(tool("weed"))
            .args("server -dir=data -ip=127.0.0.1 -ip.bind=127.0.0.1 -master.port=19333 -master.volumeSizeLimitMB=64".split(' '))
            .args("-master.telemetry=false -volume.port=18080 -volume.max=200 -volume.preStopSeconds=0".split(' '))
            .args("-filer -filer.port=18888 -s3 -s3.port=18333 -s3.port.https=18443 -s3.config=s3.json".split(' '))
            .args("-s3.cert.file=s3.pem -s3.key.file=s3.key -s3.port.iceberg=0 -s3.port.lance=0 -s3.autoCreateBucket=false".split(' '))
            .envs([("WEED_S3_SSE_KEY", "test-key"), ("GOMEMLIMIT", "200MiB"), ("GOGC", "50")])
            .current_dir(folder)
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        let local = |port| SocketAddr::from(([127, 0, 0, 1], port));
        let (plain, tls, filer) = (local(18333), local(18443), local(18888));
        let server = Self { child, plain, tls, ca: certificates.authority() };
        until("SeaweedFS to be healthy", || {
            http::ask(plain, "GET", "/healthz").filter(|status| *status == 200)
        });
        for bucket in ["shots", "other"] {
            // A bucket is a folder of its.
            until("SeaweedFS to make a bucket", || {
                http::ask(filer, "POST", &format!("/buckets/{bucket}/")).filter(|status| *status < 300)
            });
        }
        server
    }
}

impl Drop for Weed {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
