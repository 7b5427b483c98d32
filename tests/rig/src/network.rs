//! Networks that drop, reject, filter by name, intercept, or want to be asked by proxy.

use std::{
    fs,
    io::{self, BufRead, BufReader, Write},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    path::Path,
    process::{Command, Stdio},
    sync::{Arc, Mutex},
    thread,
};

use crate::{run, until};

/// Adds a rule for what leaves this namespace, such as `ip daddr 127.0.0.2 tcp dport 443 drop`.
#[track_caller]
pub fn firewall(rule: &str) {
    run("nft", &["add table inet rig; add chain inet rig out { type filter hook output priority 0; }"]);
    run("nft", &[&format!("add rule inet rig out {rule}")]);
}

/// Gives names to addresses, instead of those the machine knows. A name that isn't here can't be resolved.
pub fn hosts(folder: &Path, names: &[(&str, &str)]) {
    let text: String = names.iter().map(|(address, name)| format!("{address} {name}\n")).collect();
    for (file, text) in
        [("hosts", text.as_str()), ("resolv.conf", "nameserver 127.0.0.1\noptions timeout:1 attempts:1\n")]
    {
        let path = folder.join(file);
        fs::write(&path, text).unwrap();
        let real = fs::canonicalize(format!("/etc/{file}")).unwrap();
        run("mount", &["--bind", path.to_str().unwrap(), real.to_str().unwrap()]);
    }
}

/// Cuts off each connection as soon as something was said, as filters do that read the name in it.
pub fn filter(address: SocketAddr) {
    let listener = TcpListener::bind(address).unwrap();
    thread::spawn(move || {
        for client in listener.incoming().flatten() {
            // What was sent and not read makes the kernel reset the connection.
            let _ = client.peek(&mut [0]);
        }
    });
}

/// Speaks TLS with a certificate and its key, and answers something.
pub fn tls(address: SocketAddr, (certificate, key): (impl AsRef<Path>, impl AsRef<Path>)) {
    let mut command = Command::new("openssl");
    command
        .args(["s_server", "-quiet", "-www", "-accept", &address.to_string(), "-cert"])
        .arg(certificate.as_ref());
    command.arg("-key").arg(key.as_ref()).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut server = command.spawn().unwrap();
    // It ends with the namespace.
    thread::spawn(move || server.wait());
    until("openssl s_server", || TcpStream::connect(address).ok());
}

/// A proxy for `CONNECT`, and what it was asked for.
#[derive(Clone)]
pub struct Proxy {
    /// Where it listens.
    pub address: SocketAddr,
    /// The targets it was asked for.
    pub asked: Arc<Mutex<Vec<String>>>,
}

impl Proxy {
    /// Starts one; with a login, only who has it gets through: `Basic …`.
    pub fn start(login: Option<&str>) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let proxy = Self { address: listener.local_addr().unwrap(), asked: Arc::default() };
        let (own, login) = (proxy.clone(), login.map(str::to_owned));
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let (own, login) = (own.clone(), login.clone());
                thread::spawn(move || own.serve(client, login.as_deref()));
            }
        });
        proxy
    }

    fn serve(&self, client: TcpStream, login: Option<&str>) -> io::Result<()> {
        let mut client = BufReader::new(client);
        let mut lines = Vec::new();
        loop {
            let mut line = String::new();
            client.read_line(&mut line)?;
            match line.trim_end() {
                "" => break,
                line => lines.push(line.to_owned()),
            }
        }
        let target = lines.first().and_then(|line| line.split(' ').nth(1)).unwrap_or_default().to_owned();
        let is_known = login.is_none_or(|login| {
            lines
                .iter()
                .filter_map(|line| line.split_once(": "))
                .any(|(name, value)| name.eq_ignore_ascii_case("proxy-authorization") && value == login)
        });
        if !is_known {
            return client.get_mut().write_all(
                b"HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic\r\nContent-Length: 0\r\n\r\n",
            );
        }
        self.asked.lock().unwrap().push(target.clone());
        let server = TcpStream::connect(target)?;
        client.get_mut().write_all(b"HTTP/1.1 200 Connected\r\n\r\n")?;
        let (mut down, mut up) = (server.try_clone()?, client.get_ref().try_clone()?);
        thread::spawn(move || {
            let _ = io::copy(&mut down, &mut up);
            up.shutdown(Shutdown::Both)
        });
        let mut server = server;
        let _ = io::copy(&mut client, &mut server);
        server.shutdown(Shutdown::Both)
    }
}
