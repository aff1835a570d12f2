#!/bin/bash
# Prepares /storage and runs Apache.
set -euo pipefail
if ((EUID)); then
  /dokuwiki-storagesetup.sh
else
  chown -R www-data:www-data /storage
  setpriv --reuid=33 --regid=33 --init-groups /dokuwiki-storagesetup.sh
fi
exec apache2-foreground
