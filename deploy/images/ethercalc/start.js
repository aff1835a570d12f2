'use strict';
// Starts EtherCalc with the settings, the health path and the closed list of sheets of its later versions.

const http = require('http');
const store = require('./store');

const {
  ETHERCALC_HOST: host = '0.0.0.0',
  ETHERCALC_PORT: port = '8000',
  ETHERCALC_KEY: key,
  ETHERCALC_DISABLE_ROOM_INDEX: noIndex = '1',
} = process.env;

const answer = (response, status, body) => {
  response.writeHead(status, {'Content-Type': 'application/json'});
  response.end(JSON.stringify(body));
};

const emit = http.Server.prototype.emit;
http.Server.prototype.emit = function (event, request, response) {
  if (event === 'request') {
    if (/^\/_health(\?|$)/.test(request.url)) return answer(response, 200, {status: 'ok'});
    if (noIndex === '1' && /^\/+_(rooms|roomlinks|roomtimes|exists)([/?]|$)/i.test(request.url)) {
      return answer(response, 403, {error: 'the list of sheets is closed'});
    }
  }
  return emit.apply(this, arguments);
};

// What was written before the signal is stored; the first process of a container has to end itself.
for (const signal of ['SIGTERM', 'SIGINT']) {
  process.on(signal, () => store.drain().then(() => process.exit(0)));
}

process.argv.push('--host', host, '--port', port);
if (key) process.argv.push('--key', key);
require('ethercalc/app');
