/** Writes to an SQLite file without a pause, as a journal's thread does: moves sums about, so that half a transaction would show. */
import SqliteDatabase from 'better-sqlite3';

const [, , file = ''] = process.argv;
const database = new SqliteDatabase(file, { timeout: 5000 });
database.pragma('journal_mode = WAL');
database.pragma('wal_autocheckpoint = 0');
const take = database.prepare('UPDATE account SET value = value - ? WHERE id = ?');
const give = database.prepare('UPDATE account SET value = value + ? WHERE id = ?');
const add = database.prepare('INSERT INTO line(text) VALUES (?)');
const accounts = database.prepare('SELECT count(*) FROM account').pluck().get() as number;

for (let turn = 0; ; turn++) {
  database
    .transaction(() => {
      for (let step = 0; step < 20; step++) {
        const amount = (turn * 31 + step * 17) % 1000;
        take.run(amount, 1 + ((turn * 7 + step) % accounts));
        give.run(amount, 1 + ((turn * 13 + step * 5) % accounts));
        add.run('x'.repeat(400));
      }
    })
    .immediate();
  // As the journal does: pages go into the main file while a reader is there, as far as it lets them.
  if (turn % 5 === 0) database.pragma('wal_checkpoint(PASSIVE)');
  if (turn === 0) process.send?.('writing');
}
