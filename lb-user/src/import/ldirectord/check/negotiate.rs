//! checktype=negotiate: a request in the language of the service.

use super::Checked;
use crate::import::draft::Check;
use crate::import::ldirectord::endpoint;
use crate::import::ldirectord::lines::Key;
use crate::import::note::{Notes, Place};
use crate::model::{Protocol, ServiceId};

/// Redirects that Perl's LWP follows.
const REDIRECTS: u32 = 7;

impl Checked<'_> {
    /// The check, or none where ldirectord asks nothing either.
    pub(super) fn negotiate(&self, server: &Key, pair: Option<(&str, &str)>) -> Option<Check> {
        let request = pair.map(|(request, _)| request).or(self.words.text("request"));
        let receive = pair.map(|(_, receive)| receive).or(self.words.text("receive")).filter(|text| !text.is_empty());
        let mut check = match self.service {
            "none" => return None,
            "http" | "https" => self.http(server, request, receive),
            "dns" => self.dns(request, receive),
            "smtp" | "submission" => Check::new("smtp", self.place),
            "simpletcp" => simple(request, receive, self.place),
            "ftp" => self.greeting("220", false),
            "pop" => self.greeting("\\+OK", false),
            "pops" => self.greeting("\\+OK", true),
            "imap" => self.greeting("\\* (OK|PREAUTH)", false),
            "imaps" => self.greeting("\\* (OK|PREAUTH)", true),
            "nntp" => self.greeting("20[01]", false),
            other => self.unlike(other),
        };
        self.warn_of_unused(&mut check.notes);
        Some(check)
    }

    fn http(&self, server: &Key, request: Option<&str>, receive: Option<&str>) -> Check {
        let mut check = Check::new(if self.service == "https" { "https" } else { "http" }, self.place);
        let mut path = request.unwrap_or("/").trim_start_matches('/').to_owned();
        if let Some((_, rest)) = path.clone().split_once("://") {
            let (authority, rest) = rest.split_once('/').unwrap_or((rest, ""));
            path = rest.to_owned();
            match endpoint::split(authority) {
                (host, port) if host.parse::<std::net::IpAddr>().is_ok() => {
                    check.set("address", host);
                    check.keys.extend(port.and_then(|port| port.parse::<u32>().ok()).map(|port| ("port", port.into())));
                }
                (host, _) => {
                    let text = format!("{}: LVX asks the server itself, not {host}", server.shown());
                    check.notes.warn(&server.place, text);
                }
            }
        }
        let method = self.words.text("httpmethod").unwrap_or("GET").to_ascii_uppercase();
        check.set("path", format!("/{path}"));
        check.set("status", "200-299");
        check.set("redirects", REDIRECTS);
        if let Some(host) = self.words.text("virtualhost") {
            check.set("host", host);
        }
        match receive {
            Some(receive) if method == "HEAD" => {
                check
                    .notes
                    .warn(self.place, format!("receive=\"{receive}\": the answer to HEAD has no body; left out"));
            }
            Some(receive) => check.set("body", receive),
            None => {}
        }
        check.set("method", method);
        if self.service == "https" {
            check.set("verify", false);
        }
        check
    }

    fn dns(&self, request: Option<&str>, receive: Option<&str>) -> Check {
        let mut check = Check::new("dns", self.place);
        if matches!(self.id, ServiceId::Address { protocol: Protocol::Tcp, .. }) {
            check.notes.warn(self.place, "service=dns with protocol=tcp: LVX asks by UDP");
        }
        let name = request.unwrap_or_default().trim_start_matches('/');
        check.set("name", if name.is_empty() { "." } else { name });
        check.set("record", if name.parse::<std::net::IpAddr>().is_ok() { "PTR" } else { "A" });
        match receive {
            Some(receive) => {
                let plain = receive.replace("\\.", ".");
                if plain.contains(['*', '+', '?', '(', '[', '|', '^', '$', '\\']) {
                    let text = format!("receive=\"{receive}\": LVX wants the whole answer, not an expression");
                    check.notes.warn(self.place, text);
                } else {
                    check.set("answer", plain);
                }
            }
            None => {
                let text =
                    "service=dns without receive: to ldirectord its servers are always down, to LVX any answer will do";
                check.notes.warn(self.place, text);
            }
        }
        check
    }

    /// The first line of a server that speaks first.
    fn greeting(&self, pattern: &str, tls: bool) -> Check {
        let mut check = Check::new("expect", self.place);
        check.set("expect", format!("^{pattern}"));
        if tls {
            check.set("tls", true);
            check.set("verify", false);
        }
        let text = format!("service={}: LVX waits for the greeting, and does not log in or ask further", self.service);
        check.notes.warn(self.place, text);
        check
    }

    /// What comes closest where LVX does not speak the language.
    fn unlike(&self, service: &str) -> Check {
        let is_udp = matches!(self.id, ServiceId::Address { protocol: Protocol::Udp, .. });
        let (kind, what) = if is_udp { ("icmp", "pings the server") } else { ("tcp", "connects") };
        let mut check = Check::new(kind, self.place);
        let text =
            format!("service={service}: LVX does not speak it and only {what}; a check of type script can do it");
        check.notes.warn(self.place, text);
        check
    }

    /// Names and passwords are for languages that LVX does not speak.
    fn warn_of_unused(&self, notes: &mut Notes) {
        for name in ["login", "passwd", "database", "secret"] {
            if let Some(key) = self.words.get(name) {
                notes.warn(&key.place, format!("{name}: LVX does not log in"));
            }
        }
        let asks = matches!(self.service, "http" | "https" | "dns" | "simpletcp");
        for key in
            ["request", "receive", "virtualhost", "httpmethod"].into_iter().filter_map(|name| self.words.get(name))
        {
            let is_of_http = matches!(key.name.as_str(), "virtualhost" | "httpmethod");
            if !asks || is_of_http && !self.service.starts_with("http") {
                notes.warn(&key.place, format!("{}: means nothing to this check", key.shown()));
            }
        }
    }
}

/// What is sent, and what must come.
fn simple(request: Option<&str>, receive: Option<&str>, place: &Place) -> Check {
    let mut check = Check::new("expect", place);
    // ldirectord's one escape is \n, which is LVX' too.
    let send = request.unwrap_or_default();
    let send = send.strip_prefix('/').unwrap_or(send).replace("\\n", "\n").replace('\\', "\\\\").replace('\n', "\\n");
    if !send.is_empty() {
        check.set("send", send);
    }
    check.set("expect", receive.unwrap_or_default());
    check
}
