'use strict';
// In the place of EtherCalc's own, which speaks to a Redis server.

exports.include = () => require('/app/store').database;
