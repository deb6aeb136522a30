// Deliveries verified by the official `stripe` and `standardwebhooks` packages for Node, before and while a secret rotates.

import assert from "node:assert/strict";
import Stripe from "stripe";
import { Webhook, WebhookVerificationError } from "standardwebhooks";
import { ask, claim, client, end } from "./shop.mjs";

const stripe = client();
const endpoint = await stripe.webhookEndpoints.create({ url: "https://shop.example/hook", enabled_events: ["*"] });

const verified = ({ body, headers }, secret) => {
  const event = stripe.webhooks.constructEvent(body, headers["stripe-signature"], secret);
  const same = new Webhook(secret).verify(body, headers);
  assert.equal(same.id, event.id);
  return event;
};

const isRefused = ({ body, headers }, secret) => {
  const check = (call, kind) => {
    try {
      call();
    } catch (error) {
      if (error instanceof kind) return;
      throw error;
    }
    throw new Error("it was accepted");
  };
  check(
    () => stripe.webhooks.constructEvent(body, headers["stripe-signature"], secret),
    Stripe.errors.StripeSignatureVerificationError,
  );
  check(() => new Webhook(secret).verify(body, headers), WebhookVerificationError);
};

const delivered = async (name) => {
  await stripe.customers.create({ name });
  const { deliveries } = await ask("deliveries");
  assert.equal(deliveries.length, 1);
  return deliveries[0];
};

const plain = await delivered("Ada");
const event = verified(plain, endpoint.secret);
assert.deepEqual([event.type, event.data.object.name], ["customer.created", "Ada"]);
assert.equal((await stripe.webhooks.constructEventAsync(
  plain.body, plain.headers["stripe-signature"], endpoint.secret)).id, event.id);
isRefused({ ...plain, body: plain.body.replace("Ada", "Eve") }, endpoint.secret);
claim("both libraries accept a delivery, and refuse a changed one");

const rotated = await stripe.rawRequest("POST", `/v1/webhook_endpoints/${endpoint.id}/rotate_secret`);
assert.notEqual(rotated.secret, endpoint.secret);
const during = await delivered("Grace");
verified(during, rotated.secret);
verified(during, endpoint.secret);
isRefused(during, `whsec_${Buffer.alloc(32, 7).toString("base64")}`);
isRefused(plain, rotated.secret);
claim("while rotating, both secrets verify with both libraries, and no third one");
end();
