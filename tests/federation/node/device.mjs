// A device of federated learning in Node.js, from clients/device/PROTOCOL.md alone: it enrols, and takes part in one round with an update of
// zero and its share of the noise.
//
//   node device.mjs --address 127.0.0.1:8086 --token TOKEN --folder FOLDER [--ca FILE]
//
// prints one line of JSON.

import fs from "node:fs";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { asGaussian, charge, noiseShare } from "./privacy.mjs";
import { check, makeKey, random, Session, sha256, sign, termsHash } from "./secagg.mjs";
import { Channel, decode, encode } from "./wire.mjs";

const DEVICES = "/scale.federation.v1.DevicesService/";
const PARTICIPATION = "/scale.federation.v1.ParticipationService/";
const LEAST_DEVICES = 10;
const BUDGET = { budget: 8, delta: 1e-5 };
const [SELECTING, ADVERTISING, SHARING, UPLOADING, CONFIRMING, UNMASKING] = [1, 2, 3, 4, 5, 6];
const [OPEN, PUBLISHED] = [1, 2];
const MASKED = 1;
const FEDPROX = 2;
const CHUNK = 1024 * 1024;

const { values: options } = parseArgs({
  options: { address: { type: "string" }, token: { type: "string" }, folder: { type: "string" }, ca: { type: "string" } },
});

const channel = new Channel(options.address, options.ca && fs.readFileSync(options.ca));
const identity = keyOf(path.join(options.folder, "device-key"));
const now = () => Math.floor(Date.now() / 1000);
let sent = 0;

function keyOf(file) {
  if (!fs.existsSync(file)) fs.writeFileSync(file, random(32), { mode: 0o600 });
  return makeKey("ed25519", fs.readFileSync(file));
}

async function enroll() {
  const user = JSON.parse(Buffer.from(options.token.split(".")[1], "base64url")).sub;
  const moment = now();
  const signature = sign(identity, Buffer.from(`scale.federation.v1 enroll\n${user}\n${moment}\n${identity.shown.toString("hex")}`));
  const request = encode([[1, identity.shown], [2, signature], [3, encode([[1, moment]])], [4, "node"], [5, `node ${process.version}`]]);
  const [answer] = await channel.call(`${DEVICES}EnrollDevice`, [request], { authorization: `Bearer ${options.token}` });
  const found = decode(answer);
  return { id: found.message(1).text(1), credential: found.text(2) };
}

function signed(credential, method, bodies) {
  const [moment, nonce] = [String(now()), random(16).toString("base64url")];
  const said = ["scale.federation.v1", method, credential, moment, nonce, sha256(bodies[0]).toString("hex")].join("\n");
  return {
    "x-scale-device": credential,
    "x-scale-time": moment,
    "x-scale-nonce": nonce,
    "x-scale-signature": sign(identity, Buffer.from(said)).toString("base64url"),
  };
}

const device = await enroll();

async function all(name, ...bodies) {
  const method = PARTICIPATION + name;
  sent += bodies.reduce((sum, body) => sum + body.length, 0);
  return channel.call(method, bodies, signed(device.credential, method, bodies));
}
const ask = async (name, ...bodies) => decode((await all(name, ...bodies))[0]);

async function assignment() {
  for (;;) {
    const answer = await ask("CheckIn", encode([[1, 1], [2, ""]]));
    if (answer.has(2)) return answer.message(2);
    await sleep(Math.min(1000 * answer.message(1).number(1), 1000));
  }
}

async function part(version, found) {
  const chunks = await all("DownloadModelPart", encode([[1, version], [2, found.text(1)]]));
  const content = Buffer.concat(chunks.map((chunk) => decode(chunk).bytes(1)));
  check(sha256(content).toString("hex") === found.text(2), `${found.text(1)} is not what was announced`);
  return content;
}

async function stage(round, known, wanted) {
  for (;;) {
    const found = await ask("PollRound", encode([[1, round], [2, known], [3, 20]]));
    if (found.number(1) !== OPEN) return found;
    if (found.number(2) !== known) {
      check(wanted === undefined || found.number(2) === wanted, `the round is at stage ${found.number(2)} already`);
      if (wanted !== undefined) return found;
      known = found.number(2);
    }
  }
}

