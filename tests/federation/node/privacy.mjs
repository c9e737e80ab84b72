// The device's share of the noise, and what it pays for it.

import fs from "node:fs";
import { random } from "./secagg.mjs";

const uniform = () => (random(7).readUIntLE(0, 6) + 0.5) / 2 ** 48;

// Skellam noise of that standard deviation: the difference of two Poisson numbers.
export function noiseShare(length, deviation) {
  const half = deviation ** 2 / 2;
  return Array.from({ length }, () => poisson(half) - poisson(half));
}

// Hormann's transformed rejection (PTRS, 1993), for means of 10 and more; counted out below.
function poisson(mean) {
  if (mean < 10) {
    const least = Math.exp(-mean);
    for (let count = 0, left = 1; ; count++) if ((left *= uniform()) <= least) return count;
  }
  const root = Math.sqrt(mean);
  const b = 0.931 + 2.53 * root;
  const a = -0.059 + 0.02483 * b;
  const inverse = 1.1239 + 1.1328 / (b - 3.4);
  const sure = 0.9277 - 3.6224 / (b - 2);
  for (;;) {
    const u = uniform() - 0.5;
    const v = uniform();
    const us = 0.5 - Math.abs(u);
    const count = Math.floor((2 * a / us + b) * u + mean + 0.43);
    if (us >= 0.07 && v <= sure) return count;
    if (count < 0 || (us < 0.013 && v > us)) continue;
    if (Math.log(v * inverse / (a / us ** 2 + b)) <= count * Math.log(mean) - mean - logFactorial(count)) return count;
  }
}

function logFactorial(n) {
  if (n < 20) {
    let sum = 0;
    for (let k = 2; k <= n; k++) sum += Math.log(k);
    return sum;
  }
  const x = n + 1;
  return (x - 0.5) * Math.log(x) - x + 0.5 * Math.log(2 * Math.PI) + 1 / (12 * x) - 1 / (360 * x ** 3);
}

// Epsilon of rounds with these noise multipliers at a delta, without amplification: Renyi divergences of Gaussian noise, converted.
export function epsilon(multipliers, delta) {
  const slope = multipliers.reduce((sum, one) => sum + 0.5 / one ** 2, 0);
  if (!slope) return 0;
  let least = Infinity;
  for (let order = 2; order <= 2048; order++) {
    const found = order * slope - (Math.log(delta) + Math.log(order)) / (order - 1) + Math.log1p(-1 / order);
    least = Math.min(least, found);
  }
  return Math.max(least, 0);
}

// What Skellam noise hides, as the multiplier of Gaussian noise that hides no more.
export function asGaussian(multiplier, steps, length) {
  const variance = (multiplier * steps) ** 2;
  const norm1 = steps * Math.min(Math.sqrt(length), steps);
  const more = Math.min((steps ** 2 + 6 * norm1) / (4 * variance ** 2), (3 * norm1) / (2 * variance));
  return 1 / Math.sqrt(1 / multiplier ** 2 + 2 * more);
}

// Written down, and on the disk, before anything is uploaded.
export function charge(file, multiplier, { budget, delta }) {
  const before = fs.existsSync(file) ? JSON.parse(fs.readFileSync(file, "utf8")) : [];
  const after = [...before, multiplier];
  if (epsilon(after, delta) > budget) throw new Error("refused: the budget is spent");
  const handle = fs.openSync(`${file}.new`, "w", 0o600);
  fs.writeSync(handle, JSON.stringify(after));
  fs.fsyncSync(handle);
  fs.closeSync(handle);
  fs.renameSync(`${file}.new`, file);
  return epsilon(after, delta);
}
