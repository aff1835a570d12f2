#!/bin/bash
# Puts into /storage the folders that pages need, and links to the configuration, plugins and templates of the image, so
# that those of a new image are the ones in use.
set -euo pipefail
mkdir -p /storage/{data,conf,lib/plugins,lib/tpl}
cp -rn /var/www/html/data.core/. /storage/data # the first pages, which the association may have changed
for file in /var/www/html/conf.core/*; do
  ln -sfn "$file" /storage/conf/
done
for kind in plugins tpl; do
  for one in /var/www/html/lib/"$kind".core/*; do
    rm -rf "/storage/lib/$kind/${one##*/}"
    ln -s "$one" "/storage/lib/$kind/"
  done
done
