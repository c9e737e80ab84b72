// Runs a k6 script's setup and one iteration of it with Node.js, and prints its options and checks: node k6_once.mjs SCRIPT < environment as JSON
//
// As much of k6 as the scripts here use; requests are made by a second thread, as k6's own http.get waits for its answer.
import { readFileSync } from 'node:fs';
import { MessageChannel, Worker, receiveMessageOnPort } from 'node:worker_threads';

const { port1: here, port2: there } = new MessageChannel();
const turn = new Int32Array(new SharedArrayBuffer(4));
const worker = new Worker(
  `const { workerData: { there, turn } } = require('node:worker_threads');
   there.on('message', async ({ url, headers }) => {
     const began = performance.now();
     let status = 0;
     try {
       const response = await fetch(url, { headers });
       await response.arrayBuffer();
       status = response.status;
     } catch {}
     there.postMessage({ status, timings: { duration: performance.now() - began } });
     Atomics.store(turn, 0, 1);
     Atomics.notify(turn, 0);
   });`,
  { eval: true, workerData: { there, turn }, transferList: [there] },
);

const checks = [];
globalThis.__ENV = JSON.parse(readFileSync(0, 'utf8'));
globalThis.__VU = 1;
globalThis.k6 = {
  http: {
    get(url, { headers = {} } = {}) {
      Atomics.store(turn, 0, 0);
      here.postMessage({ url, headers });
      Atomics.wait(turn, 0, 0, 10_000);
      return receiveMessageOnPort(here).message;
    },
  },
  check(value, conditions) {
    for (const [name, holds] of Object.entries(conditions)) checks.push({ name, holds: holds(value) });
  },
  sleep() {},
};

const source = readFileSync(process.argv[2], 'utf8')
  .replace("import http from 'k6/http';", 'const { http } = globalThis.k6;')
  .replace(/import \{([^}]*)\} from 'k6';/, 'const {$1} = globalThis.k6;');
const script = await import(`data:text/javascript,${encodeURIComponent(source)}`);
let problem = null;
try {
  script.setup();
  script.default();
} catch (error) {
  problem = error.message;
}
process.stdout.write(JSON.stringify({ options: script.options, checks, problem }));
await worker.terminate();
