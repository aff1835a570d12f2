#!/bin/bash
# Before Apache starts, or when called as docker-ensure-installed.sh: puts WordPress into the working directory where there
# is none, without replacing the association's themes and plugins, and a wp-config.php that reads the environment.
set -euo pipefail
code=/usr/src/wordpress

install_code() {
  local kept=() one
  for one in "$code"/wp-content/*/*/; do
    one=${one#"$code/"}
    if [[ -e $one ]]; then kept+=(--exclude="./${one%/}"); fi
  done
  echo "copying WordPress to $PWD" >&2
  tar -C "$code" "${kept[@]}" -c . | tar --no-overwrite-dir -x
}

if [[ ${1:-} == apache2* || ${0##*/} == docker-ensure-installed.sh ]]; then
  if [[ ! -e index.php && ! -e wp-includes/version.php ]]; then install_code; fi
  if [[ ! -s wp-config.php ]] && compgen -v WORDPRESS_ >/dev/null; then cp wp-config-docker.php wp-config.php; fi
fi
exec "$@"
