//! Answers that are sent as they are made.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use futures::stream::{self, Stream};
use http_body_util::{BodyExt as _, StreamBody};
use hyper::body::{Bytes, Frame};
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;

use super::Director;
use super::answer::Body;
use super::places::Busy;
use crate::api::event::Event;
use crate::api::{ConnectionEntry, Request, Response};

/// A comment is sent so often, so that either side finds out if the other one has gone.
const COMMENT: Duration = Duration::from_secs(15);

fn body(pieces: impl Stream<Item = io::Result<Bytes>> + Send + 'static) -> Body {
    use futures::StreamExt as _;
    StreamBody::new(pieces.map(|piece| piece.map(Frame::data))).boxed_unsync()
}

/// How far the connection table has been sent.
enum Sent {
    Nothing,
    /// The next part begins here; whether a connection was sent.
    Until(u32, bool),
    All,
}

/// The connection table as a `ConnectionList`, part by part: between two of them the director does other things. If it
/// stops, the answer breaks off.
pub(super) fn connections(director: Arc<Director>, busy: Busy) -> Body {
    body(stream::try_unfold((Sent::Nothing, director, busy), |(sent, director, busy)| async move {
        let (from, any) = match sent {
            Sent::Nothing => {
                let start = Bytes::from_static(b"{\"connections\":[");
                return Ok(Some((start, (Sent::Until(0, false), director, busy))));
            }
            Sent::Until(from, any) => (from, any),
            Sent::All => return Ok(None),
        };
        let answer = director.ask(Request::ConnectionPart { from }).await;
        let answer = answer.map_err(|problem| io::Error::other(problem.detail))?;
        let Response::ConnectionPart { connections, next } = answer else {
            return Err(io::Error::other("the director cannot read its connections"));
        };
        let mut piece = rows(&connections, any)?;
        let sent = match next {
            Some(next) => Sent::Until(next, any || !connections.is_empty()),
            None => {
                piece.extend_from_slice(b"]}");
                Sent::All
            }
        };
        Ok(Some((Bytes::from(piece), (sent, director, busy))))
    }))
}

/// Elements of a JSON list.
fn rows(connections: &[ConnectionEntry], mut any: bool) -> io::Result<Vec<u8>> {
    let mut piece = Vec::new();
    for connection in connections {
        piece.extend_from_slice(if any { b",\n" } else { b"\n" });
        serde_json::to_writer(&mut piece, connection)?;
        any = true;
    }
    Ok(piece)
}

/// Events from now on, without end.
pub(super) fn events(receiver: Receiver<Event>, busy: Busy) -> Body {
    body(stream::try_unfold((receiver, busy, true), |(mut receiver, busy, first)| async move {
        let event = if first { Ok(Event::Watching) } else { next(&mut receiver).await };
        let piece = match event {
            Ok(event) => written(&event)?,
            Err(Quiet) => Bytes::from_static(b":\n\n"),
        };
        Ok(Some((piece, (receiver, busy, false))))
    }))
}

/// Nothing happens.
struct Quiet;

async fn next(receiver: &mut Receiver<Event>) -> Result<Event, Quiet> {
    match tokio::time::timeout(COMMENT, receiver.recv()).await {
        Ok(Ok(event)) => Ok(event),
        Ok(Err(RecvError::Lagged(events))) => Ok(Event::Missed { events }),
        // The server is ended before its director.
        Ok(Err(RecvError::Closed)) | Err(_) => Err(Quiet),
    }
}

/// An event as `text/event-stream` has it.
fn written(event: &Event) -> io::Result<Bytes> {
    Ok(format!("event: {}\ndata: {}\n\n", event.name(), serde_json::to_string(event)?).into())
}
