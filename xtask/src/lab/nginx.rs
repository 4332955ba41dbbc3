//! Web servers in the lab.

use std::fmt::Write as _;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use super::Lab;
use crate::wait;

/// Time to start.
const LIMIT: Duration = Duration::from_secs(10);

/// What a web server listens on and answers.
#[derive(Clone, Debug)]
pub struct NginxSpec {
    /// TCP ports, on every IPv4 and IPv6 address.
    pub ports: Vec<u16>,
    /// HTTP status of its answers.
    pub status: u16,
}

impl NginxSpec {
    /// One that answers with status 200.
    pub fn new(ports: &[u16]) -> Self {
        Self { ports: ports.to_vec(), status: 200 }
    }
}

impl Lab {
    /// Starts an nginx that answers every request with the host's name, and waits until it listens; gives its
    /// process id, for [`Lab::stop`].
    ///
    /// # Errors
    /// It does not start; the error shows its log.
    pub fn nginx(&self, host: &str, spec: &NginxSpec) -> Result<u32> {
        let directory = self.directory().join(format!("nginx-{host}"));
        let [configuration, log] = ["nginx.conf", "error.log"].map(|name| directory.join(name));
        fs::create_dir_all(&directory)?;
        fs::write(&configuration, text(host, spec)?)?;
        let mut command = self.command(host, "nginx")?;
        command.arg("-p").arg(&directory).arg("-c").arg(&configuration).arg("-e").arg(&log);
        let process = self.spawn(command.stdout(Stdio::null()).stderr(Stdio::null()))?;
        let what = format!("nginx on {host} listens");
        wait::until(&what, LIMIT, || {
            if !self.is_running(process)? {
                bail!("nginx on {host} ended: {}", fs::read_to_string(&log)?);
            }
            self.enter(host, || Ok(spec.ports.iter().all(|&port| listens(port))))
        })?;
        Ok(process)
    }
}

fn listens(port: u16) -> bool {
    TcpStream::connect(SocketAddr::from((Ipv4Addr::LOCALHOST, port))).is_ok()
}

fn text(host: &str, spec: &NginxSpec) -> Result<String> {
    let mut listen = String::new();
    for port in &spec.ports {
        write!(listen, "listen 0.0.0.0:{port}; listen [::]:{port}; ").context("text")?;
    }
    Ok(format!(
        "daemon off; master_process off; pid nginx.pid; error_log error.log;\n\
         events {{ worker_connections 1024; }}\n\
         http {{\n\
         access_log off; default_type text/plain;\n\
         client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi;\n\
         uwsgi_temp_path uwsgi; scgi_temp_path scgi;\n\
         server {{ {listen}location / {{ return {} \"{host}\\n\"; }} }}\n\
         }}\n",
        spec.status
    ))
}
