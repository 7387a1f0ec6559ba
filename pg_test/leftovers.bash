# Finds and ends what a test left running; sourced, never run.
# shellcheck shell=bash

# A process belongs to a test when ATOMIZER_TEST=MARK is in the environment it was started with: children inherit it, and
# a server that a test starts hands it on to nobody else. The children of a server overwrite theirs, but end with it.
# pids_of MARK [DATA]: the processes of a test; the server whose data are in the folder DATA is left out.
pids_of() {
    local mark=$1 data=${2:-} process cwd
    { grep -lzxF "ATOMIZER_TEST=$mark" /proc/[0-9]*/environ 2>/dev/null || true; } | while read -r process; do
        process=${process%/environ}
        cwd=$(readlink "$process/cwd") || continue # it has just ended
        [[ -n $data && $cwd == "$data" ]] || printf '%s\n' "${process#/proc/}"
    done
}

# What a process is, for a message: its number, command line, and folder.
describe() {
    printf '%s "%s" in %s\n' "$1" "$(tr '\0' ' ' 2>/dev/null <"/proc/$1/cmdline" | cut -c1-80)" "$(readlink "/proc/$1/cwd")"
}

# end PID...: asks, then insists; a server's private folder is removed.
end() {
    local pid cwd folders=() _
    for pid in "$@"; do
        cwd=$(readlink "/proc/$pid/cwd") || continue
        # tools/cluster makes such folders.
        if [[ $cwd == */atomizer.??????/data ]]; then folders+=("${cwd%/data}"); fi
        kill -INT "$pid" 2>/dev/null # a server's fast shutdown
        kill -TERM "$pid" 2>/dev/null || true
    done
    for _ in {1..100}; do
        kill -0 "$@" 2>/dev/null || break
        sleep 0.1
    done
    kill -KILL "$@" 2>/dev/null || true
    ((${#folders[@]} == 0)) || rm -rf -- "${folders[@]}"
}
