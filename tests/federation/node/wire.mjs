// Protocol buffers and gRPC in a page: enough for scale.federation.v1, with nothing but what Node.js brings.

import http2 from "node:http2";

// Protocol buffers: https://protobuf.dev/programming-guides/encoding. Fields are [number, value]; numbers are varints, Doubles are eight
// bytes, strings and bytes have a length; what is empty or 0 is left out, as proto3 has it.

export class Double {
  constructor(value) {
    this.value = value;
  }
}

export function encode(fields) {
  const parts = [];
  for (const [number, value] of fields) {
    if (value instanceof Double) {
      const bytes = Buffer.alloc(8);
      bytes.writeDoubleLE(value.value);
      parts.push(varint(BigInt(number * 8 + 1)), bytes);
    } else if (typeof value === "number" || typeof value === "bigint") {
      if (value) parts.push(varint(BigInt(number * 8)), varint(BigInt(value)));
    } else {
      const bytes = Buffer.from(value);
      parts.push(varint(BigInt(number * 8 + 2)), varint(BigInt(bytes.length)), bytes);
    }
  }
  return Buffer.concat(parts);
}

export function decode(bytes) {
  const found = new Message();
  let at = 0;
  const next = () => {
    let value = 0n;
    for (let shift = 0n; ; shift += 7n) {
      const byte = bytes[at++];
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
  };
  while (at < bytes.length) {
    const key = Number(next());
    const [number, kind] = [key >> 3, key & 7];
    let value;
    if (kind === 0) value = Number(BigInt.asIntN(64, next()));
    else if (kind === 1) value = bytes.readDoubleLE((at += 8) - 8);
    else if (kind === 2) {
      const length = Number(next());
      value = bytes.subarray(at, (at += length));
    } else throw new Error(`wire type ${kind}`);
    found.add(number, value);
  }
  return found;
}

class Message {
  #fields = new Map();
  add(number, value) {
    this.#fields.set(number, [...this.all(number), value]);
  }
  all(number) {
    return this.#fields.get(number) ?? [];
  }
  has(number) {
    return this.#fields.has(number);
  }
  number(number) {
    return this.all(number).at(-1) ?? 0;
  }
  bytes(number) {
    return this.all(number).at(-1) ?? Buffer.alloc(0);
  }
  text(number) {
    return this.bytes(number).toString();
  }
  message(number) {
    return decode(this.bytes(number));
  }
  messages(number) {
    return this.all(number).map(decode);
  }
}

function varint(value) {
  const bytes = [];
  for (; value > 0x7fn; value >>= 7n) bytes.push(Number(value & 0x7fn) | 0x80);
  bytes.push(Number(value));
  return Buffer.from(bytes);
}

// gRPC: https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md

export class Refused extends Error {
  constructor(code, message) {
    super(message);
    this.code = code;
  }
}

export class Channel {
  constructor(address, authority) {
    this.session = authority ? http2.connect(`https://${address}`, { ca: authority }) : http2.connect(`http://${address}`);
    // Each of its requests hears of it as well.
    this.session.on("error", () => {});
  }
  close() {
    this.session.close();
  }
  // Bodies of all answers; `bodies`: of the requests, already encoded.
  call(path, bodies, metadata) {
    return new Promise((resolve, reject) => {
      const request = this.session.request({ ":method": "POST", ":path": path, te: "trailers", "content-type": "application/grpc", ...metadata });
      const received = [];
      let status, message;
      const look = (headers) => {
        status = headers["grpc-status"] ?? status;
        message = headers["grpc-message"] ?? message;
      };
      request.on("response", look);
      request.on("trailers", look);
      request.on("data", (data) => received.push(data));
      request.on("error", reject);
      request.on("end", () => {
        if (Number(status ?? 2)) reject(new Refused(Number(status ?? 2), decodeURIComponent(message ?? "")));
        else resolve(frames(Buffer.concat(received)));
      });
      for (const body of bodies) {
        const head = Buffer.alloc(5);
        head.writeUInt32BE(body.length, 1);
        request.write(Buffer.concat([head, body]));
      }
      request.end();
    });
  }
}

function frames(bytes) {
  const found = [];
  for (let at = 0; at < bytes.length; ) {
    const length = bytes.readUInt32BE(at + 1);
    found.push(bytes.subarray(at + 5, at + 5 + length));
    at += 5 + length;
  }
  return found;
}
