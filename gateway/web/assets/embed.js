// For a merchant's own page: prices in a frame, and buttons that open a checkout. It reads nothing of the page it is in.
(() => {
  const { origin } = new URL(document.currentScript.src);
  const PREFIX = "data-custom-";

  // What is handed through: hidden fields, and the merchant's own reference.
  const handed = (element) => {
    const fields = [...element.attributes].filter(({ name }) => name.startsWith(PREFIX));
    const pairs = fields.map(({ name, value }) => [`custom-${name.slice(PREFIX.length)}`, value]);
    const reference = element.getAttribute("data-reference");
    return reference ? [...pairs, ["client_reference_id", reference]] : pairs;
  };

  const open = (element) => {
    const form = document.createElement("form");
    form.method = "post";
    form.action = `${origin}/pricing/${encodeURIComponent(element.getAttribute("data-dues-table"))}/start`;
    form.target = element.getAttribute("data-dues-target") ?? "_top";
    const chosen = [["key", element.getAttribute("data-dues-key")], ["price", element.getAttribute("data-dues-price")]];
    for (const [name, value] of [...chosen, ...handed(element)]) {
      const input = document.createElement("input");
      input.type = "hidden";
      input.name = name;
      input.value = value ?? "";
      form.append(input);
    }
    document.body.append(form);
    form.submit();
    form.remove();
  };

  document.addEventListener("click", (event) => {
    const button = event.target.closest?.("[data-dues-price]");
    if (!button) return;
    event.preventDefault();
    open(button);
  });

  customElements.define("dues-pricing-table", class extends HTMLElement {
    connectedCallback() {
      if (this.frame) return;
      const query = new URLSearchParams([["embed", "1"], ...handed(this)]);
      if (this.lang) query.set("lang", this.lang);
      this.frame = document.createElement("iframe");
      this.frame.title = this.getAttribute("title") ?? "Prices";
      this.frame.src = `${origin}/pricing/${encodeURIComponent(this.getAttribute("table"))}?${query}`;
      this.frame.style.cssText = "border:0;width:100%;min-height:20rem;color-scheme:auto";
      this.append(this.frame);
    }
  });

  addEventListener("message", ({ origin: from, source, data }) => {
    if (from !== origin || !Number.isFinite(data?.duesHeight)) return;
    for (const { frame } of document.querySelectorAll("dues-pricing-table")) {
      if (frame?.contentWindow === source) frame.style.height = `${Math.ceil(data.duesHeight)}px`;
    }
  });
})();
