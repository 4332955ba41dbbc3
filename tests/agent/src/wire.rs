//! Operations and answers as bytes. A message is its length and its body; numbers are little-endian words of four bytes
//! (times: nanoseconds in eight), lists and texts have their length in front.

use std::io::{self, Read, Write};
use std::time::Duration;

use crate::{Op, Outcome};

/// So many bytes of operations may be on their way, not more: user-mode Linux' serial line is never heard again once its
/// reader was so slow that the line was throttled (`n_tty_check_throttle`: at 3,968 bytes; `line_throttle`).
pub const WINDOW: usize = 2048;

/// What the agent says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// What became of the next operation, or why it could not be done.
    Outcome(Result<Outcome, String>),
    /// So many bytes of operations came, and make place for others.
    Taken(u32),
}

/// No message is longer: a length beyond it is noise on the line.
const LONGEST: u32 = 1 << 28;

/// Writes an operation, without flushing.
///
/// # Errors
/// The writer's.
pub fn write_request(to: &mut impl Write, op: &Op) -> io::Result<()> {
    let mut body = Body::default();
    match op {
        Op::Begin { ip, sysctls } => {
            body.number(0);
            body.text(ip);
            body.list(sysctls, |body, (path, value)| {
                body.text(path);
                body.text(value);
            });
        }
        Op::Run { words, stdin } => {
            body.number(1);
            body.list(words, |body, word| body.text(word));
            body.text(stdin);
        }
        Op::Send { frames } => {
            body.number(2);
            body.list(frames, |body, frame| body.bytes(frame));
        }
        Op::Sleep { time } => {
            body.number(3);
            body.time(*time);
        }
    }
    body.send(to)
}

/// Reads the next operation; none at the end of the input.
///
/// # Errors
/// The reader's, or that this is no operation.
pub fn read_request(from: &mut impl Read) -> io::Result<Option<Op>> {
    let Some(message) = receive(from)? else { return Ok(None) };
    let mut rest = Rest(&message);
    let op = match rest.number()? {
        0 => Op::Begin { ip: rest.text()?, sysctls: rest.list(|rest| Ok((rest.text()?, rest.text()?)))? },
        1 => Op::Run { words: rest.list(Rest::text)?, stdin: rest.text()? },
        2 => Op::Send { frames: rest.list(Rest::bytes)? },
        3 => Op::Sleep { time: rest.time()? },
        other => return Err(unknown(other)),
    };
    rest.end(op).map(Some)
}

/// Writes an answer, without flushing.
///
/// # Errors
/// The writer's.
pub fn write_answer(to: &mut impl Write, answer: &Answer) -> io::Result<()> {
    let mut body = Body::default();
    match answer {
        Answer::Outcome(Ok(Outcome::Done)) => body.number(0),
        Answer::Outcome(Ok(Outcome::Ran { status, stdout, stderr })) => {
            body.number(1);
            body.number(status.cast_unsigned());
            body.text(stdout);
            body.text(stderr);
        }
        Answer::Outcome(Ok(Outcome::Received { frames })) => {
            body.number(2);
            body.list(frames, |body, came| body.list(came, |body, frame| body.bytes(frame)));
        }
        Answer::Outcome(Err(why)) => {
            body.number(3);
            body.text(why);
        }
        Answer::Taken(bytes) => {
            body.number(4);
            body.number(*bytes);
        }
    }
    body.send(to)
}

/// Reads the next answer; none at the end of the input.
///
/// # Errors
/// The reader's, or that this is no answer.
pub fn read_answer(from: &mut impl Read) -> io::Result<Option<Answer>> {
    let Some(message) = receive(from)? else { return Ok(None) };
    let mut rest = Rest(&message);
    let answer = match rest.number()? {
        0 => Answer::Outcome(Ok(Outcome::Done)),
        1 => Answer::Outcome(Ok(Outcome::Ran {
            status: rest.number()?.cast_signed(),
            stdout: rest.text()?,
            stderr: rest.text()?,
        })),
        2 => Answer::Outcome(Ok(Outcome::Received { frames: rest.list(|rest| rest.list(Rest::bytes))? })),
        3 => Answer::Outcome(Err(rest.text()?)),
        4 => Answer::Taken(rest.number()?),
        other => return Err(unknown(other)),
    };
    rest.end(answer).map(Some)
}

/// A message's body in the making.
#[derive(Default)]
struct Body(Vec<u8>);

impl Body {
    fn number(&mut self, number: u32) {
        self.0.extend(number.to_le_bytes());
    }

    fn length(&mut self, length: usize) {
        // Longer ones end as a message that is too long, in `send`.
        self.number(u32::try_from(length).unwrap_or(u32::MAX));
    }

