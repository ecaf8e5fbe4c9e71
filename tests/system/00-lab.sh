#!/bin/sh
# The miniature Internet itself answers, as the manifest says it does, before
# anything is judged by it.
# timeout: 120
. "$(dirname "$0")/../support/lab.sh"
lab_up

root=$(awk '$3 == "A" || $4 == "A" { print $NF; exit }' "$FAIRLEAD_LAB/root.hints")

expect "its root hints name an address of 198.18.0.0/15" \
	sh -c 'case $1 in 198.18.*|198.19.*) ;; *) exit 1 ;; esac' sh "$root"
expect "it leaves a trust anchor for the root" grep -Eq '[[:space:]](DS|DNSKEY)[[:space:]]' "$FAIRLEAD_LAB/root.anchors"
expect "and a manifest" python3 -m json.tool "$FAIRLEAD_LAB/manifest.json"

ask "@$root" . SOA +dnssec +norec
expect "the root answers with authority" flag aa
expect "and is signed" says '[[:space:]]RRSIG[[:space:]]+SOA'

ask "@$root" www.nsec.shape. A +dnssec +norec
expect "a name below is referred to its zone" says '^shape\.[[:space:]].*[[:space:]]NS[[:space:]]'
expect "with a DS" says '^shape\.[[:space:]].*[[:space:]]DS[[:space:]]'

ask "@$root" shape. DNSKEY +tcp +norec
expect "TCP is answered as well" answered

# the Internet outside is out of reach, so that no test can lean on it
ask @192.0.2.1 . SOA +timeout=1
expect "nothing beyond is reachable" not answered

expect "it can be asked for its state" inet status
expect "a second lab_up changes nothing" lab_up
