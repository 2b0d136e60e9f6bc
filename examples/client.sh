#!/bin/sh
# Addresses for containers, by curl: what a script that sets up and takes down a container needs.
#
#   client.sh attach NODE NETWORK CONTAINER INTERFACE [POD [POLICY]]   prints the addresses
#   client.sh detach NODE NETWORK CONTAINER INTERFACE                  gives them back, or keeps them for the pod
#   client.sh list                                                     prints who has what
#
# The server is at 127.0.0.1:32761, or where FLOATINGIP_API says. Every call may be repeated. Exit code 22 means that
# the server has said no: the answer, which is printed, says why.
set -eu

api=${FLOATINGIP_API:-http://127.0.0.1:32761}

# Names are letters, digits, `-` and `.`; then nothing has to be escaped in JSON and in a path.
for word; do
    case $word in *[!A-Za-z0-9.-]*) echo "client.sh: not a name: $word" >&2 && exit 2 ;; esac
done

ask() {
    curl --silent --show-error --fail-with-body --max-time 30 -H 'Content-Type: application/json' "$@"
}

case "${1:-} $#" in
"attach 5") owner= ;;
"attach 6") owner=",\"podName\":\"$6\"" ;;
"attach 7") owner=",\"podName\":\"$6\",\"policy\":\"$7\"" ;;
"detach 5" | "list 1") ;;
*) sed -n '4,6s/^# *//p' "$0" >&2 && exit 2 ;;
esac

case $1 in
attach)
    ask "$api/v1/attachment" --data \
        "{\"nodeName\":\"$2\",\"network\":\"$3\",\"containerID\":\"$4\",\"interface\":\"$5\"$owner}"
    ;;
detach) ask --request DELETE "$api/v1/attachment/$2/$3/$4/$5" ;;
list) ask "$api/v1/ip?size=1000" ;;
esac
