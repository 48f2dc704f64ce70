#!/bin/sh
# Starts workerd, and sees to it that workerd does not outlive the Node.js process that asked for it. Without this a
# runner that is killed with SIGKILL leaves workerd behind, with the port and the databases open.
#
# File descriptor 3 is Miniflare's control socket. Nothing is ever sent to us on it, so reading from it ends only when the
# other side is gone: the runner died, or disposed of this workerd, which then is dead already.
case "$PYCHAIN_WORKERD" in
  '' | *workerd-guard.sh)
    # It would start itself for ever, a process more each time.
    echo 'workerd-guard.sh: PYCHAIN_WORKERD does not name the workerd binary' >&2
    exit 1
    ;;
esac
workerd=$$
started() { ps -o lstart= -p "$workerd"; }
(
  ours=$(started)
  read -r _ <&3
  # Had workerd crashed before, its number could be another process's by now.
  [ "$(started)" = "$ours" ] && kill -KILL "$workerd"
) </dev/null >/dev/null 2>&1 &
exec "$PYCHAIN_WORKERD" "$@"
