//! A server between client and store that does what networks and stores do on bad days.

use std::{
    io::{self, BufRead, BufReader, Read, Write},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::Arc,
    thread,
    time::Duration,
};

use crate::PATIENCE;

/// A request, or an answer: its first line, its header lines, its body.
#[derive(Clone, Debug, Default)]
pub struct Message {
    /// `PUT /bucket/key HTTP/1.1`, or `HTTP/1.1 200 OK`.
    pub first: String,
    /// Names in lower case.
    pub lines: Vec<(String, String)>,
    /// The body, whole.
    pub body: Vec<u8>,
    /// Of an answer: how much of the body is sent before the connection is cut.
    pub cut: Option<usize>,
}

impl Message {
    /// An answer with a status and a body.
    pub fn answer(status: u16, lines: &[(&str, &str)], body: &str) -> Self {
        let lines = lines.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Self { first: format!("HTTP/1.1 {status} Said"), lines, body: body.as_bytes().to_vec(), cut: None }
    }

    /// The method of a request.
    pub fn method(&self) -> &str {
        self.first.split(' ').next().unwrap_or_default()
    }

    /// The path and query of a request.
    pub fn path(&self) -> &str {
        self.first.split(' ').nth(1).unwrap_or_default()
    }

    /// The status of an answer.
    pub fn status(&self) -> u16 {
        self.path().parse().unwrap_or(0)
    }

    /// A header's value.
    pub fn line(&self, name: &str) -> Option<&str> {
        self.lines.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// Sets a header, instead of what it had.
    pub fn set(&mut self, name: &str, value: &str) {
        self.lines.retain(|(known, _)| known != name);
        self.lines.push((name.to_owned(), value.to_owned()));
    }

    fn read(stream: &mut BufReader<TcpStream>, is_head: bool) -> io::Result<Option<Self>> {
        let mut message = Self::default();
        if stream.read_line(&mut message.first)? == 0 {
            return Ok(None);
        }
        message.first.truncate(message.first.trim_end().len());
        loop {
            let mut line = String::new();
            stream.read_line(&mut line)?;
            let Some((name, value)) = line.split_once(':') else { break };
            message.lines.push((name.to_lowercase(), value.trim().to_owned()));
        }
        if message.line("expect").is_some() {
            stream.get_mut().write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
        }
        let is_empty = is_head || matches!(message.status(), 204 | 304);
        if message.line("transfer-encoding").is_some_and(|coding| coding.contains("chunked")) && !is_empty {
            loop {
                let mut line = String::new();
                stream.read_line(&mut line)?;
                let len = usize::from_str_radix(line.trim().split(';').next().unwrap_or_default(), 16)
                    .map_err(io::Error::other)?;
                let start = message.body.len();
                message.body.resize(start + len, 0);
                stream.read_exact(&mut message.body[start..])?;
                stream.read_line(&mut line)?;
                if len == 0 {
                    break;
                }
            }
            message.lines.retain(|(name, _)| name != "transfer-encoding");
        } else if let Some(len) =
            message.line("content-length").and_then(|len| len.parse().ok()).filter(|_| !is_empty)
        {
            message.body.resize(len, 0);
            stream.read_exact(&mut message.body)?;
        }
        Ok(Some(message))
    }

    fn write(&self, stream: &mut impl Write, is_head: bool) -> io::Result<()> {
        let mut head = format!("{}\r\n", self.first);
        for (name, value) in self.lines.iter().filter(|(name, _)| is_head || name != "content-length") {
            head += &format!("{name}: {value}\r\n");
        }
        if !is_head {
            head += &format!("content-length: {}\r\n", self.body.len());
        }
        stream.write_all((head + "\r\n").as_bytes())?;
        match self.cut {
            None => stream.write_all(&self.body),
            Some(cut) => {
                stream.write_all(&self.body[..cut])?;
                stream.flush()?;
                Err(io::ErrorKind::ConnectionReset.into())
            }
        }
    }
}

/// Changes an answer.
type Alter = Box<dyn FnOnce(Message) -> Message + Send>;

/// What becomes of a request.
pub enum Act {
    /// It is passed on, and so is the answer.
    Pass,
    /// It is passed on with another content, and so is the answer.
    Change(Message),
    /// It is passed on, and the answer comes changed.
    Alter(Alter),
    /// It is answered here.
    Answer(Message),
    /// The connection is cut.
    Cut,
    /// It is passed on with another content, and the answer comes changed.
    Both(Message, Alter),
    /// It is passed on, with another content if there is one, and the connection cut when the answer comes.
    Lose(Option<Message>),
}

/// A server in front of another; ends with the process.
#[derive(Clone, Copy)]
pub struct Front {
    /// Where it listens.
    pub address: SocketAddr,
}

impl Front {
    /// Starts one; `act` decides about each request.
    pub fn start(back: SocketAddr, act: impl Fn(&Message) -> Act + Send + Sync + 'static) -> Self {
        Self::at(SocketAddr::from(([127, 0, 0, 1], 0)), back, act)
    }

    /// Starts one at an address.
    pub fn at(
        address: SocketAddr,
        back: SocketAddr,
        act: impl Fn(&Message) -> Act + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind(address).unwrap();
        let address = listener.local_addr().unwrap();
        let act: Arc<dyn Fn(&Message) -> Act + Send + Sync> = Arc::new(act);
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let act = act.clone();
                thread::spawn(move || serve(client, back, &*act));
            }
        });
        Self { address }
    }
}

fn serve(client: TcpStream, back: SocketAddr, act: &dyn Fn(&Message) -> Act) -> io::Result<()> {
    let mut client = BufReader::new(client);
    let mut server: Option<BufReader<TcpStream>> = None;
    while let Some(request) = Message::read(&mut client, false)? {
        let act = act(&request);
        let (request, alter, lose): (_, Option<Alter>, _) = match act {
            Act::Pass => (request, None, false),
            Act::Change(request) => (request, None, false),
            Act::Alter(alter) => (request, Some(alter), false),
            Act::Both(request, alter) => (request, Some(alter), false),
            Act::Lose(other) => (other.unwrap_or(request), None, true),
            Act::Answer(answer) => {
                answer.write(client.get_mut(), request.method() == "HEAD")?;
                continue;
            }
            Act::Cut => return client.get_ref().shutdown(Shutdown::Both),
        };
        let is_head = request.method() == "HEAD";
        let server = match &mut server {
            Some(server) => server,
            None => server.insert(BufReader::new(connect(back)?)),
        };
        let mut plain = request;
        plain.lines.retain(|(name, _)| name != "expect");
        plain.write(server.get_mut(), false)?;
        let Some(answer) = Message::read(server, is_head)? else { return Ok(()) };
        if lose {
            return client.get_ref().shutdown(Shutdown::Both);
        }
        let answer = match alter {
            Some(alter) => alter(answer),
            None => answer,
        };
        answer.write(client.get_mut(), is_head)?;
    }
    Ok(())
}

fn connect(address: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect_timeout(&address, Duration::from_secs(5))?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// Makes one request without a body; its status.
pub fn ask(address: SocketAddr, method: &str, path: &str) -> Option<u16> {
    let mut stream = BufReader::new(connect(address).ok()?);
    let request = Message {
        first: format!("{method} {path} HTTP/1.1"),
        lines: vec![("host".to_owned(), address.to_string())],
        ..Message::default()
    };
    request.write(stream.get_mut(), false).ok()?;
    Message::read(&mut stream, false).ok()?.map(|answer| answer.status())
}
