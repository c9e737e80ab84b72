// One pass of Actual Budget: its own engine (@actual-app/api) on a local budget, without a sync server.
//
//   node actual_import.mjs MODULES DATA prepare            an empty budget with one account in the folder DATA
//   node actual_import.mjs MODULES DATA import FILE.csv    FILE.csv into it; prints one line of JSON
//
// MODULES is the folder in which `npm install @actual-app/api` was run. `import_s` counts reading the file and
// importTransactions alone, without the start of node and the opening of the budget. The bank's references go in as imported_id,
// by which Actual knows its duplicates.

import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';

const [modules, data, step, file] = process.argv.slice(2);
const found = createRequire(join(resolve(modules), 'package.json')).resolve('@actual-app/api');
const api = await import(pathToFileURL(found).href);

async function prepare() {
  await api.runImport('bench', async () => {
    await api.createAccount({ name: 'Checking' });
  });
}

async function importFile() {
  const [budget] = await api.getBudgets();
  await api.loadBudget(budget.id);
  const [account] = await api.getAccounts();
  const started = performance.now();
  const lines = readFileSync(file, 'utf8').trimEnd().split('\n').slice(1);
  const transactions = lines.map(line => {
    const [date, payee, amount, , reference] = line.split(',');
    return {
      account: account.id,
      date,
      payee_name: payee,
      amount: Math.round(Number(amount) * 100),
      imported_id: reference,
    };
  });
  const result = await api.importTransactions(account.id, transactions);
  const importS = (performance.now() - started) / 1000;
  if (result.errors?.length) throw new Error(JSON.stringify(result.errors));
  process.stderr.write(`RESULT ${JSON.stringify({ added: result.added.length, import_s: importS })}\n`);
}

await api.init({ dataDir: data, verbose: false });
await (step === 'prepare' ? prepare() : importFile());
await api.shutdown();
