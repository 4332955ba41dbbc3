//! The texts of `-h` and `-v`. The version line is that of the `ipvsadm` whose grammar and formats these are, as scripts
//! look for it; the help is LVX' own and says what LVX takes.

/// What `-v` prints.
pub(super) const VERSION: &str = "ipvsadm v1.31 2019/12/24 (compiled with popt and IPVS v1.2.1)\n";

/// What `-h` prints; `program` is the name it was called by.
pub(super) fn help(program: &str) -> String {
    format!("{VERSION}{}", USAGE.replace("{program}", program))
}

const USAGE: &str = "\
LVX' services and real servers, by the commands of ipvsadm. The first word is the command.

Services
  {program} -A SERVICE [-s SCHEDULER] [-p [SECONDS]] [-M NETMASK] [-o]    add a service
  {program} -E SERVICE [same]                                            change it: what is left out is reset
  {program} -D SERVICE                                                   remove it
  {program} -C                                                           remove all

Real servers
  {program} -a SERVICE -r ADDRESS [-g] [-w WEIGHT] [-x MAX] [-y MIN]      add a real server
  {program} -e SERVICE -r ADDRESS [same]                                 change it
  {program} -d SERVICE -r ADDRESS                                        remove it

Looking
  {program} -L [SERVICE] [-n] [--stats | --rate | --thresholds | --persistent-conn | --tun-info]
           [--exact] [--nosort]
  {program} -L -c [-n]              connections and persistence templates
  {program} -L --timeout
  {program} -Z [SERVICE]            counters to zero

Keeping
  {program} -S [-n] > FILE          write all services as commands
  {program} -R < FILE               carry such commands out
  {program} --set TCP TCPFIN UDP    timeouts in seconds; 0 leaves one as it is

SERVICE is one of
  -t ADDRESS:PORT                   TCP; port 0 is every port, and needs -p
  -u ADDRESS:PORT                   UDP
  -f MARK [-6]                      packets with this firewall mark; -6: those of IPv6

  -s, --scheduler       rr, wrr, lc, wlc, sed, nq, fo or ovf; wlc if left out
  -p, --persistent      a client comes back to its real server; 360 seconds if left out
  -M, --netmask         clients of one network count as one: 255.255.255.0, or a prefix length for IPv6
  -o, --ops             each UDP packet is scheduled by itself
  -g, --gatewaying      direct routing, the only forwarding method
  -w, --weight          share of new connections; 0 takes none; 1 if left out
  -x, --u-threshold     connections at which no new ones come
  -y, --l-threshold     connections below which they come again
  -n, --numeric         no names for addresses and ports
";
