#!/bin/sh
# lane: waits
# A popular name is asked again when it expires, without a client's question; another is not.
# timeout: 60
. "$(dirname "$0")/../support/lab.sh"
lab_up
lab_config | sed 's/size: 64MiB/size: 64MiB, max-ttl: 6s/' >"$lab_tmp/refresh.yaml"
fairlead_up "$lab_tmp/refresh.yaml"

for _ in 1 2 3 4 5; do
	ask www.nsec.shape. A
done
ask mail.nsec.shape. A
expect "the name is answered" answered
sleep 11 # a life of 6 s, a second's margin, the keeper's second, and the commit

ask www.nsec.shape. A +norec
expect "a popular name is there again though nobody asked" says 'IN[[:space:]]+A[[:space:]]'
ask mail.nsec.shape. A +norec
expect "a name that was asked once is not" rcode REFUSED
sleep 8 # nobody has asked for it since: its new life is its last
ask www.nsec.shape. A +norec
expect "a name that nobody asks any more is let go" rcode REFUSED
fairlead_down