async function takePart() {
  const work = await assignment();
  const [round, version, plan] = [work.text(1), work.number(2), work.message(3)];
  check(plan.has(7) && plan.has(8), "no privacy, or no secure aggregation");
  const [privacy, secure, length] = [plan.message(7), plan.message(8), plan.number(9)];
  const [clip, noise, count, scale] = [privacy.number(1), privacy.number(2), privacy.number(3), secure.number(2)];
  check(plan.number(2) >= 1 && plan.number(2) <= 3 && noise >= 0.5 && count >= LEAST_DEVICES && !plan.number(6), "a plan against this device's limits");

  const [exampleNoise, exampleClip] = [privacy.number(5), privacy.number(6)];
  check(exampleNoise >= 0.1 && exampleNoise < Infinity && exampleClip > 0 && exampleClip <= 10, "too little noise on single examples");

  const hashes = Object.fromEntries(work.messages(4).map((one) => [one.text(1), one.text(2)]));
  const head = await part(version, work.messages(4).find((one) => one.text(1) === "head"));
  const [begin, header] = [8 + Number(head.readBigUInt64LE()), JSON.parse(head.subarray(8, 8 + Number(head.readBigUInt64LE())))];
  check(head.length - begin === 4 * length && header.head.dtype === "F32", "a head of another length");

  // Here a device trains. An update of zero is as good as any other for the sum, as long as it brings its share of the noise.
  const deviation = (noise * clip) / scale / Math.sqrt(count);
  check(deviation <= 2 ** 21, "steps so small that the noise has no low bits");
  const values = noiseShare(length, deviation);
  const words = Uint32Array.from([...values, 1], (value) => value >>> 0);

  const parameters = {
    roundId: round,
    wordBits: secure.number(1),
    length: length + 1,
    completeGraphLimit: secure.number(3),
    neighborCount: secure.number(4),
    leastContributors: Math.max(LEAST_DEVICES, count),
    terms: termsHash({
      modelVersion: version,
      encoderHash: hashes.encoder,
      headHash: hashes.head,
      epochs: plan.number(2),
      learningRate: plan.number(3),
      batchSize: plan.number(4),
      proximalMu: plan.number(1) === FEDPROX ? plan.number(5) : 0,
      weightCap: 0,
      quantizationScale: scale,
      clipNorm: clip,
      noiseMultiplier: noise,
      noiseContributorCount: count,
      exampleNoiseMultiplier: exampleNoise,
      exampleClipNorm: exampleClip,
    }),
  };
  const session = new Session(parameters, device.id, identity);
  let found = await stage(round, SELECTING, ADVERTISING);
  if (found.number(1) !== OPEN) return { round, found };
  const own = session.advertise();
  await ask("AdvertiseKeys", encode([[1, round], [2, encode([[1, own.id], [2, own.identity], [3, own.cipher], [4, own.mask], [5, own.signature]])]]));

  found = await stage(round, ADVERTISING, SHARING);
  if (found.number(1) !== OPEN) return { round, found };
  const adverts = found
    .messages(4)
    .map((one) => ({ id: one.text(1), identity: one.bytes(2), cipher: one.bytes(3), mask: one.bytes(4), signature: one.bytes(5) }));
  const made = session.share(adverts, found.number(5));
  await ask("ShareKeys", encode([[1, round], ...made.map((one) => [2, encode([[1, one.from], [2, one.to], [3, one.ciphertext]])])]));

  found = await stage(round, SHARING, UPLOADING);
  if (found.number(1) !== OPEN) return { round, found };
  const shares = found.messages(6).map((one) => ({ from: one.text(1), to: one.text(2), ciphertext: one.bytes(3) }));
  const payload = session.mask(shares, words);
  const spent = charge(path.join(options.folder, "privacy-ledger.json"), asGaussian(noise, clip / scale, length), BUDGET);
  const about = encode([[1, round], [2, version], [3, sha256(payload).toString("hex")], [4, payload.length], [5, MASKED]]);
  const chunks = [];
  for (let at = 0; at < payload.length; at += CHUNK) chunks.push(encode([[2, payload.subarray(at, at + CHUNK)]]));
  await ask("UploadUpdate", encode([[1, about]]), ...chunks);

  found = await stage(round, UPLOADING, CONFIRMING);
  if (found.number(1) !== OPEN) return { round, found };
  const signature = session.confirm(found.all(7).map(String));
  await ask("ConfirmContributors", encode([[1, round], [2, signature]]));

  found = await stage(round, CONFIRMING, UNMASKING);
  if (found.number(1) !== OPEN) return { round, found };
  const opening = session.unmask(new Map(found.messages(8).map((one) => [one.text(1), one.bytes(2)])));
  await ask("Unmask", encode([[1, round], ...opening.map((one) => [2, encode([[1, one.id], [2, one.kind], [3, one.value]])])]));

  return { round, found: await stage(round, UNMASKING), spent, version, payload };
}

try {
  const { round, found, spent, version, payload } = await takePart();
  const published = found.number(1) === PUBLISHED;
  const told = { device: device.id, round, published, reason: found.text(9), epsilon: spent, version, payload: payload?.length, sent };
  console.log(JSON.stringify(told));
  process.exitCode = published ? 0 : 1;
} catch (error) {
  console.log(JSON.stringify({ device: device.id, error: error.message, code: error.code }));
  process.exitCode = 1;
} finally {
  channel.close();
}
