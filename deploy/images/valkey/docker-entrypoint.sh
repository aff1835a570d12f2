#!/bin/sh
# Options alone are for the server, which is not root.
set -e

case ${1:-} in
-* | *.conf) set -- valkey-server "$@" ;;
esac

if [ "$1" = valkey-server ] && [ "$(id -u)" = 0 ]; then
  find . ! -user valkey -print0 | xargs -0r chown -h valkey
  exec setpriv --reuid=valkey --regid=valkey --clear-groups "$0" "$@"
fi

# Without protection from other networks, as in Valkey's image: nobody reaches a container's port that is not published.
if [ "$1" = valkey-server ]; then
  shift
  exec valkey-server --protected-mode no "$@"
fi
exec "$@"
