// Later versions start with this file; this one is plain JavaScript for Node.js, whatever its name.
require('./server.js').start();
