# Installs the packages named as arguments. Their services neither start now nor at the next boot: the lab runs
# its own nginx, and port 80 of the machine is not ours.
set -e
export DEBIAN_FRONTEND=noninteractive
if [ ! -e /usr/sbin/policy-rc.d ]; then
    trap 'rm -f /usr/sbin/policy-rc.d' EXIT
    printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d
    chmod 755 /usr/sbin/policy-rc.d
fi
apt-get update --quiet
apt-get install --quiet --yes --no-install-recommends "$@"
for package in "$@"; do
    case $package in
    nginx*) if command -v systemctl >/dev/null; then systemctl disable nginx; fi ;;
    esac
done
