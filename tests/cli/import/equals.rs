//! What the directives of keepalived and ldirectord are in LVX' words, written down a second time.

/// What must be in the configuration for a directive of keepalived.conf; none where only a warning will do.
pub(super) fn of_keepalived(words: &[&str]) -> Option<Vec<String>> {
    let (keyword, values) = words.split_first()?;
    let first = values.first().copied().unwrap_or_default();
    let first = first.trim_matches('"');
    Some(match *keyword {
        // Blocks: what is in them is looked for by itself.
        "global_defs" | "virtual_server_group" | "url" | "host" => Vec::new(),
        "virtual_server" if first == "group" => Vec::new(),
        "virtual_server" if first == "fwmark" => vec![format!("mark = {}", values.get(1)?)],
        "virtual_server" => vec![socket(first, values.get(1)?)],
        "fwmark" => vec![format!("mark = {first}")],
        "real_server" | "connect_ip" => vec![format!("address = \"{first}\"")],
        "sorry_server" => vec![format!("sorry_server = {{ address = \"{first}\" }}")],
        "lb_algo" | "lvs_sched" => vec![format!("scheduler = \"{first}\"")],
        "protocol" => vec![format!("{} = \"", first.to_lowercase())],
        "persistence_timeout" => vec![format!("persistent = {first}")],
        "delay_loop" => vec![format!("interval = \"{}\"", seconds(first))],
        "connect_timeout" => vec![format!("timeout = \"{}\"", seconds(first))],
        "delay_before_retry" => vec![format!("delay_before_retry = \"{}\"", seconds(first))],
        "weight" | "quorum" | "hysteresis" | "retry" => vec![format!("{keyword} = {first}")],
        "alpha" => vec!["alpha = true".to_owned()],
        "inhibit_on_failure" => vec!["on_failure = \"inhibit\"".to_owned()],
        "quorum_up" => vec![format!("'quorum up '*) {first} ;;")],
        "quorum_down" => vec![format!("'quorum down '*) {first} ;;")],
        "HTTP_GET" | "SSL_GET" | "TCP_CHECK" | "SMTP_CHECK" | "UDP_CHECK" | "PING_CHECK" | "MISC_CHECK" => {
            vec![format!("type = \"{}\"", kind(keyword)?)]
        }
        "path" => vec![format!("path = \"{first}\"")],
        "digest" => vec![format!("digest = \"md5:{first}\"")],
        "status_code" => vec![format!("status = \"{}\"", values.join(","))],
        "virtualhost" => vec![format!("host = \"{first}\"")],
        "helo_name" => vec![format!("helo = \"{first}\"")],
        "connect_port" => vec![format!("port = {first}")],
        "misc_path" => values.iter().map(|word| format!("\"{}\"", word.trim_matches('"'))).collect(),
        // A line of a group: an address or a range of them.
        address if address.starts_with(|c: char| c.is_ascii_hexdigit()) => match address.split_once('-') {
            Some((start, _)) => vec![socket(start, first)],
            None => vec![socket(address, first)],
        },
        _other => return None,
    })
}

fn kind(checker: &str) -> Option<&'static str> {
    Some(match checker {
        "HTTP_GET" => "http",
        "SSL_GET" => "https",
        "TCP_CHECK" => "tcp",
        "SMTP_CHECK" => "smtp",
        "UDP_CHECK" => "udp",
        "PING_CHECK" => "icmp",
        "MISC_CHECK" => "script",
        _other => return None,
    })
}

/// What must be in the configuration for a key of ldirectord.cf.
pub(super) fn of_ldirectord(words: &[&str]) -> Option<Vec<String>> {
    let line = words.join(" ");
    let (key, value) = line.split_once('=')?;
    let value = value.trim();
    let plain = value.trim_matches('"');
    Some(match key.trim() {
        "virtual" | "virtual6" => match value.parse::<u32>() {
            Ok(mark) => vec![format!("mark = {mark}")],
            Err(_address) => vec![format!("= \"{value}\"")],
        },
        "real" | "real6" => {
            let (host, rest) = value.split_once(' ')?;
            let host = match host.strip_prefix('[') {
                Some(v6) => v6.split(']').next()?,
                None => host.split("->").next()?.split(':').next()?,
            };
            let weight = rest.split_once(' ').map_or("1", |(_, weight)| weight);
            vec![format!("address = \"{host}\""), format!("weight = {weight}")]
        }
        "scheduler" => vec![format!("scheduler = \"{value}\"")],
        "persistent" => vec![format!("persistent = {value}")],
        "protocol" => vec![format!("{value} = \"")],
        "checktimeout" => vec![format!("timeout = \"{}\"", seconds(value))],
        "checkinterval" => vec![format!("interval = \"{}\"", seconds(value))],
        "failurecount" => vec![format!("fall = {value}")],
        "quiescent" if value == "no" => Vec::new(),
        "checkport" => vec![format!("port = {value}")],
        "checktype" => match value {
            "negotiate" => vec!["type = ".to_owned()],
            "ping" => vec!["type = \"icmp\"".to_owned()],
            "on" => Vec::new(),
            _other => return None,
        },
        "service" => match value {
            "http" | "https" | "dns" => vec![format!("type = \"{value}\"")],
            "smtp" | "submission" => vec!["type = \"smtp\"".to_owned()],
            "none" => Vec::new(),
            _other => return None,
        },
        "request" => vec![format!("{}\"", plain.trim_start_matches('/'))],
        "receive" | "virtualhost" => vec![format!("= \"{plain}\"")],
        _other => return None,
    })
}

fn socket(address: &str, port: &str) -> String {
    if address.contains(':') { format!("\"[{address}]:{port}\"") } else { format!("\"{address}:{port}\"") }
}

/// Whole minutes are written so.
fn seconds(text: &str) -> String {
    match text.parse::<u32>() {
        Ok(seconds) if seconds != 0 && seconds % 60 == 0 => format!("{}m", seconds / 60),
        _other => format!("{text}s"),
    }
}
