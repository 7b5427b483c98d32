//! Google's XML interface in front of a real S3 server: checks who asks by real RS256 tokens, and translates headers.

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use ring::signature::{RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
use serde_json::{Value, json};

use crate::http::{Act, Front, Message};

/// A service account that exists only here.
pub struct Account {
    folder: PathBuf,
    public: Vec<u8>,
}

impl Account {
    /// Makes its key.
    pub fn new(folder: &Path) -> Self {
        fs::create_dir_all(folder).unwrap();
        let openssl = |arguments: &[&str]| {
            let output = Command::new("openssl").args(arguments).current_dir(folder).output().unwrap();
            assert!(
                output.status.success(),
                "openssl {arguments:?}: {}",
                String::from_utf8_lossy(&output.stderr)
            );
        };
        openssl(&["genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-out", "key.pem"]);
        openssl(&["rsa", "-in", "key.pem", "-RSAPublicKey_out", "-outform", "DER", "-out", "public.der"]);
        Self { folder: folder.to_owned(), public: fs::read(folder.join("public.der")).unwrap() }
    }

    /// Its file for a store at this address.
    pub fn file(&self, store: SocketAddr) -> PathBuf {
        self.file_at(&store.port().to_string(), &format!("http://{store}"))
    }

    /// The same, under a name, for a store at any address.
    pub fn file_at(&self, name: &str, url: &str) -> PathBuf {
        let key = fs::read_to_string(self.folder.join("key.pem")).unwrap();
        let account = json!({
            "type": "service_account", "project_id": "p", "private_key_id": "kid1", "private_key": key,
            "client_email": "agent@p.iam.gserviceaccount.com", "client_id": "1",
            "token_uri": format!("{url}/token"), "gcs_base_url": url,
        });
        let path = self.folder.join(format!("{name}.json"));
        fs::write(&path, account.to_string()).unwrap();
        path
    }

    /// Whether a token is signed by its key and for now.
    fn knows(&self, token: &str) -> bool {
        let decode = |part: &str| unbase64(part).unwrap_or_default();
        let Some((signed, signature)) = token.rsplit_once('.') else { return false };
        let Some((head, claims)) = signed.split_once('.') else { return false };
        let json = |part: &str| serde_json::from_slice::<Value>(&decode(part)).unwrap_or_default();
        let (head, claims) = (json(head), json(claims));
        let now = UNIX_EPOCH.elapsed().unwrap().as_secs();
        let in_time = claims["iat"].as_u64().is_some_and(|iat| iat <= now + 60)
            && claims["exp"].as_u64().is_some_and(|exp| exp > now);
        let key = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, &self.public);
        head["alg"] == "RS256"
            && head["kid"] == "kid1"
            && claims["iss"] == "agent@p.iam.gserviceaccount.com"
            && in_time
            && key.verify(signed.as_bytes(), &decode(signature)).is_ok()
    }
}

/// The letters of URLs' base64.
fn unbase64(text: &str) -> Option<Vec<u8>> {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let (mut bits, mut count, mut bytes) = (0_u32, 0, Vec::new());
    for letter in text.trim_end_matches('=').bytes() {
        bits = bits << 6 | u32::try_from(LETTERS.iter().position(|known| *known == letter)?).ok()?;
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push((bits >> count) as u8);
            bits &= (1 << count) - 1;
        }
    }
    Some(bytes)
}

/// What a request comes to before it is passed on.
pub type Rule = dyn Fn(&Message) -> Option<Act> + Send + Sync;

/// Starts the front of a server; `rule` may act first.
pub fn start(back: SocketAddr, account: &Arc<Account>, rule: Box<Rule>) -> SocketAddr {
    let account = account.clone();
    let front = Front::start(back, move |request| match rule(request) {
        Some(Act::Lose(_)) => Act::Lose(Some(translated(request))),
        Some(act) => act,
        None => {
            let token = request.line("authorization").and_then(|line| line.strip_prefix("Bearer "));
            if request.path() != "/" && !token.is_some_and(|token| account.knows(token)) {
                let date = httpdate::fmt_http_date(SystemTime::now());
                return Act::Answer(Message::answer(
                    401,
                    &[("date", &date)],
                    "<Error><Code>AuthenticationRequired</Code></Error>",
                ));
            }
            Act::Both(translated(request), Box::new(answer))
        }
    });
    front.address
}

/// Google's words into Amazon's.
pub fn translated(request: &Message) -> Message {
    let mut request = request.clone();
    request.lines.retain(|(name, _)| name != "authorization");
    let lines = std::mem::take(&mut request.lines);
    for (name, value) in lines {
        match (name.as_str(), value.as_str()) {
            ("x-goog-if-generation-match", "0") => request.set("if-none-match", "*"),
            ("x-goog-if-generation-match", _) => {}
            ("x-goog-hash", hash) => {
                if let Some(crc) = hash.strip_prefix("crc32c=") {
                    request.set("x-amz-checksum-crc32c", crc);
                }
            }
            (name, value) => request.set(&name.replace("x-goog-", "x-amz-"), value),
        }
    }
    request
}

/// Amazon's words into Google's.
fn answer(mut answer: Message) -> Message {
    for (name, value) in &mut answer.lines {
        *name = name.replace("x-amz-", "x-goog-");
        if name == "x-goog-checksum-crc32c" {
            (*name, *value) = ("x-goog-hash".to_owned(), format!("crc32c={value}"));
        }
    }
    answer.set("x-goog-generation", "1");
    answer
}
