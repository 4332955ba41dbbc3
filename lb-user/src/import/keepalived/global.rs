//! Everything that is no virtual server: told by name, with what LVX does instead.

use super::tree::Directive;
use super::values::value;
use crate::import::draft::{Draft, Vip};

const VRRP: &str = "VRRP stays keepalived's: leave it in keepalived.conf";
const MAIL: &str = "LVX sends no mail; a command or a webhook of [notify] can";
const PROCESS: &str = "is about keepalived's own processes";

/// Whether a file that has such a word in the beginning of a line is keepalived's.
pub(in crate::import) fn is_top_level(word: &str) -> bool {
    let word = word.trim_end_matches('{');
    matches!(word, "include" | "includer" | "includem" | "includew" | "includeb" | "includea")
        || matches!(word, "virtual_server" | "virtual_server_group" | "global_defs" | "SSL")
        || !matches!(block(word), Some(PROCESS) | None)
}

/// Reads a directive of the top level.
pub(super) fn read(directive: &Directive, draft: &mut Draft) {
    let keyword = directive.keyword();
    if keyword == "global_defs" {
        directive.inner().iter().for_each(|inner| definition(inner, draft));
        if directive.inner().is_empty() {
            draft.notes.remark(&directive.place, "global_defs: empty");
        }
        return;
    }
    let why = block(keyword).unwrap_or("unknown to LVX; left out");
    draft.notes.warn(&directive.place, format!("{}: {why}", directive.shown()));
    if matches!(keyword, "vrrp_instance" | "static_ipaddress") {
        addresses(directive, draft);
    }
}

/// Why a block, or a keyword beside blocks, has no equal.
fn block(keyword: &str) -> Option<&'static str> {
    Some(match keyword {
        "vrrp_instance" => "VRRP stays keepalived's: leave it in keepalived.conf; its addresses are told as [[vip]]",
        "static_ipaddress" => "leave it in keepalived.conf; its addresses are told as [[vip]]",
        "vrrp_sync_group"
        | "vrrp_script"
        | "vrrp_track_process"
        | "vrrp_track_file"
        | "track_group"
        | "garp_group"
        | "interface_up_down_delays"
        | "linkbeat_interfaces"
        | "linkbeat_use_polling"
        | "track_process" => VRRP,
        "track_file" | "bfd_instance" => "leave it in keepalived.conf, for VRRP; LVX checks by neither",
        "static_routes" | "static_rules" | "static_track_group" => "leave it in keepalived.conf; LVX sets no routes",
        "SSL" => "LVX shows no certificate of its own, and verifies a server's by verify and ca of a check",
        "net_namespace" | "net_namespace_ipvs" | "namespace_with_ipsets" => "start lvx in the namespace: ip netns exec",
        "instance" | "use_pid_dir" | "child_wait_time" | "daemon_mode" => PROCESS,
        _unknown => return None,
    })
}

