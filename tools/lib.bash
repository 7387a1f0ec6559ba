# What the scripts share; sourced, never run.
# shellcheck shell=bash

# shellcheck disable=SC2034 # used by those who source this
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
export PG_CONFIG=${PG_CONFIG:-/usr/lib/postgresql/15/bin/pg_config}

say() { printf '%s\n' "${0##*/}: $*" >&2; }
die() { say "$@"; exit 1; }

# PostgreSQL's own programs are taken from here, by path: the first pg_ctl or psql in PATH may be another one.
pg_bindir() {
    [[ -x $PG_CONFIG ]] || die "no pg_config at $PG_CONFIG: run tools/install-deps, or set PG_CONFIG"
    "$PG_CONFIG" --bindir
}

# The major version, as pgrx's features have it: 15.
pg_major() {
    local version
    version=$("$PG_CONFIG" --version)
    [[ $version =~ ^PostgreSQL\ ([0-9]+) ]] || die "$PG_CONFIG says \"$version\""
    printf '%s\n' "${BASH_REMATCH[1]}"
}

as_root() {
    if ((EUID == 0)); then "$@"; else sudo "$@"; fi
}

# The server refuses to run as root; as anyone else, it runs as you. With RUST_BACKTRACE, which a developer may have
# set, every error would come with a backtrace as its detail.
as_server() {
    if ((EUID == 0)); then
        env -u RUST_BACKTRACE setpriv --reuid=postgres --regid=postgres --init-groups -- "$@"
    else
        env -u RUST_BACKTRACE "$@"
    fi
}
