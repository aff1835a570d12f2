'use strict';
// The commands of Redis that EtherCalc uses, on one SQLite file a sheet as later versions of EtherCalc keep it.
//
// Keys are "<type>-<sheet>"; all others are in metadata.sqlite. Commands run one after another, those of a multi in one
// transaction for each file.

const {createHash} = require('crypto');
const fs = require('fs');
const path = require('path');
const sqlite3 = require('sqlite3');

const folder = path.join(process.env.ETHERCALC_DATA_DIR || '/data', 'do', 'ethercalc-roomdo-v1');
fs.mkdirSync(folder, {recursive: true});

// split returns the sheet and the type of a key; the sheet of metadata is ''.
const split = (key) => {
  const parts = /^(snapshot|log|audit|chat|ecell)-(.*)$/s.exec(key);
  return parts ? {sheet: parts[2], type: parts[1]} : {sheet: '', type: key};
};

const fileOf = (sheet) => path.join(folder,
    `${sheet === '' ? 'metadata' : createHash('sha256').update(sheet).digest('hex')}.sqlite`);

const call = (file, method, sql, args = []) => new Promise((resolve, reject) => {
  file[method](sql, args, (err, rows) => err ? reject(err) : resolve(rows));
});

const open = async (name) => {
  const file = await new Promise((resolve, reject) => {
    const opened = new sqlite3.Database(name, (err) => err ? reject(err) : resolve(opened));
  });
  await call(file, 'run', 'BEGIN IMMEDIATE');
  await call(file, 'run', 'CREATE TABLE IF NOT EXISTS sheet (name TEXT)');
  await call(file, 'run', 'CREATE TABLE IF NOT EXISTS entry (type TEXT, field TEXT, value TEXT)');
  return file;
};

const close = (file) => new Promise((resolve, reject) => file.close((err) => err ? reject(err) : resolve()));

// Files are the open files of one batch of commands.
class Files {
  constructor() {
    this.open = new Map();
  }

  // run answers with rows. A sheet without a file has none, unless something is to be written.
  async run(key, sql, args = [], {create = false} = {}) {
    const {sheet, type} = split(key);
    if (!this.open.has(sheet)) {
      const name = fileOf(sheet);
      const fresh = !fs.existsSync(name);
      if (fresh && !create) return [];
      const file = await open(name);
      this.open.set(sheet, file);
      if (fresh) await call(file, 'run', 'INSERT INTO sheet VALUES (?)', [sheet]);
    }
    return call(this.open.get(sheet), 'all', sql, [type, ...args]);
  }

  // end stores everything, and deletes files that have become empty.
  async end() {
    for (const [sheet, file] of this.open) {
      const [{empty}] = await call(file, 'all', 'SELECT NOT EXISTS (SELECT 1 FROM entry) AS empty');
      await call(file, 'run', 'COMMIT');
      await close(file);
      if (empty) fs.unlinkSync(fileOf(sheet));
    }
  }

  // abandon stores nothing.
  async abandon() {
    for (const file of this.open.values()) await close(file).catch(() => {});
  }
}

const insert = (files, key, field, value) =>
  files.run(key, 'INSERT INTO entry VALUES (?, ?, ?)', [field, String(value)], {create: true});

const remove = (files, key) => files.run(key, 'DELETE FROM entry WHERE type = ?');

const removeField = (files, key, field) =>
  files.run(key, 'DELETE FROM entry WHERE type = ? AND field = ?', [field]);

const rowsOf = (files, key) =>
  files.run(key, 'SELECT field, value FROM entry WHERE type = ? ORDER BY rowid');

const commands = {
  async get(files, key) {
    const [row] = await rowsOf(files, key);
    return row ? row.value : null;
  },
  async set(files, key, value) {
    await remove(files, key);
    await insert(files, key, '', value);
  },
  async exists(files, key) {
    return (await rowsOf(files, key)).length ? 1 : 0;
  },
  async del(files, keys) {
    for (const key of [].concat(keys)) await remove(files, key);
  },
  async rename(files, from, to) {
    const rows = await rowsOf(files, from);
    if (!rows.length) return;
    await remove(files, to);
    for (const {field, value} of rows) await insert(files, to, field, value);
    await remove(files, from);
  },
  async rpush(files, key, value) {
    await insert(files, key, '', value);
  },
  async lrange(files, key) { // always all of it
    return (await rowsOf(files, key)).map(({value}) => value);
  },
  async hset(files, key, field, value) {
    await removeField(files, key, field);
    await insert(files, key, field, value);
  },
  async hgetall(files, key) {
    return Object.fromEntries((await rowsOf(files, key)).map(({field, value}) => [field, value]));
  },
  async hdel(files, key, field) {
    await removeField(files, key, field);
  },
  async keys(files, pattern) { // always "snapshot-*"
    const found = [];
    for (const name of fs.readdirSync(folder).filter((n) => /^[0-9a-f]+\.sqlite$/.test(n))) {
      const file = new sqlite3.Database(path.join(folder, name), sqlite3.OPEN_READONLY);
      const rows = await call(file, 'all',
          "SELECT name FROM sheet WHERE EXISTS (SELECT 1 FROM entry WHERE type = 'snapshot')").catch(() => []);
      await close(file);
      found.push(...rows.map((row) => pattern.replace('*', () => row.name)));
    }
    return found;
  },
  async expire() {},
  async bgsave() {},
};

let last = Promise.resolve();

const batch = (list, done) => {
  last = last.then(async () => {
    const files = new Files();
    try {
      const results = [];
      for (const [name, args] of list) results.push(await commands[name](files, ...args));
      await files.end();
      return [null, results];
    } catch (err) {
      console.error('cannot store:', err);
      await files.abandon();
      return [err, []];
    }
  });
  last.then(([err, results]) => done && setImmediate(done, err, results)); // an error of done is not the store's
};

const database = {DB: true};
for (const name of Object.keys(commands)) {
  database[name] = (...args) => {
    const done = typeof args[args.length - 1] === 'function' ? args.pop() : null;
    batch([[name, args]], done && ((err, results) => done(err, results[0])));
  };
}
database.multi = () => {
  const list = [];
  const chain = {exec: (done) => batch(list, done)};
  for (const name of Object.keys(commands)) {
    chain[name] = (...args) => {
      list.push([name, args]);
      return chain;
    };
  }
  return chain;
};

exports.database = database;
exports.drain = () => last;
