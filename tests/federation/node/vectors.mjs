// Holds this device's arithmetic to clients/device/test_vectors.json: node vectors.mjs FILE

import assert from "node:assert/strict";
import fs from "node:fs";
import { makeKey, mask, pack, Session, split, termsHash, unpack } from "./secagg.mjs";

const vectors = JSON.parse(fs.readFileSync(process.argv[2], "utf8"));
const hex = (value) => Buffer.from(value, "hex");
const shown = (value) => Buffer.from(value).toString("hex");

const terms = vectors.terms;
assert.equal(
  shown(
    termsHash({
      modelVersion: terms.model_version,
      encoderHash: terms.encoder_hash,
      headHash: terms.head_hash,
      epochs: terms.epochs,
      learningRate: terms.learning_rate,
      batchSize: terms.batch_size,
      proximalMu: terms.proximal_mu,
      weightCap: terms.weight_cap,
      quantizationScale: terms.quantization_scale,
      clipNorm: terms.clip_norm,
      noiseMultiplier: terms.noise_multiplier,
      noiseContributorCount: terms.noise_contributor_count,
      exampleNoiseMultiplier: terms.example_noise_multiplier,
      exampleClipNorm: terms.example_clip_norm,
    }),
  ),
  terms.hash,
);

const { secret, threshold, coefficients, shares } = vectors.secret_sharing;
const points = Object.keys(shares).map(Number);
const made = split(hex(secret), threshold, points, coefficients.map((one) => BigInt(`0x${one}`)));
assert.deepEqual(made.map(shown), Object.values(shares));

for (const one of vectors.masks) {
  for (const [bits, words] of Object.entries(one.words)) assert.deepEqual([...mask(hex(one.key), words.length, Number(bits))], words);
}
for (const one of vectors.words) {
  assert.equal(shown(pack(Uint32Array.from(one.words), one.word_bits)), one.packed);
  assert.deepEqual([...unpack(hex(one.packed), one.word_bits)], one.words);
}

const told = vectors.parameters;
const parameters = {
  roundId: told.round_id,
  wordBits: told.word_bits,
  length: told.length,
  completeGraphLimit: told.complete_graph_limit,
  neighborCount: told.neighbor_count,
  leastContributors: told.least_contributors,
  terms: hex(told.terms),
};
const adverts = vectors.devices.map((one) => ({
  id: one.device_id,
  identity: hex(one.identity_key),
  cipher: hex(one.cipher_key),
  mask: hex(one.mask_key),
  signature: hex(one.signature),
}));
const contributors = vectors.uploads.map((one) => one.device_id);
const confirmations = new Map(vectors.confirmations.map((one) => [one.device_id, hex(one.signature)]));
for (const one of vectors.devices) {
  const session = new Session(parameters, one.device_id, makeKey("ed25519", hex(one.identity_private_key)));
  session.cipher = makeKey("x25519", hex(one.cipher_private_key));
  session.masking = makeKey("x25519", hex(one.mask_private_key));
  session.seed = hex(one.self_mask_seed);
  assert.equal(shown(session.advertise().signature), one.signature);
  session.share(adverts, vectors.group.threshold);
  assert.equal(shown(session.group), vectors.group.hash);
  const mine = vectors.shares
    .filter((share) => share.to_device_id === one.device_id)
    .map((share) => ({ from: share.from_device_id, to: share.to_device_id, ciphertext: hex(share.ciphertext) }));
  const payload = session.mask(mine, Uint32Array.from(one.words));
  const upload = vectors.uploads.find((each) => each.device_id === one.device_id);
  if (!upload) continue;
  assert.equal(shown(payload), upload.payload);
  assert.equal(shown(session.confirm(contributors)), shown(confirmations.get(one.device_id)));
  const given = Object.fromEntries(session.unmask(confirmations).map((share) => [share.id, share]));
  for (const [id, parts] of Object.entries(vectors.unmasking.find((each) => each.device_id === one.device_id)?.shares ?? {})) {
    const [[kind, value]] = Object.entries(parts);
    assert.equal(given[id].kind, kind === "self_mask_seed" ? 1 : 2);
    // Its own shares were drawn anew here.
    if (id !== one.device_id) assert.equal(shown(given[id].value), value);
  }
}
console.log("the vectors hold");