    fn time(&mut self, time: Duration) {
        self.0.extend(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX).to_le_bytes());
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.length(bytes.len());
        self.0.extend(bytes);
    }

    fn text(&mut self, text: &str) {
        self.bytes(text.as_bytes());
    }

    fn list<T>(&mut self, items: &[T], mut item: impl FnMut(&mut Self, &T)) {
        self.length(items.len());
        for each in items {
            item(self, each);
        }
    }

    fn send(self, to: &mut impl Write) -> io::Result<()> {
        let length = u32::try_from(self.0.len()).ok().filter(|length| *length <= LONGEST);
        let length = length.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "a message is too long"))?;
        to.write_all(&length.to_le_bytes())?;
        to.write_all(&self.0)
    }
}

/// The next message's body.
fn receive(from: &mut impl Read) -> io::Result<Option<Vec<u8>>> {
    let mut length = [0; 4];
    if from.read(&mut length[..1])? == 0 {
        return Ok(None);
    }
    from.read_exact(&mut length[1..])?;
    let length = u32::from_le_bytes(length);
    if length > LONGEST {
        return Err(invalid(format!("a message of {length} bytes")));
    }
    let mut body = vec![0; length as usize];
    from.read_exact(&mut body)?;
    Ok(Some(body))
}

/// What of a message's body was not read yet.
struct Rest<'a>(&'a [u8]);

impl<'a> Rest<'a> {
    fn take(&mut self, length: usize) -> io::Result<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length).ok_or_else(|| invalid("a message ends too early"))?;
        self.0 = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> io::Result<[u8; N]> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N)?);
        Ok(array)
    }

    fn number(&mut self) -> io::Result<u32> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    fn time(&mut self) -> io::Result<Duration> {
        Ok(Duration::from_nanos(u64::from_le_bytes(self.array()?)))
    }

    fn bytes(&mut self) -> io::Result<Vec<u8>> {
        let length = self.number()? as usize;
        self.take(length).map(<[u8]>::to_vec)
    }

    fn text(&mut self) -> io::Result<String> {
        String::from_utf8(self.bytes()?).map_err(|error| invalid(error.to_string()))
    }

    fn list<T>(&mut self, mut item: impl FnMut(&mut Self) -> io::Result<T>) -> io::Result<Vec<T>> {
        let length = self.number()?;
        (0..length).map(|_| item(self)).collect()
    }

    fn end<T>(&self, read: T) -> io::Result<T> {
        if self.0.is_empty() { Ok(read) } else { Err(invalid("a message has more than it should")) }
    }
}

fn unknown(kind: u32) -> io::Error {
    invalid(format!("a message of kind {kind}"))
}

fn invalid(why: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn operations() -> Vec<Op> {
        vec![
            Op::Begin { ip: "addr add 10.0.0.1/8 dev eth0\n".into(), sysctls: vec![("net/a".into(), "1 2".into())] },
            Op::Begin { ip: String::new(), sysctls: Vec::new() },
            Op::Run { words: vec!["ipvsadm".into(), "-Ln".into()], stdin: "é\n".into() },
            Op::Send { frames: vec![vec![1, 2, 3], Vec::new(), vec![0; 1500]] },
            Op::Sleep { time: Duration::new(3600, 7) },
        ]
    }

    fn answers() -> Vec<Answer> {
        let ran = Outcome::Ran { status: -1, stdout: "a\nb".into(), stderr: String::new() };
        let received = Outcome::Received { frames: vec![vec![vec![9; 60], vec![8]], Vec::new()] };
        let outcomes = [Ok(Outcome::Done), Ok(ran), Ok(received), Err("eth0 is gone".into())];
        outcomes.into_iter().map(Answer::Outcome).chain([Answer::Taken(2048)]).collect()
    }

    #[test]
    fn what_is_written_is_read_in_its_order() -> io::Result<()> {
        let mut line = Vec::new();
        for op in operations() {
            write_request(&mut line, &op)?;
        }
        let mut from = line.as_slice();
        for op in operations() {
            assert_eq!(read_request(&mut from)?, Some(op));
        }
        assert_eq!(read_request(&mut from)?, None);

        let mut line = Vec::new();
        for answer in answers() {
            write_answer(&mut line, &answer)?;
        }
        let mut from = line.as_slice();
        for answer in answers() {
            assert_eq!(read_answer(&mut from)?, Some(answer));
        }
        assert_eq!(read_answer(&mut from)?, None);
        Ok(())
    }

    #[test]
    fn a_message_cut_short_or_lengthened_is_refused() -> io::Result<()> {
        for op in operations() {
            let mut line = Vec::new();
            write_request(&mut line, &op)?;
            for end in 1..line.len() {
                assert!(read_request(&mut &line[..end]).is_err(), "{op:?} cut to {end} bytes");
            }
            for change in [-1, 1] {
                let mut wrong = line.clone();
                wrong[0] = wrong[0].wrapping_add_signed(change);
                wrong.push(0);
                assert!(read_request(&mut wrong.as_slice()).is_err(), "{op:?} with another length");
            }
        }
        Ok(())
    }

    #[test]
    fn noise_is_refused_and_takes_no_memory() {
        for noise in [[0xff; 64], [0x0f; 64], [1; 64]] {
            assert!(read_request(&mut noise.as_slice()).is_err());
            assert!(read_answer(&mut noise.as_slice()).is_err());
        }
    }
}
