'use strict';

exports.expressCreateServer = (hook, {app}, done) => {
  app.get('/health', (request, response) => response.type('application/health+json').send('{"status":"pass"}'));
  done();
};
