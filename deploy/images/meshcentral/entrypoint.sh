#!/bin/bash
# Starts MeshCentral with the file of settings named by CONFIG_FILE. It knows Ctrl-C only as a signal to stop.
set -u

node /opt/meshcentral/meshcentral/meshcentral --configfile "$CONFIG_FILE" &
server=$!
trap 'kill -INT "$server"' TERM INT
wait "$server"
wait "$server" # a signal ends the first one
