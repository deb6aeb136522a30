// What the flows share: the SDK pointed at another URL, and the other side, which signs and lets time pass.

import { createInterface } from "node:readline";
import Stripe from "stripe";

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();

export const ask = async (what, more = {}) => {
  process.stdout.write(JSON.stringify({ ask: what, ...more }) + "\n");
  return JSON.parse((await lines.next()).value);
};

export const claim = (words) => process.stdout.write(JSON.stringify({ claim: words }) + "\n");

const { hostname, port } = new URL(process.env.DUES_URL);

export const client = (key = process.env.DUES_KEY, more = {}) =>
  new Stripe(key, { host: hostname, port, protocol: "http", maxNetworkRetries: 0, telemetry: false, ...more });

export const refused = async (kind, call) => {
  try {
    await call;
  } catch (error) {
    if (error instanceof kind) return error;
    throw error;
  }
  throw new Error(`${kind.name} was expected, and it went through`);
};

export const end = () => process.exit(0);
