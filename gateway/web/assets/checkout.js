// Relays what the server prepared to the wallet of this browser (EIP-1193, found by EIP-6963). It computes no amounts.
const data = JSON.parse(document.getElementById("d").textContent);
const t = data.t;
const at = (id) => document.getElementById(id);
const wallets = new Map();
const pause = (ms) => new Promise((done) => setTimeout(done, ms));
let watched;

class Trouble extends Error {}

const say = (text) => { at("status").textContent = text; };
const warn = (text) => { say(""); at("alert").textContent = text; at("alert").scrollIntoView({ block: "nearest" }); };
const reload = () => location.replace(data.base + data.query);

async function ask(path, body) {
  let answer;
  try {
    answer = await fetch(data.base + path + data.query, body === undefined ? {} : {
      method: "POST", keepalive: true, headers: { "Content-Type": "application/json" }, body: JSON.stringify(body),
    });
  } catch {
    throw new Trouble(t.offline);
  }
  const told = await answer.json().catch(() => ({}));
  if (answer.status === 409) { reload(); await pause(60000); }
  if (!answer.ok) throw new Trouble(told.message || t.offline);
  return told;
}

const codeOf = (error) => error?.data?.originalError?.code ?? error?.code;

function words(error) {
  if (error instanceof Trouble) return error.message;
  const known = { 4001: t.rejected, "-32002": t.pending, 4100: t.locked, 4200: t.unsupported, "-32601": t.unsupported,
    "-32004": t.unsupported, 4900: t.disconnected, 4901: t.disconnected, "-32000": t.no_fee };
  return known[codeOf(error)] ?? t.trouble.replace("{message}", String(error?.message ?? error).slice(0, 200));
}

// One thing at a time: its button is busy until it is over, and what went wrong is said in words.
function on(button, work) {
  if (!button) return;
  button.disabled = false;
  button.addEventListener("click", async () => {
    button.disabled = true;
    at("alert").textContent = "";
    try {
      await work();
    } catch (error) {
      warn(words(error));
      button.disabled = false;
      button.focus();
    }
  });
}

function heard({ detail }) {
  if (!detail?.provider || wallets.has(detail.info.uuid)) return;
  wallets.set(detail.info.uuid, detail);
  show();
  say("");
}

function found() {
  const all = [...wallets.values()];
  if (!all.length && window.ethereum) all.push({ info: { name: t.browser, rdns: "window" }, provider: window.ethereum });
  return all;
}

function show() {
  const list = at("wallets");
  if (!list) return;
  const all = found();
  at("none").hidden = all.length > 0;
  // What is there already keeps the focus.
  if (list.childElementCount === all.length) return;
  list.replaceChildren(...all.map(({ info, provider }) => {
    const button = document.createElement("button");
    button.className = "go";
    if (info.icon?.startsWith("data:image/")) {
      const icon = document.createElement("img");
      icon.src = info.icon;
      icon.alt = "";
      button.append(icon);
    }
    button.append(t.connect.replace("{name}", info.name));
    on(button, () => (data.transfer ? send : connect)(info, provider));
    return button;
  }));
}

async function onChain(provider, chain) {
  if (BigInt(await provider.request({ method: "eth_chainId" })) === BigInt(chain.id)) return;
  say(t.switching);
  try {
    await provider.request({ method: "wallet_switchEthereumChain", params: [{ chainId: chain.id }] });
  } catch (error) {
    const code = codeOf(error);
    throw code === 4902 ? new Trouble(chain.unknown) : code === 4001 || code === -32002 ? error : new Trouble(chain.wrong);
  }
  if (BigInt(await provider.request({ method: "eth_chainId" })) !== BigInt(chain.id)) throw new Trouble(chain.wrong);
}

async function account(provider, chain) {
  say(t.connecting);
  const [address] = await provider.request({ method: "eth_requestAccounts" });
  if (!address) throw new Trouble(t.locked);
  await onChain(provider, chain);
  return address;
}

async function connect(info, provider) {
  const chosen = document.querySelector("[name=pay]:checked")?.value ?? 0;
  const { chain, token } = data.options[chosen];
  const address = await account(provider, chain);
  say(t.sending);
  try { sessionStorage.setItem("dues", info.rdns); } catch { /* private mode: the wallet is found by its account */ }
  await ask("/wallet", { address, chain_id: Number(chain.id), token });
  reload();
}

// A transfer that the server prepared, from any wallet; the page sees it arrive.
async function send(info, provider) {
  const { chain, to, data: call } = data.transfer;
  const from = await account(provider, chain);
  await ask("/payer", { address: from, to, chain_id: Number(chain.id) });
  say(t.transfer);
  await mined(await provider.request({ method: "eth_sendTransaction", params: [{ from, to, data: call }] }));
  reload();
}

