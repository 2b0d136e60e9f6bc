#!/bin/sh
# A client of the standalone server, by curl: addresses that are kept for a pool.
#
#   client.sh pool NAME SIZE       keeps so many addresses for a pool, and prints how many there are
#   client.sh list [POOL]          prints who has what
#   client.sh release IP POOL      gives an address of a pool back
#
# The server is at 127.0.0.1:32761, or where FLOATINGIP_API says. Every call may be repeated. Exit code 22 means that
# the server has said no: the answer, which is printed, says why.
set -eu

api=${FLOATINGIP_API:-http://127.0.0.1:32761}

# Names and addresses are letters, digits and `-.:`, so nothing has to be escaped in JSON and in a path.
for word; do
    case $word in *[!A-Za-z0-9.:-]*) echo "client.sh: not a name: $word" >&2 && exit 2 ;; esac
done

ask() {
    curl --silent --show-error --fail-with-body --max-time 30 -H 'Content-Type: application/json' "$@"
}

case "${1:-} $#" in
"pool 3") ask "$api/v1/pool" --data "{\"name\":\"$2\",\"size\":$3,\"preAllocateIP\":true}" ;;
"list 1") ask "$api/v1/ip?size=1000" ;;
"list 2") ask "$api/v1/ip?size=1000&poolName=$2" ;;
"release 3") ask "$api/v1/ip" --data "{\"ips\":[{\"ip\":\"$2\",\"poolName\":\"$3\"}]}" ;;
*) sed -n '4,6s/^# *//p' "$0" >&2 && exit 2 ;;
esac
