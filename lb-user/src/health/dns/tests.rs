use std::net::{Ipv4Addr, SocketAddr};
use std::str::FromStr as _;
use std::sync::Arc;
use std::time::Duration;

use hickory_proto::rr::rdata::{A, MX, TXT};
use hickory_proto::rr::{RData, Record};
use tokio::net::UdpSocket;

use super::super::lab::{self, Answer, IPV4, IPV6, ask_for, bad, good};
use super::*;
use crate::health::CheckKind;

/// A name server for one record set, which answers over UDP and TCP on the same port.
#[derive(Clone)]
struct Zone {
    code: ResponseCode,
    records: Vec<RData>,
    /// UDP answers come without records, and say so.
    truncates: bool,
    /// A wrong answer goes before each right one.
    confused: bool,
}

impl Zone {
    fn of(records: Vec<RData>) -> Self {
        Self { code: ResponseCode::NoError, records, truncates: false, confused: false }
    }

    fn answer(&self, question: &[u8], udp: bool) -> Vec<u8> {
        let question = Message::from_vec(question).expect("a question");
        let mut answer = Message::new(question.metadata.id, MessageType::Response, OpCode::Query);
        answer.metadata.response_code = self.code;
        answer.add_queries(question.queries.clone());
        if udp && self.truncates {
            answer.metadata.truncation = true;
        } else {
            let name = question.queries[0].name().clone();
            answer.add_answers(self.records.iter().map(|data| Record::from_rdata(name.clone(), 60, data.clone())));
        }
        answer.to_vec().expect("an answer")
    }

    async fn serve(self, host: &str) -> SocketAddr {
        let (listener, address) = lab::listen(host).await;
        let socket = UdpSocket::bind(address).await.expect("the same port");
        let by_tcp = self.clone();
        tokio::spawn(async move {
            let mut packet = [0; 512];
            loop {
                let (length, client) = socket.recv_from(&mut packet).await.expect("a question");
                let answer = self.answer(&packet[..length], true);
                if self.confused {
                    let mut other = answer.clone();
                    other[0] ^= 0xff;
                    socket.send_to(&other, client).await.expect("sent");
                    socket.send_to(b"nonsense", client).await.expect("sent");
                }
                socket.send_to(&answer, client).await.expect("sent");
            }
        });
        tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.expect("a connection");
                let mut question = vec![0; usize::from(stream.read_u16().await.expect("a length"))];
                stream.read_exact(&mut question).await.expect("a question");
                let answer = by_tcp.answer(&question, false);
                stream.write_u16(u16::try_from(answer.len()).expect("short")).await.expect("sent");
                stream.write_all(&answer).await.expect("sent");
            }
        });
        address
    }
}

async fn asked(host: &str, zone: Zone, record: &str, answer: Option<&str>) -> Answer {
    let name = Name::from_str("www.example.").expect("a name");
    let record = record.parse().expect("a type");
    let check = DnsCheck { name, record, answer: answer.map(str::to_owned) };
    lab::ask(CheckKind::Dns(Arc::new(check)), zone.serve(host).await).await
}

fn addresses() -> Zone {
    Zone::of([[192, 0, 2, 1], [192, 0, 2, 2]].map(|octets| RData::A(A(Ipv4Addr::from(octets)))).to_vec())
}

#[tokio::test]
async fn an_answer_is_good_if_it_says_what_is_expected() {
    let mail = Zone::of(vec![RData::MX(MX::new(10, Name::from_str("Mail.Example.").expect("a name")))]);
    let text = Zone::of(vec![RData::TXT(TXT::new(vec!["v=1".to_owned()]))]);
    for host in [IPV4, IPV6] {
        assert_eq!(asked(host, addresses(), "A", None).await, good("A 192.0.2.1"));
        assert_eq!(asked(host, addresses(), "A", Some("192.0.2.2")).await, good("A 192.0.2.2"));
        assert_eq!(
            asked(host, addresses(), "A", Some("192.0.2.3")).await,
            bad("A 192.0.2.1, 192.0.2.2, expected 192.0.2.3")
        );
        assert_eq!(asked(host, addresses(), "AAAA", None).await, bad("no AAAA record of www.example."));
        assert_eq!(asked(host, mail.clone(), "MX", Some("10 mail.example")).await, good("MX 10 mail.example"));
        assert_eq!(asked(host, text.clone(), "TXT", Some("v=1")).await, good("TXT v=1"));
    }
}

#[tokio::test]
async fn a_failure_is_named_and_other_answers_are_passed_over() {
    let failed = Zone { code: ResponseCode::ServFail, ..addresses() };
    let Answer::Bad(words) = asked(IPV4, failed, "A", None).await else { panic!("a failure is bad") };
    assert!(words.contains("erver"), "{words}");
    let confused = Zone { confused: true, ..addresses() };
    assert_eq!(asked(IPV6, confused, "A", Some("192.0.2.2")).await, good("A 192.0.2.2"));
}

#[tokio::test]
async fn an_answer_that_does_not_fit_is_asked_for_by_tcp() {
    for host in [IPV4, IPV6] {
        let large = Zone { truncates: true, ..addresses() };
        assert_eq!(asked(host, large, "A", Some("192.0.2.2")).await, good("A 192.0.2.2"));
    }
}

#[tokio::test]
async fn silence_and_a_closed_port_are_bad() {
    let socket = UdpSocket::bind(IPV4).await.expect("a socket");
    let address = socket.local_addr().expect("an address");
    let check = CheckKind::Dns(Arc::new(DnsCheck::default()));
    let answer = ask_for(check.clone(), address, Duration::from_millis(100)).await;
    assert_eq!(answer, bad("no answer within 100ms"));
    drop(socket);
    assert_eq!(lab::ask(check, address).await, bad("connection refused"));
}