// The wallet that was connected: remembered in this tab, else the one that has its account.
async function payer() {
  const all = found();
  let rdns;
  try { rdns = sessionStorage.getItem("dues"); } catch { /* as above */ }
  const first = all.find(({ info }) => info.rdns === rdns);
  for (const { provider } of first ? [first, ...all] : all) {
    const accounts = await provider.request({ method: "eth_accounts" }).catch(() => []);
    if (accounts.some((account) => account.toLowerCase() === data.payer)) return follow(provider);
  }
  const { provider } = first ?? all[0] ?? {};
  if (!provider) throw new Trouble(t.locked);
  say(t.connecting);
  const accounts = await provider.request({ method: "eth_requestAccounts" });
  if (!accounts.some((account) => account.toLowerCase() === data.payer)) throw new Trouble(t.account);
  return follow(provider);
}

function follow(provider) {
  if (watched !== provider && provider.on) {
    watched = provider;
    provider.on("accountsChanged", (accounts) => {
      if (!accounts.some((account) => account.toLowerCase() === data.payer)) warn(t.account);
    });
  }
  return provider;
}

async function allow(provider) {
  for (const call of data.calls) {
    say(t.approve);
    const hash = await provider.request({ method: "eth_sendTransaction", params: [{ from: data.payer, ...call }] });
    await mined(hash);
  }
}

async function mined(hash) {
  say(t.approving);
  for (let tries = 0; ; tries += 1) {
    const told = await ask((data.tx ?? "/allowance/") + hash);
    if (told.reverted) throw new Trouble(t.reverted);
    if (told.mined) return;
    if (tries > 80) throw new Trouble(t.slow);
    await pause(1500);
  }
}

const signed = (provider, document) =>
  provider.request({ method: "eth_signTypedData_v4", params: [data.payer, JSON.stringify(document)] });

// One prompt for everything, where the wallet sends calls together (EIP-5792).
async function batches(provider) {
  const { id } = data.chain;
  const told = await provider.request({ method: "wallet_getCapabilities", params: [data.payer, [id]] }).catch(() => ({}));
  return told?.[id]?.atomic?.status === "supported";
}

async function sendAll(provider) {
  say(t.batch);
  const { calls, mandate } = data.batch;
  const asked = { version: "2.0.0", from: data.payer, chainId: data.chain.id, atomicRequired: true, calls };
  try {
    await provider.request({ method: "wallet_sendCalls", params: [asked] });
  } catch (error) {
    if ([4001, -32002].includes(codeOf(error))) throw error;
    return; // what the wallet cannot do together, it can do one by one
  }
  say(t.sending);
  await ask("/sent", { mandate });
  reload();
  await pause(60000);
}

async function agree() {
  const provider = await payer();
  await onChain(provider, data.chain);
  if (data.batch && await batches(provider)) await sendAll(provider);
  await allow(provider);
  data.calls = [];
  let permit;
  if (data.permit) {
    say(t.permit);
    const { value, deadline } = data.permit.message;
    permit = { value, deadline: Number(deadline), signature: await signed(provider, data.permit) };
  }
  say(t.sign);
  const signature = await signed(provider, data.mandate);
  say(t.sending);
  await ask("/sign", { signature, permit });
  reload();
}

async function allowAgain() {
  const provider = await payer();
  await onChain(provider, data.chain);
  await allow(provider);
  await ask("/again", {});
  reload();
}

function live() {
  const source = new EventSource(data.base + "/events" + data.query);
  source.onmessage = ({ data: line }) => {
    const told = JSON.parse(line);
    at("alert").textContent = "";
    if (told.stage !== data.stage) { reload(); return; }
    const bar = at("bar");
    if (!bar) return;
    at("text").textContent = told.text;
    if (told.of) { bar.max = told.of; bar.value = told.i; }
  };
  source.onerror = () => warn(t.lost);
}

async function leave() {
  const stay = at("stay");
  let going = true;
  stay.hidden = false;
  stay.addEventListener("click", () => { going = false; stay.hidden = true; say(""); });
  say(t.leaving);
  await pause(data.pause);
  if (going) location.assign(at("leave").href);
}

addEventListener("eip6963:announceProvider", heard);
dispatchEvent(new Event("eip6963:requestProvider"));
if (at("wallets")) { say(t.looking); setTimeout(() => { say(""); show(); }, 400); }
on(at("copy"), async () => { await navigator.clipboard.writeText(location.href); say(t.copied); at("copy").disabled = false; });
on(at("agree"), agree);
on(at("reallow"), allowAgain);
on(at("topup"), async () => { await ask("/again", {}); reload(); });
for (const id of ["other", "again"]) on(at(id), async () => {
  const { url } = await ask("/forget", {});
  if (url) location.assign(url); else reload();
});
if (data.batch) setTimeout(async () => {
  for (const { provider } of found()) {
    const accounts = await provider.request({ method: "eth_accounts" }).catch(() => []);
    if (accounts.some((one) => one.toLowerCase() === data.payer) && await batches(provider)) at("prompts").textContent = t.once;
  }
}, 300);
if (data.frame) new ResizeObserver(() => {
  parent.postMessage({ duesHeight: document.querySelector("main").offsetHeight + 8 }, "*");
}).observe(document.body);
if (data.live) live();
// A page that was reached by a step is read from its heading on.
if (document.referrer.startsWith(location.origin + data.base)) at("h").focus();
if (data.pause && document.referrer.startsWith(location.origin + data.base)) leave();
