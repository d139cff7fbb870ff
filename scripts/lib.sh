# shellcheck shell=bash
# Functions that the scripts beside this file share. Source it; it runs nothing by itself.

repo=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# Everything that speeds up a second run, and nothing that the first one needs.
cache=${PURSER_CACHE:-$repo/.cache}

say() { printf '%s\n' "$*" >&2; }

# die MESSAGE [HINT]
die() {
    say "error: $1"
    [ $# -lt 2 ] || say "hint: $2"
    exit 1
}

# retry COUNT COMMAND...: for what goes over the network. Waits a little longer each time.
retry() {
    local count=$1 n
    shift
    for ((n = 1; ; n++)); do
        "$@" && return 0
        [ "$n" -lt "$count" ] || return 1
        say "$1 failed, trying again ($((n + 1)) of $count)"
        sleep $((n * 3))
    done
}

# missing COMMAND:PACKAGE...: prints the packages whose command is not there, once each.
missing() {
    local pair
    for pair in "$@"; do
        command -v "${pair%%:*}" >/dev/null || echo "${pair#*:}"
    done | sort -u
}

# install_missing COMMAND:PACKAGE...: installs with apt what is not there. Quiet unless it fails.
install_missing() {
    local packages log
    mapfile -t packages < <(missing "$@")
    [ "${#packages[@]}" -gt 0 ] || return 0
    command -v apt-get >/dev/null ||
        die "these packages are missing: ${packages[*]}" "install them with your system's package manager"
    [ "$(id -u)" = 0 ] || die "these packages are missing: ${packages[*]}" "run this as root, or install them first"
    say "installing ${packages[*]}"
    mkdir -p "$cache"
    log=$cache/apt.log
    : >"$log"
    retry 4 apt_install "$log" "${packages[@]}" || {
        tail -20 "$log" >&2
        die "cannot install ${packages[*]}" "the whole of apt's output is in $log"
    }
}

apt_install() {
    local log=$1
    shift
    # Other installs may be under way on a machine that has just started: wait for their lock.
    local options=(-q -y -o DPkg::Lock::Timeout=120 -o Acquire::Retries=3)
    apt-get "${options[@]}" update >>"$log" 2>&1 &&
        DEBIAN_FRONTEND=noninteractive apt-get "${options[@]}" install --no-install-recommends "$@" >>"$log" 2>&1
}

# debian_mirror: the mirror that this machine installs from, whichever way its sources are written.
debian_mirror() {
    local found
    found=$(cat /etc/apt/sources.list.d/*.sources /etc/apt/sources.list.d/*.list /etc/apt/sources.list 2>/dev/null |
        sed -nE 's/^(URIs:|deb( \[[^]]*\])?) +([^ ]+).*/\3/p' | grep -E '/debian/?$' | head -1) || true
    [ -n "$found" ] || die "no Debian mirror in /etc/apt" "this needs a Debian machine with its usual package sources"
    printf '%s\n' "$found"
}

# docker_quiet ARGUMENTS...: the docker command, shown only when it fails.
docker_quiet() {
    local out
    out=$(docker "$@" 2>&1) || {
        printf '%s\n' "$out" >&2
        return 1
    }
}

have_image() { docker image inspect "$1" >/dev/null 2>&1; }

# pull IMAGE: false at once with PULL=never.
pull() {
    [ "${PULL:-}" != never ] || return 1
    say "pulling $1"
    timeout 900 docker pull --quiet "$1" >/dev/null 2>&1
}

# shell_tree DIRECTORY: the least that an image with a shell has: a static busybox under all its names.
shell_tree() {
    local applet
    mkdir -p "$1"/bin "$1"/etc "$1"/tmp "$1"/root
    chmod 755 "$1"
    chmod 1777 "$1/tmp"
    cp "$(type -P busybox)" "$1/bin/busybox"
    for applet in $("$1/bin/busybox" --list); do [ "$applet" = busybox ] || ln -s busybox "$1/bin/$applet"; done
    printf 'root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n' >"$1/etc/passwd"
    printf 'root:x:0:\nnogroup:x:65534:\n' >"$1/etc/group"
}

# What `docker import` puts on images that stand in for official ones, so that they can be told apart and removed.
# shellcheck disable=SC2034 # the scripts that source this use it
stand_in_label=io.purser.stand-in

# need_go: sees to it that `go` is one that can build this module. Debian 12's own is too old to fetch a newer one.
need_go() {
    local want boot
    want=$(sed -nE 's/^go ([0-9.]+)$/\1/p' "$repo/go.mod")
    recent_go "$want" && return
    PATH=/usr/local/go/bin:$PATH
    recent_go "$want" && return
    boot=$cache/go
    if [ ! -x "$boot/usr/lib/go-1.24/bin/go" ]; then
        install_missing mmdebstrap:mmdebstrap
        say "unpacking Debian's Go, to fetch Go $want with it"
        retry 4 unpack_go "$boot" || die "cannot unpack Debian's Go" "install Go $want or newer"
    fi
    # The newer Go comes through the module proxy, checked by the checksum database.
    boot=$(GOROOT=$boot/usr/lib/go-1.24 GOTOOLCHAIN=go$want retry 4 "$boot/usr/lib/go-1.24/bin/go" env GOROOT) ||
        die "cannot download Go $want" "install Go $want or newer"
    PATH=$boot/bin:$PATH
}

recent_go() {
    local have
    have=$(GOTOOLCHAIN=local go version 2>/dev/null | sed -nE 's/^go version go([0-9.]+).*/\1/p')
    [ -n "$have" ] && printf '%s\n%s\n' "$1" "$have" | sort -CV
}

unpack_go() {
    rm -rf "$1"
    mmdebstrap --quiet --variant=extract --mode=root --format=directory --skip=output/dev \
        --include=golang-1.24-go,golang-1.24-src trixie "$1" "$(debian_mirror)"
}
