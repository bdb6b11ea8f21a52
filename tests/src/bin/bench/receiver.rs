//! The receiver: a process of its own that answers every POST with an empty 200 and counts. As small as a receiver can
//! be, because it shares the machine with what is measured.

use std::cell::{Cell, RefCell};
use std::process::Stdio;
use std::rc::Rc;
use std::time::{SystemTime, UNIX_EPOCH};

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";

/// The receiver's process, asked over its standard input.
pub(crate) struct Receiver {
    _child: Child,
    stdin: ChildStdin,
    stdout: Lines<BufReader<ChildStdout>>,
    /// Where it listens.
    pub(crate) url: String,
}

impl Receiver {
    /// Starts it.
    pub(crate) async fn start() -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .arg("receiver")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let stdin = child.stdin.take().unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap()).lines();
        let url = stdout.next_line().await.unwrap().unwrap();
        Self {
            _child: child,
            stdin,
            stdout,
            url,
        }
    }

    /// Number of requests so far.
    pub(crate) async fn count(&mut self) -> u64 {
        self.stdin.write_all(b"count\n").await.unwrap();
        self.stdout.next_line().await.unwrap().unwrap().parse().unwrap()
    }

    /// For each request so far, in microseconds since 1970: what its payload says in `"sent_us"`, and its arrival.
    pub(crate) async fn arrivals(&mut self) -> Vec<(u64, u64)> {
        self.stdin.write_all(b"arrivals\n").await.unwrap();
        let line = self.stdout.next_line().await.unwrap().unwrap();
        line.split_whitespace()
            .map(|pair| {
                pair.split_once(':')
                    .map(|(sent, arrived)| (sent.parse().unwrap(), arrived.parse().unwrap()))
            })
            .map(Option::unwrap)
            .collect()
    }
}

#[derive(Default)]
struct Log {
    count: Cell<u64>,
    arrivals: RefCell<Vec<(u64, u64)>>,
}

/// The receiver's process itself.
pub(crate) async fn serve() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    println!("http://{}/", listener.local_addr().unwrap());
    let log = Rc::new(Log::default());
    let accepting = log.clone();
    tokio::task::LocalSet::new()
        .run_until(async move {
            tokio::task::spawn_local(async move {
                loop {
                    let (socket, _) = listener.accept().await.unwrap();
                    socket.set_nodelay(true).unwrap();
                    tokio::task::spawn_local(answer(socket, accepting.clone()));
                }
            });
            let (sender, mut questions) = tokio::sync::mpsc::unbounded_channel();
            std::thread::spawn(move || {
                std::io::stdin()
                    .lines()
                    .map_while(Result::ok)
                    .try_for_each(|line| sender.send(line))
            });
            while let Some(question) = questions.recv().await {
                if question == "count" {
                    println!("{}", log.count.get());
                } else {
                    let arrivals = log.arrivals.borrow();
                    let pairs: Vec<String> = arrivals.iter().map(|(sent, at)| format!("{sent}:{at}")).collect();
                    println!("{}", pairs.join(" "));
                }
            }
        })
        .await;
}

async fn answer(mut socket: TcpStream, log: Rc<Log>) {
    let mut buffer = vec![0; 64 * 1024];
    let mut filled = 0;
    loop {
        while let Some(length) = request_length(&buffer[..filled]) {
            log.count.set(log.count.get() + 1);
            if let Some(sent) = sent_us(&buffer[..length]) {
                log.arrivals.borrow_mut().push((sent, now_us()));
            }
            buffer.copy_within(length..filled, 0);
            filled -= length;
            if socket.write_all(ANSWER).await.is_err() {
                return;
            }
        }
        match socket.read(&mut buffer[filled..]).await {
            Ok(0) | Err(_) => return,
            Ok(more) => filled += more,
        }
    }
}

/// Length of the first request if all of it is there.
fn request_length(bytes: &[u8]) -> Option<usize> {
    let head = find(bytes, b"\r\n\r\n")? + 4;
    let field = b"content-length: ";
    let at = find(&bytes[..head], field)? + field.len();
    let digits = bytes[at..].iter().take_while(|byte| byte.is_ascii_digit());
    let body = digits.fold(0, |number, digit| number * 10 + usize::from(digit - b'0'));
    (bytes.len() >= head + body).then_some(head + body)
}

fn sent_us(request: &[u8]) -> Option<u64> {
    let field = b"\"sent_us\":";
    let at = find(request, field)? + field.len();
    let digits = request[at..].iter().take_while(|byte| byte.is_ascii_digit());
    Some(digits.fold(0, |number, digit| number * 10 + u64::from(digit - b'0')))
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}

/// Microseconds since 1970.
pub(crate) fn now_us() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_micros() as u64
}
