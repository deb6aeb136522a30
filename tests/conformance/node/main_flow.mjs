// The official `stripe` package for Node, unmodified: the main flow of a merchant.

import assert from "node:assert/strict";
import Stripe from "stripe";
import { ask, claim, client, end, refused } from "./shop.mjs";

const stripe = client();
const errors = Stripe.errors;

const product = await stripe.products.create({ name: "Tea", metadata: { shelf: "3" } });
const price = await stripe.prices.create({
  product: product.id, currency: "usd", unit_amount: 700, recurring: { interval: "month" },
});
const customer = await stripe.customers.create({ email: "ada@example.com", name: "Ada" });
const wallet = JSON.parse(process.env.DUES_WALLET);
const method = await stripe.paymentMethods.create({ type: "erc20_allowance", erc20_allowance: wallet });
await stripe.paymentMethods.attach(method.id, { customer: customer.id });
await stripe.customers.update(customer.id, { invoice_settings: { default_payment_method: method.id } });
assert.deepEqual([product.metadata.shelf, price.unit_amount, price.recurring.interval], ["3", 700, "month"]);
claim("product, price, customer and payment method");

const made = await stripe.subscriptions.create({
  customer: customer.id,
  items: [{ price: price.id, quantity: 2 }],
  payment_behavior: "default_incomplete",
  expand: ["latest_invoice.payments.data.payment.payment_intent", "latest_invoice.confirmation_secret"],
});
const intent = made.latest_invoice.payments.data[0].payment.payment_intent;
assert.deepEqual([made.status, made.latest_invoice.status, intent.status], ["incomplete", "open", "requires_action"]);
assert.equal(made.latest_invoice.amount_due, 1400);
assert.equal(made.latest_invoice.confirmation_secret.client_secret, intent.client_secret);
claim("a subscription waits for its wallet, expanded to depth 4");

await ask("fund", { balance: 30_000_000 });
const { signature } = await ask("sign", { typed_data: intent.next_action.approve_allowance.eip712 });
await stripe.paymentIntents.confirm(intent.id, { signature });
await ask("pump");
const active = await stripe.subscriptions.retrieve(made.id, { expand: ["latest_invoice.charge"] });
assert.deepEqual([active.status, active.latest_invoice.status, active.latest_invoice.paid], ["active", "paid", true]);
assert.match(active.latest_invoice.charge.transaction_hash, /^0x[0-9a-f]{64}$/);
assert.equal((await stripe.paymentIntents.retrieve(intent.id)).status, "succeeded");
claim("the subscription is active when the money is final");

const ids = [];
for (let n = 0; n < 5; n += 1) ids.push((await stripe.customers.create({ name: `n${n}` })).id);
const forth = [];
for await (const each of stripe.customers.list({ limit: 2 })) forth.push(each.id);
assert.deepEqual(forth.slice(0, 5), [...ids].reverse());
assert.equal(forth.at(-1), customer.id);
const back = [];
for await (const each of stripe.customers.list({ limit: 2, ending_before: ids[0] })) back.push(each.id);
assert.deepEqual(back, ids.slice(1));
claim("auto-paging in both directions");

const first = await stripe.customers.create({ name: "Eve" }, { idempotencyKey: "node-1" });
const again = await stripe.customers.create({ name: "Eve" }, { idempotencyKey: "node-1" });
assert.equal(again.id, first.id);
assert.equal(again.lastResponse.headers["idempotent-replayed"], "true");
const reused = await refused(
  errors.StripeIdempotencyError, stripe.customers.create({ name: "Mallory" }, { idempotencyKey: "node-1" }),
);
assert.equal(reused.statusCode, 400);
claim("an idempotent replay, and StripeIdempotencyError");

const unknown = await refused(errors.StripeAuthenticationError, client(`sk_test_${"x".repeat(36)}`).customers.list());
assert.equal(unknown.statusCode, 401);
const missing = await refused(errors.StripeInvalidRequestError, stripe.customers.retrieve("cus_x"));
assert.deepEqual([missing.statusCode, missing.code], [404, "resource_missing"]);
assert.match(missing.requestId, /^req_/);
const invalid = await refused(errors.StripeInvalidRequestError, stripe.customers.create({ nickname: "x" }));
assert.deepEqual([invalid.statusCode, invalid.param], [400, "nickname"]);
await refused(errors.StripePermissionError, client(process.env.DUES_PUBLISHABLE).customers.list());
const nowhere = client(process.env.DUES_KEY, { port: 9 });
await refused(errors.StripeConnectionError, nowhere.customers.list());
claim("authentication, invalid request, permission and connection errors");

await ask("fund", { balance: 0 });
await ask("renew", { period_end: active.items.data[0].current_period_end });
const owed = await stripe.subscriptions.retrieve(made.id, { expand: ["latest_invoice"] });
assert.deepEqual([owed.status, owed.latest_invoice.status], ["past_due", "open"]);
const declined = await refused(errors.StripeCardError, stripe.invoices.pay(owed.latest_invoice.id));
assert.deepEqual([declined.statusCode, declined.decline_code], [402, "insufficient_balance"]);
await ask("fund", { balance: 30_000_000 });
await stripe.invoices.pay(owed.latest_invoice.id);
await ask("pump");
assert.equal((await stripe.invoices.retrieve(owed.latest_invoice.id)).status, "paid");
claim("invoices.pay: StripeCardError, then paid");

const other = await stripe.subscriptions.create({
  customer: customer.id, items: [{ price: price.id }], payment_behavior: "default_incomplete",
});
assert.equal((await stripe.invoices.voidInvoice(other.latest_invoice)).status, "void");
const over = await refused(errors.StripeInvalidRequestError, stripe.invoices.finalizeInvoice(other.latest_invoice));
assert.equal(over.code, "invoice_unexpected_state");
claim("invoices void, and finalize of what is over is refused");

const charge = active.latest_invoice.charge.id;
const refund = await stripe.refunds.create({ charge, amount: 300, reason: "requested_by_customer" });
assert.deepEqual([refund.object, refund.status, refund.amount], ["refund", "requires_action", 300]);
assert.equal((await stripe.refunds.cancel(refund.id)).status, "canceled");
claim("a refund is prepared and canceled");

const session = await stripe.checkout.sessions.create({
  mode: "subscription", line_items: [{ price: price.id, quantity: 1 }],
  success_url: "https://shop.example/thanks?session_id={CHECKOUT_SESSION_ID}",
});
assert.equal(session.status, "open");
const lines = await stripe.checkout.sessions.listLineItems(session.id);
assert.equal(lines.data[0].price.id, price.id);
assert.equal((await stripe.checkout.sessions.expire(session.id)).status, "expired");
claim("a checkout session");

const start = active.created + 40 * 86_400;
const clock = await stripe.testHelpers.testClocks.create({ frozen_time: start, name: "node" });
await stripe.testHelpers.testClocks.advance(clock.id, { frozen_time: start + 86_400 });
await ask("clocks");
const ready = await stripe.testHelpers.testClocks.retrieve(clock.id);
assert.deepEqual([ready.status, ready.frozen_time], ["ready", start + 86_400]);
claim("a test clock");

const ours = await stripe.rawRequest("GET", `/v1/charge_intents/${made.latest_charge_intent}`);
assert.equal(ours.object, "charge_intent");
const ended = await stripe.subscriptions.cancel(made.id);
assert.deepEqual([ended.status, ended.cancellation_details.reason], ["canceled", "merchant"]);
claim("what is ours by rawRequest, and the end");
end();
