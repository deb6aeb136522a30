// Relays what the server prepared to the wallet of this browser: a message to sign in with, transactions that revoke.
const data = JSON.parse(document.getElementById("d").textContent);
const t = data.t;
const at = (id) => document.getElementById(id);
const wallets = new Map();
const pause = (ms) => new Promise((done) => setTimeout(done, ms));

class Trouble extends Error {}

const say = (text) => { at("status").textContent = text; };

async function ask(path, body) {
  let answer;
  try {
    answer = await fetch(data.base + path + data.query, body === undefined ? {} : {
      method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body),
    });
  } catch {
    throw new Trouble(t.offline);
  }
  const told = await answer.json().catch(() => ({}));
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
  button.disabled = false;
  button.addEventListener("click", async () => {
    button.disabled = true;
    at("alert").textContent = "";
    // What happens is said where it was asked for; a moment later, so that screen readers hear it there.
    (button.closest("#wallets") ?? button).after(at("status"), at("alert"));
    await pause(50);
    try {
      await work();
    } catch (error) {
      say("");
      at("alert").textContent = words(error);
      button.disabled = false;
      button.focus();
    }
  });
}

function found() {
  const all = [...wallets.values()];
  if (!all.length && window.ethereum) all.push({ info: { name: t.browser }, provider: window.ethereum });
  return all;
}

function show() {
  const list = at("wallets");
  if (!list) return;
  const all = found();
  at("none").hidden = all.length > 0;
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
    on(button, () => signIn(provider));
    return button;
  }));
}

const hex = (text) => "0x" + [...new TextEncoder().encode(text)].map((b) => b.toString(16).padStart(2, "0")).join("");

async function signIn(provider) {
  say(t.connecting);
  const [address] = await provider.request({ method: "eth_requestAccounts" });
  if (!address) throw new Trouble(t.locked);
  const chain = "0x" + BigInt(await provider.request({ method: "eth_chainId" })).toString(16);
  if (!data.chains.includes(chain)) throw new Trouble(t.chain);
  const { message } = await ask("/challenge", { address, chain_id: Number(chain) });
  say(t.signing);
  const signature = await provider.request({ method: "personal_sign", params: [hex(message), address] });
  say(t.sending);
  location.assign((await ask("/wallet", { message, signature })).url);
}

// The wallet that has the account: one that shares it already, else the first that does when it is asked.
async function holder(wanted) {
  const has = (accounts) => accounts.some((account) => account.toLowerCase() === wanted.payer);
  const all = found();
  if (!all.length) throw new Trouble(t.no_wallet);
  for (const { provider } of all) {
    if (has(await provider.request({ method: "eth_accounts" }).catch(() => []))) return provider;
  }
  say(t.connecting);
  for (const { provider } of all) {
    if (has(await provider.request({ method: "eth_requestAccounts" }))) return provider;
  }
  throw new Trouble(wanted.t.account);
}

async function onChain(provider, chain) {
  if (BigInt(await provider.request({ method: "eth_chainId" })) === BigInt(chain.id)) return;
  say(chain.switching);
  try {
    await provider.request({ method: "wallet_switchEthereumChain", params: [{ chainId: chain.id }] });
  } catch (error) {
    const code = codeOf(error);
    throw code === 4902 ? new Trouble(chain.unknown) : code === 4001 || code === -32002 ? error : new Trouble(chain.wrong);
  }
  if (BigInt(await provider.request({ method: "eth_chainId" })) !== BigInt(chain.id)) throw new Trouble(chain.wrong);
}

async function revoke(wanted) {
  const provider = await holder(wanted);
  await onChain(provider, wanted.chain);
  while (wanted.calls.length) {
    const [{ type, to, data: input }] = wanted.calls;
    say(t[type]);
    const hash = await provider.request({ method: "eth_sendTransaction", params: [{ from: wanted.payer, to, data: input }] });
    say(wanted.t.mining);
    for (let tries = 0; ; tries += 1) {
      const told = await ask(`/transactions/${Number(wanted.chain.id)}/${hash}`);
      if (told.reverted) throw new Trouble(t.reverted);
      if (told.mined) break;
      if (tries > 80) throw new Trouble(t.slow);
      await pause(1500);
    }
    wanted.calls.shift();
  }
  const query = new URLSearchParams(data.query);
  query.set("done", "revoked");
  location.replace(location.pathname + "?" + query);
}

addEventListener("eip6963:announceProvider", ({ detail }) => {
  if (!detail?.provider || wallets.has(detail.info.uuid)) return;
  wallets.set(detail.info.uuid, detail);
  show();
});
dispatchEvent(new Event("eip6963:requestProvider"));
setTimeout(show, 400);
for (const button of document.querySelectorAll("[data-revoke]")) on(button, () => revoke(data.revoke[button.dataset.revoke]));
// A page that was reached from another one of these is read from its heading on.
if (document.referrer.startsWith(location.origin + "/customer")) at("h").focus();
