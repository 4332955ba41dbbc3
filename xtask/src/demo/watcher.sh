#!/bin/sh
# A watcher in the old style: asks every real server, and takes it out of the service or puts it back.
VIP=172.16.100.1:80
while :; do
    for server in 172.16.100.10=2 172.16.100.11=1; do
        address=${server%=*}
        weight=${server#*=}
        if curl --silent --fail --output /dev/null --connect-timeout 1 --max-time 1 "http://$address/"; then
            ipvsadm -Ln | grep -q " $address:80 " || ipvsadm -a -t $VIP -r "$address" -g -w "$weight"
        else
            ipvsadm -Ln | grep -q " $address:80 " && ipvsadm -d -t $VIP -r "$address"
        fi
    done
    sleep 1
done
