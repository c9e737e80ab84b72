// The device's side of docs/secure-aggregation.md, for groups in which each device talks to all others.

import crypto from "node:crypto";

const PRIME = 2n ** 521n - 1n;
const SHARE_BYTES = 66;
const text = (value) => Buffer.from(value, "ascii");

export const uuidBytes = (id) => Buffer.from(id.replaceAll("-", ""), "hex");
export const sha256 = (...parts) => crypto.createHash("sha256").update(Buffer.concat(parts)).digest();
export const random = (size) => crypto.randomBytes(size);
const byBytes = (one, other) => Buffer.compare(uuidBytes(one), uuidBytes(other));
const big = (bytes) => BigInt(`0x${bytes.toString("hex")}`);
const fixed = (number, size) => Buffer.from(number.toString(16).padStart(2 * size, "0"), "hex");

// Keys: raw 32 bytes outside, Node's objects inside.

export function makeKey(kind, seed = random(32)) {
  const head = { ed25519: "302e020100300506032b657004220420", x25519: "302e020100300506032b656e04220420" }[kind];
  const secret = crypto.createPrivateKey({ key: Buffer.concat([Buffer.from(head, "hex"), seed]), format: "der", type: "pkcs8" });
  const shown = Buffer.from(crypto.createPublicKey(secret).export({ format: "jwk" }).x, "base64url");
  return { secret, seed, shown };
}

function publicKey(kind, bytes) {
  return crypto.createPublicKey({ key: { kty: "OKP", crv: kind, x: bytes.toString("base64url") }, format: "jwk" });
}

export const sign = (key, bytes) => crypto.sign(null, bytes, key.secret);
const isSigned = (shown, bytes, signature) => crypto.verify(null, bytes, publicKey("Ed25519", shown), signature);
const agree = (key, other) => crypto.diffieHellman({ privateKey: key.secret, publicKey: publicKey("X25519", other) });
const derive = (secret, group, info) => Buffer.from(crypto.hkdfSync("sha256", secret, group, info, 32));

// Shamir's secret sharing, modulo 2^521 - 1.

export function split(secret, threshold, points, coefficients) {
  const higher = coefficients ?? Array.from({ length: threshold - 1 }, below);
  const falling = [...higher.toReversed(), big(Buffer.concat([secret, sha256(text("scale.federation.v1 secret\n"), secret).subarray(0, 16)]))];
  return points.map((point) => fixed(falling.reduce((value, one) => (value * BigInt(point) + one) % PRIME, 0n), SHARE_BYTES));
}

function below() {
  for (;;) {
    const bytes = random(SHARE_BYTES);
    bytes[0] &= 1;
    if (big(bytes) < PRIME) return big(bytes);
  }
}

// Masks.

export function mask(key, length, bits) {
  const stream = crypto.createCipheriv("chacha20", key, Buffer.alloc(16)).update(Buffer.alloc((length * bits) / 8));
  return unpack(stream, bits);
}

export function unpack(bytes, bits) {
  const width = bits / 8;
  return Uint32Array.from({ length: bytes.length / width }, (_, place) => bytes.readUIntLE(place * width, width));
}

export function pack(words, bits) {
  const width = bits / 8;
  const bytes = Buffer.alloc(words.length * width);
  words.forEach((word, place) => bytes.writeUIntLE(bits === 32 ? word : word & (2 ** bits - 1), place * width, width));
  return bytes;
}

export const pairMaskKey = (secret, group, one, other) =>
  derive(secret, group, Buffer.concat([text("scale.federation.v1 pair mask\n"), ...[one, other].sort(byBytes).map(uuidBytes)]));
export const selfMaskKey = (seed, group, id) => derive(seed, group, Buffer.concat([text("scale.federation.v1 self mask\n"), uuidBytes(id)]));
export const shareKey = (secret, group, from, to) =>
  derive(secret, group, Buffer.concat([text("scale.federation.v1 share\n"), uuidBytes(from), uuidBytes(to)]));

const u32 = (value) => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
};
const f64 = (value) => {
  const bytes = Buffer.alloc(8);
  bytes.writeDoubleBE(value);
  return bytes;
};

// What every device of a round was told alike.

export function termsHash(plan) {
  const version = Buffer.alloc(8);
  version.writeBigUInt64BE(BigInt(plan.modelVersion));
  const parts = [version, text(plan.encoderHash), text(plan.headHash), u32(plan.epochs), u32(plan.batchSize), u32(plan.weightCap)];
  parts.push(f64(plan.learningRate), f64(plan.proximalMu), f64(plan.quantizationScale), f64(plan.clipNorm), f64(plan.noiseMultiplier));
  parts.push(u32(plan.noiseContributorCount), f64(plan.exampleNoiseMultiplier), f64(plan.exampleClipNorm));
  return sha256(text("scale.federation.v1 terms\n"), ...parts);
}

export class Session {
  // parameters: roundId, wordBits, length, completeGraphLimit, neighborCount, leastContributors, terms
  constructor(parameters, id, identity) {
    Object.assign(this, { parameters, id, identity, held: new Map() });
    this.cipher = makeKey("x25519");
    this.masking = makeKey("x25519");
    this.seed = random(32);
  }

