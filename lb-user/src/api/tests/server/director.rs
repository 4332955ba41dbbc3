//! A director without maps behind a real server.

use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::thread::JoinHandle;

use tempfile::TempDir;

use super::super::*;
use super::PATIENCE;
use crate::api::client::Client;
use crate::api::{ConnectionEntry, Counters, Rates, Refusal, Response, ServiceEntry, Status};
use crate::model::Model;

/// Parts of the connection table, and connections in each.
pub(super) const PARTS: u32 = 5;
const IN_A_PART: u16 = 3;

/// A server and its director, until this is dropped.
pub(super) struct Running {
    pub(super) directory: TempDir,
    serving: Option<Serving>,
    director: Option<JoinHandle<()>>,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.serving.take();
        // The calls end with the server.
        if self.director.take().is_some_and(|director| director.join().is_err()) && !std::thread::panicking() {
            panic!("the director panicked");
        }
    }
}

impl Running {
    pub(super) fn new() -> Self {
        Self::with(Limits::default(), |_| Settings::default())
    }

    /// With settings that may name files in the directory that is handed in.
    pub(super) fn with(limits: Limits, settings: impl FnOnce(&Path) -> Settings) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let settings = settings(directory.path());
        let socket = directory.path().join("lvx.sock");
        let server = Server::with_limits(&socket, &settings, limits).unwrap_or_else(|error| panic!("{error:#}"));
        let (calls, mut called) = mpsc::channel::<Call>(64);
        let events = Events::default();
        let director = std::thread::spawn({
            let events = events.clone();
            move || {
                let mut model = Model::default();
                while let Some((request, back)) = called.blocking_recv() {
                    let response = handle(&mut model, &request, &events);
                    drop(back.send(response));
                }
            }
        });
        let serving = server.serve(calls, events).expect("a thread");
        Self { directory, serving: Some(serving), director: Some(director) }
    }

    pub(super) fn socket(&self) -> PathBuf {
        self.directory.path().join("lvx.sock")
    }

    pub(super) fn connect(&self) -> UnixStream {
        let stream = UnixStream::connect(self.socket()).expect("it listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("set");
        stream
    }

    pub(super) fn client(&self) -> Client {
        Client::new(&self.socket())
    }
}

fn handle(model: &mut Model, request: &Request, events: &Events) -> Response {
    if let Err(refusal) = model.check(request) {
        return Response::Refused { refusal };
    }
    match request {
        Request::Status => {
            Response::Status { status: Box::new(Status { version: "test".to_owned(), ..Status::default() }) }
        }
        Request::Timeouts => Response::Timeouts { timeouts: model.timeouts() },
        Request::Sysctls => Response::Sysctls { sysctls: Vec::new() },
        Request::List { id } => {
            let services = model.services().filter(|service| id.is_none_or(|id| id == service.id));
            let entry = |service: &crate::model::Service| ServiceEntry {
                service: service.clone(),
                counters: Counters::default(),
                rates: Rates::default(),
                servers: Vec::new(),
                quorum: None,
            };
            Response::Services { services: services.map(entry).collect(), connection_table_size: 4096 }
        }
        Request::ConnectionPart { from } => Response::ConnectionPart {
            connections: if from % 2 == 0 {
                (0..IN_A_PART).map(|port| connection(*from, port)).collect()
            } else {
                Vec::new()
            },
            next: Some(from + 1).filter(|next| *next < PARTS),
        },
        Request::Connections => {
            let all = (0..PARTS).step_by(2).flat_map(|from| (0..IN_A_PART).map(move |port| connection(from, port)));
            Response::Connections { connections: all.collect() }
        }
        Request::AddService { .. }
        | Request::EditService { .. }
        | Request::DeleteService { .. }
        | Request::Flush
        | Request::AddServer { .. }
        | Request::EditServer { .. }
        | Request::DeleteServer { .. }
        | Request::OrderServers { .. }
        | Request::Zero { .. }
        | Request::SetTimeouts { .. }
        | Request::SetSysctls { .. } => {
            model.commit(request);
            events.made(request);
            Response::Done
        }
        Request::Apply { text, .. } => Response::Applied { report: Box::default(), generation: text.len() as u64 },
        Request::Plan { .. }
        | Request::Reload
        | Request::Export
        | Request::Generations
        | Request::Rollback { .. }
        | Request::Drain { .. }
        | Request::Undrain { .. }
        | Request::Drains => Response::Refused { refusal: Refusal::Other("not here".to_owned()) },
    }
}

fn connection(from: u32, port: u16) -> ConnectionEntry {
    let address = |port: u16| std::net::SocketAddr::from(([10, 0, 0, 1], port));
    ConnectionEntry {
        protocol: 6,
        expires: from.into(),
        state: "ESTABLISHED".to_owned(),
        client: address(port),
        virtual_address: address(80),
        destination: address(80),
    }
}

/// All of them, as the director has them.
pub(super) fn connections() -> Response {
    handle(&mut Model::default(), &Request::Connections, &Events::default())
}
