# A Debian 13 root to run the suite in, beside whatever this machine is.
# Sourced by tests/run; needs root, mmdebstrap and $root (the source tree).
# The root is cached, and follows appliance/packages.

d13_cache=${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/fairlead
d13_root=$d13_cache/debian13

d13_packages() {
	sh "$root/appliance/packages/install" --print 13 build run lab test bench
	echo ca-certificates
}

# The mirrors are those of this machine's own apt sources.
d13_sources() {
	apt-get indextargets --format '$(RELEASE) $(REPO_URI)' 'Created-By: Packages' 'Component: main' |
		awk -v own="$1" '
			$1 == own && !base { base = $2 }
			$1 == own "-security" && !sec { sec = $2 }
			END {
				if (!base || !sec) exit 1
				print "deb " base " trixie main"
				print "deb " base " trixie-updates main"
				print "deb " sec " trixie-security main"
			}'
}

# Made anew in a folder beside, so that a half-made root is never taken for one.
d13_make() {
	command -v mmdebstrap >/dev/null || {
		DEBIAN_FRONTEND=noninteractive apt-get -q -y install --no-install-recommends \
			mmdebstrap debian-archive-keyring >/dev/null 2>&1 ||
			die "cannot install mmdebstrap (no network?)"
	}
	. /etc/os-release
	sources=$(d13_sources "$VERSION_CODENAME") ||
		die "apt's sources name no Debian mirror for $VERSION_CODENAME and its security updates"
	echo "run: making a Debian 13 root in $d13_root (about 5 minutes, once)"
	mkdir -p "$d13_cache"
	rm -rf "$d13_root.new"
	list=$(d13_packages | paste -sd, -)
	echo "$sources" | nice -n 19 mmdebstrap --quiet --variant=apt --mode=root \
		--aptopt='APT::Install-Recommends "false"' --include="$list" \
		--essential-hook='printf "#!/bin/sh\nexit 101\n" >"$1/usr/sbin/policy-rc.d"; chmod 755 "$1/usr/sbin/policy-rc.d"' \
		trixie "$d13_root.new" - >"$d13_cache/debian13.log" 2>&1 ||
		die "mmdebstrap failed: $(grep -m 1 '^E:' "$d13_cache/debian13.log"); see $d13_cache/debian13.log"
	rm -rf "$d13_root"
	d13_packages >"$d13_root.new/.fairlead-packages"
	mv "$d13_root.new" "$d13_root"
}

# A list that has grown since is installed into the root that is there.
d13_update() {
	d13_packages | cmp -s - "$d13_root/.fairlead-packages" && return 0
	echo "run: bringing the Debian 13 root up to the lists of packages"
	cp -L /etc/resolv.conf "$d13_root/etc/resolv.conf"
	# shellcheck disable=SC2046 # names are words
	unshare --mount sh -ec 'r=$1; shift; mount --bind /dev "$r/dev"; mount -t proc proc "$r/proc"
		chroot "$r" apt-get -q update
		exec chroot "$r" env DEBIAN_FRONTEND=noninteractive apt-get -q -y --no-install-recommends install "$@"' \
		sh "$d13_root" $(d13_packages) >"$d13_cache/debian13.log" 2>&1 </dev/null ||
		die "cannot update the Debian 13 root: $(grep -m 1 '^E:' "$d13_cache/debian13.log")"
	d13_packages >"$d13_root/.fairlead-packages"
}

# One at a time: two runs may share the cache.
d13_ready() {
	mkdir -p "$d13_cache"
	exec 8>"$d13_cache/debian13.lock"
	flock 8
	if [ -f "$d13_root/.fairlead-packages" ]; then
		d13_update
	else
		d13_make
	fi
	exec 8>&-
}

# d13_run ARGS...: tests/run ARGS in the root, with namespaces of its own: its
# mounts, processes and network end with it. The source is a copy (no object of
# this Debian can leak into the build), everything else that is written is in
# memory but the logs, which come out to build/test-logs-debian13.
d13_run() {
	[ "$(id -u)" -eq 0 ] || die "--debian13 needs root (for the root folder and its namespaces)"
	d13_ready
	logs=$root/build/test-logs-debian13
	copy=$(mktemp -d)
	mkdir -p "$logs"
	(cd "$root" && tar -c --exclude=./build --exclude='./build-*' --exclude=./.git --exclude=__pycache__ .) |
		tar -x -C "$copy"
	rc=0
	unshare --mount --pid --fork --kill-child --net sh -ec 'r=$1 src=$2 logs=$3; shift 3
		mount --bind "$r" "$r"
		mount --bind "$src" "$r/srv"
		mount --rbind /dev "$r/dev"
		for d in /tmp /run /root /var/tmp /mnt; do mount -t tmpfs -o mode=1777 t "$r$d"; done
		mount -t tmpfs -o mode=1777 t "$r/dev/shm"
		mount -t proc proc "$r/proc"
		mount -t sysfs sysfs "$r/sys"
		mount --bind "$logs" "$r/mnt"
		ip link set lo up
		exec chroot "$r" env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
			HOME=/root LANG=C.UTF-8 CI="${CI-}" FAIRLEAD_BUILD=/tmp/build FAIRLEAD_LOGS=/mnt FAIRLEAD_LOGS_SHOWN="$logs" \
			sh -c "cd /srv && exec sh tests/run \"\$@\"" sh "$@"' \
		sh "$d13_root" "$copy" "$logs" "$@" || rc=$?
	rm -rf "$copy"
	return "$rc"
}
