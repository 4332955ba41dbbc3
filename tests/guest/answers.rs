//! What the guest does with packets and commands.

use anyhow::Result;
use lvx_tests::frame::{Packet, forwarded, icmp_error};
use lvx_tests::guest::{Guest, Op, Outcome};

use super::{BACK, WEB, begin, clients, ipvsadm, send, sent_to};

#[test]
fn ipvs_decides_and_every_frame_has_its_answer() -> Result<()> {
    let mut guest = Guest::boot()?;
    assert!(guest.kernel().starts_with("6."), "{}", guest.kernel());
    begin(&mut guest)?;
    ipvsadm(&mut guest, &WEB)?;

    // Round robin begins with the server that was added last.
    let to = sent_to(&mut guest, &clients(7))?;
    assert_eq!(to, [12, 11, 10, 12, 11, 10, 12].map(Some));
    let packet = Packet::tcp("10.0.0.0:1024", "172.16.100.1:80", "A").frame();
    let came = guest.run(&[Op::Send { frames: vec![packet.clone()] }])?;
    let expected = forwarded(&packet, [2, 0, 0, 0, 0, 12], lvx_tests::frame::DIRECTOR);
    assert_eq!(came, [Outcome::Received { frames: vec![vec![expected]] }]);

    // A reset for a connection that is not there, nothing for a reset, and a service's neighbour in the same batch.
    let packets = [
        Packet::tcp("10.0.0.99:1024", "172.16.100.1:80", "A"),
        Packet::tcp("10.0.0.99:1024", "172.16.100.1:80", "R"),
        Packet::tcp("10.0.0.99:1025", "172.16.100.1:80", "S"),
        Packet::tcp("10.0.0.99:1024", "172.16.100.1:81", "S"),
        Packet::tcp("10.0.0.99:1024", "172.16.100.1:81", "R"),
    ];
    assert_eq!(sent_to(&mut guest, &packets)?, [Some(BACK), None, Some(11), Some(BACK), None]);
    let came = send(&mut guest, &packets)?;
    assert_eq!(came.iter().map(Vec::len).collect::<Vec<_>>(), [1, 0, 1, 1, 0]);
    // The reset is complete, as on a wire.
    lvx_tests::frame::verify(&came[0][0]).map_err(anyhow::Error::msg)?;

    // ICMP errors: as many as there is reason for.
    let closed = Packet::udp("10.0.0.1:1024", "172.16.100.1:53");
    for came in send(&mut guest, &vec![closed.clone(); 3000])? {
        let error = icmp_error(&closed.frame(), &came[0]).map_err(anyhow::Error::msg)?;
        assert_eq!((came.len(), error.kind, error.code), (1, 3, 3));
    }
    Ok(())
}

#[test]
fn ipv6_udp_and_marks() -> Result<()> {
    let mut guest = Guest::boot()?;
    begin(&mut guest)?;
    let v6 = [
        "-A -t [2001:db8::100]:80 -s rr",
        "-a -t [2001:db8::100]:80 -r [2001:db8::a]:80 -g",
        "-a -t [2001:db8::100]:80 -r [2001:db8::b]:80 -g",
        "-A -u 172.16.100.1:53 -s rr",
        "-a -u 172.16.100.1:53 -r 172.16.100.12 -g",
        "-A -f 8 -s rr",
        "-a -f 8 -r 172.16.100.10 -g",
    ];
    ipvsadm(&mut guest, &v6)?;
    let rule = "iptables -t mangle -A PREROUTING -p tcp --dport 443 -j MARK --set-mark 8";
    let words = rule.split(' ').map(str::to_owned).collect();
    let set = guest.run(&[Op::Run { words, stdin: String::new() }])?;
    assert_eq!(set, [Outcome::Ran { status: 0, stdout: String::new(), stderr: String::new() }]);
    let packets = [
        Packet::tcp("[2001:db8:1::1]:1024", "[2001:db8::100]:80", "S"),
        Packet::tcp("[2001:db8:1::1]:1025", "[2001:db8::100]:80", "S"),
        Packet::tcp("[2001:db8:1::1]:1026", "[2001:db8::100]:80", "A"),
        Packet::tcp("[2001:db8:1::1]:1026", "[2001:db8::100]:80", "R"),
        Packet::udp("[2001:db8:1::1]:1026", "[2001:db8::100]:53"),
        Packet::udp("10.0.0.1:1024", "172.16.100.1:53"),
        Packet::tcp("10.0.0.1:1024", "172.16.100.1:443", "S"),
    ];
    let expected = [Some(11), Some(10), Some(BACK), None, Some(BACK), Some(12), Some(10)];
    assert_eq!(sent_to(&mut guest, &packets)?, expected);

    // Nothing came later.
    let rest = guest.run(&[Op::Sleep { time: std::time::Duration::from_secs(3) }])?;
    assert_eq!(rest, [Outcome::Received { frames: vec![Vec::new()] }]);
    Ok(())
}

#[test]
fn programs_and_mistakes_are_told() -> Result<()> {
    let mut guest = Guest::boot()?;
    let words = |line: &str| line.split(' ').map(str::to_owned).collect::<Vec<_>>();
    let run = |line: &str, stdin: &str| Op::Run { words: words(line), stdin: stdin.to_owned() };
    let ran = |status, stdout: &str, stderr: &str| Outcome::Ran {
        status,
        stdout: stdout.to_owned(),
        stderr: stderr.to_owned(),
    };
    begin(&mut guest)?;
    let ops = [
        run("cat", "one\ntwo\n"),
        run("no-such-program", ""),
        run("ipvsadm -A -t 172.16.100.1:80 -s twos", ""),
        run("sh -c kill\t-9\t$$", ""),
        run("ipvsadm -R", "-A -t 172.16.100.1:80 -s wlc\n-a -t 172.16.100.1:80 -r 172.16.100.10 -g -w 1\n"),
        run("ipvsadm -Sn", ""),
    ];
    let expected = [
        ran(0, "one\ntwo\n", ""),
        ran(127, "", "no-such-program: not found\n"),
        ran(255, "", "Scheduler or persistence engine not found\n"),
        ran(137, "", ""),
        ran(0, "", ""),
        ran(0, "-A -t 172.16.100.1:80 -s wlc\n-a -t 172.16.100.1:80 -r 172.16.100.10:80 -g -w 1\n", ""),
    ];
    assert_eq!(guest.run(&ops)?, expected);

    let wrong = Op::Begin { ip: "addr add 300.0.0.1/8 dev eth0\n".to_owned(), sysctls: Vec::new() };
    let error = guest.run(&[wrong, run("cat", "")]).map_err(|error| error.to_string());
    assert!(error.as_ref().is_err_and(|error| error.contains("300.0.0.1")), "{error:?}");
    let sysctls = vec![("net/ipv4/vs/no_such".to_owned(), "1".to_owned())];
    let error = guest.run(&[Op::Begin { ip: String::new(), sysctls }]).map_err(|error| error.to_string());
    assert!(error.as_ref().is_err_and(|error| error.contains("no_such")), "{error:?}");
    begin(&mut guest)
}