  advertise() {
    const own = { id: this.id, identity: this.identity.shown, cipher: this.cipher.shown, mask: this.masking.shown };
    this.own = { ...own, signature: sign(this.identity, this.#advert(own)) };
    return this.own;
  }

  share(adverts, threshold) {
    const { parameters } = this;
    this.adverts = new Map(adverts.toSorted((one, other) => byBytes(one.id, other.id)).map((one) => [one.id, one]));
    this.threshold = Math.floor((2 * this.adverts.size) / 3) + 1;
    this.quorum = Math.max(this.threshold, Math.min(parameters.leastContributors, 10));
    this.fewest = Math.max(this.quorum, parameters.leastContributors);
    const mine = this.adverts.get(this.id);
    check(this.adverts.size === adverts.length && this.adverts.size <= parameters.completeGraphLimit, "adverts of another group");
    check(mine && Object.keys(this.own).every((name) => Buffer.from(mine[name]).equals(Buffer.from(this.own[name]))), "own keys were altered");
    check(this.adverts.size >= parameters.leastContributors && threshold === this.threshold, "too few devices, or another threshold");
    for (const one of this.adverts.values()) check(isSigned(one.identity, this.#advert(one), one.signature), `keys of ${one.id} are not signed`);
    this.group = this.#groupHash();
    const points = [...this.adverts.keys()].map((_, place) => place + 1);
    const seeds = split(this.seed, threshold, points);
    const keys = split(this.masking.seed, threshold, points);
    const made = [];
    [...this.adverts.keys()].forEach((to, place) => {
      if (to === this.id) this.held.set(to, [seeds[place], keys[place]]);
      else made.push({ from: this.id, to, ciphertext: this.#seal(to, Buffer.concat([seeds[place], keys[place]])) });
    });
    return made;
  }

  mask(shares, words) {
    const { wordBits, length } = this.parameters;
    for (const one of shares) {
      check(one.to === this.id && this.adverts.has(one.from) && !this.held.has(one.from), "a share for somebody else");
      const plain = this.#open(one);
      this.held.set(one.from, [plain.subarray(0, SHARE_BYTES), plain.subarray(SHARE_BYTES)]);
    }
    check(this.held.size >= this.threshold, "too few go on");
    const masked = Uint32Array.from(words);
    const add = (key, sign) => mask(key, length, wordBits).forEach((word, place) => (masked[place] += sign * word));
    add(selfMaskKey(this.seed, this.group, this.id), 1);
    for (const other of this.held.keys()) {
      if (other === this.id) continue;
      const secret = agree(this.masking, this.adverts.get(other).mask);
      add(pairMaskKey(secret, this.group, this.id, other), byBytes(this.id, other) < 0 ? 1 : -1);
    }
    return pack(masked, wordBits);
  }

  confirm(contributors) {
    check(new Set(contributors).size === contributors.length && contributors.includes(this.id), "a list without this device");
    check(contributors.every((one) => this.held.has(one)) && contributors.length >= this.fewest, "too few contributors, or unknown ones");
    this.contributors = contributors.toSorted(byBytes);
    return sign(this.identity, this.#said());
  }

  unmask(confirmations) {
    for (const [id, signature] of confirmations) {
      check(this.contributors.includes(id) && isSigned(this.adverts.get(id).identity, this.#said(), signature), `${id} confirms something else`);
    }
    check(new Set([this.id, ...confirmations.keys()]).size >= this.quorum, "too few confirm");
    const given = [...this.held].toSorted(([one], [other]) => byBytes(one, other));
    this.held = new Map();
    // 1: of the seed of a contributor's own mask; 2: of the mask key of one that has not contributed. Never both.
    return given.map(([id, [seed, key]]) => (this.contributors.includes(id) ? { id, kind: 1, value: seed } : { id, kind: 2, value: key }));
  }

  #advert(one) {
    const ids = [uuidBytes(this.parameters.roundId), uuidBytes(one.id)];
    return Buffer.concat([text("scale.federation.v1 advert\n"), ...ids, one.identity, one.cipher, one.mask]);
  }

  #groupHash() {
    const { roundId, terms, wordBits, length, completeGraphLimit, neighborCount, leastContributors } = this.parameters;
    const numbers = Buffer.alloc(24);
    [wordBits, length, completeGraphLimit, neighborCount, leastContributors, this.adverts.size].forEach((value, place) =>
      numbers.writeUInt32BE(value, 4 * place),
    );
    const said = [...this.adverts.values()].flatMap((one) => [uuidBytes(one.id), one.identity, one.cipher, one.mask, one.signature]);
    return sha256(text("scale.federation.v1 group\n"), uuidBytes(roundId), terms, numbers, ...said);
  }

  #said() {
    const count = Buffer.alloc(4);
    count.writeUInt32BE(this.contributors.length);
    const ids = this.contributors.map(uuidBytes);
    return Buffer.concat([text("scale.federation.v1 contributors\n"), uuidBytes(this.parameters.roundId), this.group, count, ...ids]);
  }

  #seal(to, plain) {
    const nonce = random(12);
    const key = shareKey(agree(this.cipher, this.adverts.get(to).cipher), this.group, this.id, to);
    const cipher = crypto.createCipheriv("aes-256-gcm", key, nonce).setAAD(this.#about(this.id, to));
    return Buffer.concat([nonce, cipher.update(plain), cipher.final(), cipher.getAuthTag()]);
  }

  #open({ from, ciphertext }) {
    const key = shareKey(agree(this.cipher, this.adverts.get(from).cipher), this.group, from, this.id);
    const cipher = crypto.createDecipheriv("aes-256-gcm", key, ciphertext.subarray(0, 12)).setAAD(this.#about(from, this.id));
    cipher.setAuthTag(ciphertext.subarray(-16));
    return Buffer.concat([cipher.update(ciphertext.subarray(12, -16)), cipher.final()]);
  }

  #about(from, to) {
    return Buffer.concat([this.parameters.roundId, from, to].map(uuidBytes));
  }
}

export function check(holds, message) {
  if (!holds) throw new Error(`refused: ${message}`);
}