fn definition(directive: &Directive, draft: &mut Draft) {
    let keyword = directive.keyword();
    let why = match keyword {
        "lvs_timeouts" => return timeouts(directive, draft),
        "script_user" => {
            let text = format!("{}: the user of the checks by script", directive.shown());
            return draft.notes.remark(&directive.place, text);
        }
        "lvs_sync_daemon" | "lvs_sync_daemon_interface" => "LVX has no sync daemon",
        "lvs_flush" => "LVX starts with what is in its file and what was set by hand",
        "lvs_flush_on_stop" => "LVX takes its program off the interfaces when it stops",
        "lvs_notify_fifo" | "lvs_notify_fifo_script" | "notify_fifo" | "notify_fifo_script" => {
            "LVX has no FIFO; [notify] runs a command or calls a webhook"
        }
        "rs_init_notifies" => "LVX tells of changes, not of the first state",
        "checker_log_all_failures" => "LVX logs changes, each once",
        "enable_script_security" => "LVX does not look at who may write a script; set user in the check",
        "notification_email"
        | "notification_email_from"
        | "smtp_server"
        | "smtp_helo_name"
        | "smtp_connect_timeout"
        | "smtp_alert"
        | "smtp_alert_checker"
        | "smtp_alert_vrrp"
        | "no_email_faults"
        | "no_checker_emails" => MAIL,
        "router_id"
        | "default_interface"
        | "dynamic_interfaces"
        | "disable_local_igmp"
        | "max_auto_priority"
        | "min_auto_priority_delay"
        | "vmac_prefix"
        | "vmac_addr_prefix"
        | "log_unknown_vrids"
        | "nftables"
        | "nftables_priority"
        | "nftables_counters"
        | "nftables_ifindex"
        | "fifo_write_vrrp_states_on_reload"
        | "bfd_rlimit_rttime"
        | "linkbeat_use_polling" => VRRP,
        "nftables_ipvs" | "nftables_ipvs_priority" | "nftables_ipvs_start_fwmark" => {
            "LVX has a service for each address of a group, and needs no marks for it"
        }
        "snmp_socket"
        | "enable_snmp_vrrp"
        | "enable_snmp_checker"
        | "enable_snmp_rfc"
        | "enable_snmp_rfcv2"
        | "enable_snmp_rfcv3"
        | "enable_traps" => "LVX has no SNMP; it has metrics",
        "enable_dbus" | "dbus_service_name" => "LVX has no D-Bus; it has an API",
        "startup_script" | "startup_script_timeout" | "shutdown_script" | "shutdown_script_timeout" => {
            "write ExecStartPre= and ExecStopPost= into LVX' unit of systemd"
        }
        "process_names"
        | "process_name"
        | "checker_process_name"
        | "bfd_process_name"
        | "checker_priority"
        | "bfd_priority"
        | "checker_no_swap"
        | "bfd_no_swap"
        | "checker_cpu_affinity"
        | "bfd_cpu_affinity"
        | "checker_rt_priority"
        | "bfd_rt_priority"
        | "checker_rlimit_rttime"
        | "umask"
        | "random_seed"
        | "tmp_config_directory"
        | "config_save_dir"
        | "lvs_netlink_cmd_rcv_bufs"
        | "lvs_netlink_cmd_rcv_bufs_force"
        | "lvs_netlink_monitor_rcv_bufs"
        | "lvs_netlink_monitor_rcv_bufs_force"
        | "process_monitor_rcv_bufs"
        | "process_monitor_rcv_bufs_force"
        | "reload_check_config"
        | "include_check"
        | "reload_time_file"
        | "reload_repeat"
        | "reload_file"
        | "data_use_instance"
        | "instance"
        | "net_namespace" => PROCESS,
        other if other.starts_with("vrrp_") => VRRP,
        _unknown => "unknown in global_defs; left out",
    };
    draft.notes.warn(&directive.place, format!("{}: {why}", directive.shown()));
}

/// `lvs_timeouts tcp N tcpfin N udp N`
fn timeouts(directive: &Directive, draft: &mut Draft) {
    for (index, word) in directive.values().into_iter().enumerate().step_by(2) {
        let known = ["tcp", "tcpfin", "udp"].into_iter().find(|name| *name == word);
        let Some(name) = known else {
            draft.notes.error(&directive.place, format!("{}: `{word}` is not tcp, tcpfin or udp", directive.shown()));
            continue;
        };
        if let Some(seconds) = value::<u32>(directive, index + 1, "a number of seconds", &mut draft.notes) {
            draft.timeouts.retain(|(known, _)| *known != name);
            draft.timeouts.push((name, seconds));
        }
    }
}

/// The addresses that a block puts on interfaces.
fn addresses(directive: &Directive, draft: &mut Draft) {
    let named = |words: &[String], name: &str| {
        let position = words.iter().position(|word| word == name)?;
        words.get(position + 1).cloned()
    };
    let interface = directive.inner().iter().find(|inner| inner.keyword() == "interface");
    let interface = interface.map(|inner| inner.value(0).to_owned());
    let lists = directive.inner().iter().filter(|inner| inner.keyword().starts_with("virtual_ipaddress"));
    let is_list = directive.keyword() == "static_ipaddress";
    let lines = lists.flat_map(Directive::inner).chain(directive.inner().iter().filter(|_| is_list));
    for line in lines {
        draft.vips.push(Vip {
            place: line.place.clone(),
            address: line.keyword().to_owned(),
            interface: named(&line.words, "dev").or_else(|| interface.clone()),
        });
    }
}
