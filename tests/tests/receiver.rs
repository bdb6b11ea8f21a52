//! The scripted receiver of the other tests does what they rely on.
#![expect(clippy::unwrap_used, reason = "a test")]

use std::io::ErrorKind;
use std::time::Duration;

use postrider_tests::receiver::{Answer, Receiver, in_turn, refusing_address};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const REQUEST: &[u8] =
    b"POST /webhook?a=b HTTP/1.1\r\nHost: here\r\nX-Name:  some value \r\ncontent-length: 5\r\n\r\n\xff\x00abc";

/// Everything that comes back until the connection closes or this much is read.
async fn answer_of(receiver: &Receiver, most: u64) -> std::io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(receiver.address()).await?;
    stream.write_all(REQUEST).await?;
    let mut answer = Vec::new();
    stream.take(most).read_to_end(&mut answer).await.map(|_| answer)
}

#[tokio::test]
async fn requests_are_logged_as_sent_and_answered_in_turn() {
    let receiver = Receiver::start_with(in_turn([
        Answer::Status(500),
        Answer::RetryAfter(429, "7".to_owned()),
        Answer::Redirect("http://elsewhere/".to_owned()),
    ]))
    .await;
    let mut stream = TcpStream::connect(receiver.address()).await.unwrap();
    let mut answers = String::new();
    for _ in 0..4 {
        stream.write_all(REQUEST).await.unwrap();
        let mut buffer = [0; 1000];
        let length = stream.read(&mut buffer).await.unwrap();
        answers.push_str(std::str::from_utf8(&buffer[..length]).unwrap());
    }
    assert_eq!(
        answers,
        "HTTP/1.1 500 Scripted\r\nContent-Length: 0\r\n\r\n\
         HTTP/1.1 429 Scripted\r\nContent-Length: 0\r\nRetry-After: 7\r\n\r\n\
         HTTP/1.1 302 Scripted\r\nContent-Length: 0\r\nLocation: http://elsewhere/\r\n\r\n\
         HTTP/1.1 302 Scripted\r\nContent-Length: 0\r\nLocation: http://elsewhere/\r\n\r\n"
    );

    let requests = receiver.wait_for(4, Duration::from_secs(5)).await;
    assert_eq!(requests.len(), 4);
    let first = &requests[0];
    assert_eq!((first.method.as_str(), first.path.as_str()), ("POST", "/webhook?a=b"));
    assert_eq!(first.header("x-name"), Some("some value"));
    assert_eq!(first.header("absent"), None);
    assert_eq!(first.body, &b"\xff\x00abc"[..]);
}

#[tokio::test]
async fn a_receiver_can_misbehave() {
    let receiver = Receiver::start_with(in_turn([
        Answer::Reset,
        Answer::Close,
        Answer::Garbage,
        Answer::Flood(1_000_000),
        Answer::Drip,
    ]))
    .await;
    // What came before the reset may be lost with it.
    assert_eq!(
        answer_of(&receiver, 2_000).await.unwrap_err().kind(),
        ErrorKind::ConnectionReset
    );
    assert_eq!(answer_of(&receiver, 1_000).await.unwrap(), b"");
    assert!(!answer_of(&receiver, 1_000).await.unwrap().starts_with(b"HTTP"));
    assert_eq!(answer_of(&receiver, 900_000).await.unwrap().len(), 900_000);
    assert!(answer_of(&receiver, 51).await.unwrap().ends_with(b"\r\n\r\n."));

    receiver.answer_with(|request| match request.path.as_str() {
        "/webhook?a=b" => Answer::Response(201, vec![("X-A".to_owned(), "b".to_owned())], b"made".to_vec()),
        _ => Answer::Status(404),
    });
    assert_eq!(
        answer_of(&receiver, 56).await.unwrap(),
        b"HTTP/1.1 201 Scripted\r\nContent-Length: 4\r\nX-A: b\r\n\r\nmade"
    );

    receiver.answer_with(|_| Answer::Hang);
    let hung = tokio::spawn(async move { answer_of(&receiver, 1).await.map(|_| receiver) });
    tokio::time::timeout(Duration::from_millis(300), hung)
        .await
        .expect_err("nothing comes");
}

#[tokio::test]
async fn nothing_listens_at_the_refusing_address() {
    let error = TcpStream::connect(refusing_address().await).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
}

#[tokio::test]
#[should_panic(expected = "0 requests came within 10ms")]
async fn waiting_for_requests_that_do_not_come_fails() {
    Receiver::start().await.wait_for(1, Duration::from_millis(10)).await;
}
