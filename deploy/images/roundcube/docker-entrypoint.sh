#!/bin/bash
# Before Apache starts: puts Roundcube into the working directory, makes its configuration of the environment, and brings
# the database up to the code.
set -euo pipefail

# quoted TEXT : as PHP writes a string.
quoted() {
  local text=${1//\\/\\\\}
  printf "'%s'" "${text//\'/\\\'}"
}

if [[ ${1:-} == apache2* ]]; then
  if [[ ! -e index.php ]]; then tar -C /usr/src/roundcubemail -c . | tar --no-overwrite-dir -x; fi

  temp=${ROUNDCUBEMAIL_TEMP_DIR:-/tmp/roundcube-temp}
  mkdir -p "$temp"
  : "${ROUNDCUBEMAIL_DB_TYPE:=sqlite}"
  if [[ $ROUNDCUBEMAIL_DB_TYPE == sqlite ]]; then
    database=sqlite:///${ROUNDCUBEMAIL_DB_DIR:-/var/roundcube/db}/${ROUNDCUBEMAIL_DB_NAME:-sqlite}.db?mode=0600
    mkdir -p "${ROUNDCUBEMAIL_DB_DIR:-/var/roundcube/db}"
  else
    database=$ROUNDCUBEMAIL_DB_TYPE://$ROUNDCUBEMAIL_DB_USER:$ROUNDCUBEMAIL_DB_PASSWORD@$ROUNDCUBEMAIL_DB_HOST
    database+=${ROUNDCUBEMAIL_DB_PORT:+:$ROUNDCUBEMAIL_DB_PORT}/$ROUNDCUBEMAIL_DB_NAME
  fi
  IFS=', ' read -ra plugins <<<"${ROUNDCUBEMAIL_PLUGINS:-archive,zipdownload}"
  umask 077
  {
    echo '<?php'
    echo "\$config['log_driver'] = 'stdout';"
    echo "\$config['db_dsnw'] = $(quoted "$database");"
    echo "\$config['imap_host'] = $(quoted "${ROUNDCUBEMAIL_DEFAULT_HOST:-localhost}:${ROUNDCUBEMAIL_DEFAULT_PORT:-143}");"
    echo "\$config['smtp_host'] = $(quoted "${ROUNDCUBEMAIL_SMTP_SERVER:-localhost}:${ROUNDCUBEMAIL_SMTP_PORT:-587}");"
    echo "\$config['username_domain'] = $(quoted "${ROUNDCUBEMAIL_USERNAME_DOMAIN:-}");"
    echo "\$config['temp_dir'] = $(quoted "$temp");"
    echo "\$config['skin'] = $(quoted "${ROUNDCUBEMAIL_SKIN:-elastic}");"
    echo "\$config['request_path'] = $(quoted "${ROUNDCUBEMAIL_REQUEST_PATH:-/}");"
    echo "\$config['plugins'] = [$(for plugin in "${plugins[@]}"; do printf '%s, ' "$(quoted "$plugin")"; done)];"
    echo "\$config['des_key'] = getenv('ROUNDCUBEMAIL_DES_KEY') ?: $(quoted "$(head -c 18 /dev/urandom | base64)");"
    for file in /var/roundcube/config/*.php; do
      if [[ -e $file ]]; then echo "include $(quoted "$file");"; fi
    done
  } >config/config.inc.php
  umask 022
  php bin/database.php || echo 'the database could not be made or brought up to date' >&2
fi
exec "$@"
