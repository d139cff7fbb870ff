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
