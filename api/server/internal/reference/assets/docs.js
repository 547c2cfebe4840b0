// Search, copying and sending of requests for the API reference, which can be read without it.

const find = (selector, from = document) => [...from.querySelectorAll(selector)];
const fill = (text, values) => text.replace(/\{(\w+)\}/g, (_, name) => values[name]);
const labels = document.body.dataset;

function search(text) {
  const words = text.toLowerCase().split(/\s+/).filter(Boolean);
  let matches = 0;
  for (const item of find("[data-operation]")) {
    const article = document.getElementById(item.dataset.operation);
    const { method, path } = article.dataset;
    const described = `${method} ${path} ${item.dataset.operation} ${article.textContent}`.toLowerCase();
    const hit = words.every((word) => described.includes(word));
    item.hidden = article.hidden = !hit;
    matches += hit ? 1 : 0;
  }
  for (const group of find("[data-group]")) group.hidden = !group.querySelector("[data-operation]:not([hidden])");
  for (const section of find("[data-section]")) section.hidden = !section.querySelector("article:not([hidden])");
  document.getElementById("none").hidden = matches > 0;
}

function addCopy(figure) {
  const button = document.createElement("button");
  const label = document.documentElement.lang === "zh" ? "复制" : "Copy";
  button.type = "button";
  button.textContent = label;
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(figure.querySelector("code").textContent);
    button.textContent = labels.copied;
    setTimeout(() => { button.textContent = label; }, 2000);
  });
  figure.append(button);
}

const node = (name, properties) => Object.assign(document.createElement(name), properties);

// show appends the body of a response. An event stream is shown as it arrives.
async function show(response, result) {
  const type = response.headers.get("Content-Type") ?? "";
  const headers = [...response.headers].map(([name, value]) => `${name}: ${value}`).join("\n");
  result.append(node("pre", { textContent: headers, tabIndex: 0 }));
  if (type.startsWith("image/")) {
    result.append(node("img", { src: URL.createObjectURL(await response.blob()), alt: "" }));
    return;
  }
  if (type.startsWith("audio/")) {
    result.append(node("audio", { src: URL.createObjectURL(await response.blob()), controls: true }));
    return;
  }
  const pre = result.appendChild(node("pre", { tabIndex: 0 }));
  if (type.startsWith("text/event-stream")) {
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    for (let part = await reader.read(); !part.done; part = await reader.read()) pre.append(part.value);
    return;
  }
  const text = await response.text();
  try {
    pre.textContent = JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    pre.textContent = text;
  }
}

function request(form) {
  const { method, path } = form.closest("article").dataset;
  let url = path;
  const query = new URLSearchParams();
  for (const input of find("[data-in]", form)) {
    if (input.dataset.in === "path") url = url.replace(`{${input.name}}`, encodeURIComponent(input.value.trim()));
    else if (input.value) query.set(input.name, input.value);
  }
  if (query.size) url += `?${query}`;
  const headers = {};
  const token = document.getElementById("token").value.trim();
  if (token) headers.Authorization = `Bearer ${token}`;
  const body = form.elements.body?.value || undefined;
  if (body) headers["Content-Type"] = "application/json";
  return [url, { method, headers, body }];
}

function prepare(details) {
  const form = details.querySelector("form");
  const [output, result, stop] = [form.querySelector("output"), form.querySelector(".result"), form.querySelector("[data-stop]")];
  let running;
  form.querySelector("[data-examples]")?.addEventListener("change", (event) => { form.elements.body.value = event.target.value; });
  stop.addEventListener("click", () => running?.abort());
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    running?.abort();
    const current = running = new AbortController();
    const [url, options] = request(form);
    const began = performance.now();
    result.replaceChildren();
    output.textContent = "…";
    stop.hidden = false;
    try {
      const response = await fetch(url, { ...options, signal: current.signal });
      output.textContent = fill(labels.took, { status: response.status, ms: Math.round(performance.now() - began) });
      await show(response, result);
    } catch (error) {
      if (error.name !== "AbortError") output.textContent = fill(labels.failed, { error: error.message });
    } finally {
      if (running === current) stop.hidden = true;
    }
  });
  details.hidden = false;
}

for (const code of find("figure code")) code.textContent = code.textContent.replaceAll("https://api.example.com", location.origin);
find("figure").forEach(addCopy);
find(".try").forEach(prepare);
document.querySelector(".secret").hidden = false;
const input = document.getElementById("search");
input.closest("label").hidden = false;
input.addEventListener("input", () => search(input.value));
document.addEventListener("keydown", (event) => {
  if (event.key === "/" && !event.target.closest("input, textarea, select")) {
    event.preventDefault();
    input.focus();
  }
});
